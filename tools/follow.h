/* The loop of `trigperf tail`: batches to lines, lines to acknowledgements. */
#ifndef TRIGPERF_TOOL_FOLLOW_H
#define TRIGPERF_TOOL_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <trigperf.h>

/* When to end: with neither `endless` nor `until_idle`, once what is visible was delivered. */
typedef struct follow_plan {
    bool endless;
    bool until_idle;
    bool text;           /* lines for people instead of JSON */
    bool durable;        /* acknowledged positions are stored */
    int64_t idle_ms;     /* of until_idle */
    int64_t patience_ms; /* how long a lost connection is waited for, unless endless */
    int stop_fd;         /* readable once the loop shall flush and end */
} follow_plan;

/* Delivers on standard output until the plan is fulfilled; returns an exit code. */
int follow_run(trigperf_context *context, const follow_plan *plan);

#endif
