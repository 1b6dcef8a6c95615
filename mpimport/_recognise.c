/* Recognises events that are right as they stand, and copies them as they are to be sent: no Python object is made
 * of any of them, and while a block is looked at, other threads of Python run.
 *
 * It knows no more than `quick` does in Python, which is its reference: whatever is taken here, `quick` would have
 * taken, and the bytes are the same. Whatever is not surely so is left to `quick`, so a rule may be stricter here than
 * it has to be, and no reason for a refusal is ever given; of an event that `quick` would not take either it is said
 * what is odd in it if it is sound, as `accept` has it. The numbers, names and ids are handed in by `recognise`:
 * their home is `limits`, and the tests hold both to the same verdict.
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
#define CLOSING_SPAN 64    /* `accept.with_properties` looks for the two closing braces no further from the end */
#define WORTH_RELEASING 16384 /* bytes: to let other threads run takes longer than to look at less */
#define NAME "mpimport._recognise.rules"

static const char IP_LAST[] = ",\"ip\":0}}";
static const char IP_FIRST[] = "\"ip\":0,";

typedef const unsigned char *Bytes;

/* What a property's name means to the rules. */
enum { ORDINARY, EVENT = ORDINARY, TIME, DISTINCT_ID, INSERT_ID, IP, REFUSED }; /* `recognise` names them, too */

typedef struct {
    uint32_t hash;
    int kind;          /* 0 in an empty slot */
    size_t size;
    const char *text;
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
    PyObject *words;       /* holds the texts of both */
    char *scratch;         /* the events of one call, before they are appended */
    size_t scratch_size;
    int busy;
} Rules;

typedef struct {
    int64_t oldest_s, newest_s;
} Times;

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

static int find_word(const Word *words, uint32_t hashed, Bytes text, size_t size)
{
    for (size_t slot = hashed % SLOTS; words[slot].kind; slot = (slot + 1) % SLOTS)
        if (words[slot].hash == hashed && words[slot].size == size && !memcmp(words[slot].text, text, size))
            return words[slot].kind;
    return 0;
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

static int scan_object(Scan *scan, int depth, int is_properties);
static int scan_list(Scan *scan, int depth, int lists);

/* Pass over a value that may hold `depth` levels of objects and `lists` of lists (`accept._value_type`). */
static int scan_value(Scan *scan, int depth, int lists)
{
    Text text;
    switch (*scan->at) {
    case '"':
        return scan_string(scan, &text);
    case '{':
        return depth && scan_object(scan, depth - 1, 0);
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

/* --- properties ------------------------------------------------------------------------------------------------- */

/* `time_too_old`, `time_in_future`: a whole number of seconds or milliseconds. */
static int scan_time(Scan *scan)
{
    Bytes first = scan->at;
    int64_t time = 0;
    if (!is_digit(*first) || !scan_number(scan))
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
           !find_word(scan->rules->ids, hash(id->text, id->size), id->text, id->size);
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
static int scan_special(Scan *scan, int kind)
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
        if (scan->needs_ip && (*scan->at == 'n' || (*scan->at == '"' && scan->at[1] == '"')))
            return 0;
        break;
    default:
        break;
    }
    return scan_value(scan, scan->rules->max_depth, scan->rules->max_lists);
}

static int scan_property(Scan *scan, int kind)
{
    Bytes value = scan->at;
    scan->seen |= 1 << kind;
    if (kind == REFUSED) /* `reserved_property`, `ignored_event` */
        return 0;
    if (scan_special(scan, kind))
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

/* Pass over a name and its colon. One that is spelt with escapes may be another one, or a special one. */
static int scan_name(Scan *scan, size_t first, Text *name, uint32_t *hashed)
{
    if (!scan_string(scan, name) || name->escaped)
        return 0;
    *hashed = hash(name->text, name->size);
    if (is_repeated(scan, first, *hashed)) /* `duplicate_key` */
        return 0;
    scan->hashes[scan->open++] = *hashed;
    return scan_mark(scan, ':');
}

/* Pass over an object whose values may hold `depth` levels of objects (`object_too_wide`, `too_many_properties`). */
static int scan_object(Scan *scan, int depth, int is_properties)
{
    const Rules *rules = scan->rules;
    size_t first = scan->open, max_names = is_properties ? rules->max_properties : rules->max_keys;
    Text name;
    uint32_t hashed;
    scan->at = skip_space(scan->at + 1);
    if (*scan->at == '}') {
        scan->at++;
        return 1;
    }
    while (scan->open - first < max_names && scan_name(scan, first, &name, &hashed)) {
        int kind = is_properties ? find_word(rules->names, hashed, name.text, name.size) : ORDINARY;
        if (!(is_properties ? scan_property(scan, kind) : scan_value(scan, depth, rules->max_lists)))
            return 0;
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

/* --- events ----------------------------------------------------------------------------------------------------- */

/* Pass over "event" and its value (`event_missing`, `event_not_text`, `event_empty`). */
static int scan_event_name(Scan *scan)
{
    Text name;
    if (!scan_word(scan, "\"event\"") || !scan_mark(scan, ':') || !scan_string(scan, &name))
        return 0;
    scan->odd |= !name.size << EVENT;
    return 1;
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
    if (!scan_object(scan, scan->rules->max_depth, 1))
        return 0;
    scan->closing = scan->at - 1;
    scan->odd |= needed & ~scan->seen;
    return scan->odd != 1 << INSERT_ID || scan->seen & 1 << INSERT_ID; /* it is made in Python */
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

/* Copy the events of lines that are right; gives how many, and moves `scan` to the first line that is not taken.
 * `odd`: what is odd in that line's event, if nothing else is the matter with it; else 0. */
static Py_ssize_t take_lines(Scan *scan, Py_ssize_t room, char **out, int *odd)
{
    Py_ssize_t taken = 0;
    *odd = 0;
    while (taken < room && scan->at < scan->end) {
        Bytes line = scan->at, end;
        int is_last, adds_ip;
        if (!scan_event(scan, &is_last)) {
            scan->at = line;
            break;
        }
        end = scan->at;
        while (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r')
            scan->at++;
        adds_ip = scan->needs_ip && !(scan->seen & (1 << IP));
        if ((scan->at < scan->end && *scan->at++ != '\n') ||
            !is_small(line, (size_t)(scan->at - line), scan->rules->max_bytes) || (*odd = scan->odd) ||
            (adds_ip && is_last && end - scan->closing >= CLOSING_SPAN)) {
            scan->at = line;
            break;
        }
        if (adds_ip && is_last) {
            *out = put(*out, line, (size_t)(scan->closing - line));
            *out = put(*out, IP_LAST, sizeof IP_LAST - 1);
        } else if (adds_ip) {
            *out = put(*out, line, (size_t)(scan->first_property - line));
            *out = put(*out, IP_FIRST, sizeof IP_FIRST - 1);
            Bytes rest = skip_space(scan->first_property);
            *out = put(*out, rest, (size_t)(end - rest));
        } else {
            *out = put(*out, line, (size_t)(end - line));
        }
        *(*out)++ = '\n';
        taken++;
    }
    return taken;
}

/* --- Python ----------------------------------------------------------------------------------------------------- */

static void free_rules(PyObject *capsule)
{
    Rules *rules = PyCapsule_GetPointer(capsule, NAME);
    Py_CLEAR(rules->words);
    PyMem_Free(rules->scratch);
    PyMem_Free(rules);
}

/* Enter words from a list of (text as UTF-8, kind) into a table; `words` keeps the texts alive. */
static int enter_words(Word *table, PyObject *words)
{
    Py_ssize_t count = PyList_Size(words);
    if (count < 0 || count > SLOTS / 2) {
        PyErr_SetString(PyExc_ValueError, "a list of at most 128 words is needed");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Word word;
        Py_ssize_t size;
        PyObject *pair = PyList_GetItem(words, i), *bytes;
        if (pair == NULL || !PyArg_ParseTuple(pair, "Si", &bytes, &word.kind))
            return -1;
        if (PyBytes_AsStringAndSize(bytes, (char **)&word.text, &size) < 0)
            return -1;
        word.size = (size_t)size;
        word.hash = hash((Bytes)word.text, word.size);
        size_t slot = word.hash % SLOTS;
        while (table[slot].kind)
            slot = (slot + 1) % SLOTS;
        table[slot] = word;
    }
    return 0;
}

static PyObject *new_rules(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *names, *ids, *capsule;
    Py_ssize_t text, properties, keys, items, insert_id, bytes;
    Rules *rules = PyMem_Calloc(1, sizeof *rules);
    if (rules == NULL)
        return PyErr_NoMemory();
    capsule = PyCapsule_New(rules, NAME, free_rules);
    if (capsule == NULL) {
        PyMem_Free(rules);
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "OO(nnnniinn)", &names, &ids, &text, &properties, &keys, &items,
                          &rules->max_depth, &rules->max_lists, &insert_id, &bytes))
        goto failed;
    if (text < 0 || properties < 0 || keys < 0 || items < 0 || insert_id < 0 || bytes < 0 || rules->max_depth < 0 ||
        rules->max_depth > 8 || rules->max_lists < 0 || rules->max_lists > 8 || properties > MAX_OPEN_NAMES ||
        keys > MAX_OPEN_NAMES || properties + rules->max_depth * keys > MAX_OPEN_NAMES) {
        PyErr_SetString(PyExc_ValueError, "a limit is out of range");
        goto failed;
    }
    rules->max_text = (size_t)text;
    rules->max_properties = (size_t)properties;
    rules->max_keys = (size_t)keys;
    rules->max_items = (size_t)items;
    rules->max_insert_id = (size_t)insert_id;
    rules->max_bytes = (size_t)bytes;
    rules->words = PyTuple_Pack(2, names, ids);
    if (rules->words == NULL || enter_words(rules->names, names) < 0 || enter_words(rules->ids, ids) < 0)
        goto failed;
    return capsule;
failed:
    Py_DECREF(capsule);
    return NULL;
}

/* Make room for all events of a text: what is put into one is less than an eighth of the shortest event that is taken,
 * which has two names of its own and three of properties. */
static int reserve(Rules *rules, size_t size)
{
    size += size / 8 + 16;
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
    if (reserve(rules, (size_t)(size - start)) < 0)
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

static PyMethodDef methods[] = {
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
