/* Fragments that the functions of a KPI are made of. */
#ifndef TP_DB_KPI_PART_H
#define TP_DB_KPI_PART_H

#include "db/kpi_text.h"

/* The number of values in the target: those described, and the count of rows when it is added. */
uint32_t tp_kpi_value_count(const tp_kpi_plan *plan);
const char *tp_kpi_value_name(const tp_kpi_plan *plan, uint32_t value);
tp_kpi_kind tp_kpi_value_kind(const tp_kpi_plan *plan, uint32_t value);
bool tp_kpi_has_extremes(const tp_kpi_plan *plan);

/* "a", "b" of the target, each after a prefix such as k. */
void tp_kpi_put_group_names(const tp_kpi_plan *plan, const char *prefix, tp_strbuf *out);
void tp_kpi_put_names(const tp_kpi_plan *plan, const char *prefix, tp_strbuf *out);
/* tp_g1, tp_g2 of the marks, each after a prefix. */
void tp_kpi_put_marks(const tp_kpi_plan *plan, const char *prefix, tp_strbuf *out);
/* ", tp_a1, tp_a2": the values of the marks. */
void tp_kpi_put_mark_values(const tp_kpi_plan *plan, tp_strbuf *out);
/* "SELECT array_agg(..": of rows with these columns, as marks, in the order of the groups. */
void tp_kpi_put_mark_rows(const tp_kpi_plan *plan, tp_strbuf *out);
/* The same columns, of several rows a group. */
void tp_kpi_put_merged(const tp_kpi_plan *plan, tp_strbuf *out);
/* Given text in parentheses; behind a comment the closing one stands on a line of its own. */
void tp_kpi_put_text(const char *text, tp_strbuf *out);
/* The group's expression over the row, in parentheses. */
void tp_kpi_put_group(const tp_kpi_plan *plan, uint32_t group, tp_strbuf *out);
/* " WHERE (..)", or nothing. */
void tp_kpi_put_where(const tp_kpi_plan *plan, tp_strbuf *out);
/* The aggregate over rows of the source (from NULL) or over columns tp_v<n>; with count(*) and sums
 * negated for rows that went. */
void tp_kpi_put_aggregate(const tp_kpi_plan *plan, uint32_t value, bool raw, bool gone,
                          tp_strbuf *out);
/* Whether two rows are of the same group: left and right are of the target, a mark, or the source.
 * nulls: also where a group was declared without NULLs. */
typedef enum tp_kpi_side { TP_KPI_OF_TARGET, TP_KPI_OF_MARK, TP_KPI_OF_ROW } tp_kpi_side;
void tp_kpi_put_same(const tp_kpi_plan *plan, tp_kpi_side left, tp_kpi_side right, bool nulls,
                     tp_strbuf *out);

#endif
