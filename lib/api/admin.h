/* The inside of an administrator's handle, for the rest of lib/api. */
#ifndef TP_API_ADMIN_H
#define TP_API_ADMIN_H

#include <libpq-fe.h>

#include <trigperf/admin.h>

#include "base/strbuf.h"

PGconn *tp_admin_connection(trigperf_admin *admin);
uint32_t tp_admin_retention_days(const trigperf_admin *admin);

/* Hands text over when the caller wants it (out is not NULL); on failure the text goes. */
int32_t tp_admin_hand_over(tp_strbuf *text, char **out, int32_t status, trigperf_error **err);
/* An error when the schema is not installed in a version that this library knows. */
int32_t tp_admin_require_schema(trigperf_admin *admin, trigperf_error **err);

#endif
