/* The function computes keys inside an EXCEPTION block and writes outside it: a subtransaction that
 * only computes takes no transaction id, one that writes takes one each. What fails inside becomes
 * an error row and a coarse outbox row, and the user's statement goes on. With full isolation a
 * second block stands around everything, at that price; what fails there is counted in a sequence,
 * which needs no space and no commit, and the leader resyncs when the count moves.
 *
 * What an AFTER trigger returns is ignored; NEW is a variable, and NULL an expression to prepare.
 *
 * The SQL reads its columns by name at run time, so that a renamed or dropped column is such a
 * failure and not an obstacle to the user's ALTER TABLE. */
#include "db/capture.h"

#include <stdio.h>
#include <string.h>

#include "db/capture_row.h"
#include "db/capture_sample.h"
#include "db/capture_statement.h"
#include "db/capture_text.h"
#include "db/sqltext.h"

int32_t tp_capture_slots(tp_capture_key *keys, uint32_t count, trigperf_error **err) {
    static const char letters[] = {[TP_KEY_INT] = 'i', [TP_KEY_UUID] = 'u', [TP_KEY_TEXT] = 't'};
    uint32_t used[sizeof letters] = {0};
    if (count > TP_CAPTURE_KEYS_MAX) {
        return tp_error_set(
            err, TRIGPERF_E_LIMIT,
            "leave keys out that no template uses, or join several in one expression",
            "expected at most %d keys, got %u", TP_CAPTURE_KEYS_MAX, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        snprintf(keys[i].slot, sizeof keys[i].slot, "%c%u", letters[keys[i].kind],
                 ++used[keys[i].kind] % 100);
    }
    return TRIGPERF_OK;
}

static void settings(const tp_capture *capture, tp_strbuf *out) {
    static const char *const texts[] = {"DateStyle = 'ISO, YMD'",
                                        "TimeZone = 'UTC'",
                                        "IntervalStyle = 'postgres'",
                                        "bytea_output = 'hex'",
                                        "extra_float_digits = 1",
                                        "lc_monetary = 'C'",
                                        "search_path = pg_catalog, pg_temp",
                                        "standard_conforming_strings = on"};
    uint32_t needed = 0;
    for (uint32_t i = 0; i < capture->key_count; i++) {
        needed |= capture->keys[i].rendering;
    }
    for (uint32_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if ((needed & (1u << i)) != 0) {
            tp_strbuf_printf(out, "\nSET %s", texts[i]);
        }
    }
}

static void body(const tp_capture *capture, tp_strbuf *out) {
    const char *kind = capture->by_row ? "row" : "statement";
    tp_strbuf_printf(
        out,
        "\n#variable_conflict use_column\n"
        "-- Made by libtrigperf: one row of trigperf.outbox for every %s that changes\n"
        "-- a key or a watched column.\n"
        "DECLARE\n"
        "    tp_slot bigint;\n"
        "    tp_op pg_catalog.\"char\";\n"
        "    tp_message pg_catalog.text;\n"
        "    tp_context pg_catalog.text;\n"
        "    tp_state pg_catalog.text;\n",
        kind);
    tp_capture_sample_variables(capture, out);
    tp_capture_arrays(capture, out);
    (capture->by_row ? tp_capture_row_variables : tp_capture_statement_variables)(capture, out);
    tp_strbuf_puts(out, "BEGIN\n");
    tp_capture_sample_begin(capture, out);
    tp_strbuf_puts(out, capture->isolate_full ? "    BEGIN\n" : "");
    tp_capture_sample_label(capture, out);
    tp_strbuf_puts(out, "    BEGIN\n");
    (capture->by_row ? tp_capture_row_keys : tp_capture_statement_keys)(capture, out);
    tp_strbuf_puts(out, "    EXCEPTION WHEN OTHERS THEN\n"
                        "        GET STACKED DIAGNOSTICS tp_message = MESSAGE_TEXT,\n"
                        "            tp_context = PG_EXCEPTION_CONTEXT, tp_state = "
                        "RETURNED_SQLSTATE;\n"
                        "        tp_slot := NULL;\n"
                        "        tp_op := 'E';\n"
                        "    END;\n");
    tp_capture_write(capture, out);
    tp_capture_sample_end(capture, out);
    if (capture->isolate_full) {
        tp_strbuf_puts(out, "    EXCEPTION WHEN OTHERS THEN\n"
                            "        RAISE WARNING 'trigperf: a change of % could not be written, "
                            "the table will be resynced: %',\n"
                            "            pg_catalog.format('%I.%I', TG_TABLE_SCHEMA, "
                            "TG_TABLE_NAME), SQLERRM;\n"
                            "        BEGIN\n"
                            "            PERFORM pg_catalog.nextval('trigperf.uncaptured');\n"
                            "        EXCEPTION WHEN OTHERS THEN\n"
                            "            RAISE WARNING 'trigperf: nor could that be noted: %', "
                            "SQLERRM;\n"
                            "        END;\n"
                            "    END;\n");
    }
    tp_strbuf_puts(out, "    RETURN NEW;\nEND\n");
}

/* A dollar quote that does not occur in the text. */
static void quoted(const tp_strbuf *text, tp_strbuf *out) {
    char tag[24] = "$capture$";
    for (uint32_t i = 1; strstr(tp_strbuf_str(text), tag) != NULL; i++) {
        snprintf(tag, sizeof tag, "$capture%u$", i);
    }
    tp_strbuf_printf(out, "%s%s%s", tag, tp_strbuf_str(text), tag);
}

void tp_capture_function(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf text = TP_STRBUF_INIT;
    body(capture, &text);
    tp_strbuf_printf(out,
                     "CREATE FUNCTION trigperf.capture_%d() RETURNS pg_catalog.trigger\n"
                     "LANGUAGE plpgsql SECURITY DEFINER",
                     capture->id);
    settings(capture, out);
    tp_strbuf_puts(out, "\nAS ");
    quoted(&text, out);
    tp_strbuf_puts(out, ";\n");
    out->failed = out->failed || text.failed;
    tp_strbuf_free(&text);
}

static void trigger(const tp_capture *capture, const char *relation, tp_place place,
                    const char *name, const char *event, const char *each, tp_strbuf *out) {
    tp_strbuf_puts(out, "CREATE TRIGGER trigperf_capture_");
    if (place != TP_PLACE_ROOT) {
        tp_strbuf_printf(out, "%d_", capture->id);
    }
    tp_strbuf_printf(out,
                     "%s AFTER %s ON %s\n"
                     "    %s EXECUTE FUNCTION trigperf.capture_%d();\n",
                     name, event, relation, each, capture->id);
    if (capture->replicated) {
        tp_strbuf_printf(out, "ALTER TABLE %s ENABLE ALWAYS TRIGGER trigperf_capture_", relation);
        if (place != TP_PLACE_ROOT) {
            tp_strbuf_printf(out, "%d_", capture->id);
        }
        tp_strbuf_printf(out, "%s;\n", name);
    }
}

void tp_capture_triggers(const tp_capture *capture, const char *relation, tp_place place,
                         tp_strbuf *out) {
    if (!capture->by_row) {
        trigger(capture, relation, place, "insert", "INSERT",
                "REFERENCING NEW TABLE AS tp_new FOR EACH STATEMENT", out);
        trigger(capture, relation, place, "update", "UPDATE",
                "REFERENCING OLD TABLE AS tp_old NEW TABLE AS tp_new FOR EACH STATEMENT", out);
        trigger(capture, relation, place, "delete", "DELETE",
                "REFERENCING OLD TABLE AS tp_old FOR EACH STATEMENT", out);
    } else if (place != TP_PLACE_PARTITION) {
        trigger(capture, relation, place, "row", "INSERT OR UPDATE OR DELETE", "FOR EACH ROW", out);
    }
    trigger(capture, relation, place, "truncate", "TRUNCATE", "FOR EACH STATEMENT", out);
}
