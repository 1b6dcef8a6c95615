/* Edits of an event's text: notes them while it is looked at, and copies it with them. Knows no rule for events. */
#include "scan.h"

/* Note an edit behind all that are noted; 0 when there are too many. */
int note_edit(Scan *scan, Bytes from, Bytes until, const char *text, size_t size)
{
    if (scan->edit_count == MAX_EDITS)
        return 0;
    Edit noted = {from, until, {text, size}};
    scan->edits[scan->edit_count++] = noted;
    return 1;
}

/* Leave out text that nothing noted reaches beyond; what is noted inside of it is forgotten. */
int leave_out(Scan *scan, Bytes from, Bytes until)
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
    return note_edit(scan, from, until, "", 0);
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
int scan_as_string(Scan *scan)
{
    Bytes first = scan->at;
    int is_number = is_digit(*first) || *first == '-';
    if (!is_number && *first != 't' && *first != 'f')
        return scan_value(scan, scan->rules->max_depth, scan->rules->max_lists);
    if (!(is_number ? scan_plain_number(scan) : scan_word(scan, *first == 't' ? "true" : "false")))
        return 0;
    return note_edit(scan, first, first, "\"", 1) && note_edit(scan, scan->at, scan->at, "\"", 1);
}

/* Pass over a value that is to be something else where it is text, and is taken out of its quotes; where a text does
 * not say what is meant as JSON says it, it is left to `value_types`. */
int scan_as(Scan *scan, int action)
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

/* Copy an event with its edits; `from` is where its text begins, or goes on. */
char *put_edited(const Scan *scan, Bytes from, Bytes end, char *out)
{
    for (size_t i = 0; i < scan->edit_count; i++) {
        const Edit *next = &scan->edits[i];
        out = put(out, from, (size_t)(next->from - from));
        out = put(out, next->piece.text, next->piece.size);
        from = next->until;
    }
    return put(out, from, (size_t)(end - from));
}
