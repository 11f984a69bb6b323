/* The library's JSON as text for people. */
#ifndef TRIGPERF_TOOL_RENDER_H
#define TRIGPERF_TOOL_RENDER_H

#include <jansson.h>

/* Prints an object or an array of objects on standard output: scalars as a list, arrays of objects
 * as tables. Returns an exit code. */
int render_json(const char *json);

/* An array of objects as a table. */
void render_rows(const json_t *rows);

/* Cells of such tables: milliseconds, and a share as percent; null for what is no number. */
json_t *render_ms(const json_t *number);
json_t *render_share(const json_t *number);
/* Behind the name of a report's entry: " (told)" of itself, " (bracket)", or "". */
const char *render_view(const json_t *entry);
/* The name of its trigger with that; null where it has none. */
json_t *render_trigger(const json_t *entry);

#endif
