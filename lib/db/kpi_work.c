/* Refreshing takes the marks that are due out of the table and computes their groups anew, in the
 * next statement: its snapshot is younger than the one that saw the marks, and so sees every change
 * that they stand for. A change that is committed later leaves a mark of its own. So the last
 * change of a burst is refreshed, too, and a mark outlives a restart.
 *
 * Rebuilding locks the target against writers, whose triggers wait there: those that were before us
 * are visible to the next statement, those that come after us add to what we wrote. */
#include "db/kpi_work.h"

#include "db/kpi_part.h"
#include "db/sqltext.h"

static void put_set(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "ON CONFLICT (");
    tp_kpi_put_group_names(plan, "", out);
    tp_strbuf_puts(out, ") DO UPDATE SET (");
    tp_kpi_put_names(plan, "", out);
    tp_strbuf_puts(out, plan->spec->trailing ? ", refreshed_at) = ROW(" : ") = ROW(");
    tp_kpi_put_names(plan, "EXCLUDED.", out);
    tp_strbuf_puts(out, plan->spec->trailing ? ", EXCLUDED.refreshed_at)" : ")");
}

static void put_insert(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out, "    INSERT INTO %s AS k (", plan->target);
    tp_kpi_put_names(plan, "", out);
    tp_strbuf_printf(out, "%s)\n    SELECT tp_q.*%s FROM (",
                     plan->spec->trailing ? ", refreshed_at" : "",
                     plan->spec->trailing ? ", tp_now" : "");
}

static void put_check(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "    IF p_what = 'check' THEN\n"
                        "        SELECT count(*) INTO refreshed FROM (\n            (SELECT ");
    tp_kpi_put_names(plan, "", out);
    tp_strbuf_printf(out, " FROM %s EXCEPT ALL\n            ", plan->target);
    tp_kpi_put_query(plan, out);
    tp_strbuf_puts(out, ") UNION ALL (");
    tp_kpi_put_query(plan, out);
    tp_strbuf_puts(out, "\n            EXCEPT ALL SELECT ");
    tp_kpi_put_names(plan, "", out);
    tp_strbuf_printf(out,
                     " FROM %s)) AS k\n        WHERE NOT EXISTS (SELECT FROM trigperf.kpi_mark_%d "
                     "AS tp_d WHERE tp_d.tp_all IS NOT NULL",
                     plan->target, plan->id);
    if (plan->spec->trailing) {
        tp_strbuf_puts(out, " OR (");
        tp_kpi_put_same(plan, TP_KPI_OF_TARGET, TP_KPI_OF_MARK, false, out);
        tp_strbuf_puts(out, ")");
    }
    tp_strbuf_puts(out, ");\n        RETURN;\n    END IF;\n");
}

/* A NULL where there was none when the KPI was added takes a rebuild as well. */
static void put_doubt(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out,
                     "    rebuilt := p_what = 'rebuild' OR EXISTS (SELECT FROM "
                     "trigperf.kpi_mark_%d WHERE %s",
                     plan->id, plan->spec->trailing ? "tp_all IS NOT NULL" : "true");
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        if (plan->not_null[i]) {
            tp_strbuf_printf(out, " OR tp_g%u IS NULL", i + 1);
        }
    }
    tp_strbuf_puts(out, ");\n");
}

static void put_vanished(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out, "        DELETE FROM %s AS k USING (SELECT ", plan->target);
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_sql_ident(out, plan->spec->groups[i].name);
        tp_strbuf_printf(out, " AS tp_g%u", i + 1);
    }
    tp_strbuf_printf(out, " FROM %s EXCEPT SELECT ", plan->target);
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_kpi_put_group(plan, i, out);
    }
    tp_strbuf_printf(out, " FROM %s", plan->source);
    tp_kpi_put_where(plan, out);
    tp_strbuf_puts(out, ") AS tp_d WHERE ");
    tp_kpi_put_same(plan, TP_KPI_OF_TARGET, TP_KPI_OF_MARK, true, out);
    tp_strbuf_puts(out, ";\n        GET DIAGNOSTICS tp_count = ROW_COUNT;\n"
                        "        refreshed := tp_count;\n    ");
}

static void put_rebuild(const tp_kpi_plan *plan, tp_strbuf *out) {
    put_doubt(plan, out);
    tp_strbuf_printf(out,
                     "    IF rebuilt THEN\n"
                     "        LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE;\n"
                     "        DELETE FROM trigperf.kpi_mark_%d;\n",
                     plan->target, plan->id);
    put_vanished(plan, out);
    put_insert(plan, out);
    tp_kpi_put_query(plan, out);
    tp_strbuf_puts(out, ") AS tp_q\n        ");
    put_set(plan, out);
    tp_strbuf_puts(out, " WHERE ROW(");
    tp_kpi_put_names(plan, "k.", out);
    tp_strbuf_puts(out, ") IS DISTINCT FROM ROW(");
    tp_kpi_put_names(plan, "EXCLUDED.", out);
    tp_strbuf_puts(out, ");\n        GET DIAGNOSTICS tp_count = ROW_COUNT;\n"
                        "        refreshed := refreshed + tp_count;\n"
                        "        RETURN;\n    END IF;\n");
}

/* Groups that were refreshed lately keep their marks. */
static void put_take(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(
        out,
        "    WITH tp_taken AS (\n        DELETE FROM trigperf.kpi_mark_%d AS tp_d\n"
        "        WHERE tp_d.tp_all IS NULL AND (p_what = 'all' OR NOT EXISTS (SELECT FROM %s AS k "
        "WHERE ",
        plan->id, plan->target);
    tp_kpi_put_same(plan, TP_KPI_OF_TARGET, TP_KPI_OF_MARK, false, out);
    tp_strbuf_printf(out,
                     "\n            AND k.refreshed_at > tp_now - interval '%u ms' AND "
                     "k.refreshed_at <= tp_now))\n        RETURNING ",
                     plan->spec->interval_ms);
    tp_kpi_put_marks(plan, "tp_d.", out);
    tp_strbuf_puts(out, ")\n    SELECT array_agg(ROW(");
    tp_kpi_put_marks(plan, "tp_q.", out);
    tp_strbuf_printf(out,
                     ", NULL, NULL)::trigperf.kpi_mark_%d) INTO tp_rows\n"
                     "    FROM (SELECT DISTINCT * FROM tp_taken) AS tp_q;\n"
                     "    SELECT count(*) INTO waiting FROM (SELECT DISTINCT ",
                     plan->id);
    tp_kpi_put_marks(plan, "", out);
    tp_strbuf_printf(out,
                     " FROM trigperf.kpi_mark_%d WHERE tp_all IS NULL) AS tp_q;\n"
                     "    IF tp_rows IS NULL THEN\n        RETURN;\n    END IF;\n",
                     plan->id);
}

static bool has_nulls(const tp_kpi_plan *plan) {
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        if (!plan->not_null[i]) {
            return true;
        }
    }
    return false;
}

/* The query with a condition that only rows of marked groups meet. Where groups may be NULL the
 * server has no join for it, so the source is looked into mark by mark. */
static void put_marked_query(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_kpi_plan narrowed = *plan;
    trigperf_kpi spec = *plan->spec;
    tp_strbuf where = TP_STRBUF_INIT;
    bool each = has_nulls(plan);
    if (spec.where != NULL) {
        tp_kpi_put_text(spec.where, &where);
        tp_strbuf_puts(&where, " AND ");
    }
    tp_strbuf_puts(&where, each ? "" : "EXISTS (SELECT FROM unnest(tp_rows) AS tp_d WHERE ");
    tp_kpi_put_same(plan, TP_KPI_OF_ROW, TP_KPI_OF_MARK, false, &where);
    tp_strbuf_puts(&where, each ? "" : ")");
    spec.where = where.data;
    narrowed.spec = &spec;
    tp_strbuf_puts(out, each ? "SELECT tp_x.* FROM unnest(tp_rows) AS tp_d, LATERAL (" : "");
    tp_kpi_put_query(&narrowed, out);
    tp_strbuf_puts(out, each ? ") AS tp_x" : "");
    out->failed = out->failed || where.failed;
    tp_strbuf_free(&where);
}

static void put_refresh(const tp_kpi_plan *plan, tp_strbuf *out) {
    put_take(plan, out);
    put_insert(plan, out);
    put_marked_query(plan, out);
    tp_strbuf_puts(out, ") AS tp_q\n    ");
    put_set(plan, out);
    tp_strbuf_printf(out,
                     ";\n    GET DIAGNOSTICS tp_count = ROW_COUNT;\n    refreshed := tp_count;\n"
                     "    DELETE FROM %s AS k USING unnest(tp_rows) AS tp_d WHERE ",
                     plan->target);
    tp_kpi_put_same(plan, TP_KPI_OF_TARGET, TP_KPI_OF_MARK, false, out);
    tp_strbuf_puts(out, "\n        AND k.refreshed_at IS DISTINCT FROM tp_now;\n"
                        "    GET DIAGNOSTICS tp_count = ROW_COUNT;\n"
                        "    refreshed := refreshed + tp_count;\n");
}

void tp_kpi_put_work(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out,
                     "CREATE FUNCTION trigperf.kpi_work_%d(p_what text, OUT refreshed bigint, OUT "
                     "waiting bigint, OUT rebuilt boolean, OUT busy boolean)\n"
                     "LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, "
                     "pg_temp AS $trigperf$\n"
                     "#variable_conflict use_column\n"
                     "DECLARE\n"
                     "    tp_rows  trigperf.kpi_mark_%d[];\n"
                     "    tp_now   timestamptz := clock_timestamp();\n"
                     "    tp_count bigint;\n"
                     "BEGIN\n"
                     "    refreshed := 0;\n    waiting := 0;\n    rebuilt := false;\n"
                     "    busy := false;\n",
                     plan->id, plan->id);
    put_check(plan, out);
    tp_strbuf_printf(out,
                     "    IF NOT pg_try_advisory_xact_lock(746039184, %d) THEN\n"
                     "        busy := true;\n        RETURN;\n    END IF;\n",
                     plan->id);
    put_rebuild(plan, out);
    if (plan->spec->trailing) {
        put_refresh(plan, out);
    }
    tp_strbuf_puts(out, "END\n$trigperf$;\n");
}
