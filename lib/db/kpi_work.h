/* The SQL of the function that refreshes, rebuilds and checks a KPI. Pure text: no server. */
#ifndef TP_DB_KPI_WORK_H
#define TP_DB_KPI_WORK_H

#include "db/kpi_text.h"

/* trigperf.kpi_work_<id>(what) */
void tp_kpi_put_work(const tp_kpi_plan *plan, tp_strbuf *out);

#endif
