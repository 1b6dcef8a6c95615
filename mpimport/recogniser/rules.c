/* The rules of a recogniser, as Python hands them in: checked, so that no scanner can leave its bounds.
 *
 * The numbers, names and ids come from `recognise`: their home is `limits`, and the tests hold both to the same verdict.
 */
#include "module.h"

static void free_recogniser(PyObject *capsule)
{
    Recogniser *made = PyCapsule_GetPointer(capsule, NAME);
    Py_CLEAR(made->words);
    PyMem_Free(made->scratch);
    PyMem_Free(made);
}

/* Point to the text of a bytes object, for as long as somebody keeps that alive. */
int point_to(PyObject *bytes, const char **text, size_t *size)
{
    char *first;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(bytes, &first, &length) < 0)
        return -1;
    *text = first;
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

/* Enter words from a tuple of (text as UTF-8, kind, action, text that it is sent as) into a table; `growth` becomes more
 * by what they add to an event that has each of them once. */
static int enter_words(Word *table, PyObject *words, size_t *growth)
{
    Py_ssize_t count = PyTuple_Size(words);
    if (count > SLOTS / 2) {
        PyErr_SetString(PyExc_ValueError, "there are more than 128 words");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Word word;
        PyObject *entry = PyTuple_GetItem(words, i), *text, *sent;
        if (entry == NULL || !PyArg_ParseTuple(entry, "SiiS", &text, &word.kind, &word.action, &sent) ||
            point_to(text, &word.text, &word.size) < 0 || point_to(sent, &word.sent, &word.sent_size) < 0)
            return -1;
        if (word.kind < 0 || word.kind > REFUSED || word.action < 0 || word.action > NOT_EMPTY) {
            PyErr_SetString(PyExc_ValueError, "there is no such kind of name, or no such action");
            return -1;
        }
        *growth += (word.sent_size > word.size ? word.sent_size - word.size : 0) + (word.action == AS_STRING ? 2 : 0);
        enter_word(table, word);
    }
    return 0;
}

/* Take the limits over, where they leave a scanner within its bounds. */
static int set_limits(Rules *rules, const Py_ssize_t *limits)
{
    for (int i = 0; i < 6; i++)
        if (limits[i] < 0)
            return 0;
    rules->max_text = (size_t)limits[0];
    rules->max_properties = (size_t)limits[1];
    rules->max_keys = (size_t)limits[2];
    rules->max_items = (size_t)limits[3];
    rules->max_insert_id = (size_t)limits[4];
    rules->max_bytes = (size_t)limits[5];
    return rules->max_depth >= 0 && rules->max_depth <= MAX_NESTING && rules->max_lists >= 0 &&
           rules->max_lists <= MAX_NESTING && rules->max_properties <= MAX_OPEN_NAMES &&
           rules->max_keys <= MAX_OPEN_NAMES &&
           rules->max_properties + (size_t)(rules->max_depth + TOO_MANY_LEVELS) * rules->max_keys <= MAX_OPEN_NAMES;
}

PyObject *new_rules(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *names, *ids, *event_name, *added, *capsule;
    Py_ssize_t limits[6];
    size_t unused = 0;
    Recogniser *made = PyMem_Calloc(1, sizeof *made);
    if (made == NULL)
        return PyErr_NoMemory();
    capsule = PyCapsule_New(made, NAME, free_recogniser);
    if (capsule == NULL) {
        PyMem_Free(made);
        return NULL;
    }
    Rules *rules = &made->rules;
    if (!PyArg_ParseTuple(arguments, "O!O!(nnnniinn)(iSS)", &PyTuple_Type, &names, &PyTuple_Type, &ids, &limits[0],
                          &limits[1], &limits[2], &limits[3], &rules->max_depth, &rules->max_lists, &limits[4],
                          &limits[5], &rules->other_action, &event_name, &added))
        goto failed;
    made->words = PyTuple_Pack(4, names, ids, event_name, added);
    if (made->words == NULL || enter_words(rules->names, names, &rules->growth) < 0 ||
        enter_words(rules->ids, ids, &unused) < 0 ||
        point_to(event_name, &rules->event_name.text, &rules->event_name.size) < 0 ||
        point_to(added, &rules->added.text, &rules->added.size) < 0)
        goto failed;
    rules->growth += rules->event_name.size + rules->added.size;
    if (!set_limits(rules, limits) || rules->growth > rules->max_bytes ||
        (rules->other_action != KEEP && rules->other_action != DROP)) {
        PyErr_SetString(PyExc_ValueError, "a limit is out of range, or other properties are to be edited");
        goto failed;
    }
    return capsule;
failed:
    Py_DECREF(capsule);
    return NULL;
}
