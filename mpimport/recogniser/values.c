/* Values of JSON: numbers, words, lists, objects. Knows what Mixpanel takes of them, but no property by its name. */
#include "scan.h"

#define MAX_DIGITS 40      /* with these two, a number with a fraction or an exponent is far inside the range of a double */
#define MAX_EXPONENT_DIGITS 2

/* Pass over a number that is finite for every reader (`number_out_of_range`). */
int scan_number(Scan *scan)
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

static int scan_object(Scan *scan, int depth);
static int scan_list(Scan *scan, int depth, int lists);

/* Pass over an object within so many levels that are legal (`too_deep`: a few more are passed over, and it is noted). */
static int scan_level(Scan *scan, int depth)
{
    if (depth <= 0)
        scan->odd |= 1 << DEEP;
    return depth > -TOO_MANY_LEVELS && scan_object(scan, depth - 1);
}

/* Pass over a value that may hold `depth` levels of objects and `lists` of lists (`accept._value_type`). */
int scan_value(Scan *scan, int depth, int lists)
{
    Text text;
    switch (*scan->at) {
    case '"':
        return scan_string(scan, &text);
    case '{':
        return scan_level(scan, depth);
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

/* Pass over a member of an object. A name that is spelt with escapes may be another one, or a special one. */
static int scan_member(Scan *scan, size_t first, int depth)
{
    Text name;
    return scan_string(scan, &name) && !name.escaped && enter_name(scan, first, hash(name.text, name.size)) &&
           scan_mark(scan, ':') && scan_value(scan, depth, scan->rules->max_lists);
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
