/* The inside of an administrator's handle, for the rest of lib/api. */
#ifndef TP_API_ADMIN_H
#define TP_API_ADMIN_H

#include <libpq-fe.h>

#include <trigperf/admin.h>

PGconn *tp_admin_connection(trigperf_admin *admin);

#endif
