/* Everything in a capture function is qualified, operators too: it runs with the table owner's
 * rights under the search_path of whoever writes. That rules out whatever looks operators up by
 * name behind one's back: IS DISTINCT FROM, IN, BETWEEN, CASE x WHEN, USING, NULLIF.
 *
 * The row is written by one of four INSERTs, one for each part of the outbox. Preparing an INSERT
 * is more than half of what capturing a row costs, so it has nothing to compute: arrays from
 * variables, and an operation that needs no assignment for an UPDATE. */
#include "db/capture_text.h"

#include <string.h>
#include <strings.h>

#include "db/capture_sample.h"
#include "db/sqltext.h"

static void column_of(const char *alias, const char *column, tp_strbuf *out) {
    tp_strbuf_printf(out, "%s.", alias);
    tp_sql_ident(out, column);
}

static const char *type_of(char letter) {
    return letter == 'i' ? "bigint" : letter == 'u' ? "pg_catalog.uuid" : "pg_catalog.text";
}

void tp_capture_value(const tp_capture *capture, uint32_t key, const char *alias, tp_strbuf *out) {
    if (capture->keys[key].column == NULL) {
        tp_strbuf_printf(out, "%s.tp_key_expr_%u", alias, key);
    } else {
        column_of(alias, capture->keys[key].column, out);
        tp_strbuf_printf(out, "::%s", type_of(capture->keys[key].slot[0]));
    }
}

void tp_capture_expression(const tp_capture *capture, uint32_t key, tp_strbuf *out) {
    tp_strbuf_printf(out, "(%s\n)::pg_catalog.text", capture->keys[key].expression);
}

bool tp_capture_has_expressions(const tp_capture *capture) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column == NULL) {
            return true;
        }
    }
    return false;
}

uint32_t tp_capture_keys_in(const tp_capture *capture, char letter) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < capture->key_count; i++) {
        count += capture->keys[i].slot[0] == letter ? 1 : 0;
    }
    return count;
}

bool tp_capture_is_key(const tp_capture *capture, const char *column) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column != NULL && strcmp(capture->keys[i].column, column) == 0) {
            return true;
        }
    }
    return false;
}

bool tp_capture_listed_before(const tp_capture *capture, uint32_t key) {
    for (uint32_t i = 0; i < key; i++) {
        if (capture->keys[i].column != NULL &&
            strcmp(capture->keys[i].column, capture->keys[key].column) == 0) {
            return true;
        }
    }
    return false;
}

bool tp_capture_is_unique(const tp_capture *capture) {
    for (uint32_t i = 0; i < capture->identity_count; i++) {
        if (!tp_capture_is_key(capture, capture->identity[i])) {
            return false;
        }
    }
    return capture->identity_count > 0;
}

bool tp_capture_mentions(const char *expression, const char *column) {
    size_t length = strlen(column);
    if (strchr(column, '"') != NULL || strstr(expression, "U&") != NULL) {
        return true;
    }
    for (const char *at = expression; *at != '\0'; at++) {
        if (strncasecmp(at, column, length) == 0) {
            return true;
        }
    }
    return false;
}

static const char letters[] = "iut";

void tp_capture_arrays(const tp_capture *capture, tp_strbuf *out) {
    for (const char *letter = letters; *letter != '\0'; letter++) {
        if (tp_capture_keys_in(capture, *letter) > 0) {
            tp_strbuf_printf(out, "    tp_%c %s[];\n", *letter, type_of(*letter));
        }
    }
}

void tp_capture_array_names(const tp_capture *capture, const char *prefix, tp_strbuf *out) {
    const char *comma = "";
    for (const char *letter = letters; *letter != '\0'; letter++) {
        if (tp_capture_keys_in(capture, *letter) > 0) {
            tp_strbuf_printf(out, "%s%s%c", comma, prefix, *letter);
            comma = ", ";
        }
    }
}

void tp_capture_slot(const char *indent, tp_strbuf *out) {
    tp_strbuf_printf(out, "%stp_slot := " TP_CAPTURE_SLOT ";\n", indent);
}

static void insert(const tp_capture *capture, int part, tp_strbuf *out) {
    const char *comma = capture->key_count == 0 ? "" : ", ";
    tp_strbuf_printf(out, "        INSERT INTO trigperf.outbox_%d (table_id, op%s", part, comma);
    tp_capture_array_names(capture, "", out);
    tp_strbuf_printf(out, ") VALUES (%d, COALESCE(tp_op, 'U')%s", capture->id, comma);
    tp_capture_array_names(capture, "tp_", out);
    tp_strbuf_puts(out, ");\n");
}

void tp_capture_write(const tp_capture *capture, tp_strbuf *out) {
    for (int part = 0; part < 4; part++) {
        tp_strbuf_printf(out, "    %s tp_slot OPERATOR(pg_catalog.<) %d THEN\n",
                         part == 0 ? "IF" : "ELSIF", (part + 1) << 17);
        insert(capture, part, out);
    }
    tp_capture_sample_nothing(capture, out);
    tp_strbuf_printf(out,
                     "    ELSE\n"
                     "        IF tp_op OPERATOR(pg_catalog.=) 'E' THEN\n"
                     "            INSERT INTO trigperf.trigger_error_log\n"
                     "                (table_name, operation, error_message, error_context, "
                     "sqlstate)\n"
                     "            VALUES (pg_catalog.format('%%I.%%I', TG_TABLE_SCHEMA, "
                     "TG_TABLE_NAME),\n"
                     "                    TG_OP, tp_message, tp_context, tp_state);\n"
                     "        END IF;\n"
                     "        PERFORM trigperf.outbox_coarse(%d, tp_op);\n"
                     "    END IF;\n",
                     capture->id);
}
