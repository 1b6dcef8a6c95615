/* Rows of a table, which are found in a text and written as events. Knows neither rules for events nor Python. */
#ifndef MPIMPORT_ROWS_H
#define MPIMPORT_ROWS_H

#include "text.h"

#define MAX_COLUMNS 256
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
    char separator;
    size_t width;      /* cells in a row, at most MAX_COLUMNS */
    int event;         /* the cell that is the name of the event */
    size_t count;      /* of the columns that are properties */
    Column columns[MAX_COLUMNS];
} Table;

#ifdef __GNUC__ /* other compilers show nobody what they are not told to */
#pragma GCC visibility push(hidden)
#endif

/* Tell whether a text is so many rows, all of one width. */
int are_all_rows(Bytes at, Bytes end, char separator, size_t width, size_t rows);

/* Write so many rows as events, one a line; an empty line for what may be else, of which `left` are counted. NULL where
 * the text is not so many rows. There is room for two bytes for each of the text, and for what is fixed in each row. */
char *put_rows(char *out, Bytes at, Bytes end, const Table *table, size_t rows, size_t *left);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#endif
