/* What the scanners of an event share: the rules that they are given, where they are, what they have found.
 *
 * Knows nothing of Python; `rules.c` fills in the rules. What is called for each member of an object is inline.
 */
#ifndef MPIMPORT_SCAN_H
#define MPIMPORT_SCAN_H

#include "text.h"

#define SLOTS 256          /* of a table of words, which is never more than half full */
#define MAX_OPEN_NAMES 2304 /* names in the objects that are open at a time: `rules.c` sees to it that no more can be */
#define MAX_NESTING 8      /* levels of objects, and of lists: so deep do the scanners call themselves */
#define TOO_MANY_LEVELS 4  /* of objects, beyond those that are legal, are looked into: what is deeper is left */
#define MAX_INT_DIGITS 18  /* a whole number of so many digits fits 64 bits */
#define MAX_EDITS 256      /* of one event; there is a bound, and an event with more is left */
#define MAX_ODDS 512        /* events that are odd, of one call: about as many as a block holds */
#define IP_BYTES 10        /* more than `ip` and a line end make an event longer */

/* What a property's name means to the rules. */
enum { ORDINARY, EVENT = ORDINARY, TIME, DISTINCT_ID, INSERT_ID, IP, REFUSED }; /* `recognise` names them, too */

#define DEEP REFUSED /* among what is odd, where no refused name is: an object has too many levels */

/* What becomes of a property. */
enum { KEEP, DROP, AS_STRING, AS_NUMBER, AS_BOOLEAN, NO_STRING, NOT_EMPTY }; /* `edits` names them, too */

typedef struct {
    const char *text;  /* NULL in an empty slot */
    size_t size;
    uint32_t hash;
    int kind;          /* of the name that it is sent by */
    int action;
    const char *sent;  /* the name that it is sent by, and needs no escape */
    size_t sent_size;
    uint32_t sent_hash;
} Word;

typedef struct {
    size_t max_text;       /* code points in a text or a name */
    size_t max_properties; /* less what may be added */
    size_t max_keys;
    size_t max_items;
    int max_depth;
    int max_lists;
    size_t max_insert_id;
    size_t max_bytes;      /* of a record, so that no list or object in it is too large */
    Word names[SLOTS];
    Word ids[SLOTS];       /* that are refused or look like a missing value */
    int other_action;      /* for properties of other names */
    Piece event_name;      /* for all events, escaped; empty: they keep theirs */
    Piece added;           /* members, each with a comma before it, that are added to the properties */
    size_t growth;         /* bytes by which edits make an event longer at most */
} Rules;

typedef struct {
    int64_t oldest_s, newest_s;
} Times;

typedef struct {
    Bytes from, until;     /* are left out */
    Piece piece;           /* takes their place */
} Edit;

typedef struct {
    const Rules *rules;
    Bytes at;
    Bytes end;
    Times times;
    int needs_ip;          /* `ip` is added to events that lack it */
    int seen;              /* bits of the kinds of names that the properties hold */
    int odd;               /* bits of the kinds of names whose value is missing or not as its own rule has it, and DEEP */
    Bytes first_property;  /* behind the opening brace of the properties */
    Bytes closing;         /* at their closing brace */
    size_t open;           /* how many of `hashes` are in use */
    uint32_t hashes[MAX_OPEN_NAMES];
    size_t edit_count;
    Edit edits[MAX_EDITS]; /* of this event, in the order of its text */
} Scan;

/* An event that is not taken, because of what is odd in it and nothing else. */
typedef struct {
    size_t after;          /* so many events were taken before it */
    Bytes line, end;
    int odd;
} Odd;

typedef struct {
    size_t most;           /* how many may be passed over, no more than MAX_ODDS */
    size_t count;
    Odd found[MAX_ODDS];
} Odds;

#ifdef __GNUC__ /* other compilers show nobody what they are not told to */
#pragma GCC visibility push(hidden)
#endif

/* values.c; each of them gives 0 where it does not pass over what it is for */
int scan_value(Scan *scan, int depth, int lists);
int scan_number(Scan *scan);

/* edits.c */
int note_edit(Scan *scan, Bytes from, Bytes until, const char *text, size_t size);
int leave_out(Scan *scan, Bytes from, Bytes until);
int scan_as_string(Scan *scan);
int scan_as(Scan *scan, int action);
char *put_edited(const Scan *scan, Bytes from, Bytes end, char *out);

/* properties.c */
int scan_members(Scan *scan);

/* events.c */
size_t take_lines(Scan *scan, size_t room, char **out, Odds *odds);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

static inline const Word *find_word(const Word *words, uint32_t hashed, Bytes text, size_t size)
{
    for (size_t slot = hashed % SLOTS; words[slot].text; slot = (slot + 1) % SLOTS)
        if (words[slot].hash == hashed && words[slot].size == size && !memcmp(words[slot].text, text, size))
            return &words[slot];
    return NULL;
}

/* Pass over a string that is not too long (`string_too_long`, `name_too_long`, `lone_surrogate`). */
static inline int scan_string(Scan *scan, Text *text)
{
    if (*scan->at != '"')
        return 0;
    Bytes at = text->text = scan->at + 1;
    text->escaped = 0;
    while (*(at = skip_plain(at, scan->end)) != '"') {
        if (*at == '\\') {
            text->escaped = 1;
            at = skip_escape(at);
        } else {
            at = skip_character(at);
        }
        if (at == NULL)
            return 0;
    }
    text->size = (size_t)(at - text->text);
    scan->at = at + 1;
    /* a character never takes less than a byte */
    return text->size <= scan->rules->max_text || count_characters(text) <= scan->rules->max_text;
}

static inline int scan_word(Scan *scan, const char *word)
{
    for (; *word; word++)
        if (*scan->at++ != (unsigned char)*word)
            return 0;
    return 1;
}

/* Pass over a comma or a colon, and what space there is around it. */
static inline int scan_mark(Scan *scan, char mark)
{
    Bytes at = skip_space(scan->at);
    if (*at != (unsigned char)mark)
        return 0;
    scan->at = skip_space(at + 1);
    return 1;
}

/* Tell whether a name stands in the object already, or may: names with the same hash are not compared any further.
 * `first` is where the names of this object begin. */
static inline int is_repeated(const Scan *scan, size_t first, uint32_t hashed)
{
    int found = 0;
    for (size_t i = first; i < scan->open; i++)
        found |= scan->hashes[i] == hashed;
    return found;
}

/* Enter a name among those of an object (`duplicate_key`). */
static inline int enter_name(Scan *scan, size_t first, uint32_t hashed)
{
    if (is_repeated(scan, first, hashed))
        return 0;
    scan->hashes[scan->open++] = hashed;
    return 1;
}

#endif
