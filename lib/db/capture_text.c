/* Everything in a capture function is qualified, operators too: it runs with the table owner's
 * rights under the search_path of whoever writes. That rules out whatever looks operators up by
 * name behind one's back: IS DISTINCT FROM, IN, BETWEEN, CASE x WHEN, USING, NULLIF.
 *
 * Images are compared as records with *<>: it works for types without equality and sees what
 * equality hides (1.0 and 1.00, the case of a citext). */
#include "db/capture_text.h"

#include <string.h>
#include <strings.h>

#include "db/sqltext.h"

#define SLOT                                                                                       \
    "((pg_catalog.txid_current() OPERATOR(pg_catalog.>>) 17) OPERATOR(pg_catalog.&) 3)::smallint"

static void column_of(const char *alias, const char *column, tp_strbuf *out) {
    tp_strbuf_printf(out, "%s.", alias);
    tp_sql_ident(out, column);
}

void tp_capture_list(const tp_capture *capture, tp_capture_each each, const char *alias,
                     tp_strbuf *out) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        each(capture, i, alias, out);
    }
}

const char *tp_capture_type(const tp_capture_key *key) {
    return key->slot[0] == 'i'   ? "bigint"
           : key->slot[0] == 'u' ? "pg_catalog.uuid"
                                 : "pg_catalog.text";
}

void tp_capture_source(const tp_capture *capture, uint32_t key, const char *alias, tp_strbuf *out) {
    if (capture->keys[key].column == NULL) {
        tp_strbuf_printf(out, "%s.tp_e%u", alias, key);
    } else {
        column_of(alias, capture->keys[key].column, out);
    }
}

void tp_capture_value(const tp_capture *capture, uint32_t key, const char *alias, tp_strbuf *out) {
    tp_capture_source(capture, key, alias, out);
    if (capture->keys[key].column != NULL) {
        tp_strbuf_printf(out, "::%s", tp_capture_type(&capture->keys[key]));
    }
}

void tp_capture_variable(const tp_capture *capture, uint32_t key, const char *alias,
                         tp_strbuf *out) {
    (void)capture;
    tp_strbuf_printf(out, "%s%u", alias, key);
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

bool tp_capture_has_texts(const tp_capture *capture) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].slot[0] == 't') {
            return true;
        }
    }
    return false;
}

bool tp_capture_is_key(const tp_capture *capture, const char *column) {
    for (uint32_t i = 0; i < capture->key_count; i++) {
        if (capture->keys[i].column != NULL && strcmp(capture->keys[i].column, column) == 0) {
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

static uint32_t watched_count(const tp_capture *capture) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < capture->watch_count; i++) {
        count += tp_capture_is_key(capture, capture->watch[i]) ? 0 : 1;
    }
    return count;
}

/* Watched columns that are no keys; comma: something stands before them. */
static void watched(const tp_capture *capture, const char *alias, bool comma, tp_strbuf *out) {
    for (uint32_t i = 0; i < capture->watch_count; i++) {
        if (!tp_capture_is_key(capture, capture->watch[i])) {
            tp_strbuf_puts(out, comma ? ", " : "");
            column_of(alias, capture->watch[i], out);
            comma = true;
        }
    }
}

enum part { KEYS = 1, WATCH = 2 };

static void image(const tp_capture *capture, const char *alias, uint32_t parts, tp_strbuf *out) {
    bool keys = (parts & KEYS) != 0;
    tp_strbuf_puts(out, "ROW(");
    if ((parts & WATCH) != 0 && capture->watch_count == 0) {
        tp_strbuf_printf(out, "%s.*", alias);
    } else {
        if (keys) {
            tp_capture_list(capture, tp_capture_source, alias, out);
        }
        if ((parts & WATCH) != 0) {
            watched(capture, alias, keys && capture->key_count > 0, out);
        }
    }
    tp_strbuf_puts(out, ")::pg_catalog.record");
}

static bool has_part(const tp_capture *capture, uint32_t parts) {
    bool watch = capture->watch_count == 0 || watched_count(capture) > 0;
    return ((parts & KEYS) != 0 && capture->key_count > 0) || ((parts & WATCH) != 0 && watch);
}

static void differ(const tp_capture *capture, const char *old, const char *new, uint32_t parts,
                   tp_strbuf *out) {
    if (!has_part(capture, parts)) {
        tp_strbuf_puts(out, "false");
        return;
    }
    image(capture, old, parts, out);
    tp_strbuf_puts(out, " OPERATOR(pg_catalog.*<>) ");
    image(capture, new, parts, out);
}

void tp_capture_keys_differ(const tp_capture *capture, const char *old, const char *new,
                            tp_strbuf *out) {
    differ(capture, old, new, KEYS, out);
}

void tp_capture_watch_differs(const tp_capture *capture, const char *old, const char *new,
                              tp_strbuf *out) {
    differ(capture, old, new, WATCH, out);
}

void tp_capture_any_differs(const tp_capture *capture, const char *old, const char *new,
                            tp_strbuf *out) {
    differ(capture, old, new, KEYS | WATCH, out);
}

static void slot_name(const tp_capture *capture, uint32_t key, const char *alias, tp_strbuf *out) {
    (void)alias;
    tp_strbuf_puts(out, capture->keys[key].slot);
}

void tp_capture_insert(const tp_capture *capture, const char *op, const char *n,
                       tp_capture_each each, tp_strbuf *out) {
    const char *comma = capture->key_count == 0 ? "" : ", ";
    tp_strbuf_printf(out, "        INSERT INTO trigperf.outbox (slot, table_id, op, n%s", comma);
    tp_capture_list(capture, slot_name, "", out);
    tp_strbuf_printf(out, ")\n        VALUES (" SLOT ",\n                %d, %s, %s%s", capture->id,
                     op, n, comma);
    tp_capture_list(capture, each, "", out);
    tp_strbuf_puts(out, ");\n");
}

void tp_capture_insert_coarse(const tp_capture *capture, tp_strbuf *out) {
    tp_strbuf_puts(
        out, "        IF tp_op OPERATOR(pg_catalog.=) 'E' THEN\n"
             "            INSERT INTO trigperf.trigger_error_log\n"
             "                (table_name, operation, error_message, error_context, sqlstate)\n"
             "            VALUES (pg_catalog.format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME),\n"
             "                    TG_OP, tp_message, tp_context, tp_state);\n"
             "        END IF;\n"
             "        INSERT INTO trigperf.outbox (slot, table_id, op, n)\n"
             "        VALUES (" SLOT ",\n");
    tp_strbuf_printf(out, "                %d, tp_op, 0);\n", capture->id);
}
