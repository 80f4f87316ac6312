/* csv.h - rows of text: CSV and its relatives, one after another or all at once.
 *
 * Separator, header, comments, decimal commas, quotes, line ends, a byte order mark, blank lines and
 * missing fields are recognised, or said by the options (data/dialect.h, data/field.h). Columns are chosen while they are read:
 * what was dropped may be anything. */
#pragma once

#include "data/select.h"
#include "data/source.h"

typedef struct csv_stream csv_stream;

/* Opens `path` ("-" is standard input) and reads as far as the first row. options may be NULL. */
nicest_status csv_open(csv_stream **stream, const char *path, const nicest_data_options *options);
void csv_close(csv_stream *stream);

size_t csv_columns(const csv_stream *stream); /* chosen ones */
/* Their names, in the header or "x1"; source_texts_free, also when memory runs out. */
nicest_status csv_column_names(char ***names, const csv_stream *stream);
/* What was chosen from the first lines and is not the plain default, as one line; or NULL. */
const char *csv_note(const csv_stream *stream);
/* Before the first row: only these columns, in this order, each of the kind that stands there; words
 * beyond those of a category are all of one code behind the last. */
nicest_status csv_expect(csv_stream *stream, const size_t *columns, const column_kind *kinds,
                         size_t count);
/* Number of the last row that was read in the file, from 0. */
size_t csv_row_number(const csv_stream *stream);

/* The next row that --where keeps, into row[columns]; *got is false at the end. NICEST_E_FORMAT:
 * this line is no row; the stream stands behind it and may be read on. */
nicest_status csv_next(csv_stream *stream, double *row, bool *got);
/* No whole line is here, and the next would have to be waited for. */
bool csv_would_wait(const csv_stream *stream);

/* A whole file as nicest_data. */
nicest_status csv_load(nicest_data **data, const char *path, slice part,
                       const nicest_data_options *options);
