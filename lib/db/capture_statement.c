/* Two ways through the function, because most statements of an application touch one row and the
 * cost of a join is fixed: a cheap look at the first old and new row fills the arrays and decides,
 * by the number that it puts into tp_slot to spare an assignment,
 *
 *   TP_CAPTURE_SLOT  one row changed: this is where its keys are written
 *   .._SAME          one row, the same as before
 *   .._SEVERAL       several rows, or a moved key: the arrays are gathered from tp_count tuples
 *   NULL             a side is missing: nothing changed, or see update_of_rows()
 *
 * Rows of an UPDATE are paired by the primary key where it can be used, else by position; always
 * with FULL JOIN, which cannot be planned as a nested loop on the one-row estimate of the first
 * call. Only pairs with the same image are dropped, so a wrong pair costs a superfluous key, not a
 * lost one. "tp here" tells a missing side from a row of NULLs. */
#include "db/capture_statement.h"

#include <string.h>

#include "db/capture_image.h"
#include "db/capture_sample.h"
#include "db/capture_text.h"
#include "db/sqltext.h"

/* Larger arrays of text are told as one coarse row: readers hold a row in memory. */
#define TEXT_BYTES_MAX "16777216"

enum source_flag { SOURCE_HERE = 1, SOURCE_NUMBER = 2 };

static const tp_capture_side old_side = {"tp_o", "tp_o.tp_key_expr_"};
static const tp_capture_side new_side = {"tp_n", "tp_n.tp_key_expr_"};
static const char letters[] = "iut";

void tp_capture_statement_variables(const tp_capture *capture, tp_strbuf *out) {
    (void)capture;
    tp_strbuf_puts(out, "    tp_count bigint;\n"
                        "    tp_moved boolean;\n");
}

/* The columns that are looked at, each once. */
static void needed_columns(const tp_capture *capture, tp_strbuf *out) {
    const char *comma = "";
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column != NULL && !tp_capture_listed_before(capture, i)) {
            tp_strbuf_printf(out, "%stp_row.", comma);
            tp_sql_ident(out, capture->keys[i].column);
            comma = ", ";
        }
    }
    for (uint32_t i = 0; i < capture->watch_count + capture->identity_count; i++) {
        bool watch = i < capture->watch_count;
        const char *name = watch ? capture->watch[i] : capture->identity[i - capture->watch_count];
        bool twice = tp_capture_is_key(capture, name);
        for (uint32_t j = 0; !watch && !twice && j < capture->watch_count; j++) {
            twice = strcmp(capture->watch[j], name) == 0;
        }
        if (!twice) {
            tp_strbuf_printf(out, "%stp_row.", comma);
            tp_sql_ident(out, name);
            comma = ", ";
        }
    }
    tp_strbuf_puts(out, comma[0] == '\0' ? "true AS tp_any" : "");
}

/* A transition table as alias, with what the flags ask for. Expressions are computed once a row:
 * OFFSET 0 keeps the planner from copying them to every place where they are used. */
static void source(const tp_capture *capture, const char *table, const char *alias, uint32_t flags,
                   tp_strbuf *out) {
    bool expressions = tp_capture_has_expressions(capture);
    if (flags == 0 && !expressions) {
        tp_strbuf_printf(out, "%s AS %s", table, alias);
        return;
    }
    tp_strbuf_puts(out, "(SELECT ");
    if (capture->watch_count == 0) {
        tp_strbuf_puts(out, "tp_row.*");
    } else {
        needed_columns(capture, out);
    }
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column == NULL) {
            tp_strbuf_puts(out, ", ");
            tp_capture_expression(capture, i, out);
            tp_strbuf_printf(out, " AS tp_key_expr_%u", i);
        }
    }
    tp_strbuf_puts(out, (flags & SOURCE_HERE) != 0 ? ", true AS \"tp here\"" : "");
    tp_strbuf_puts(out, (flags & SOURCE_NUMBER) != 0
                            ? ", pg_catalog.row_number() OVER () AS \"tp number\""
                            : "");
    tp_strbuf_printf(out, " FROM %s AS tp_row%s) AS %s", table, expressions ? " OFFSET 0" : "",
                     alias);
}

/* The arrays of one row, each with a comma behind it. */
static void values_of_row(const tp_capture *capture, const char *alias, tp_strbuf *out) {
    for (const char *letter = letters; *letter != '\0'; letter++) {
        const char *separator = "ARRAY[";
        for (uint32_t i = 0; i < capture->key_count; i++) {
            if (capture->keys[i].slot[0] == *letter) {
                tp_strbuf_puts(out, separator);
                tp_capture_value(capture, i, alias, out);
                separator = ", ";
            }
        }
        tp_strbuf_puts(out, separator[0] == ',' ? "], " : "");
    }
}

static void into_arrays(const tp_capture *capture, const char *last, tp_strbuf *out) {
    tp_strbuf_puts(out, "            INTO ");
    tp_capture_array_names(capture, "tp_", out);
    tp_strbuf_printf(out, "%s%s\n            FROM ", capture->key_count > 0 ? ", " : "", last);
}

/* Selected under the names tp_k0, tp_k1 ..; text compares by its bytes. */
static void tuple(const tp_capture *capture, const char *alias, tp_strbuf *out) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_capture_value(capture, i, alias, out);
        tp_strbuf_printf(out, "%s AS tp_k%u",
                         capture->keys[i].slot[0] == 't' ? " COLLATE pg_catalog.\"C\"" : "", i);
    }
    tp_strbuf_puts(out, capture->key_count == 0 ? "true AS tp_k0" : "");
}

/* The values of all tuples, key by key, in one array: array_cat(array_agg(..), array_agg(..)). */
static void array_of_tuples(const tp_capture *capture, char letter, tp_strbuf *out) {
    uint32_t count = tp_capture_keys_in(capture, letter);
    const char *separator = "";
    for (uint32_t i = 1; i < count; i++) {
        tp_strbuf_puts(out, "pg_catalog.array_cat(");
    }
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].slot[0] == letter) {
            tp_strbuf_printf(out, "%spg_catalog.array_agg(tp_d.tp_k%u)%s", separator, i,
                             separator[0] == '\0' ? "" : ")");
            separator = ", ";
        }
    }
}

static void gather_head(const tp_capture *capture, const char *more, const char *into,
                        tp_strbuf *out) {
    tp_strbuf_puts(out, "                SELECT pg_catalog.count(*)");
    for (const char *letter = letters; *letter != '\0'; letter++) {
        if (tp_capture_keys_in(capture, *letter) > 0) {
            tp_strbuf_puts(out, ",\n                    ");
            array_of_tuples(capture, *letter, out);
        }
    }
    tp_strbuf_printf(out, "%s\n                INTO tp_count%s", more,
                     capture->key_count > 0 ? ", " : "");
    tp_capture_array_names(capture, "tp_", out);
    tp_strbuf_printf(out, "%s\n                FROM (SELECT ", into);
}

/* One tuple more than allowed is enough to know that there are too many. */
static void gather_tail(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_printf(out, "\n                      LIMIT %d) AS tp_d;\n", capture->max_keys + 1);
}

static void judge_size(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_printf(out, "                IF tp_count OPERATOR(pg_catalog.>) %d",
                     capture->max_keys);
    if (tp_capture_keys_in(capture, 't') > 0) {
        tp_strbuf_puts(out, "\n                    OR pg_catalog.pg_column_size(tp_t) "
                            "OPERATOR(pg_catalog.>) " TEXT_BYTES_MAX);
    }
    tp_strbuf_puts(out, " THEN\n"
                        "                    tp_op := 'B';\n"
                        "                ELSIF tp_count OPERATOR(pg_catalog.=) 0 THEN\n");
    tp_capture_skip(capture, "                    ", out);
    tp_strbuf_puts(out, "                ELSE\n");
    tp_capture_slot("                    ", out);
    tp_strbuf_puts(out, "                END IF;\n");
}

static const char *distinct(const tp_capture *capture) {
    return tp_capture_is_unique(capture) ? "" : "DISTINCT ";
}

/* INSERT and DELETE: every row of the one transition table. */
static void one_sided(const tp_capture *capture, const char *operation, char op, const char *table,
                      tp_strbuf *out) {
    tp_strbuf_printf(out,
                     "        ELSIF TG_OP OPERATOR(pg_catalog.=) '%s' THEN\n"
                     "            tp_op := '%c';\n"
                     "            SELECT ",
                     operation, op);
    values_of_row(capture, "tp_r", out);
    tp_strbuf_printf(out,
                     "CASE WHEN EXISTS (SELECT FROM %s OFFSET 1) THEN " TP_CAPTURE_SLOT_SEVERAL "\n"
                     "                ELSE " TP_CAPTURE_SLOT " END\n",
                     table);
    into_arrays(capture, "tp_slot", out);
    source(capture, table, "tp_r", 0, out);
    tp_strbuf_puts(out, ";\n            IF tp_slot IS NULL THEN\n");
    tp_capture_skip(capture, "                ", out);
    tp_strbuf_puts(out, "            ELSIF tp_slot OPERATOR(pg_catalog.=) " TP_CAPTURE_SLOT_SEVERAL
                        " THEN\n"
                        "                tp_slot := NULL;\n");
    gather_head(capture, "", "", out);
    tp_strbuf_puts(out, distinct(capture));
    tuple(capture, "tp_r", out);
    tp_strbuf_puts(out, "\n                      FROM ");
    source(capture, table, "tp_r", 0, out);
    gather_tail(capture, out);
    judge_size(capture, out);
    tp_strbuf_puts(out, "            END IF;\n");
}

static void pairing(const tp_capture *capture, tp_strbuf *out) {
    if (capture->identity_count == 0) {
        tp_strbuf_puts(out, "tp_o.\"tp number\" OPERATOR(pg_catalog.=) tp_n.\"tp number\"");
    }
    for (uint32_t i = 0; i < capture->identity_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "tp_o." : " AND tp_o.");
        tp_sql_ident(out, capture->identity[i]);
        tp_strbuf_puts(out, " OPERATOR(pg_catalog.=) tp_n.");
        tp_sql_ident(out, capture->identity[i]);
    }
}

static void pairs(const tp_capture *capture, tp_strbuf *out) {
    uint32_t flags = SOURCE_HERE | (capture->identity_count == 0 ? SOURCE_NUMBER : 0);
    tp_strbuf_puts(out, "\n                      FROM ");
    source(capture, "tp_old", "tp_o", flags, out);
    tp_strbuf_puts(out, "\n                      FULL JOIN ");
    source(capture, "tp_new", "tp_n", flags, out);
    tp_strbuf_puts(out, "\n                      ON ");
    pairing(capture, out);
}

static void changed_pairs(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_puts(
        out, "\n                      WHERE tp_o.\"tp here\" IS NULL OR tp_n.\"tp here\" IS NULL"
             "\n                         OR (");
    tp_capture_keys_same(capture, &old_side, &new_side, out);
    tp_strbuf_puts(out, "\n                AND ");
    tp_capture_watch_same(capture, &old_side, &new_side, out);
    tp_strbuf_puts(out, ") IS NOT TRUE");
}

/* The key moved, or one side is missing. */
static void moved(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_puts(out, "tp_o.\"tp here\" IS NULL OR tp_n.\"tp here\" IS NULL OR (");
    tp_capture_keys_same(capture, &old_side, &new_side, out);
    tp_strbuf_puts(out, ") IS NOT TRUE");
}

/* The keys of changed rows, and whether an old tuple is missing there because a key moved. */
static void gather_new(const tp_capture *capture, tp_strbuf *out) {
    bool unique = tp_capture_is_unique(capture);
    gather_head(capture, ", pg_catalog.bool_or(tp_d.tp_moved)", ", tp_moved", out);
    tuple(capture, "tp_n", out);
    tp_strbuf_puts(out, unique ? ",\n                          "
                               : ",\n                          pg_catalog.bool_or(");
    moved(capture, out);
    tp_strbuf_puts(out, unique ? " AS tp_moved" : ") AS tp_moved");
    pairs(capture, out);
    changed_pairs(capture, out);
    for (uint32_t i = 0; !unique && i < capture->key_count; i++) {
        tp_strbuf_printf(out, "%s%u", i == 0 ? "\n                      GROUP BY " : ", ", i + 1);
    }
    gather_tail(capture, out);
}

/* New tuples and old ones, for statements that move keys. The join with two branches a row costs
 * twice as much as gather_new(). */
static void gather_both(const tp_capture *capture, tp_strbuf *out) {
    gather_head(capture, "", "", out);
    tp_strbuf_printf(out, "%stp_t.*", distinct(capture));
    pairs(capture, out);
    tp_strbuf_puts(out, "\n                      CROSS JOIN LATERAL (\n"
                        "                          SELECT ");
    tuple(capture, "tp_n", out);
    tp_strbuf_puts(out, "\n                          WHERE tp_n.\"tp here\"\n"
                        "                          UNION ALL\n"
                        "                          SELECT ");
    tuple(capture, "tp_o", out);
    tp_strbuf_puts(out, "\n                          WHERE tp_o.\"tp here\" AND (");
    moved(capture, out);
    tp_strbuf_puts(out, ")\n                      ) AS tp_t");
    changed_pairs(capture, out);
    gather_tail(capture, out);
}

/* A row that moves to a partition whose trigger then refuses it is old without being new: such a
 * statement has no pair, and tp_slot stays NULL. */
static void update_of_rows(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_puts(out, "            SELECT ");
    values_of_row(capture, "tp_n", out);
    tp_strbuf_puts(
        out, "CASE WHEN EXISTS (SELECT FROM tp_old OFFSET 1) THEN " TP_CAPTURE_SLOT_SEVERAL "\n"
             "                WHEN ");
    tp_capture_keys_same(capture, &old_side, &new_side, out);
    tp_strbuf_puts(out, " THEN\n                    CASE WHEN ");
    tp_capture_watch_same(capture, &old_side, &new_side, out);
    tp_strbuf_puts(out, " THEN " TP_CAPTURE_SLOT_SAME "\n"
                        "                    ELSE " TP_CAPTURE_SLOT " END\n"
                        "                ELSE " TP_CAPTURE_SLOT_SEVERAL " END\n");
    into_arrays(capture, "tp_slot", out);
    source(capture, "tp_old", "tp_o", 0, out);
    tp_strbuf_puts(out, "\n            CROSS JOIN ");
    source(capture, "tp_new", "tp_n", 0, out);
    tp_strbuf_puts(
        out, ";\n            IF tp_slot OPERATOR(pg_catalog.<) " TP_CAPTURE_SLOT_END " THEN\n"
             "                NULL;\n"
             "            ELSIF tp_slot OPERATOR(pg_catalog.=) " TP_CAPTURE_SLOT_SAME " THEN\n");
    tp_capture_skip(capture, "                ", out);
    tp_strbuf_puts(out, "            ELSE\n"
                        "                IF tp_slot IS NULL THEN\n"
                        "                    IF NOT EXISTS (SELECT FROM tp_old) THEN\n");
    tp_capture_skip(capture, "                        ", out);
    tp_strbuf_puts(out, "                    END IF;\n"
                        "                END IF;\n"
                        "                tp_slot := NULL;\n");
    gather_new(capture, out);
    tp_strbuf_printf(out,
                     "                IF tp_moved AND tp_count OPERATOR(pg_catalog.<=) %d THEN\n",
                     capture->max_keys);
    gather_both(capture, out);
    tp_strbuf_puts(out, "                END IF;\n");
    judge_size(capture, out);
    tp_strbuf_puts(out, "            END IF;\n");
}

void tp_capture_statement_keys(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_puts(out, "        IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN\n");
    update_of_rows(capture, out);
    one_sided(capture, "INSERT", 'I', "tp_new", out);
    one_sided(capture, "DELETE", 'D', "tp_old", out);
    tp_strbuf_puts(out, "        ELSE\n"
                        "            tp_op := 'T';\n"
                        "        END IF;\n");
}
