/* Names that the functions use themselves begin with tp_, which no column of the source may: inside
 * them, an expression's names mean the columns of the row. The target is k, a mark is tp_d. */
#include "db/kpi_part.h"

#include <string.h>

#include "db/sqltext.h"

uint32_t tp_kpi_rows(const tp_kpi_plan *plan) {
    const trigperf_kpi *spec = plan->spec;
    for (uint32_t i = 0; i < spec->value_count; i++) {
        if (spec->values[i].kind == TP_KPI_COUNT && spec->values[i].expression == NULL) {
            return i;
        }
    }
    return spec->value_count;
}

uint32_t tp_kpi_value_count(const tp_kpi_plan *plan) {
    uint32_t count = plan->spec->value_count;
    return !plan->spec->trailing && tp_kpi_rows(plan) == count ? count + 1 : count;
}

const char *tp_kpi_value_name(const tp_kpi_plan *plan, uint32_t value) {
    return value < plan->spec->value_count ? plan->spec->values[value].name : TP_KPI_ROWS;
}

tp_kpi_kind tp_kpi_value_kind(const tp_kpi_plan *plan, uint32_t value) {
    return value < plan->spec->value_count ? plan->spec->values[value].kind : TP_KPI_COUNT;
}

bool tp_kpi_has_extremes(const tp_kpi_plan *plan) {
    for (uint32_t i = 0; i < plan->spec->value_count; i++) {
        tp_kpi_kind kind = plan->spec->values[i].kind;
        if (kind == TP_KPI_MIN || kind == TP_KPI_MAX) {
            return true;
        }
    }
    return false;
}

void tp_kpi_put_group_names(const tp_kpi_plan *plan, const char *prefix, tp_strbuf *out) {
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_printf(out, "%s%s", i == 0 ? "" : ", ", prefix);
        tp_sql_ident(out, plan->spec->groups[i].name);
    }
}

void tp_kpi_put_names(const tp_kpi_plan *plan, const char *prefix, tp_strbuf *out) {
    tp_kpi_put_group_names(plan, prefix, out);
    for (uint32_t i = 0; i < tp_kpi_value_count(plan); i++) {
        tp_strbuf_printf(out, ", %s", prefix);
        tp_sql_ident(out, tp_kpi_value_name(plan, i));
    }
}

void tp_kpi_put_marks(const tp_kpi_plan *plan, const char *prefix, tp_strbuf *out) {
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_printf(out, "%s%stp_g%u", i == 0 ? "" : ", ", prefix, i + 1);
    }
}

void tp_kpi_put_mark_values(const tp_kpi_plan *plan, tp_strbuf *out) {
    for (uint32_t i = 0; i < tp_kpi_value_count(plan); i++) {
        tp_strbuf_printf(out, ", tp_a%u", i + 1);
    }
}

void tp_kpi_put_mark_rows(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "            SELECT array_agg(ROW(");
    tp_kpi_put_marks(plan, "", out);
    tp_kpi_put_mark_values(plan, out);
    tp_strbuf_printf(out, ", NULL, NULL)::trigperf.kpi_mark_%d ORDER BY ", plan->id);
    tp_kpi_put_marks(plan, "", out);
}

void tp_kpi_put_merged(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_kpi_put_marks(plan, "", out);
    for (uint32_t i = 0; i < tp_kpi_value_count(plan); i++) {
        tp_kpi_kind kind = tp_kpi_value_kind(plan, i);
        const char *name = kind == TP_KPI_MIN ? "min" : kind == TP_KPI_MAX ? "max" : "sum";
        tp_strbuf_printf(out, ", %s(tp_a%u) AS tp_a%u", name, i + 1, i + 1);
    }
}

void tp_kpi_put_text(const char *text, tp_strbuf *out) {
    tp_strbuf_printf(out, "(%s%s)", text, strstr(text, "--") == NULL ? "" : "\n");
}

void tp_kpi_put_group(const tp_kpi_plan *plan, uint32_t group, tp_strbuf *out) {
    const tp_kpi_group *given = &plan->spec->groups[group];
    if (given->expression == NULL) {
        tp_sql_ident(out, given->name);
    } else {
        tp_kpi_put_text(given->expression, out);
    }
}

void tp_kpi_put_where(const tp_kpi_plan *plan, tp_strbuf *out) {
    if (plan->spec->where != NULL) {
        tp_strbuf_puts(out, " WHERE ");
        tp_kpi_put_text(plan->spec->where, out);
    }
}

static void put_operand(const tp_kpi_plan *plan, uint32_t value, bool raw, tp_strbuf *out) {
    if (raw) {
        tp_strbuf_printf(out, "tp_v%u", value + 1);
    } else {
        tp_kpi_put_text(plan->spec->values[value].expression, out);
    }
}

static void put_sum(const tp_kpi_plan *plan, uint32_t value, bool raw, tp_strbuf *out) {
    tp_strbuf_puts(out, "COALESCE(sum(");
    put_operand(plan, value, raw, out);
    tp_strbuf_puts(out, ")");
    if (plan->numeric[value]) {
        tp_strbuf_puts(out, " FILTER (WHERE ");
        put_operand(plan, value, raw, out);
        tp_strbuf_puts(out, " NOT IN ('NaN', 'Infinity', '-Infinity'))");
    }
    tp_strbuf_puts(out, ", 0)");
}

void tp_kpi_put_aggregate(const tp_kpi_plan *plan, uint32_t value, bool raw, bool gone,
                          tp_strbuf *out) {
    tp_kpi_kind kind = tp_kpi_value_kind(plan, value);
    bool star = value >= plan->spec->value_count || plan->spec->values[value].expression == NULL;
    if (kind == TP_KPI_OTHER) {
        tp_kpi_put_text(plan->spec->values[value].aggregate, out);
        return;
    }
    if (kind == TP_KPI_COUNT || kind == TP_KPI_SUM) {
        tp_strbuf_puts(out, gone ? "-" : "");
    }
    if (kind == TP_KPI_SUM) {
        put_sum(plan, value, raw, out);
    } else if (kind == TP_KPI_COUNT) {
        tp_strbuf_puts(out, "count(*)");
        if (!star) {
            tp_strbuf_puts(out, " FILTER (WHERE ");
            put_operand(plan, value, raw, out);
            tp_strbuf_puts(out, ")");
        }
    } else {
        tp_strbuf_puts(out, kind == TP_KPI_MIN ? "min(" : "max(");
        put_operand(plan, value, raw, out);
        tp_strbuf_puts(out, ")");
    }
}

static void put_side(const tp_kpi_plan *plan, tp_kpi_side side, uint32_t group, tp_strbuf *out) {
    if (side == TP_KPI_OF_MARK) {
        tp_strbuf_printf(out, "tp_d.tp_g%u", group + 1);
    } else if (side == TP_KPI_OF_ROW) {
        tp_kpi_put_group(plan, group, out);
    } else {
        tp_strbuf_puts(out, "k.");
        tp_sql_ident(out, plan->spec->groups[group].name);
    }
}

/* NULLs are a group; the plain form is the one that an index, a hash or a sort can serve. */
void tp_kpi_put_same(const tp_kpi_plan *plan, tp_kpi_side left, tp_kpi_side right, bool nulls,
                     tp_strbuf *out) {
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        bool plain = plan->not_null[i] && !nulls;
        tp_strbuf_puts(out, i == 0 ? "" : " AND ");
        tp_strbuf_puts(out, plain ? "" : "(");
        put_side(plan, left, i, out);
        tp_strbuf_puts(out, " = ");
        put_side(plan, right, i, out);
        if (!plain) {
            tp_strbuf_puts(out, " OR (");
            put_side(plan, left, i, out);
            tp_strbuf_puts(out, " IS NULL AND ");
            put_side(plan, right, i, out);
            tp_strbuf_puts(out, " IS NULL))");
        }
    }
}

void tp_kpi_put_query(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "SELECT ");
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_kpi_put_group(plan, i, out);
        tp_strbuf_puts(out, " AS ");
        tp_sql_ident(out, plan->spec->groups[i].name);
    }
    for (uint32_t i = 0; i < tp_kpi_value_count(plan); i++) {
        tp_strbuf_puts(out, ", ");
        tp_kpi_put_aggregate(plan, i, false, false, out);
        tp_strbuf_puts(out, " AS ");
        tp_sql_ident(out, tp_kpi_value_name(plan, i));
    }
    tp_strbuf_printf(out, " FROM %s", plan->source);
    tp_kpi_put_where(plan, out);
    tp_strbuf_puts(out, " GROUP BY ");
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_printf(out, "%s%u", i == 0 ? "" : ", ", i + 1);
    }
}
