/* What `alerts --follow` and `monitor` do while they run: measure, judge, run the command. */
#ifndef TRIGPERF_TOOL_WATCHING_H
#define TRIGPERF_TOOL_WATCHING_H

#include <jansson.h>
#include <stdint.h>

#include <trigperf.h>

#include "hook.h"

typedef struct watching {
    trigperf_admin *admin;
    hook *command;    /* alert.command; NULL: none */
    uint64_t last_id; /* of the newest event seen */
    int64_t due_ms;   /* when to measure and judge again */
    int rights_told;  /* that the role may only look was said */
} watching;

/* Measures and judges when that is due; takes events for the command when that is idle. Returns
 * new events (an array, to be released) in *events. On failure the error is the caller's. */
int32_t watching_turn(watching *w, int64_t now_ms, json_t **events, trigperf_error **error);

#endif
