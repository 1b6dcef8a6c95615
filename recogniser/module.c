/* The module `mpimport._recognise`: what is handed in by Python, checked; no Python object is made of any event or row.
 * While a block is looked at, other threads of Python run. Knows nothing of JSON, nor of what a row is.
 */
#include "module.h"
#include "rows.h"

#define SHORTEST 40        /* bytes: no event that is taken is shorter, for it has two names of its own and three inside */
#define WORTH_RELEASING 16384 /* bytes: to let other threads run takes longer than to look at less */
#define MAX_TIME_S (INT64_MAX / 1000) /* it is a number in milliseconds, too */
#define MAX_COLUMNS 256

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

static PyObject *take(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *capsule, *bytes, *lines;
    Py_ssize_t start, size, room;
    long long oldest_s, newest_s;
    size_t taken;
    int odd;
    char *text, *out;
    Scan scan;
    if (!PyArg_ParseTuple(arguments, "OLLpSnYn", &capsule, &oldest_s, &newest_s, &scan.needs_ip, &bytes, &start, &lines,
                          &room))
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
    if (reserve(made, (size_t)(size - start), (size_t)room) < 0)
        return NULL;
    out = made->scratch;
    scan.rules = &made->rules;
    scan.at = (Bytes)text + start;
    scan.end = (Bytes)text + size;
    scan.times.oldest_s = oldest_s;
    scan.times.newest_s = newest_s;
    if (size - start < WORTH_RELEASING) {
        taken = take_lines(&scan, (size_t)room, &out, &odd);
    } else {
        made->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        taken = take_lines(&scan, (size_t)room, &out, &odd);
        Py_END_ALLOW_THREADS
        made->busy = 0;
    }
    if (append(lines, made->scratch, (size_t)(out - made->scratch)) < 0)
        return NULL;
    return Py_BuildValue("nni", (Py_ssize_t)taken, (Py_ssize_t)(scan.at - (Bytes)text), odd);
}

static int is_table(int separator, int width) /* that can be looked at here */
{
    return separator > 0 && separator < 0x80 && width > 0 && width <= MAX_COLUMNS;
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
        if (columns[i].at < 0 || columns[i].at >= width || columns[i].kind < 0 ||
            columns[i].kind > BOOLEAN_COLUMN || seen[columns[i].at]++) {
            PyErr_SetString(PyExc_ValueError, "no such column, no such kind, or a column that was named before");
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
    if (!PyArg_ParseTuple(arguments, "iiiO!Sn", &separator, &width, &event.at, &PyList_Type, &given, &bytes,
                          &rows))
        return NULL;
    count = PyList_Size(given);
    if (count < 0 || PyBytes_AsStringAndSize(bytes, &text, &size) < 0)
        return NULL;
    if (!is_table(separator, width) || count > width || event.at < 0 || event.at >= width || rows < 0) {
        PyErr_SetString(PyExc_ValueError, "no such columns, or too many");
        return NULL;
    }
    names = read_columns(given, event.at, columns, count, width);
    if (names < 0)
        return NULL;
    if (rows > size) /* each takes a byte */
        Py_RETURN_NONE;
    names += CELL_BYTES * width + ROW_BYTES;
    if (size > PY_SSIZE_T_MAX / 4 || rows > PY_SSIZE_T_MAX / 2 / names)
        return PyErr_NoMemory();
    out = lines = PyMem_Malloc((size_t)(2 * size + rows * names)); /* at most two bytes for each that is read */
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
        made = Py_BuildValue("y#n", lines, (Py_ssize_t)(out - lines), left);
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
    if (!is_table(separator, width))
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
