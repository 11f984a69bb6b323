/* The KPIs of a database: what they are, and refreshing them. */
#ifndef TP_DB_KPI_REFRESH_H
#define TP_DB_KPI_REFRESH_H

#include <libpq-fe.h>

#include "base/error.h"
#include "base/strbuf.h"

/* A JSON array of them. */
int32_t tp_kpi_list(PGconn *connection, tp_strbuf *json, trigperf_error **err);

/* target NULL: all of them, each in a transaction of its own. */
int32_t tp_kpi_refresh(PGconn *connection, const char *target, const char *what, tp_strbuf *json,
                       trigperf_error **err);

#endif
