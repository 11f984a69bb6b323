/* The trigger function of an immediate KPI works in two steps. First it computes, from what the
 * statement added and what it took away, one row of differences a group: inside an EXCEPTION block,
 * so that an expression that fails does not fail the writer's statement, and without writing, so
 * that the block takes no transaction id. Then it adds them to the target in the order of the
 * groups: all writers take their row locks in the same order, and none waits in a circle.
 *
 * Counts and sums can be taken away. An extreme that is taken away must be looked up: once the
 * group is locked, whatever other writers did to it is either visible to the next statement or will
 * come after us, so that it is exact. Rows that an UPDATE left as they were cancel out (EXCEPT
 * ALL).
 *
 * Of a statement that calls triggers of several events, the last one writes: db/kpi_gather.h.
 *
 * A trailing KPI only notes the groups. */
#include "db/kpi_text.h"

#include "db/kpi_gather.h"
#include "db/kpi_part.h"
#include "db/sqltext.h"

static const char new_rows[] = "tp_new";
static const char old_rows[] = "tp_old";

static const char *rows_of(const tp_kpi_plan *plan, const char *rows) {
    if (!plan->by_row) {
        return rows;
    }
    return rows == new_rows ? "(SELECT NEW.*) AS tp_new" : "(SELECT OLD.*) AS tp_old";
}

/* --- tables
 * -------------------------------------------------------------------------------------*/

static void put_mark_table(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out, "CREATE TABLE trigperf.kpi_mark_%d AS SELECT ", plan->id);
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_sql_ident(out, plan->spec->groups[i].name);
        tp_strbuf_printf(out, " AS tp_g%u", i + 1);
    }
    for (uint32_t i = 0; !plan->spec->trailing && i < tp_kpi_value_count(plan); i++) {
        tp_strbuf_puts(out, ", ");
        tp_sql_ident(out, tp_kpi_value_name(plan, i));
        tp_strbuf_printf(out, " AS tp_a%u", i + 1);
    }
    tp_strbuf_printf(out,
                     " FROM %s WITH NO DATA;\n"
                     "ALTER TABLE trigperf.kpi_mark_%d ADD COLUMN tp_all text,\n"
                     "    ADD COLUMN tp_at timestamptz DEFAULT clock_timestamp();\n",
                     plan->target, plan->id);
}

void tp_kpi_put_tables(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out, "CREATE TABLE %s AS\n", plan->target);
    tp_kpi_put_query(plan, out);
    tp_strbuf_puts(out, "\nWITH NO DATA;\n");
    if (plan->spec->trailing) {
        tp_strbuf_printf(out, "ALTER TABLE %s ADD COLUMN refreshed_at timestamptz NOT NULL;\n",
                         plan->target);
    }
    tp_strbuf_printf(out, "ALTER TABLE %s ADD UNIQUE NULLS NOT DISTINCT (", plan->target);
    tp_kpi_put_group_names(plan, "", out);
    tp_strbuf_printf(out, ");\nALTER TABLE %s SET (fillfactor = 70);\n", plan->target);
    put_mark_table(plan, out);
}

void tp_kpi_put_fill(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out, "INSERT INTO %s (", plan->target);
    tp_kpi_put_names(plan, "", out);
    tp_strbuf_printf(out, "%s)\nSELECT tp_q.*%s FROM (",
                     plan->spec->trailing ? ", refreshed_at" : "",
                     plan->spec->trailing ? ", clock_timestamp()" : "");
    tp_kpi_put_query(plan, out);
    tp_strbuf_puts(out, ") AS tp_q;\n");
}

/* --- differences
 * --------------------------------------------------------------------------------*/

/* What counts of each row: groups, conditions, operands. */
static void put_raw(const tp_kpi_plan *plan, const char *rows, tp_strbuf *out) {
    tp_strbuf_puts(out, "SELECT ");
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_kpi_put_group(plan, i, out);
        tp_strbuf_printf(out, " AS tp_g%u", i + 1);
    }
    for (uint32_t i = 0; i < plan->spec->value_count; i++) {
        if (plan->spec->values[i].expression != NULL) {
            tp_strbuf_puts(out, ", ");
            tp_kpi_put_text(plan->spec->values[i].expression, out);
            tp_strbuf_printf(out, " AS tp_v%u", i + 1);
        }
    }
    tp_strbuf_printf(out, " FROM %s", rows_of(plan, rows));
    tp_kpi_put_where(plan, out);
}

/* except: rows that are there before and after do not count. */
static void put_side(const tp_kpi_plan *plan, const char *rows, const char *except, bool gone,
                     tp_strbuf *out) {
    tp_strbuf_puts(out, "SELECT ");
    tp_kpi_put_marks(plan, "", out);
    for (uint32_t i = 0; i < tp_kpi_value_count(plan); i++) {
        tp_kpi_kind kind = tp_kpi_value_kind(plan, i);
        tp_strbuf_puts(out, ", ");
        if (gone && (kind == TP_KPI_MIN || kind == TP_KPI_MAX)) {
            tp_strbuf_puts(out, "NULL");
        } else {
            tp_kpi_put_aggregate(plan, i, true, gone, out);
        }
        tp_strbuf_printf(out, " AS tp_a%u", i + 1);
    }
    tp_strbuf_puts(out, " FROM (");
    put_raw(plan, rows, out);
    if (except != NULL) {
        tp_strbuf_puts(out, " EXCEPT ALL ");
        put_raw(plan, except, out);
    }
    tp_strbuf_puts(out, ") AS tp_r GROUP BY ");
    tp_kpi_put_marks(plan, "", out);
}

static void put_one_side(const tp_kpi_plan *plan, const char *rows, bool gone, tp_strbuf *out) {
    tp_kpi_put_mark_rows(plan, out);
    tp_strbuf_puts(out, ") INTO tp_rows FROM (");
    put_side(plan, rows, NULL, gone, out);
    tp_strbuf_puts(out, ") AS tp_q;\n");
}

static void put_both_sides(const tp_kpi_plan *plan, tp_strbuf *out) {
    bool extremes = tp_kpi_has_extremes(plan);
    const char *separator = " HAVING ";
    tp_kpi_put_mark_rows(plan, out);
    tp_strbuf_puts(out, ") INTO tp_rows FROM (SELECT ");
    tp_kpi_put_merged(plan, out);
    tp_strbuf_puts(out, " FROM (");
    put_side(plan, new_rows, extremes ? old_rows : NULL, false, out);
    tp_strbuf_puts(out, "\n            UNION ALL ");
    put_side(plan, old_rows, extremes ? new_rows : NULL, true, out);
    tp_strbuf_puts(out, ") AS tp_s GROUP BY ");
    tp_kpi_put_marks(plan, "", out);
    for (uint32_t i = 0; !extremes && i < tp_kpi_value_count(plan); i++) {
        tp_strbuf_printf(out, "%ssum(tp_a%u) <> 0", separator, i + 1);
        separator = " OR ";
    }
    tp_strbuf_puts(out, ") AS tp_q;\n");
}

/* Extremes of what went, a row a group; a time tells them from differences. */
static void put_gone(const tp_kpi_plan *plan, bool update, tp_strbuf *out) {
    tp_strbuf_puts(out, "            SELECT array_agg(ROW(");
    tp_kpi_put_marks(plan, "", out);
    tp_kpi_put_mark_values(plan, out);
    tp_strbuf_printf(out, ", NULL, now())::trigperf.kpi_mark_%d) INTO tp_gone FROM (", plan->id);
    put_side(plan, old_rows, update ? new_rows : NULL, false, out);
    tp_strbuf_puts(out, ") AS tp_q;\n");
}

static void put_differences(const tp_kpi_plan *plan, tp_strbuf *out) {
    bool extremes = tp_kpi_has_extremes(plan);
    tp_strbuf_puts(out, "        IF TG_OP = 'INSERT' THEN\n");
    put_one_side(plan, new_rows, false, out);
    tp_strbuf_puts(out, "        ELSIF TG_OP = 'DELETE' THEN\n");
    put_one_side(plan, old_rows, true, out);
    if (extremes) {
        put_gone(plan, false, out);
    }
    tp_strbuf_puts(out, "        ELSE\n");
    put_both_sides(plan, out);
    if (extremes) {
        put_gone(plan, true, out);
    }
    tp_strbuf_puts(out, "        END IF;\n");
}

/* --- writing them
 * -------------------------------------------------------------------------------*/

static void put_upsert(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out, "    WITH tp_up AS (\n        INSERT INTO %s AS k (", plan->target);
    tp_kpi_put_names(plan, "", out);
    tp_strbuf_puts(out, ")\n        SELECT ");
    tp_kpi_put_marks(plan, "tp_d.", out);
    for (uint32_t i = 0; i < tp_kpi_value_count(plan); i++) {
        tp_strbuf_printf(out, ", tp_d.tp_a%u", i + 1);
    }
    tp_strbuf_puts(out, " FROM unnest(tp_rows) AS tp_d ORDER BY ");
    tp_kpi_put_marks(plan, "tp_d.", out);
    tp_strbuf_puts(out, "\n        ON CONFLICT (");
    tp_kpi_put_group_names(plan, "", out);
    tp_strbuf_puts(out, ") DO UPDATE SET ");
    for (uint32_t i = 0; i < tp_kpi_value_count(plan); i++) {
        tp_kpi_kind kind = tp_kpi_value_kind(plan, i);
        bool extreme = kind == TP_KPI_MIN || kind == TP_KPI_MAX;
        const char *name = tp_kpi_value_name(plan, i);
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_sql_ident(out, name);
        tp_strbuf_puts(out, !extreme             ? " = k."
                            : kind == TP_KPI_MIN ? " = LEAST(k."
                                                 : " = GREATEST(k.");
        tp_sql_ident(out, name);
        tp_strbuf_puts(out, extreme ? ", EXCLUDED." : " + EXCLUDED.");
        tp_sql_ident(out, name);
        tp_strbuf_puts(out, extreme ? ")" : "");
    }
    tp_strbuf_puts(out, "\n        RETURNING k.");
    tp_sql_ident(out, tp_kpi_value_name(plan, tp_kpi_rows(plan)));
    tp_strbuf_puts(out,
                   " AS tp_left)\n    SELECT bool_or(tp_left = 0) INTO tp_empty FROM tp_up;\n");
}

/* Extremes that may have gone are looked up in the groups locked by now. */
static void put_lookup(const tp_kpi_plan *plan, tp_strbuf *out) {
    const char *comma = "";
    tp_strbuf_printf(out, "        UPDATE %s AS k SET (", plan->target);
    for (uint32_t i = 0; i < plan->spec->value_count; i++) {
        tp_kpi_kind kind = plan->spec->values[i].kind;
        if (kind == TP_KPI_MIN || kind == TP_KPI_MAX) {
            tp_strbuf_puts(out, comma);
            tp_sql_ident(out, plan->spec->values[i].name);
            comma = ", ";
        }
    }
    tp_strbuf_puts(out, ") = (SELECT ");
    comma = "";
    for (uint32_t i = 0; i < plan->spec->value_count; i++) {
        tp_kpi_kind kind = plan->spec->values[i].kind;
        if (kind == TP_KPI_MIN || kind == TP_KPI_MAX) {
            tp_strbuf_puts(out, comma);
            tp_kpi_put_aggregate(plan, i, false, false, out);
            comma = ", ";
        }
    }
    tp_strbuf_printf(out, " FROM %s", plan->source);
    tp_kpi_put_where(plan, out);
    tp_strbuf_puts(out, plan->spec->where == NULL ? " WHERE " : " AND ");
    tp_kpi_put_same(plan, TP_KPI_OF_ROW, TP_KPI_OF_TARGET, true, out);
    tp_strbuf_puts(out, ")\n        FROM unnest(tp_gone) AS tp_d WHERE ");
    tp_kpi_put_same(plan, TP_KPI_OF_TARGET, TP_KPI_OF_MARK, true, out);
    comma = " AND (";
    for (uint32_t i = 0; i < plan->spec->value_count; i++) {
        tp_kpi_kind kind = plan->spec->values[i].kind;
        if (kind == TP_KPI_MIN || kind == TP_KPI_MAX) {
            tp_strbuf_printf(out, "%stp_d.tp_a%u %s k.", comma, i + 1,
                             kind == TP_KPI_MIN ? "<=" : ">=");
            tp_sql_ident(out, plan->spec->values[i].name);
            comma = " OR ";
        }
    }
    tp_strbuf_puts(out, ");\n");
}

static void put_immediate_end(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_kpi_put_gathering(plan, out);
    tp_strbuf_puts(out, "    IF tp_rows IS NULL THEN\n        RETURN NULL;\n    END IF;\n");
    put_upsert(plan, out);
    if (tp_kpi_has_extremes(plan)) {
        tp_strbuf_puts(out, "    IF tp_gone IS NOT NULL THEN\n");
        put_lookup(plan, out);
        tp_strbuf_puts(out, "    END IF;\n");
    }
    tp_strbuf_printf(out,
                     "    IF tp_empty THEN\n        DELETE FROM %s AS k USING unnest(tp_rows) AS "
                     "tp_d\n        WHERE ",
                     plan->target);
    tp_kpi_put_same(plan, TP_KPI_OF_TARGET, TP_KPI_OF_MARK, true, out);
    tp_strbuf_puts(out, " AND k.");
    tp_sql_ident(out, tp_kpi_value_name(plan, tp_kpi_rows(plan)));
    tp_strbuf_puts(out, " = 0;\n    END IF;\n");
}

/* --- marks
 * --------------------------------------------------------------------------------------*/

static void put_used(const tp_kpi_plan *plan, const char *rows, tp_strbuf *out) {
    tp_strbuf_puts(out, "SELECT ");
    for (uint32_t i = 0; i < plan->spec->group_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_kpi_put_group(plan, i, out);
        tp_strbuf_printf(out, " AS tp_g%u", i + 1);
    }
    for (uint32_t i = 0; i < plan->used_count; i++) {
        tp_strbuf_puts(out, ", ");
        tp_sql_ident(out, plan->used[i].name);
        tp_strbuf_puts(out, plan->used[i].comparable ? "" : "::text");
    }
    tp_strbuf_printf(out, " FROM %s", rows_of(plan, rows));
    tp_kpi_put_where(plan, out);
}

static void put_marked(const tp_kpi_plan *plan, const char *rows, const char *except,
                       tp_strbuf *out) {
    tp_strbuf_puts(out, "SELECT ");
    tp_kpi_put_marks(plan, "", out);
    tp_strbuf_puts(out, " FROM (");
    put_used(plan, rows, out);
    if (except != NULL) {
        tp_strbuf_puts(out, " EXCEPT ALL ");
        put_used(plan, except, out);
    }
    tp_strbuf_puts(out, ") AS tp_r");
}

/* One branch: the distinct groups of one or two sets of rows. */
static void put_mark_branch(const tp_kpi_plan *plan, const char *rows, bool both, tp_strbuf *out) {
    tp_strbuf_puts(out, "            SELECT array_agg(ROW(");
    tp_kpi_put_marks(plan, "", out);
    tp_strbuf_printf(out, ", NULL, NULL)::trigperf.kpi_mark_%d) INTO tp_rows FROM (", plan->id);
    if (both) {
        put_marked(plan, new_rows, plan->by_row ? NULL : old_rows, out);
        tp_strbuf_puts(out, "\n            UNION ");
        put_marked(plan, old_rows, plan->by_row ? NULL : new_rows, out);
    } else {
        tp_strbuf_puts(out, "SELECT DISTINCT * FROM (");
        put_marked(plan, rows, NULL, out);
        tp_strbuf_puts(out, ") AS tp_s");
    }
    tp_strbuf_puts(out, ") AS tp_q;\n");
}

static void put_marking(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "        IF TG_OP = 'INSERT' THEN\n");
    put_mark_branch(plan, new_rows, false, out);
    tp_strbuf_puts(out, "        ELSIF TG_OP = 'DELETE' THEN\n");
    put_mark_branch(plan, old_rows, false, out);
    tp_strbuf_puts(out, "        ELSE\n");
    put_mark_branch(plan, NULL, true, out);
    tp_strbuf_puts(out, "        END IF;\n");
}

static void put_trailing_end(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out, "    INSERT INTO trigperf.kpi_mark_%d (", plan->id);
    tp_kpi_put_marks(plan, "", out);
    tp_strbuf_puts(out, ")\n    SELECT ");
    tp_kpi_put_marks(plan, "tp_d.", out);
    tp_strbuf_puts(out, " FROM unnest(tp_rows) AS tp_d;\n");
}

/* --- the function
 * -------------------------------------------------------------------------------*/

/* A row whose columns that matter have the same image changes nothing. */
static void put_row_check(const tp_kpi_plan *plan, tp_strbuf *out) {
    static const char *const records[] = {"OLD.", "NEW."};
    if (!plan->by_row || plan->used_count == 0) {
        return;
    }
    tp_strbuf_puts(out, "        IF TG_OP = 'UPDATE' THEN\n            IF ");
    for (int side = 0; side < 2; side++) {
        tp_strbuf_puts(out, side == 0 ? "ROW(" : " *= ROW(");
        for (uint32_t i = 0; i < plan->used_count; i++) {
            tp_strbuf_printf(out, "%s%s", i == 0 ? "" : ", ", records[side]);
            tp_sql_ident(out, plan->used[i].name);
        }
        tp_strbuf_puts(out, ")::record");
    }
    tp_strbuf_puts(out,
                   " THEN\n                RETURN NULL;\n            END IF;\n        END IF;\n");
}

/* Under an older snapshot DELETE would miss rows that were committed since; TRUNCATE does not. */
static void put_truncate(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "    IF TG_OP = 'TRUNCATE' THEN\n");
    if (plan->spec->trailing || plan->partitioned) {
        tp_strbuf_printf(out,
                         "        INSERT INTO trigperf.kpi_mark_%d (tp_all) VALUES ('TRUNCATE');\n",
                         plan->id);
    } else {
        tp_strbuf_printf(out,
                         "        IF current_setting('transaction_isolation') IN "
                         "('read committed', 'read uncommitted') THEN\n"
                         "            DELETE FROM %s;\n"
                         "        ELSE\n"
                         "            TRUNCATE %s;\n"
                         "        END IF;\n",
                         plan->target, plan->target);
    }
    tp_strbuf_puts(out, "        RETURN NULL;\n    END IF;\n");
}

static void put_failure(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "    EXCEPTION WHEN OTHERS THEN\n"
                        "        GET STACKED DIAGNOSTICS tp_message = MESSAGE_TEXT, tp_state = "
                        "RETURNED_SQLSTATE;\n"
                        "    END;\n"
                        "    IF tp_state IS NOT NULL THEN\n"
                        "        INSERT INTO trigperf.trigger_error_log (table_name, operation, "
                        "error_message, error_context, sqlstate)\n        VALUES (");
    tp_sql_literal(out, plan->source);
    tp_strbuf_puts(out, ", TG_OP, tp_message, 'KPI ' || ");
    tp_sql_literal(out, plan->target);
    tp_strbuf_printf(out,
                     " || ' is rebuilt with its next refresh', tp_state);\n"
                     "        INSERT INTO trigperf.kpi_mark_%d (tp_all) VALUES (tp_message);\n"
                     "        RETURN NULL;\n"
                     "    END IF;\n",
                     plan->id);
}

/* That tables were dropped or renamed is found here, where it does not fail the statement. */
static void put_presence(const tp_kpi_plan *plan, tp_strbuf *out) {
    if (!plan->spec->trailing) {
        tp_strbuf_printf(out, "        PERFORM FROM %s, %s WHERE false;\n", plan->source,
                         plan->target);
    }
}

void tp_kpi_put_function(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out,
                     "CREATE FUNCTION trigperf.kpi_%d() RETURNS trigger\n"
                     "LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, "
                     "pg_temp AS $trigperf$\n"
                     "#variable_conflict use_column\n"
                     "DECLARE\n"
                     "    tp_rows    trigperf.kpi_mark_%d[];\n"
                     "    tp_gone    trigperf.kpi_mark_%d[];\n"
                     "    tp_aside   trigperf.kpi_mark_%d[];\n"
                     "    tp_others  text;\n"
                     "    tp_empty   boolean;\n"
                     "    tp_message text;\n"
                     "    tp_state   text;\n"
                     "BEGIN\n",
                     plan->id, plan->id, plan->id, plan->id);
    put_truncate(plan, out);
    tp_kpi_put_arrival(plan, out);
    tp_strbuf_puts(out, "    BEGIN\n");
    put_row_check(plan, out);
    put_presence(plan, out);
    if (plan->spec->trailing) {
        put_marking(plan, out);
    } else {
        put_differences(plan, out);
    }
    put_failure(plan, out);
    if (plan->spec->trailing) {
        put_trailing_end(plan, out);
    } else {
        put_immediate_end(plan, out);
    }
    tp_strbuf_puts(out, "    RETURN NULL;\nEND\n$trigperf$;\n");
}

/* --- triggers
 * -----------------------------------------------------------------------------------*/

static void put_trigger(const tp_kpi_plan *plan, char suffix, const char *event,
                        const char *relation, const char *rest, tp_strbuf *out) {
    tp_strbuf_printf(out, "CREATE TRIGGER trigperf_kpi_%d_%c AFTER %s ON %s\n    %s", plan->id,
                     suffix, event, relation, rest);
    if (suffix != 't') {
        tp_kpi_put_announcement(plan, suffix, out);
    }
    tp_strbuf_printf(out, "EXECUTE FUNCTION trigperf.kpi_%d();\n", plan->id);
}

void tp_kpi_put_truncate_trigger(const tp_kpi_plan *plan, const char *relation, tp_strbuf *out) {
    put_trigger(plan, 't', "TRUNCATE", relation, "FOR EACH STATEMENT ", out);
}

/* With UPDATE OF, an UPDATE of other columns does not even call the function. */
static void put_update_event(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "UPDATE");
    for (uint32_t i = 0; plan->update_of && i < plan->used_count; i++) {
        tp_strbuf_puts(out, i == 0 ? " OF " : ", ");
        tp_sql_ident(out, plan->used[i].name);
    }
}

void tp_kpi_put_triggers(const tp_kpi_plan *plan, tp_strbuf *out) {
    if (plan->by_row) {
        tp_strbuf event = TP_STRBUF_INIT;
        put_update_event(plan, &event);
        put_trigger(plan, 'i', "INSERT", plan->source, "FOR EACH ROW ", out);
        put_trigger(plan, 'u', tp_strbuf_str(&event), plan->source, "FOR EACH ROW ", out);
        put_trigger(plan, 'd', "DELETE", plan->source, "FOR EACH ROW ", out);
        out->failed = out->failed || event.failed;
        tp_strbuf_free(&event);
    } else {
        put_trigger(plan, 'i', "INSERT", plan->source,
                    "REFERENCING NEW TABLE AS tp_new FOR EACH STATEMENT ", out);
        put_trigger(plan, 'u', "UPDATE", plan->source,
                    "REFERENCING OLD TABLE AS tp_old NEW TABLE AS tp_new FOR EACH STATEMENT ", out);
        put_trigger(plan, 'd', "DELETE", plan->source,
                    "REFERENCING OLD TABLE AS tp_old FOR EACH STATEMENT ", out);
    }
    tp_kpi_put_truncate_trigger(plan, plan->source, out);
}
