/* The library's JSON as text for people. */
#ifndef TRIGPERF_TOOL_RENDER_H
#define TRIGPERF_TOOL_RENDER_H

#include <jansson.h>

/* Prints an object or an array of objects on standard output: scalars as a list, arrays of objects
 * as tables. Returns an exit code. */
int render_json(const char *json);

/* An array of objects as a table. */
void render_rows(const json_t *rows);

#endif
