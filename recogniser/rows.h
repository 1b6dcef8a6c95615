/* Rows of a table, which are found in a text and written as events. Knows neither rules for events nor Python. */
#ifndef MPIMPORT_ROWS_H
#define MPIMPORT_ROWS_H

#include "text.h"

#define ROW_BYTES 32       /* more than the names and braces of an event */
#define CELL_BYTES 3       /* two quotes and a comma */

/* What the cells of a column are; `columnar` names them, too. */
enum { TEXT_COLUMN, TIME_COLUMN, NUMBER_COLUMN, BOOLEAN_COLUMN };

typedef struct {
    int at;            /* of the row's cells */
    int kind;
    Piece name;        /* as JSON has it, with the colon */
} Column;

typedef struct {
    Bytes text;
    Bytes end;
    int quoted;        /* a quote in it stands twice */
} Cell;

#ifdef __GNUC__ /* other compilers show nobody what they are not told to */
#pragma GCC visibility push(hidden)
#endif

Bytes scan_row(Bytes at, Bytes end, char separator, Cell *cells, size_t width);
char *put_row(char *out, const Cell *cells, const Column *event, const Column *columns, size_t count);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#endif
