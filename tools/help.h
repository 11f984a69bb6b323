/* Help, printed from the same tables that parse. */
#ifndef TRIGPERF_TOOL_HELP_H
#define TRIGPERF_TOOL_HELP_H

#include "command.h"

void help_overview(const command *const *commands);
void help_command(const command *chosen);

#endif
