/* Rows of a table of plain cells: finds them as the csv module does where it is strict, and writes them as `columnar`
 * does, for the recogniser to look at; a row with anything unusual in it is left. Cells are read up to the NUL behind the
 * text, as in `text.h`, or up to the end that is told. */
#include "rows.h"

#define MAX_CELL_DIGITS 15 /* with the point, so that every reader holds the number exactly */

typedef struct {
    Bytes text;
    Bytes end;
    int quoted;        /* a quote in it stands twice */
} Cell;

/* Pass over a row that has so many cells, its line end too; NULL where it has not. */
static Bytes scan_row(Bytes at, Bytes end, char separator, Cell *cells, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        Cell cell = {at, NULL, *at == '"'};
        if (cell.quoted) {
            cell.text = ++at;
            for (;; at += 2) {
                at = memchr(at, '"', (size_t)(end - at));
                if (at == NULL)
                    return NULL;
                if (at[1] != '"')
                    break;
            }
            cell.end = at++;
        } else {
            while (at < end && *at != (unsigned char)separator && *at != '\n' && *at != '\r')
                at++;
            cell.end = at;
        }
        cells[i] = cell;
        if (i + 1 < width && (at == end || *at++ != (unsigned char)separator))
            return NULL;
    }
    at += at < end && *at == '\r';
    return at == end ? at : *at == '\n' ? at + 1 : NULL;
}

/* Write a cell as a text; NULL where a control character is in it. */
static char *put_cell_text(char *out, const Cell *cell)
{
    *out++ = '"';
    for (Bytes at = cell->text; at < cell->end; at++) {
        if (*at < 0x20)
            return NULL;
        if (*at == '"' || *at == '\\')
            *out++ = '\\';
        *out++ = (char)*at;
        at += *at == '"' && cell->quoted;
    }
    *out++ = '"';
    return out;
}

/* Tell whether a cell holds a number that Python spells in the same way, and every reader holds exactly
 * (`columns.MAX_DIGITS`). */
static int is_plain_number(const Cell *cell)
{
    Bytes at = cell->text + (*cell->text == '-'), first = at, whole;
    int is_zero = 1;
    for (; at < cell->end && is_digit(*at); at++)
        is_zero &= *at == '0';
    whole = at;
    if (whole == first || (*first == '0' && whole - first > 1))
        return 0;
    if (at < cell->end && *at == '.')
        for (at++; at < cell->end && is_digit(*at); at++)
            is_zero &= *at == '0';
    return at == cell->end && at - first <= MAX_CELL_DIGITS && at - whole <= MAX_TEXT_DECIMALS + 1 &&
           at - whole != 1 && !(is_zero && first > cell->text);
}

static int is_usual_time(const Cell *cell) /* in seconds or milliseconds */
{
    if ((cell->end - cell->text != 10 && cell->end - cell->text != 13) || *cell->text == '0')
        return 0;
    for (Bytes at = cell->text; at < cell->end; at++)
        if (!is_digit(*at))
            return 0;
    return 1;
}

static int is_word(const Cell *cell, const char *word) /* in any case */
{
    size_t size = strlen(word);
    for (size_t i = 0; i < size; i++)
        if (cell->text[i] == '\0' || (cell->text[i] | 0x20) != word[i])
            return 0;
    return (size_t)(cell->end - cell->text) == size;
}

/* Write a cell as what its column holds; NULL where it may be something else. */
static char *put_cell(char *out, const Cell *cell, int kind)
{
    switch (kind) {
    case TEXT_COLUMN:
        return put_cell_text(out, cell);
    case TIME_COLUMN:
        return is_usual_time(cell) ? put(out, cell->text, (size_t)(cell->end - cell->text)) : NULL;
    case NUMBER_COLUMN:
        return is_plain_number(cell) ? put(out, cell->text, (size_t)(cell->end - cell->text)) : NULL;
    default:
        return is_word(cell, "true") ? put(out, "true", 4) : is_word(cell, "false") ? put(out, "false", 5) : NULL;
    }
}

/* Write a row as an event; NULL where a cell may be something else than its column says. */
static char *put_row(char *out, const Cell *cells, const Table *table)
{
    out = put(out, "{\"event\":", 9);
    out = put_cell_text(out, &cells[table->event]);
    if (out == NULL)
        return NULL;
    out = put(out, ",\"properties\":{", 15);
    int is_first = 1;
    for (size_t i = 0; i < table->count; i++) {
        const Column *column = &table->columns[i];
        const Cell *cell = &cells[column->at];
        if (cell->text == cell->end) /* an empty cell is no property */
            continue;
        if (!is_first)
            *out++ = ',';
        is_first = 0;
        out = put(out, column->name.text, column->name.size);
        out = put_cell(out, cell, column->kind);
        if (out == NULL)
            return NULL;
    }
    return put(out, "}}\n", 3);
}

int are_all_rows(Bytes at, Bytes end, char separator, size_t width, size_t rows)
{
    Cell cells[MAX_COLUMNS];
    for (; at != NULL && rows; rows--)
        at = at < end ? scan_row(at, end, separator, cells, width) : NULL;
    return at == end;
}

char *put_rows(char *out, Bytes at, Bytes end, const Table *table, size_t rows, size_t *left)
{
    Cell cells[MAX_COLUMNS];
    for (; rows; rows--) {
        at = at < end ? scan_row(at, end, table->separator, cells, table->width) : NULL;
        if (at == NULL)
            return NULL;
        char *next = put_row(out, cells, table);
        if (next == NULL) {
            next = put(out, "\n", 1);
            ++*left;
        }
        out = next;
    }
    return at == end ? out : NULL;
}
