/* Recognises events that are right, as they stand or with the edits that somebody asked for, and copies them as they are
 * to be sent: no Python object is made of any of them, and while a block is looked at, other threads of Python run.
 *
 * It knows no more than `quick` does in Python, which is its reference: whatever is taken here, `quick` would have
 * taken, and the bytes are the same. Whatever is not surely so is left to `quick`, so a rule may be stricter here than
 * it has to be, and no reason for a refusal is ever given; of an event that `quick` would not take either it is said
 * what is odd in it if it is sound, as `accept` has it. The numbers, names and ids are handed in by `recognise`:
 * their home is `limits`, and the tests hold both to the same verdict. Edits come from `edits`, their reference is
 * `mapping`; an event with edits is taken only if it is right before them and after them.
 *
 * Rows of a table it writes as events, for the recogniser to look at; a row with anything unusual in it is left, too.
 *
 * Text is read up to the NUL that CPython puts behind the bytes of every `bytes` object. It is white space nowhere and
 * may stand in no string, number or word of JSON, so wherever a text ends, reading stops.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
#include <intrin.h>
#endif

#define SLOTS 256          /* of a table of words, which is never more than half full */
#define MAX_OPEN_NAMES 1280 /* names in the objects that are open at a time: `new_rules` sees to it that no more can be */
#define MAX_INT_DIGITS 18  /* a whole number of so many digits fits 64 bits */
#define MAX_DIGITS 40      /* with these two, a number with a fraction or an exponent is far inside the range of a double */
#define MAX_EXPONENT_DIGITS 2
#define MAX_TEXT_DECIMALS 6 /* with more of them, Python may spell a number with an exponent */
#define MAX_EDITS 256      /* of one event; `new_rules` needs a bound, and one with more is left */
#define MAX_COLUMNS 256
#define ROW_BYTES 32       /* more than the names and braces of an event */
#define MAX_CELL_DIGITS 15 /* with the point, so that every reader holds the number exactly */
#define SHORTEST 40        /* bytes: no event that is taken is shorter, for it has two names of its own and three inside */
#define CLOSING_SPAN 64    /* `accept.with_properties` looks for the two closing braces no further from the end */
#define WORTH_RELEASING 16384 /* bytes: to let other threads run takes longer than to look at less */
#define NAME "mpimport._recognise.rules"

static const char IP_LAST[] = ",\"ip\":0}}";
static const char IP_FIRST[] = "\"ip\":0,";

typedef const unsigned char *Bytes;

/* What a property's name means to the rules. */
enum { ORDINARY, EVENT = ORDINARY, TIME, DISTINCT_ID, INSERT_ID, IP, REFUSED }; /* `recognise` names them, too */

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
    const char *text;
    size_t size;
} Piece;

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
    PyObject *words;       /* holds all the texts */
    char *scratch;         /* the events of one call, before they are appended */
    size_t scratch_size;
    int busy;
} Rules;

typedef struct {
    int64_t oldest_s, newest_s;
} Times;

typedef struct {
    Bytes from, until;     /* are left out */
    Piece piece;           /* takes their place */
} Edit;

/* What the cells of a column are; `columnar` names them, too. */
enum { TEXT_COLUMN, TIME_COLUMN, NUMBER_COLUMN, BOOLEAN_COLUMN };

typedef struct {
    int at;            /* of the row's cells */
    int kind;
    Piece name;        /* as JSON has it, with the colon */
} Column;

typedef struct {
    const Rules *rules;
    Bytes at;
    Bytes end;
    Times times;
    int needs_ip;          /* `ip` is added to events that lack it */
    int seen;              /* bits of the kinds of names that the properties hold */
    int odd;               /* bits of the kinds of names whose value is missing or not as its own rule has it */
    Bytes first_property;  /* behind the opening brace of the properties */
    Bytes closing;         /* at their closing brace */
    size_t open;           /* how many of `hashes` are in use */
    uint32_t hashes[MAX_OPEN_NAMES];
    size_t edit_count;
    Edit edits[MAX_EDITS]; /* of this event, in the order of its text */
} Scan;

typedef struct {
    Bytes text;
    size_t size;
    int escaped;
} Text;

/* --- bytes ----------------------------------------------------------------------------------------------------- */

static uint64_t load(Bytes at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static int is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

static int is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

static Bytes skip_space(Bytes at) /* line breaks are not passed over: with one in it, an event is written again */
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

static uint32_t hash(Bytes text, size_t size)
{
    uint64_t mixed = size;
    for (; size >= 8; size -= 8, text += 8)
        mixed = (mixed ^ load(text)) * UINT64_C(0x9E3779B97F4A7C15), mixed ^= mixed >> 32;
    uint64_t rest = 0;
    while (size)
        rest = rest << 8 | text[--size];
    mixed = (mixed ^ rest) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(mixed >> 32);
}

static const Word *find_word(const Word *words, uint32_t hashed, Bytes text, size_t size)
{
    for (size_t slot = hashed % SLOTS; words[slot].text; slot = (slot + 1) % SLOTS)
        if (words[slot].hash == hashed && words[slot].size == size && !memcmp(words[slot].text, text, size))
            return &words[slot];
    return NULL;
}

/* --- strings ---------------------------------------------------------------------------------------------------- */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_BYTE(marks) (__builtin_ctzll(marks) / 8)
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_ARM64))
#define FIRST_BYTE(marks) first_byte(marks)
static int first_byte(uint64_t marks)
{
    unsigned long bit;
    _BitScanForward64(&bit, marks);
    return (int)bit / 8;
}
#endif

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Pass over printable ASCII but for the quote and the backslash. */
static Bytes skip_plain(Bytes at, Bytes end)
{
#ifdef FIRST_BYTE
    while (end - at >= 8) {
        uint64_t word = load(at);
        /* marks the high bit of a byte that is below 0x20, a quote, a backslash or no ASCII. A mark may be wrong behind
         * the first one only, where a subtraction has borrowed. */
        uint64_t marks = ((word - EACH(0x20)) | ((word ^ EACH('"')) - EACH(1)) | ((word ^ EACH('\\')) - EACH(1)) | word)
                         & EACH(0x80);
        if (marks)
            return at + FIRST_BYTE(marks);
        at += 8;
    }
#endif
    while (*at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Pass over one character of UTF-8 beyond ASCII; NULL where there is none (Unicode standard, table 3-7). */
static Bytes skip_character(Bytes at)
{
    if (at[0] >= 0xC2 && at[0] <= 0xDF)
        return is_continuation(at[1]) ? at + 2 : NULL;
    if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        if (!is_continuation(at[1]) || !is_continuation(at[2]))
            return NULL;
        int is_overlong = at[0] == 0xE0 && at[1] < 0xA0;
        int is_surrogate = at[0] == 0xED && at[1] > 0x9F;
        return is_overlong || is_surrogate ? NULL : at + 3;
    }
    if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        if (!is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3]))
            return NULL;
        int is_overlong = at[0] == 0xF0 && at[1] < 0x90;
        int is_beyond = at[0] == 0xF4 && at[1] > 0x8F;
        return is_overlong || is_beyond ? NULL : at + 4;
    }
    return NULL;
}

static int hex_unit(Bytes at) /* the four digits behind \u, -1 where they are none */
{
    int unit = 0;
    for (int i = 0; i < 4; i++) {
        int lower = at[i] | 0x20;
        if (is_digit(at[i]))
            unit = unit * 16 + at[i] - '0';
        else if (lower >= 'a' && lower <= 'f')
            unit = unit * 16 + lower - 'a' + 10;
        else
            return -1;
    }
    return unit;
}

/* Pass over an escape; NULL where it is none, and for half a character. */
static Bytes skip_escape(Bytes at)
{
    if (at[1] == 'u') {
        int unit = hex_unit(at + 2);
        if (unit >= 0xD800 && unit <= 0xDBFF) {
            if (at[6] != '\\' || at[7] != 'u')
                return NULL;
            int low = hex_unit(at + 8);
            return low >= 0xDC00 && low <= 0xDFFF ? at + 12 : NULL;
        }
        return unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF) ? NULL : at + 6;
    }
    return at[1] && strchr("\"\\/bfnrt", at[1]) ? at + 2 : NULL;
}

static size_t count_characters(const Text *text)
{
    size_t count = 0;
    for (Bytes at = text->text, end = at + text->size; at < end; count++) {
        if (*at == '\\')
            at = skip_escape(at);
        else
            at = *at < 0x80 ? at + 1 : skip_character(at);
    }
    return count;
}

/* Pass over a string that is not too long (`string_too_long`, `name_too_long`, `lone_surrogate`). */
static int scan_string(Scan *scan, Text *text)
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

/* --- values ----------------------------------------------------------------------------------------------------- */

/* Pass over a number that is finite for every reader (`number_out_of_range`). */
static int scan_number(Scan *scan)
{
    Bytes at = scan->at + (*scan->at == '-'), first = at;
    if (!is_digit(*at) || (*at == '0' && is_digit(at[1])))
        return 0;
    while (is_digit(*at))
        at++;
    Bytes whole = at;
    if (*at == '.') {
        if (!is_digit(*++at))
            return 0;
        while (is_digit(*at))
            at++;
    }
    if (at - first > (at == whole ? MAX_INT_DIGITS : MAX_DIGITS))
        return 0;
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        Bytes exponent = at;
        while (is_digit(*at))
            at++;
        if (at == exponent || at - exponent > MAX_EXPONENT_DIGITS)
            return 0;
    }
    scan->at = at;
    return 1;
}

static int scan_word(Scan *scan, const char *word)
{
    for (; *word; word++)
        if (*scan->at++ != (unsigned char)*word)
            return 0;
    return 1;
}

/* Pass over a comma or a colon, and what space there is around it. */
static int scan_mark(Scan *scan, char mark)
{
    Bytes at = skip_space(scan->at);
    if (*at != (unsigned char)mark)
        return 0;
    scan->at = skip_space(at + 1);
    return 1;
}

static int scan_object(Scan *scan, int depth);
static int scan_list(Scan *scan, int depth, int lists);

/* Pass over a value that may hold `depth` levels of objects and `lists` of lists (`accept._value_type`). */
static int scan_value(Scan *scan, int depth, int lists)
{
    Text text;
    switch (*scan->at) {
    case '"':
        return scan_string(scan, &text);
    case '{':
        return depth && scan_object(scan, depth - 1);
    case '[':
        return lists && scan_list(scan, depth, lists - 1);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        return scan_number(scan);
    }
}

/* Pass over a list (`list_too_long`). */
static int scan_list(Scan *scan, int depth, int lists)
{
    scan->at = skip_space(scan->at + 1);
    if (*scan->at == ']') {
        scan->at++;
        return 1;
    }
    for (size_t count = 1; count <= scan->rules->max_items; count++) {
        if (!scan_value(scan, depth, lists))
            return 0;
        scan->at = skip_space(scan->at);
        if (*scan->at == ']') {
            scan->at++;
            return 1;
        }
        if (!scan_mark(scan, ','))
            return 0;
    }
    return 0;
}

/* --- edits ------------------------------------------------------------------------------------------------------ */

/* Note an edit behind all that are noted; 0 when there are too many. */
static int edit(Scan *scan, Bytes from, Bytes until, const char *text, size_t size)
{
    if (scan->edit_count == MAX_EDITS)
        return 0;
    Edit noted = {from, until, {text, size}};
    scan->edits[scan->edit_count++] = noted;
    return 1;
}

/* Leave out text that nothing noted reaches beyond; what is noted inside of it is forgotten. */
static int leave_out(Scan *scan, Bytes from, Bytes until)
{
    while (scan->edit_count && scan->edits[scan->edit_count - 1].until > from)
        scan->edit_count--;
    if (scan->edit_count) {
        Edit *last = &scan->edits[scan->edit_count - 1];
        if (last->until == from && !last->piece.size) {
            last->until = until;
            return 1;
        }
    }
    return edit(scan, from, until, "", 0);
}

/* Pass over a number that Python spells in the same way. */
static int scan_plain_number(Scan *scan)
{
    Bytes first = scan->at, at = first + (*first == '-'), whole;
    if (!scan_number(scan))
        return 0;
    while (is_digit(*at))
        at++;
    whole = at;
    if (at < scan->at && *at == '.')
        for (at++; is_digit(*at);)
            at++;
    if (at == whole && first[0] == '-' && first[1] == '0') /* -0 is 0 */
        return 0;
    return at == scan->at && at - whole <= MAX_TEXT_DECIMALS + 1;
}

/* Pass over a value that is to be a text, and is quoted if it is a number or a boolean (`mapping.Mapper`). */
static int scan_as_string(Scan *scan)
{
    Bytes first = scan->at;
    int is_number = is_digit(*first) || *first == '-';
    if (!is_number && *first != 't' && *first != 'f')
        return scan_value(scan, scan->rules->max_depth, scan->rules->max_lists);
    if (!(is_number ? scan_plain_number(scan) : scan_word(scan, *first == 't' ? "true" : "false")))
        return 0;
    return edit(scan, first, first, "\"", 1) && edit(scan, scan->at, scan->at, "\"", 1);
}

/* Pass over a value that is to be something else where it is text, and is taken out of its quotes; where a text does
 * not say what is meant as JSON says it, it is left to `value_types`. */
static int scan_as(Scan *scan, int action)
{
    Bytes first = scan->at;
    if (*first != '"')
        return scan_value(scan, scan->rules->max_depth, scan->rules->max_lists);
    scan->at++;
    if (action == AS_NUMBER ? !scan_plain_number(scan)
                            : action != AS_BOOLEAN || !scan_word(scan, *scan->at == 't' ? "true" : "false"))
        return 0;
    if (*scan->at++ != '"')
        return 0;
    return leave_out(scan, first, first + 1) && leave_out(scan, scan->at - 1, scan->at);
}

/* --- properties ------------------------------------------------------------------------------------------------- */

/* `time_too_old`, `time_in_future`: a whole number of seconds or milliseconds. */
static int scan_time(Scan *scan)
{
    Bytes first = scan->at;
    int64_t time = 0;
    if (!is_digit(*first) || !scan_number(scan) || scan->at - first > MAX_INT_DIGITS)
        return 0;
    for (Bytes at = first; at < scan->at; at++) {
        if (!is_digit(*at))
            return 0;
        time = time * 10 + (*at - '0');
    }
    Times range = scan->times;
    return (range.oldest_s <= time && time <= range.newest_s) ||
           (range.oldest_s * 1000 <= time && time <= range.newest_s * 1000);
}

/* An id that is text, neither refused nor one that is warned about (`distinct_id_disallowed`, `id_lookalike`). */
static int scan_id(Scan *scan, Text *id)
{
    return scan_string(scan, id) && !id->escaped &&
           find_word(scan->rules->ids, hash(id->text, id->size), id->text, id->size) == NULL;
}

/* `insert_id_invalid`: the same as `limits.INSERT_ID`. */
static int scan_insert_id(Scan *scan)
{
    Text id;
    if (!scan_id(scan, &id) || id.size < 1 || id.size > scan->rules->max_insert_id)
        return 0;
    for (size_t i = 0; i < id.size; i++) {
        int lower = id.text[i] | 0x20;
        if (!is_digit(id.text[i]) && id.text[i] != '-' && (lower < 'a' || lower > 'z'))
            return 0;
    }
    return 1;
}

/* Tell whether a property is as its own rule has it; only then is it surely passed over. */
static int scan_special(Scan *scan, int kind, int action)
{
    Text text;
    switch (kind) {
    case TIME:
        return scan_time(scan);
    case DISTINCT_ID:
        return scan_id(scan, &text);
    case INSERT_ID:
        return scan_insert_id(scan);
    case IP: /* `ip_empty`: such a property is taken out */
        if ((scan->needs_ip || action == NOT_EMPTY) && (*scan->at == 'n' || (*scan->at == '"' && scan->at[1] == '"')))
            return 0;
        break;
    default:
        break;
    }
    if (action == AS_STRING)
        return scan_as_string(scan);
    if (action != KEEP && action != NOT_EMPTY)
        return scan_as(scan, action);
    return scan_value(scan, scan->rules->max_depth, scan->rules->max_lists);
}

/* Pass over the value of a property that is sent by a name of that kind. */
static int scan_property(Scan *scan, int kind, int action)
{
    Bytes value = scan->at;
    scan->seen |= 1 << kind;
    if (kind == REFUSED) /* `reserved_property`, `ignored_event` */
        return 0;
    if (scan_special(scan, kind, action))
        return 1;
    if (kind == ORDINARY || (*value == '"' && memchr(value, '\\', (size_t)(scan->at - value)))) /* may be right */
        return 0;
    scan->at = value;
    scan->odd |= 1 << kind;
    return scan_value(scan, scan->rules->max_depth, scan->rules->max_lists);
}

/* Tell whether a name stands in the object already, or may: names with the same hash are not compared any further.
 * `first` is where the names of this object begin. */
static int is_repeated(const Scan *scan, size_t first, uint32_t hashed)
{
    int found = 0;
    for (size_t i = first; i < scan->open; i++)
        found |= scan->hashes[i] == hashed;
    return found;
}

/* Enter a name among those of an object (`duplicate_key`). */
static int enter_name(Scan *scan, size_t first, uint32_t hashed)
{
    if (is_repeated(scan, first, hashed))
        return 0;
    scan->hashes[scan->open++] = hashed;
    return 1;
}

/* Pass over a member of an object. A name that is spelt with escapes may be another one, or a special one. */
static int scan_member(Scan *scan, size_t first, int depth)
{
    Text name;
    return scan_string(scan, &name) && !name.escaped && enter_name(scan, first, hash(name.text, name.size)) &&
           scan_mark(scan, ':') && scan_value(scan, depth, scan->rules->max_lists);
}

/* Pass over a member of the properties; -1 when it is to be left out. */
static int scan_property_member(Scan *scan, size_t first)
{
    const Rules *rules = scan->rules;
    Text name;
    if (!scan_string(scan, &name) || name.escaped)
        return 0;
    uint32_t hashed = hash(name.text, name.size);
    const Word *word = find_word(rules->names, hashed, name.text, name.size);
    int action = word ? word->action : rules->other_action;
    if (!enter_name(scan, first, word ? word->sent_hash : hashed) ||
        (word && word->sent != word->text && !edit(scan, name.text, name.text + name.size, word->sent, word->sent_size)) ||
        !scan_mark(scan, ':'))
        return 0;
    if (action == DROP)
        return scan_value(scan, rules->max_depth, rules->max_lists) ? -1 : 0;
    return scan_property(scan, word ? word->kind : ORDINARY, action);
}

/* Pass over an object whose values may hold `depth` levels of objects (`object_too_wide`). */
static int scan_object(Scan *scan, int depth)
{
    size_t first = scan->open;
    scan->at = skip_space(scan->at + 1);
    if (*scan->at == '}') {
        scan->at++;
        return 1;
    }
    while (scan->open - first < scan->rules->max_keys && scan_member(scan, first, depth)) {
        scan->at = skip_space(scan->at);
        if (*scan->at == '}') {
            scan->open = first;
            scan->at++;
            return 1;
        }
        if (!scan_mark(scan, ','))
            return 0;
    }
    return 0;
}

/* Pass over the object of the properties, unless all are left out (`too_many_properties`). */
static int scan_members(Scan *scan)
{
    Bytes kept = NULL; /* where the last member ends that is */
    scan->at = skip_space(scan->at + 1);
    if (*scan->at == '}') {
        scan->closing = scan->at++;
        return 1;
    }
    while (scan->open < scan->rules->max_properties) {
        Bytes member = scan->at;
        int found = scan_property_member(scan, 0);
        if (!found)
            return 0;
        if (found > 0)
            kept = scan->at;
        scan->at = skip_space(scan->at);
        if (*scan->at == '}') {
            scan->closing = scan->at++;
            return kept && (found > 0 || leave_out(scan, kept, scan->closing));
        }
        if (!scan_mark(scan, ',') || (found < 0 && !leave_out(scan, member, scan->at)))
            return 0;
    }
    return 0;
}

/* --- events ----------------------------------------------------------------------------------------------------- */

/* Pass over "event" and its value (`event_missing`, `event_not_text`, `event_empty`). */
static int scan_event_name(Scan *scan)
{
    Text name;
    Piece other = scan->rules->event_name;
    if (!scan_word(scan, "\"event\"") || !scan_mark(scan, ':') || !scan_string(scan, &name))
        return 0;
    scan->odd |= !name.size << EVENT;
    return !other.size || edit(scan, name.text, name.text + name.size, other.text, other.size);
}

/* Pass over "properties" and their object, and see whether it holds what it must (`time_missing`,
 * `distinct_id_missing`). */
static int scan_properties(Scan *scan)
{
    const int needed = 1 << TIME | 1 << DISTINCT_ID | 1 << INSERT_ID;
    if (!scan_word(scan, "\"properties\"") || !scan_mark(scan, ':') || *scan->at != '{')
        return 0;
    scan->first_property = scan->at + 1;
    scan->open = 0;
    scan->seen = 0;
    if (!scan_members(scan))
        return 0;
    scan->odd |= needed & ~scan->seen;
    if (scan->odd == 1 << INSERT_ID && !(scan->seen & 1 << INSERT_ID)) /* it is made in Python */
        return 0;
    Piece added = scan->rules->added;
    return !added.size || edit(scan, scan->closing, scan->closing, added.text, added.size);
}

/* Pass over one event, from brace to brace (`unknown_key`: there are no others than these two). */
static int scan_event(Scan *scan, int *is_last)
{
    if (*scan->at != '{')
        return 0;
    scan->odd = 0;
    scan->at = skip_space(scan->at + 1);
    *is_last = scan->at[0] == '"' && scan->at[1] == 'e'; /* the properties come last */
    if (!(*is_last ? scan_event_name(scan) && scan_mark(scan, ',') && scan_properties(scan) : scan_properties(scan)))
        return 0;
    scan->at = skip_space(scan->at);
    if (!*is_last && *scan->at == '}') /* `event_missing` */
        scan->odd |= 1 << EVENT;
    else if (!*is_last && !(scan_mark(scan, ',') && scan_event_name(scan)))
        return 0;
    scan->at = skip_space(scan->at);
    return *scan->at++ == '}';
}

/* `value_too_large`, as `quick` makes sure of it: 1e-6 may be written as 0.000001, which takes 4 bytes more. */
static int is_small(Bytes record, size_t size, size_t max_bytes)
{
    if (size > max_bytes / 2)
        for (Bytes end = record + size, at = record; at < end; at++)
            size += (*at | 0x20) == 'e' ? 4 : 0;
    return size <= max_bytes;
}

static char *put(char *out, const void *from, size_t size)
{
    memcpy(out, from, size);
    return out + size;
}

/* Copy an event with its edits; `from` is where its text begins, or goes on. */
static char *put_event(const Scan *scan, Bytes from, Bytes end, char *out)
{
    for (size_t i = 0; i < scan->edit_count; i++) {
        const Edit *next = &scan->edits[i];
        out = put(out, from, (size_t)(next->from - from));
        out = put(out, next->piece.text, next->piece.size);
        from = next->until;
    }
    return put(out, from, (size_t)(end - from));
}

/* Copy the events of lines that are right; gives how many, and moves `scan` to the first line that is not taken.
 * `odd`: what is odd in that line's event, if nothing else is the matter with it; else 0. */
static Py_ssize_t take_lines(Scan *scan, Py_ssize_t room, char **out, int *odd)
{
    Py_ssize_t taken = 0;
    *odd = 0;
    while (taken < room && scan->at < scan->end) {
        Bytes line = scan->at, from = line, end;
        int is_last, adds_ip;
        scan->edit_count = 0;
        if (!scan_event(scan, &is_last)) {
            scan->at = line;
            break;
        }
        end = scan->at;
        while (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r')
            scan->at++;
        adds_ip = scan->needs_ip && !(scan->seen & (1 << IP));
        if ((scan->at < scan->end && *scan->at++ != '\n') ||
            !is_small(line, (size_t)(scan->at - line), scan->rules->max_bytes - scan->rules->growth) ||
            (*odd = scan->odd) ||
            (adds_ip && is_last &&
             (end - scan->closing >= CLOSING_SPAN ||
              !edit(scan, scan->closing, end, IP_LAST, sizeof IP_LAST - 1)))) {
            scan->at = line;
            break;
        }
        if (adds_ip && !is_last) {
            *out = put(*out, line, (size_t)(scan->first_property - line));
            *out = put(*out, IP_FIRST, sizeof IP_FIRST - 1);
            from = skip_space(scan->first_property);
        }
        *out = put_event(scan, from, end, *out);
        *(*out)++ = '\n';
        taken++;
    }
    return taken;
}

/* --- rows of a table -------------------------------------------------------------------------------------------- */

typedef struct {
    Bytes text;
    Bytes end;
    int quoted;        /* a quote in it stands twice */
} Cell;

/* Pass over a row that has so many cells, its line end too; NULL where it has not. */
static Bytes scan_row(Bytes at, Bytes end, char separator, Cell *cells, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        Cell cell = {at, NULL, *at == '"'};
        if (cell.quoted) {
            cell.text = ++at;
            for (;; at += 2) {
                at = memchr(at, '"', (size_t)(end - at));
                if (at == NULL)
                    return NULL;
                if (at[1] != '"')
                    break;
            }
            cell.end = at++;
        } else {
            while (at < end && *at != (unsigned char)separator && *at != '\n' && *at != '\r')
                at++;
            cell.end = at;
        }
        cells[i] = cell;
        if (i + 1 < width && (at == end || *at++ != (unsigned char)separator))
            return NULL;
    }
    at += at < end && *at == '\r';
    return at == end ? at : *at == '\n' ? at + 1 : NULL;
}

/* Write a cell as a text; NULL where a control character is in it. */
static char *put_cell_text(char *out, const Cell *cell)
{
    *out++ = '"';
    for (Bytes at = cell->text; at < cell->end; at++) {
        if (*at < 0x20)
            return NULL;
        if (*at == '"' || *at == '\\')
            *out++ = '\\';
        *out++ = (char)*at;
        at += *at == '"' && cell->quoted;
    }
    *out++ = '"';
    return out;
}

/* Tell whether a cell holds a number that Python spells in the same way, and every reader holds exactly
 * (`columns.MAX_DIGITS`). */
static int is_plain_number(const Cell *cell)
{
    Bytes at = cell->text + (*cell->text == '-'), first = at, whole;
    int is_zero = 1;
    for (; at < cell->end && is_digit(*at); at++)
        is_zero &= *at == '0';
    whole = at;
    if (whole == first || (*first == '0' && whole - first > 1))
        return 0;
    if (at < cell->end && *at == '.')
        for (at++; at < cell->end && is_digit(*at); at++)
            is_zero &= *at == '0';
    return at == cell->end && at - first <= MAX_CELL_DIGITS && at - whole <= MAX_TEXT_DECIMALS + 1 &&
           at - whole != 1 && !(is_zero && first > cell->text);
}

static int is_usual_time(const Cell *cell) /* in seconds or milliseconds */
{
    if ((cell->end - cell->text != 10 && cell->end - cell->text != 13) || *cell->text == '0')
        return 0;
    for (Bytes at = cell->text; at < cell->end; at++)
        if (!is_digit(*at))
            return 0;
    return 1;
}

static int is_word(const Cell *cell, const char *word) /* in any case */
{
    size_t size = strlen(word);
    for (size_t i = 0; i < size; i++)
        if (cell->text[i] == '\0' || (cell->text[i] | 0x20) != word[i])
            return 0;
    return (size_t)(cell->end - cell->text) == size;
}

/* Write a cell as what its column holds; NULL where it may be something else. */
static char *put_cell(char *out, const Cell *cell, int kind)
{
    switch (kind) {
    case TEXT_COLUMN:
        return put_cell_text(out, cell);
    case TIME_COLUMN:
        return is_usual_time(cell) ? put(out, cell->text, (size_t)(cell->end - cell->text)) : NULL;
    case NUMBER_COLUMN:
        return is_plain_number(cell) ? put(out, cell->text, (size_t)(cell->end - cell->text)) : NULL;
    default:
        return is_word(cell, "true") ? put(out, "true", 4) : is_word(cell, "false") ? put(out, "false", 5) : NULL;
    }
}

/* Write a row as an event; NULL where a cell may be something else than its column says. */
static char *put_row(char *out, const Cell *cells, const Column *event, const Column *columns, size_t count)
{
    out = put(out, "{\"event\":", 9);
    out = put_cell(out, &cells[event->at], TEXT_COLUMN);
    if (out == NULL)
        return NULL;
    out = put(out, ",\"properties\":{", 15);
    int is_first = 1;
    for (size_t i = 0; i < count; i++) {
        const Cell *cell = &cells[columns[i].at];
        if (cell->text == cell->end) /* an empty cell is no property */
            continue;
        if (!is_first)
            *out++ = ',';
        is_first = 0;
        out = put(out, columns[i].name.text, columns[i].name.size);
        out = put_cell(out, cell, columns[i].kind);
        if (out == NULL)
            return NULL;
    }
    return put(out, "}}\n", 3);
}

/* --- Python ----------------------------------------------------------------------------------------------------- */

static void free_rules(PyObject *capsule)
{
    Rules *rules = PyCapsule_GetPointer(capsule, NAME);
    Py_CLEAR(rules->words);
    PyMem_Free(rules->scratch);
    PyMem_Free(rules);
}

/* Point to the text of a bytes object, which `Rules.words` keeps alive. */
static int point_to(PyObject *bytes, const char **text, size_t *size)
{
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(bytes, (char **)text, &length) < 0)
        return -1;
    *size = (size_t)length;
    return 0;
}

static void enter_word(Word *table, Word word)
{
    word.hash = hash((Bytes)word.text, word.size);
    word.sent_hash = hash((Bytes)word.sent, word.sent_size);
    if (word.size == word.sent_size && !memcmp(word.text, word.sent, word.size))
        word.sent = word.text; /* nothing is to be edited */
    size_t slot = word.hash % SLOTS;
    while (table[slot].text)
        slot = (slot + 1) % SLOTS;
    table[slot] = word;
}

/* Enter words from a list of (text as UTF-8, kind, action, text that it is sent as) into a table. */
static int enter_words(Word *table, PyObject *words)
{
    Py_ssize_t count = PyList_Size(words);
    if (count < 0 || count > SLOTS / 2) {
        PyErr_SetString(PyExc_ValueError, "a list of at most 128 words is needed");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Word word;
        PyObject *entry = PyList_GetItem(words, i), *text, *sent;
        if (entry == NULL || !PyArg_ParseTuple(entry, "SiiS", &text, &word.kind, &word.action, &sent) ||
            point_to(text, &word.text, &word.size) < 0 || point_to(sent, &word.sent, &word.sent_size) < 0)
            return -1;
        enter_word(table, word);
    }
    return 0;
}

static PyObject *new_rules(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *names, *ids, *event_name, *added, *capsule;
    Py_ssize_t text, properties, keys, items, insert_id, bytes, growth;
    Rules *rules = PyMem_Calloc(1, sizeof *rules);
    if (rules == NULL)
        return PyErr_NoMemory();
    capsule = PyCapsule_New(rules, NAME, free_rules);
    if (capsule == NULL) {
        PyMem_Free(rules);
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "OO(nnnniinn)(iSSn)", &names, &ids, &text, &properties, &keys, &items,
                          &rules->max_depth, &rules->max_lists, &insert_id, &bytes, &rules->other_action, &event_name,
                          &added, &growth))
        goto failed;
    if (text < 0 || properties < 0 || keys < 0 || items < 0 || insert_id < 0 || bytes < 0 || rules->max_depth < 0 ||
        rules->max_depth > 8 || rules->max_lists < 0 || rules->max_lists > 8 || properties > MAX_OPEN_NAMES ||
        keys > MAX_OPEN_NAMES || properties + rules->max_depth * keys > MAX_OPEN_NAMES || growth < 0 || growth > bytes) {
        PyErr_SetString(PyExc_ValueError, "a limit is out of range");
        goto failed;
    }
    rules->max_text = (size_t)text;
    rules->max_properties = (size_t)properties;
    rules->max_keys = (size_t)keys;
    rules->max_items = (size_t)items;
    rules->max_insert_id = (size_t)insert_id;
    rules->max_bytes = (size_t)bytes;
    rules->growth = (size_t)growth;
    rules->words = PyTuple_Pack(4, names, ids, event_name, added);
    if (rules->words == NULL || enter_words(rules->names, names) < 0 || enter_words(rules->ids, ids) < 0 ||
        point_to(event_name, &rules->event_name.text, &rules->event_name.size) < 0 ||
        point_to(added, &rules->added.text, &rules->added.size) < 0)
        goto failed;
    return capsule;
failed:
    Py_DECREF(capsule);
    return NULL;
}

/* Make room for all events of a text, with what is put into them. */
static int reserve(Rules *rules, size_t size, size_t room)
{
    size_t events = size / SHORTEST + 1;
    size += (events < room ? events : room) * (rules->growth + sizeof IP_LAST) + 1;
    if (rules->scratch_size < size) {
        char *scratch = PyMem_Realloc(rules->scratch, size);
        if (scratch == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        rules->scratch = scratch;
        rules->scratch_size = size;
    }
    return 0;
}

static int append(PyObject *lines, const char *text, size_t size)
{
    Py_ssize_t before = PyByteArray_Size(lines);
    if (PyByteArray_Resize(lines, before + (Py_ssize_t)size) < 0)
        return -1;
    memcpy(PyByteArray_AsString(lines) + before, text, size);
    return 0;
}

static PyObject *take(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *capsule, *bytes, *lines;
    Py_ssize_t start, size, room, taken;
    long long oldest_s, newest_s;
    int odd;
    char *text, *out;
    Scan scan;
    if (!PyArg_ParseTuple(arguments, "OLLpSnYn", &capsule, &oldest_s, &newest_s, &scan.needs_ip, &bytes, &start, &lines,
                          &room))
        return NULL;
    Rules *rules = PyCapsule_GetPointer(capsule, NAME);
    if (rules == NULL || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (start < 0 || start > size || rules->busy) {
        PyErr_SetString(PyExc_ValueError, "no such place in the text, or another thread is at work with these rules");
        return NULL;
    }
    if (reserve(rules, (size_t)(size - start), room > 0 ? (size_t)room : 0) < 0)
        return NULL;
    out = rules->scratch;
    scan.rules = rules;
    scan.at = (Bytes)text + start;
    scan.end = (Bytes)text + size;
    scan.times.oldest_s = oldest_s;
    scan.times.newest_s = newest_s;
    if (size - start < WORTH_RELEASING) {
        taken = take_lines(&scan, room, &out, &odd);
    } else {
        rules->busy = 1; /* the scratch is in use, and another thread may call */
        Py_BEGIN_ALLOW_THREADS
        taken = take_lines(&scan, room, &out, &odd);
        Py_END_ALLOW_THREADS
        rules->busy = 0;
    }
    if (append(lines, rules->scratch, (size_t)(out - rules->scratch)) < 0)
        return NULL;
    return Py_BuildValue("nni", taken, (Py_ssize_t)(scan.at - (Bytes)text), odd);
}

/* Read the columns of the properties from a list of (index, kind, name); gives how many bytes their names take, or -1. */
static Py_ssize_t read_columns(PyObject *given, int event, Column *columns, Py_ssize_t count, int width)
{
    Py_ssize_t bytes = 0;
    char seen[MAX_COLUMNS] = {0};
    seen[event] = 1;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *entry = PyList_GetItem(given, i), *name;
        if (entry == NULL || !PyArg_ParseTuple(entry, "iiS", &columns[i].at, &columns[i].kind, &name) ||
            point_to(name, &columns[i].name.text, &columns[i].name.size) < 0)
            return -1;
        if (columns[i].at < 0 || columns[i].at >= width || seen[columns[i].at]++) {
            PyErr_SetString(PyExc_ValueError, "no such column, or one that was named before");
            return -1;
        }
        bytes += (Py_ssize_t)columns[i].name.size;
    }
    return bytes;
}

static PyObject *write_rows(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *given, *bytes, *made = NULL;
    int separator, width;
    Py_ssize_t count, size, names, rows, left = 0;
    char *text, *lines, *out;
    Column event = {0, TEXT_COLUMN, {"", 0}}, columns[MAX_COLUMNS];
    Cell cells[MAX_COLUMNS];
    if (!PyArg_ParseTuple(arguments, "iiiOSn", &separator, &width, &event.at, &given, &bytes, &rows))
        return NULL;
    count = PyList_Size(given);
    if (count < 0 || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (width < 1 || width > MAX_COLUMNS || count > width || event.at < 0 || event.at >= width || rows < 0) {
        PyErr_SetString(PyExc_ValueError, "no such columns, or too many");
        return NULL;
    }
    names = read_columns(given, event.at, columns, count, width);
    if (names < 0)
        return NULL;
    /* at most two bytes for each that is read, two quotes and a comma for each cell */
    out = lines = PyMem_Malloc((size_t)(2 * size + rows * (names + 3 * width + ROW_BYTES)));
    if (lines == NULL)
        return PyErr_NoMemory();
    Bytes at = (Bytes)text, end = at + size;
    for (Py_ssize_t i = 0; i < rows; i++) {
        at = at < end ? scan_row(at, end, (char)separator, cells, (size_t)width) : NULL;
        if (at == NULL)
            break;
        char *next = put_row(out, cells, &event, columns, (size_t)count);
        if (next == NULL) {
            next = put(out, "\n", 1);
            left++;
        }
        out = next;
    }
    if (at == end)
        made = Py_BuildValue("y#n", lines, out - lines, left);
    PyMem_Free(lines);
    if (made == NULL && !PyErr_Occurred())
        Py_RETURN_NONE;
    return made;
}

static PyObject *are_rows(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *bytes;
    int separator, width;
    Py_ssize_t size, rows;
    char *text;
    Cell cells[MAX_COLUMNS];
    if (!PyArg_ParseTuple(arguments, "iiSn", &separator, &width, &bytes, &rows) ||
        PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    Bytes at = (Bytes)text, end = at + size;
    if (width < 1 || width > MAX_COLUMNS)
        at = NULL;
    for (; at != NULL && rows; rows--)
        at = at < end ? scan_row(at, end, (char)separator, cells, (size_t)width) : NULL;
    return PyBool_FromLong(at == end);
}

static PyMethodDef methods[] = {
    {"are_rows", are_rows, METH_VARARGS, "Tell whether a text is so many rows of a table, all of one width."},
    {"write_rows", write_rows, METH_VARARGS, "Write rows of a table as events, one a line; an empty line for what may be else."},
    {"new_rules", new_rules, METH_VARARGS, "Put names, ids and limits into a form that `take` reads."},
    {"take", take, METH_VARARGS, "Append the events of lines to a bytearray; give how many, where that ended, and what is odd there."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_recognise", "Events that are right, recognised in C.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__recognise(void)
{
    return PyModuleDef_Init(&definition);
}
