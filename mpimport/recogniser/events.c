/* Recognises events that are right, as they stand or with edits, and copies them as they are to be sent.
 *
 * It knows no more than `quick` does in Python, which is its reference: whatever is taken here, `quick` would have
 * taken, and the bytes are the same. Whatever is not surely so is left to `quick`, so a rule may be stricter here than
 * it has to be, and no reason for a refusal is ever given; of an event that `quick` would not take either it is said
 * what is odd in it if it is sound, as `accept` has it. Edits come from `edits`, their reference is `mapping`; an event
 * with edits is taken only if it is right before them and after them.
 */
#include "scan.h"

#define CLOSING_SPAN 64    /* `accept.with_properties` looks for the two closing braces no further from the end */

static const char IP_LAST[] = ",\"ip\":0}}";
static const char IP_FIRST[] = "\"ip\":0,";

/* Pass over "event" and its value (`event_missing`, `event_not_text`, `event_empty`). */
static int scan_event_name(Scan *scan)
{
    Text name;
    Piece other = scan->rules->event_name;
    if (!scan_word(scan, "\"event\"") || !scan_mark(scan, ':') || !scan_string(scan, &name))
        return 0;
    scan->odd |= !name.size << EVENT;
    return !other.size || note_edit(scan, name.text, name.text + name.size, other.text, other.size);
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
    return !added.size || note_edit(scan, scan->closing, scan->closing, added.text, added.size);
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

/* Copy the events of lines that are right; gives how many, and moves `scan` behind the last line that was seen to.
 * Notes in `odds` the lines whose events are odd and nothing else, and goes on behind them; each could become an event
 * in Python, and takes as much of the room. */
size_t take_lines(Scan *scan, size_t room, char **out, Odds *odds)
{
    size_t taken = 0;
    odds->count = 0;
    while (taken + odds->count < room && scan->at < scan->end) {
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
            (scan->odd && odds->count == odds->most) ||
            (!scan->odd && adds_ip && is_last &&
             (end - scan->closing >= CLOSING_SPAN ||
              !note_edit(scan, scan->closing, end, IP_LAST, sizeof IP_LAST - 1)))) {
            scan->at = line;
            break;
        }
        if (scan->odd) {
            odds->found[odds->count++] = (Odd){taken, line, scan->at, scan->odd};
            continue;
        }
        if (adds_ip && !is_last) {
            *out = put(*out, line, (size_t)(scan->first_property - line));
            *out = put(*out, IP_FIRST, sizeof IP_FIRST - 1);
            from = skip_space(scan->first_property);
        }
        *out = put_edited(scan, from, end, *out);
        *(*out)++ = '\n';
        taken++;
    }
    return taken;
}
