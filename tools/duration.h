/* Lengths of time as people write them: 90, 90s, 30m, 2h, 1d, 1w. */
#ifndef TRIGPERF_TOOL_DURATION_H
#define TRIGPERF_TOOL_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "args.h"

bool duration_parse(const char *text, int64_t *seconds);

/* The value of an option; *seconds stays when it was not given. Returns an exit code. */
int duration_option(const args *given, const char *name, int64_t least, int64_t most,
                    int64_t *seconds);

#endif
