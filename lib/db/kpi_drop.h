/* Taking KPIs back. */
#ifndef TP_DB_KPI_DROP_H
#define TP_DB_KPI_DROP_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

/* One transaction; keep: the target stays. sql receives what ran, or would run. */
int32_t tp_kpi_drop(PGconn *connection, const char *target, bool keep, bool dry_run, tp_strbuf *sql,
                    trigperf_error **err);

#endif
