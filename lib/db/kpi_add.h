/* Making KPIs. */
#ifndef TP_DB_KPI_ADD_H
#define TP_DB_KPI_ADD_H

#include <libpq-fe.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "db/kpi.h"

/* One transaction; sql (may be NULL) receives what ran, or would run. */
int32_t tp_kpi_add(PGconn *connection, const trigperf_kpi *spec, bool dry_run, tp_strbuf *sql,
                   trigperf_error **err);

#endif
