/* The module `mpimport._recognise`: what is handed in by Python, checked; no Python object is made of any row, nor of an
 * event that is taken.
 * While a block is looked at, other threads of Python run. Knows nothing of JSON, nor of what a row is.
 */
#include "module.h"
#include "rows.h"

#define SHORTEST 40        /* bytes: no event that is taken is shorter, for it has two names of its own and three inside */
#define WORTH_RELEASING 16384 /* bytes: to let other threads run takes longer than to look at less */
#define MAX_TIME_S (INT64_MAX / 1000) /* it is a number in milliseconds, too */

/* Make room for all events of a text, with what is put into them. */
static int reserve(Recogniser *made, size_t size, size_t room)
{
    size_t events = size / SHORTEST + 1, growth = made->rules.growth + IP_BYTES;
    events = events < room ? events : room;
    if (events > (PY_SSIZE_T_MAX - 1) / growth || size > PY_SSIZE_T_MAX - 1 - events * growth) {
        PyErr_NoMemory();
        return -1;
    }
    size += events * growth + 1;
    if (made->scratch_size < size) {
        char *scratch = PyMem_Realloc(made->scratch, size);
        if (scratch == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        made->scratch = scratch;
        made->scratch_size = size;
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

/* List the lines that are odd, each as (after, line, odd). */
static PyObject *list_odds(const Odds *odds)
{
    PyObject *list = PyList_New((Py_ssize_t)odds->count);
    for (size_t i = 0; list != NULL && i < odds->count; i++) {
        const Odd *found = &odds->found[i];
        PyObject *told = Py_BuildValue("ny#i", (Py_ssize_t)found->after, (const char *)found->line,
                                       (Py_ssize_t)(found->end - found->line), found->odd);
        if (told == NULL)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, told);
    }
    return list;
}

static PyObject *take(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *capsule, *bytes, *lines;
    Py_ssize_t start, size, room, most;
    long long oldest_s, newest_s;
    size_t taken;
    char *text, *out;
    Scan scan;
    if (!PyArg_ParseTuple(arguments, "OLLpSnYnn", &capsule, &oldest_s, &newest_s, &scan.needs_ip, &bytes, &start, &lines,
                          &room, &most))
        return NULL;
    Recogniser *made = PyCapsule_GetPointer(capsule, NAME);
    if (made == NULL || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (start < 0 || start > size || made->busy) {
        PyErr_SetString(PyExc_ValueError, "no such place in the text, or another thread is at work with these rules");
        return NULL;
    }
    if (oldest_s < -MAX_TIME_S || oldest_s > MAX_TIME_S || newest_s < -MAX_TIME_S || newest_s > MAX_TIME_S) {
        PyErr_SetString(PyExc_ValueError, "no such time");
        return NULL;
    }
    room = room > 0 ? room : 0;
    made->odds.most = most < 0 ? 0 : most < MAX_ODDS ? (size_t)most : MAX_ODDS;
    if (reserve(made, (size_t)(size - start), (size_t)room) < 0)
        return NULL;
    out = made->scratch;
    scan.rules = &made->rules;
    scan.at = (Bytes)text + start;
    scan.end = (Bytes)text + size;
    scan.times.oldest_s = oldest_s;
    scan.times.newest_s = newest_s;
    if (size - start < WORTH_RELEASING) {
        taken = take_lines(&scan, (size_t)room, &out, &made->odds);
    } else {
        made->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        taken = take_lines(&scan, (size_t)room, &out, &made->odds);
        Py_END_ALLOW_THREADS
        made->busy = 0;
    }
    /* made before: what is appended is told of, even where memory ends */
    PyObject *told = Py_BuildValue("nnN", (Py_ssize_t)taken, (Py_ssize_t)(scan.at - (Bytes)text),
                                   list_odds(&made->odds));
    if (told != NULL && append(lines, made->scratch, (size_t)(out - made->scratch)) < 0)
        Py_CLEAR(told);
    return told;
}

static int is_table(int separator, int width) /* that can be looked at here */
{
    return separator > 0 && separator < 0x80 && width > 0 && width <= MAX_COLUMNS;
}

/* Read the columns of the properties from a list of (index, kind, name); gives how many bytes their names take, or -1. */
static Py_ssize_t read_columns(PyObject *given, Table *table)
{
    Py_ssize_t bytes = 0;
    char seen[MAX_COLUMNS] = {0};
    seen[table->event] = 1;
    for (size_t i = 0; i < table->count; i++) {
        Column *column = &table->columns[i];
        PyObject *entry = PyList_GetItem(given, (Py_ssize_t)i), *name;
        if (entry == NULL || !PyArg_ParseTuple(entry, "iiS", &column->at, &column->kind, &name) ||
            point_to(name, &column->name.text, &column->name.size) < 0)
            return -1;
        if (column->at < 0 || (size_t)column->at >= table->width || column->kind < 0 ||
            column->kind > BOOLEAN_COLUMN || seen[column->at]++) {
            PyErr_SetString(PyExc_ValueError, "no such column, no such kind, or a column that was named before");
            return -1;
        }
        bytes += (Py_ssize_t)column->name.size;
    }
    return bytes;
}

static PyObject *write_rows(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *given, *bytes, *made = NULL;
    int separator, width;
    Py_ssize_t count, size, names, rows;
    size_t left = 0;
    char *text, *lines, *end;
    Table table;
    if (!PyArg_ParseTuple(arguments, "iiiO!Sn", &separator, &width, &table.event, &PyList_Type, &given, &bytes, &rows))
        return NULL;
    count = PyList_Size(given);
    if (count < 0 || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (!is_table(separator, width) || count > width || table.event < 0 || table.event >= width || rows < 0) {
        PyErr_SetString(PyExc_ValueError, "no such columns, or too many");
        return NULL;
    }
    table.separator = (char)separator;
    table.width = (size_t)width;
    table.count = (size_t)count;
    names = read_columns(given, &table);
    if (names < 0)
        return NULL;
    if (rows > size) /* each takes a byte */
        Py_RETURN_NONE;
    names += CELL_BYTES * width + ROW_BYTES;
    if (size > PY_SSIZE_T_MAX / 4 || rows > PY_SSIZE_T_MAX / 2 / names)
        return PyErr_NoMemory();
    lines = PyMem_Malloc((size_t)(2 * size + rows * names));
    if (lines == NULL)
        return PyErr_NoMemory();
    end = put_rows(lines, (Bytes)text, (Bytes)text + size, &table, (size_t)rows, &left);
    if (end != NULL)
        made = Py_BuildValue("y#n", lines, (Py_ssize_t)(end - lines), (Py_ssize_t)left);
    PyMem_Free(lines);
    if (end == NULL)
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
    if (!PyArg_ParseTuple(arguments, "iiSn", &separator, &width, &bytes, &rows) ||
        PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    Bytes first = (Bytes)text;
    return PyBool_FromLong(is_table(separator, width) && rows >= 0 &&
                           are_all_rows(first, first + size, (char)separator, (size_t)width, (size_t)rows));
}

static PyMethodDef methods[] = {
    {"are_rows", are_rows, METH_VARARGS, "Tell whether a text is so many rows of a table, all of one width."},
    {"write_rows", write_rows, METH_VARARGS, "Write rows of a table as events, one a line; an empty line for what may be else."},
    {"new_rules", new_rules, METH_VARARGS, "Put names, ids and limits into a form that `take` reads."},
    {"take", take, METH_VARARGS, "Append the events of lines to a bytearray; give how many, where that ended, and the odd ones."},
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
