/* The library's JSON as text for people. */
#ifndef TRIGPERF_TOOL_RENDER_H
#define TRIGPERF_TOOL_RENDER_H

/* Prints an object or an array of objects on standard output: scalars as a list, arrays of objects
 * as tables. Returns an exit code. */
int render_json(const char *json);

#endif
