/* From the command line, the environment and a file to a configuration. */
#ifndef TRIGPERF_TOOL_SETTINGS_H
#define TRIGPERF_TOOL_SETTINGS_H

#include <trigperf.h>

#include "args.h"

/* The options every subcommand takes. */
extern const args_option settings_options[];

/* Builds the configuration: file, then environment, then options. Returns an exit code. */
int settings_load(const args *given, trigperf_config **config);

/* Sets a configuration value that came from an option; a bad one is a usage error. */
int settings_set(trigperf_config *config, const char *name, const char *value);

/* A configuration value as a number; the fallback when it is none. */
int64_t settings_number(const trigperf_config *config, const char *name, int64_t fallback);

/* Connects for administration. Returns an exit code. */
int settings_admin(const args *given, trigperf_admin **admin);

#endif
