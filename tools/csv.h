/* An array of objects as CSV (RFC 4180): a line of names, then a line for each object. */
#ifndef TRIGPERF_TOOL_CSV_H
#define TRIGPERF_TOOL_CSV_H

#include <jansson.h>

/* Columns are the members of all rows, in the order in which they first appear. */
void csv_print(const json_t *rows);

#endif
