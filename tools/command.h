/* A subcommand: its table entry, from which dispatch and help are made. */
#ifndef TRIGPERF_TOOL_COMMAND_H
#define TRIGPERF_TOOL_COMMAND_H

#include <stddef.h>

#include "args.h"

typedef struct command {
    const char *name;
    const char *summary;        /* one line */
    const char *usage;          /* forms, a line each, without the program's name */
    const char *details;        /* behind the options in help; NULL: none */
    const args_option *options; /* beside settings_options; NULL: none */
    size_t operands_min;
    size_t operands_max;
    int (*run)(const args *given); /* returns an exit code */
    int usage_exit;                /* exit code of wrong usage; 0: EXIT_USAGE */
    const char *usage_line;        /* on standard output then; NULL: nothing */
    int output_exit;               /* exit code when standard output failed; 0: as of an error */
} command;

extern const command command_install;
extern const command command_uninstall;
extern const command command_apply;
extern const command command_attach;
extern const command command_detach;
extern const command command_status;
extern const command command_rules;
extern const command command_consumers;
extern const command command_doctor;
extern const command command_grants;
extern const command command_bracket;
extern const command command_collect;
extern const command command_cleanup;
extern const command command_kpi;
extern const command command_serve;
extern const command command_tail;
extern const command command_triggers;
extern const command command_alerts;
extern const command command_report;
extern const command command_check;
extern const command command_monitor;
extern const command command_config;

#endif
