/* The command that is run for an event (alert.command). */
#ifndef TRIGPERF_TOOL_HOOK_H
#define TRIGPERF_TOOL_HOOK_H

#include <jansson.h>

/* Runs the command by /bin/sh with the event as JSON on its standard input and parts of it in
 * TRIGPERF_ALERT_* variables, and waits for it, at most half a minute. Failures are said. */
void hook_run(const char *command, const json_t *event);

#endif
