/* The command that is run for events (alert.command), beside everything else. */
#ifndef TRIGPERF_TOOL_HOOK_H
#define TRIGPERF_TOOL_HOOK_H

#include <jansson.h>
#include <stdbool.h>

typedef struct hook hook;

/* Runs the command by /bin/sh, one event after the other, each for half a minute at most. quiet:
 * nothing may be printed, what it writes to standard error is told by hook_trouble() if it fails;
 * else it goes where our words go. NULL without a command. */
hook *hook_start(const char *command, bool quiet);

/* The command will be run for the event: as JSON on its standard input, and parts of it in
 * TRIGPERF_ALERT_* variables. */
void hook_add(hook *h, const json_t *event);

/* Whether it was run for all of them. */
bool hook_idle(hook *h);

/* What is wrong with the last run, where quiet: to be freed; NULL: nothing. */
char *hook_trouble(hook *h);

/* Ends the command that runs, with its children, and says for how many events it was not run. */
void hook_stop(hook *h);

#endif
