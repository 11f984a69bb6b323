/* What the triggers of one statement tell a KPI is written together. */
#ifndef TP_DB_KPI_GATHER_H
#define TP_DB_KPI_GATHER_H

#include "db/kpi_text.h"

/* The condition of the trigger of an event ('i', 'u', 'd'), or nothing. */
void tp_kpi_put_announcement(const tp_kpi_plan *plan, char event, tp_strbuf *out);
/* At the beginning of the function: who is still to come. */
void tp_kpi_put_arrival(const tp_kpi_plan *plan, tp_strbuf *out);
/* Before tp_rows and tp_gone are written: puts them aside for the last one, or is the last one. */
void tp_kpi_put_gathering(const tp_kpi_plan *plan, tp_strbuf *out);

#endif
