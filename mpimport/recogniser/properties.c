/* The properties of an event, each by its name: the special ones, those that are refused, edited or left out. */
#include "scan.h"

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
    size_t open = scan->open;
    scan->seen |= 1 << kind;
    if (kind == REFUSED) /* `reserved_property`, `ignored_event` */
        return 0;
    if (scan_special(scan, kind, action))
        return 1;
    if (kind == ORDINARY || (*value == '"' && memchr(value, '\\', (size_t)(scan->at - value)))) /* may be right */
        return 0;
    scan->at = value;
    scan->open = open; /* the first look at it may have ended within objects */
    scan->odd |= 1 << kind;
    return scan_value(scan, scan->rules->max_depth, scan->rules->max_lists);
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
        (word && word->sent != word->text && !note_edit(scan, name.text, name.text + name.size, word->sent, word->sent_size)) ||
        !scan_mark(scan, ':'))
        return 0;
    if (action == DROP)
        return scan_value(scan, rules->max_depth, rules->max_lists) ? -1 : 0;
    return scan_property(scan, word ? word->kind : ORDINARY, action);
}

/* Pass over the object of the properties, unless all are left out (`too_many_properties`). */
int scan_members(Scan *scan)
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
