/* INSERT .. ON CONFLICT DO UPDATE, MERGE, and writing statements within WITH call the triggers of
 * two or three events, one after the other. Each has its groups in order; but did each write its
 * own, two such statements would lock groups in two or three passes, and wait for each other in a
 * circle. So those before the last put their differences aside, and the last one writes all of them
 * in one pass.
 *
 * Which one is the last? The server evaluates the conditions (WHEN) of all triggers of a statement
 * when it queues them, before it calls the first: there each notes the letter of its event in a
 * setting that is local to the transaction, and takes it away when it is called. Whoever finds no
 * letter left is the last. A statement within (a trigger of yours that writes to the same table)
 * may find letters of the one around it, and then leaves the writing to that one. An error takes
 * letters and rows back, whatever savepoint it returns to.
 *
 * What is put aside stands in the table of marks, which writers cannot forge; nobody else sees it,
 * since it is gone with the end of the statement. Should it stay (somebody set the setting by
 * hand), that is a mark as well: the KPI is rebuilt with its next refresh.
 *
 * Rejected: triggers before the statement, which cost a call each; locks on the KPI as a whole,
 * which make its writers wait for each other. */
#include "db/kpi_gather.h"

#include "db/kpi_part.h"

/* Triggers by row serve tables whose statements change one row: these call one. */
static bool gathers(const tp_kpi_plan *plan) {
    return !plan->by_row && !plan->spec->trailing;
}

void tp_kpi_put_announcement(const tp_kpi_plan *plan, char event, tp_strbuf *out) {
    if (gathers(plan)) {
        tp_strbuf_printf(out,
                         "\n    WHEN (pg_catalog.set_config('trigperf.kpi_%d', "
                         "pg_catalog.concat(pg_catalog.current_setting('trigperf.kpi_%d', true), "
                         "'%c'), true) IS NOT NULL) ",
                         plan->id, plan->id, event);
    }
}

void tp_kpi_put_arrival(const tp_kpi_plan *plan, tp_strbuf *out) {
    if (gathers(plan)) {
        tp_strbuf_printf(out,
                         "    tp_others := set_config('trigperf.kpi_%d', replace(COALESCE("
                         "current_setting('trigperf.kpi_%d', true), ''), lower(left(TG_OP, 1)), "
                         "''), true);\n",
                         plan->id, plan->id);
    }
}

/* tp_at tells what went from what changed. */
static void put_aside(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out,
                     "    IF replace(tp_others, 's', '') <> '' THEN\n"
                     "        IF tp_rows IS NOT NULL THEN\n"
                     "            INSERT INTO trigperf.kpi_mark_%d SELECT tp_d.* FROM "
                     "unnest(tp_rows || tp_gone) AS tp_d;\n"
                     "            PERFORM set_config('trigperf.kpi_%d', tp_others || 's', true);\n"
                     "        END IF;\n"
                     "        RETURN NULL;\n"
                     "    END IF;\n",
                     plan->id, plan->id);
}

static void put_taking(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_printf(out,
                     "        PERFORM set_config('trigperf.kpi_%d', '', true);\n"
                     "        WITH tp_taken AS (DELETE FROM trigperf.kpi_mark_%d AS tp_d WHERE "
                     "tp_d.tp_all IS NULL RETURNING tp_d.*)\n"
                     "        SELECT array_agg(tp_d::trigperf.kpi_mark_%d) INTO tp_aside FROM "
                     "(SELECT * FROM tp_taken) AS tp_d;\n",
                     plan->id, plan->id, plan->id);
    if (tp_kpi_has_extremes(plan)) {
        tp_strbuf_puts(out, "        SELECT tp_gone || array_agg(tp_d) INTO tp_gone FROM "
                            "unnest(tp_aside) AS tp_d WHERE tp_d.tp_at IS NOT NULL;\n");
    }
}

static void put_last(const tp_kpi_plan *plan, tp_strbuf *out) {
    tp_strbuf_puts(out, "    IF tp_others <> '' THEN\n");
    put_taking(plan, out);
    tp_kpi_put_mark_rows(plan, out);
    tp_strbuf_puts(out, ") INTO tp_rows FROM (SELECT ");
    tp_kpi_put_merged(plan, out);
    tp_strbuf_puts(out,
                   "\n            FROM unnest(tp_rows || tp_aside) AS tp_d WHERE tp_d.tp_at IS "
                   "NULL GROUP BY ");
    tp_kpi_put_marks(plan, "", out);
    tp_strbuf_puts(out, ") AS tp_q;\n    END IF;\n");
}

void tp_kpi_put_gathering(const tp_kpi_plan *plan, tp_strbuf *out) {
    if (gathers(plan)) {
        put_aside(plan, out);
        put_last(plan, out);
    }
}
