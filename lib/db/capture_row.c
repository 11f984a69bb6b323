/* The comparison stands in the body, not in a WHEN clause: the server parses a WHEN clause from its
 * stored text in every statement that has a changed row (85,000 instructions for five columns,
 * entering the function and comparing there costs 36,000), and a WHEN clause would forbid the user
 * to retype or drop a watched column.
 *
 * tp_path: 0 nothing changed; 1 one key tuple, in tp_v0, tp_v1 ..; 2 the key moved: the old tuple
 * stands in tp_w0, tp_w1 ..; 3 a coarse row. */
#include "db/capture_row.h"

#include <string.h>

#include "db/capture_text.h"
#include "db/sqltext.h"

void tp_capture_row_variables(const tp_capture *capture, tp_strbuf *out) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        const char *type = tp_capture_type(&capture->keys[i]);
        tp_strbuf_printf(out, "    tp_v%u %s;\n    tp_w%u %s;\n", i, type, i, type);
    }
}

static bool mentioned_anywhere(const tp_capture *capture, const char *column) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column == NULL &&
            tp_capture_mentions(capture->keys[i].expression, column)) {
            return true;
        }
    }
    return false;
}

/* The row as a one-row table of the columns that expressions may use, by name: a dropped one makes
 * this fail, which is what should happen. */
static void row_table(const tp_capture *capture, const char *record, tp_strbuf *out) {
    const char *comma = "";
    tp_strbuf_puts(out, "(SELECT ");
    for (uint32_t i = 0; i < capture->column_count; i++) {
        if (mentioned_anywhere(capture, capture->columns[i])) {
            tp_strbuf_printf(out, "%s%s.", comma, record);
            tp_sql_ident(out, capture->columns[i]);
            tp_strbuf_puts(out, " AS ");
            tp_sql_ident(out, capture->columns[i]);
            comma = ", ";
        }
    }
    tp_strbuf_puts(out, ") AS tp_row");
}

static void compute_expressions(const tp_capture *capture, const char *record, const char *prefix,
                                tp_strbuf *out) {
    const char *comma = "";
    tp_strbuf_puts(out, "            SELECT ");
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column == NULL) {
            tp_strbuf_puts(out, comma);
            tp_capture_expression(capture, i, out);
            comma = ", ";
        }
    }
    tp_strbuf_puts(out, "\n            INTO ");
    comma = "";
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column == NULL) {
            tp_strbuf_printf(out, "%s%s%u", comma, prefix, i);
            comma = ", ";
        }
    }
    tp_strbuf_puts(out, "\n            FROM ");
    row_table(capture, record, out);
    tp_strbuf_puts(out, ";\n");
}

static void take_columns(const tp_capture *capture, const char *record, const char *prefix,
                         const char *indent, tp_strbuf *out) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column != NULL) {
            tp_strbuf_printf(out, "%s%s%u := ", indent, prefix, i);
            tp_capture_value(capture, i, record, out);
            tp_strbuf_puts(out, ";\n");
        }
    }
}

static void compute(const tp_capture *capture, const char *record, const char *prefix,
                    tp_strbuf *out) {
    if (tp_capture_has_expressions(capture)) {
        compute_expressions(capture, record, prefix, out);
    }
    take_columns(capture, record, prefix, "            ", out);
}

/* Column keys compare as they are, expressions as computed. */
static void keys_differ(const tp_capture *capture, tp_strbuf *out) {
    const char *separator = "";
    for (int expressions = 0; expressions < 2; expressions++) {
        tp_strbuf old = TP_STRBUF_INIT;
        tp_strbuf new = TP_STRBUF_INIT;
        for (uint32_t i = 0; i < capture->key_count; i++) {
            if ((capture->keys[i].column == NULL) == (expressions == 1)) {
                const char *comma = old.length == 0 ? "" : ", ";
                tp_strbuf_puts(&old, comma);
                tp_strbuf_puts(&new, comma);
                if (expressions == 1) {
                    tp_strbuf_printf(&old, "tp_w%u", i);
                    tp_strbuf_printf(&new, "tp_v%u", i);
                } else {
                    tp_capture_source(capture, i, "OLD", &old);
                    tp_capture_source(capture, i, "NEW", &new);
                }
            }
        }
        if (old.length > 0) {
            tp_strbuf_printf(out,
                             "%sROW(%s)::pg_catalog.record OPERATOR(pg_catalog.*<>) "
                             "ROW(%s)::pg_catalog.record",
                             separator, tp_strbuf_str(&old), tp_strbuf_str(&new));
            separator = " OR ";
        }
        out->failed = out->failed || old.failed || new.failed;
        tp_strbuf_free(&old);
        tp_strbuf_free(&new);
    }
    tp_strbuf_puts(out, separator[0] == '\0' ? "false" : "");
}

static void update_of_row(const tp_capture *capture, tp_strbuf *out) {
    if (tp_capture_has_expressions(capture)) {
        compute_expressions(capture, "OLD", "tp_w", out);
        compute_expressions(capture, "NEW", "tp_v", out);
    }
    tp_strbuf_puts(out, "            tp_path := CASE WHEN ");
    keys_differ(capture, out);
    tp_strbuf_puts(out, " THEN 2\n                WHEN ");
    if (capture->watch_count == 0) {
        tp_strbuf_puts(out, "OLD OPERATOR(pg_catalog.*<>) NEW");
    } else {
        tp_capture_watch_differs(capture, "OLD", "NEW", out);
    }
    tp_strbuf_puts(out, " THEN 1 ELSE 0 END;\n"
                        "            IF tp_path OPERATOR(pg_catalog.=) 0 THEN\n"
                        "                RETURN NULL;\n"
                        "            END IF;\n");
    take_columns(capture, "NEW", "tp_v", "            ", out);
    tp_strbuf_puts(out, "            IF tp_path OPERATOR(pg_catalog.=) 2 THEN\n"
                        "                NULL;\n");
    take_columns(capture, "OLD", "tp_w", "                ", out);
    tp_strbuf_puts(out, "            END IF;\n");
}

void tp_capture_row_keys(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_puts(out, "        IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n");
    update_of_row(capture, out);
    tp_strbuf_puts(out, "        ELSIF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN\n"
                        "            tp_path := 1;\n");
    compute(capture, "NEW", "tp_v", out);
    tp_strbuf_puts(out, "        ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN\n"
                        "            tp_path := 1;\n");
    compute(capture, "OLD", "tp_v", out);
    tp_strbuf_puts(out, "        ELSE\n"
                        "            tp_path := 3;\n"
                        "            tp_op := 'T';\n"
                        "        END IF;\n");
}

static void one_value(const tp_capture *capture, uint32_t key, const char *alias, tp_strbuf *out) {
    (void)capture;
    (void)alias;
    tp_strbuf_printf(out, "ARRAY[tp_v%u]", key);
}

static void both_values(const tp_capture *capture, uint32_t key, const char *alias,
                        tp_strbuf *out) {
    (void)capture;
    (void)alias;
    tp_strbuf_printf(out, "ARRAY[tp_v%u, tp_w%u]", key, key);
}

#define OP_OF_ROW "pg_catalog.left(TG_OP, 1)::pg_catalog.\"char\""

void tp_capture_row_write(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_puts(out, "    IF tp_path OPERATOR(pg_catalog.=) 1 THEN\n");
    tp_capture_insert(capture, OP_OF_ROW, "1", one_value, out);
    tp_strbuf_puts(out, "    ELSIF tp_path OPERATOR(pg_catalog.=) 2 THEN\n");
    tp_capture_insert(capture, OP_OF_ROW, "2", both_values, out);
    tp_strbuf_puts(out, "    ELSE\n");
    tp_capture_insert_coarse(capture, out);
    tp_strbuf_puts(out, "    END IF;\n");
}
