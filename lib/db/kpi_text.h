/* The SQL of a KPI: its tables, its trigger function, its triggers, and the function that refreshes
 * it. Pure text: no server. */
#ifndef TP_DB_KPI_TEXT_H
#define TP_DB_KPI_TEXT_H

#include "base/strbuf.h"
#include "db/kpi.h"

/* Raised whenever the text of the functions or triggers becomes another: they stay as they were
 * made until the KPI is added anew, and by this number they are known. */
#define TP_KPI_GENERATOR 1

/* A column of the source that the KPI depends on. */
typedef struct tp_kpi_used {
    const char *name;
    bool comparable; /* its type has an equality */
} tp_kpi_used;

typedef struct tp_kpi_plan {
    const trigperf_kpi *spec;
    int32_t id;
    const char *source; /* quoted, with their schemas */
    const char *target;
    const tp_kpi_used *used;
    uint32_t used_count;
    const bool *not_null; /* of each group: can be compared with = alone */
    const bool *numeric;  /* of each value: what is summed may be no finite number */
    bool by_row;
    bool partitioned;
    bool update_of; /* no trigger changes rows before they are written */
} tp_kpi_plan;

/* The plain count(*) that an immediate KPI needs: index of the value, value_count when there is
 * none and the target gets a column of its own for it, named TP_KPI_ROWS. */
#define TP_KPI_ROWS "row_count"
uint32_t tp_kpi_rows(const tp_kpi_plan *plan);

/* SELECT of the KPI computed anew from the source. */
void tp_kpi_put_query(const tp_kpi_plan *plan, tp_strbuf *out);

/* CREATE TABLE of the target (empty, with its unique index) and of the marks. */
void tp_kpi_put_tables(const tp_kpi_plan *plan, tp_strbuf *out);
void tp_kpi_put_fill(const tp_kpi_plan *plan, tp_strbuf *out);
/* trigperf.kpi_<id>() */
void tp_kpi_put_function(const tp_kpi_plan *plan, tp_strbuf *out);
/* CREATE TRIGGER on the source. */
void tp_kpi_put_triggers(const tp_kpi_plan *plan, tp_strbuf *out);
/* TRUNCATE trigger alone, for a partition. */
void tp_kpi_put_truncate_trigger(const tp_kpi_plan *plan, const char *relation, tp_strbuf *out);

#endif
