/* What a server must be before anything is asked of it. */
#ifndef TP_PG_SERVER_H
#define TP_PG_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* version: as of server_version_num. 0 or E_VERSION. */
int32_t tp_server_check_version(long version, trigperf_error **err);
/* why: what a standby lacks, appended to the sentence. 0 or E_UNSUPPORTED. */
int32_t tp_server_check_primary(bool standby, const char *why, trigperf_error **err);

#endif
