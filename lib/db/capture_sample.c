/* Two questions, since the one that every execution asks has to be cheap: each transaction prepares
 * an expression anew, and each function in it.
 *
 * The first takes one transaction in ten, those that began at a whole ten microseconds; it calls
 * one function. The second takes of the executions in those ten times the rate, by a hash of the
 * clock, and so a statement of a million rows does not log them all. What was decided is asked
 * again at the end, of a boolean: a bare variable is the least that can be prepared. The end cannot
 * be left to another branch than the one that writes: the INSERT there would have a plan of its
 * own, cold more often than the others. Each execution is as likely as any other, whatever it
 * takes, but those of a transaction are taken or left together. Where a tenth or more is wanted
 * there is only the second. random() would take numbers out of the sequence of a session that has
 * called setseed().
 *
 * The row is written outside the block that catches failures: a subtransaction that writes takes a
 * transaction id. Rights are asked for, not assumed, so that a new owner of the table without them
 * goes unmeasured instead of failing. */
#include "db/capture_sample.h"

#include <math.h>

#include "db/capture_text.h"

/* The share of transactions that begin at a whole ten microseconds. */
#define TRANSACTIONS 0.1

static bool samples(const tp_capture *capture) {
    return capture->sample_rate > 0;
}

void tp_capture_sample_variables(const tp_capture *capture, tp_strbuf *out) {
    if (samples(capture)) {
        tp_strbuf_puts(out, "    tp_timed boolean;\n"
                            "    tp_begun pg_catalog.timestamptz;\n");
    }
}

/* Begins the clock for a share of the executions that come here. */
static void begin_for_share(double share, const char *indent, tp_strbuf *out) {
    double bound = -2147483648.0 + share * 4294967296.0;
    if (bound >= 2147483647.0) {
        tp_strbuf_printf(out,
                         "%stp_timed := true;\n"
                         "%stp_begun := pg_catalog.clock_timestamp();\n",
                         indent, indent);
        return;
    }
    tp_strbuf_printf(out,
                     "%sIF pg_catalog.interval_hash(pg_catalog.clock_timestamp()\n"
                     "%s    OPERATOR(pg_catalog.-) '2000-01-01 00:00:00+00'::pg_catalog."
                     "timestamptz)\n"
                     "%s    OPERATOR(pg_catalog.<) (%ld) THEN\n"
                     "%s    tp_timed := true;\n"
                     "%s    tp_begun := pg_catalog.clock_timestamp();\n"
                     "%sEND IF;\n",
                     indent, indent, indent, lround(bound), indent, indent, indent);
}

void tp_capture_sample_begin(const tp_capture *capture, tp_strbuf *out) {
    if (!samples(capture)) {
        return;
    }
    if (capture->sample_rate >= TRANSACTIONS) {
        begin_for_share(capture->sample_rate, "    ", out);
        return;
    }
    tp_strbuf_puts(out, "    IF CURRENT_TIMESTAMP(5) OPERATOR(pg_catalog.=) CURRENT_TIMESTAMP "
                        "THEN\n");
    begin_for_share(capture->sample_rate / TRANSACTIONS, "        ", out);
    tp_strbuf_puts(out, "    END IF;\n");
}

void tp_capture_sample_label(const tp_capture *capture, tp_strbuf *out) {
    if (samples(capture)) {
        tp_strbuf_puts(out, "    <<tp_keys>>\n");
    }
}

void tp_capture_skip(const tp_capture *capture, const char *indent, tp_strbuf *out) {
    if (samples(capture)) {
        tp_strbuf_printf(out,
                         "%sIF tp_timed THEN\n"
                         "%s    tp_slot := " TP_CAPTURE_SLOT_NOTHING ";\n"
                         "%s    EXIT tp_keys;\n"
                         "%sEND IF;\n"
                         "%sRETURN NEW;\n",
                         indent, indent, indent, indent, indent);
    } else {
        tp_strbuf_printf(out, "%sRETURN NEW;\n", indent);
    }
}

void tp_capture_sample_nothing(const tp_capture *capture, tp_strbuf *out) {
    if (samples(capture)) {
        tp_strbuf_puts(out,
                       "    ELSIF tp_slot OPERATOR(pg_catalog.=) " TP_CAPTURE_SLOT_NOTHING " THEN\n"
                       "        NULL;\n");
    }
}

void tp_capture_sample_end(const tp_capture *capture, tp_strbuf *out) {
    if (!samples(capture)) {
        return;
    }
    tp_strbuf_printf(
        out,
        "    IF tp_timed THEN\n"
        "        IF pg_catalog.has_table_privilege('trigperf.trigger_execution_log', 'INSERT') "
        "THEN\n"
        "            INSERT INTO trigperf.trigger_execution_log (source, table_name, "
        "trigger_name,\n"
        "                function_name, operation, duration_ms, row_count, skipped, weight,\n"
        "                error_sqlstate, error_message)\n"
        "            VALUES ('capture', pg_catalog.format('%%I.%%I', TG_TABLE_SCHEMA, "
        "TG_TABLE_NAME),\n"
        "                TG_NAME, 'trigperf.capture_%d', TG_OP, pg_catalog.date_part('epoch',\n"
        "                pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) tp_begun)\n"
        "                OPERATOR(pg_catalog.*) 1000::pg_catalog.float8, %s,\n"
        "                COALESCE(tp_slot OPERATOR(pg_catalog.=) " TP_CAPTURE_SLOT_NOTHING
        ", false), %ld, tp_state, "
        "tp_message);\n"
        "        END IF;\n"
        "    END IF;\n",
        capture->id, capture->by_row ? "1" : "NULL", lround(1 / capture->sample_rate));
}
