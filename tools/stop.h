/* SIGINT, SIGTERM and SIGHUP as something to wait for. */
#ifndef TRIGPERF_TOOL_STOP_H
#define TRIGPERF_TOOL_STOP_H

#include <stdbool.h>

/* Takes the signals over. Returns a descriptor that becomes readable with the first of them, -1 on
 * failure. Another signal later on ends the process at once. */
int stop_install(void);

bool stop_requested(void);

#endif
