/* What installing and uninstalling share: one call of the library, then the SQL or a sentence. */
#ifndef TRIGPERF_TOOL_SCHEMA_H
#define TRIGPERF_TOOL_SCHEMA_H

#include <stdint.h>

#include <trigperf.h>

#include "args.h"

typedef int32_t (*schema_call)(trigperf_admin *admin, int32_t dry_run, char **sql,
                               trigperf_error **error);

/* With --dry-run the SQL is printed; otherwise report() is called with it. Returns the exit code.
 */
int schema_run(const args *given, schema_call call, void (*report)(const char *sql));

#endif
