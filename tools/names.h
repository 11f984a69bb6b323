/* Names and durations as they are typed on the command line. */
#ifndef TRIGPERF_TOOL_NAMES_H
#define TRIGPERF_TOOL_NAMES_H

#include <stdint.h>

/* Takes the next name of a list such as  status, "odd,name"  from *at; *name is owned by the caller
 * and NULL at the end of the list. A usage error is reported. Names are taken as they are written,
 * without folding of case; in double quotes they may hold anything ("" writes a quote). */
int names_next(const char **at, char **name);

/* Splits NAME or NAME=EXPRESSION; *expression is NULL or points into the text. The name is the
 * caller's to free. */
int names_key(const char *text, char **name, const char **expression);

/* A duration such as 500ms, 60s, 5m, 2h into milliseconds. */
int names_duration(const char *text, uint32_t *ms);

#endif
