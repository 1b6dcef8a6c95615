/* What the files that know Python share: recognisers, as Python holds them. */
#ifndef MPIMPORT_MODULE_H
#define MPIMPORT_MODULE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

#include "scan.h"

#define NAME "mpimport._recognise.rules"

typedef struct {
    Rules rules;
    PyObject *words;       /* holds all the texts of the rules */
    char *scratch;         /* the events of one call, before they are appended */
    size_t scratch_size;
    Odds odds;             /* of one call */
    int busy;              /* the scratch is in use while other threads run */
} Recogniser;

#ifdef __GNUC__ /* other compilers show nobody what they are not told to */
#pragma GCC visibility push(hidden)
#endif

/* rules.c; as usual in Python, -1 and NULL say that an exception is set */
int point_to(PyObject *bytes, const char **text, size_t *size);
PyObject *new_rules(PyObject *module, PyObject *arguments);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#endif
