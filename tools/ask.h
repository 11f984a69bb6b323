/* What most subcommands are: one connection, one call of the library, its answer. */
#ifndef TRIGPERF_TOOL_ASK_H
#define TRIGPERF_TOOL_ASK_H

#include <stdint.h>

#include <trigperf.h>

#include "args.h"

/* The call; given are the arguments of the command. */
typedef int32_t (*ask_call)(trigperf_admin *admin, const args *given, char **answer,
                            trigperf_error **error);

/* Connects and calls. Returns an exit code; a failure was reported. The answer belongs to the
 * caller: trigperf_string_free(). */
int ask(const args *given, ask_call call, char **answer);

/* The same for an answer in JSON, which --format (text, the default, or json) prints. */
int ask_document(const args *given, ask_call call);

/* The option of ask_document(). */
#define ASK_FORMAT                                                                                 \
    { "format", "FORMAT", "text (default) or json", 0 }

/* The same for a change whose answer is SQL: --dry-run prints that, otherwise done() tells. */
int ask_change(const args *given, ask_call call, void (*done)(const args *given, const char *sql));

/* 1 with an option that is a switch. */
int32_t ask_flag(const args *given, const char *name);

#endif
