/* The comparison stands in the body, not in a WHEN clause: the server parses a WHEN clause from its
 * stored text in every statement that has a changed row (85,000 instructions for five columns,
 * entering the function and comparing there costs 20,000), and a WHEN clause would forbid the user
 * to retype or drop a watched column.
 *
 * Each transaction prepares every PL/pgSQL expression that it comes to anew (1,000 to 3,000
 * instructions), so the way of an UPDATE that moves no key has few of them: one for each array.
 * Keys that are expressions stand in tp_v0, tp_v1 .., those of the old row in tp_w0, tp_w1 .. */
#include "db/capture_row.h"

#include "db/capture_image.h"
#include "db/capture_sample.h"
#include "db/capture_text.h"
#include "db/sqltext.h"

void tp_capture_row_variables(const tp_capture *capture, tp_strbuf *out) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column == NULL) {
            tp_strbuf_printf(out, "    tp_v%u pg_catalog.text;\n    tp_w%u pg_catalog.text;\n", i,
                             i);
        }
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
        const char *name = capture->columns[i].name;
        if (mentioned_anywhere(capture, name)) {
            tp_strbuf_printf(out, "%s%s.", comma, record);
            tp_sql_ident(out, name);
            tp_strbuf_puts(out, " AS ");
            tp_sql_ident(out, name);
            comma = ", ";
        }
    }
    tp_strbuf_puts(out, ") AS tp_row");
}

static void compute_expressions(const tp_capture *capture, const char *record, char prefix,
                                tp_strbuf *out) {
    const char *comma = "";
    if (!tp_capture_has_expressions(capture)) {
        return;
    }
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
            tp_strbuf_printf(out, "%stp_%c%u", comma, prefix, i);
            comma = ", ";
        }
    }
    tp_strbuf_puts(out, "\n            FROM ");
    row_table(capture, record, out);
    tp_strbuf_puts(out, ";\n");
}

static void value(const tp_capture *capture, uint32_t key, const char *record, char prefix,
                  tp_strbuf *out) {
    if (capture->keys[key].column == NULL) {
        tp_strbuf_printf(out, "tp_%c%u", prefix, key);
    } else {
        tp_capture_value(capture, key, record, out);
    }
}

/* tp_i := ARRAY[..] and so on, from one row; from the old row too when second says its name. */
static void fill_arrays(const tp_capture *capture, const char *record, const char *second,
                        const char *indent, tp_strbuf *out) {
    for (const char *letter = "iut"; *letter != '\0'; letter++) {
        const char *separator = ":= ARRAY[";
        if (tp_capture_keys_in(capture, *letter) == 0) {
            continue;
        }
        tp_strbuf_printf(out, "%stp_%c ", indent, *letter);
        for (uint32_t i = 0; i < capture->key_count; i++) {
            if (capture->keys[i].slot[0] == *letter) {
                tp_strbuf_puts(out, separator);
                value(capture, i, record, 'v', out);
                separator = ", ";
                if (second != NULL) {
                    tp_strbuf_puts(out, separator);
                    value(capture, i, second, 'w', out);
                }
            }
        }
        tp_strbuf_puts(out, "];\n");
    }
}

static void update_of_row(const tp_capture *capture, tp_strbuf *out) {
    const tp_capture_side old = {"OLD", "tp_w"};
    const tp_capture_side new = {"NEW", "tp_v"};
    compute_expressions(capture, "OLD", 'w', out);
    compute_expressions(capture, "NEW", 'v', out);
    tp_strbuf_puts(out, "            IF ");
    tp_capture_keys_same(capture, &old, &new, out);
    tp_strbuf_puts(out, " THEN\n                IF ");
    tp_capture_watch_same(capture, &old, &new, out);
    tp_strbuf_puts(out, " THEN\n");
    tp_capture_skip(capture, "                    ", out);
    tp_strbuf_puts(out, "                END IF;\n");
    fill_arrays(capture, "NEW", NULL, "                ", out);
    tp_strbuf_puts(out, "            ELSE\n");
    fill_arrays(capture, "NEW", "OLD", "                ", out);
    tp_strbuf_puts(out, "            END IF;\n");
    tp_capture_slot("            ", out);
}

static void other(const tp_capture *capture, const char *operation, char op, const char *record,
                  tp_strbuf *out) {
    tp_strbuf_printf(out, "        ELSIF TG_OP OPERATOR(pg_catalog.=) '%s' THEN\n", operation);
    tp_strbuf_printf(out, "            tp_op := '%c';\n", op);
    compute_expressions(capture, record, 'v', out);
    fill_arrays(capture, record, NULL, "            ", out);
    tp_capture_slot("            ", out);
}

void tp_capture_row_keys(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_puts(out, "        IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n");
    update_of_row(capture, out);
    other(capture, "INSERT", 'I', "NEW", out);
    other(capture, "DELETE", 'D', "OLD", out);
    tp_strbuf_puts(out, "        ELSE\n"
                        "            tp_op := 'T';\n"
                        "        END IF;\n");
}
