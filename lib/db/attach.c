/* Everything is looked up, judged and written in one transaction, so that nothing changes between
 * judging and doing; a dry run is the same transaction without its end. The row of the registry's
 * version serializes those who attach. The SQL names the table and its number literally, so that it
 * does the same when another tool runs it.
 *
 * The function belongs to the table's owner: keys may be expressions, and they shall have no other
 * rights than its own. To hand it over, the owner needs CREATE on our schema for a moment. */
#include "db/attach.h"

#include <stdlib.h>
#include <string.h>

#include "base/entropy.h"
#include "base/json.h"
#include "core/template.h"
#include "db/capture_text.h"
#include "db/expression.h"
#include "db/granularity.h"
#include "db/layout.h"
#include "db/migrate.h"
#include "db/relation.h"
#include "db/retry.h"
#include "db/rules.h"
#include "db/sqltext.h"
#include "db/wal_attach.h"

static const char doing[] = "attaching the table";

typedef struct work {
    const trigperf_attachment *spec;
    int32_t max_keys;
    bool dry_run;
    bool again; /* a dry run of attaching anew what is attached */
    tp_strbuf *sql;
    tp_relation relation;
    tp_layout layout;
    tp_capture_key *keys;
    tp_capture capture;
    tp_wal_attach wal;
    bool replicated;
    char reason[256];
} work;

static int32_t no_column(const work *w, const char *what, const char *name, trigperf_error **err) {
    tp_strbuf names = TP_STRBUF_INIT;
    for (uint32_t i = 0; i < w->layout.column_count && names.length < 300; i++) {
        tp_strbuf_printf(&names, "%s%s", i == 0 ? "" : ", ", w->layout.columns[i].name);
    }
    int32_t status =
        tp_error_set(err, TRIGPERF_E_NOT_FOUND,
                     "check the spelling; a key that is an expression is written NAME=EXPRESSION",
                     "expected a column of %s as %s, there is none named \"%s\": it has %s",
                     w->relation.quoted, what, name, tp_strbuf_str(&names));
    tp_strbuf_free(&names);
    return status;
}

static int32_t find_column(const work *w, const char *what, const char *name,
                           const tp_column **column, trigperf_error **err) {
    *column = tp_layout_column(&w->layout, name);
    if (*column == NULL) {
        return no_column(w, what, name, err);
    }
    if ((*column)->is_virtual) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                            "name the columns that it is computed from, or an expression over them",
                            "column \"%s\" is a virtual generated column, whose value triggers do "
                            "not see",
                            name);
    }
    return TRIGPERF_OK;
}

static int32_t make_key(const work *w, uint32_t i, trigperf_error **err) {
    const tp_attachment_key *given = &w->spec->keys[i];
    tp_capture_key *key = &w->keys[i];
    *key = (tp_capture_key){.name = given->name,
                            .expression = given->expression,
                            .kind = TP_KEY_TEXT,
                            .rendering = TP_RENDER_ALL};
    if (given->expression != NULL) {
        key->rendering |= strchr(given->expression, '\\') == NULL ? 0u : TP_RENDER_STRINGS;
        return TRIGPERF_OK;
    }
    const tp_column *column = NULL;
    int32_t status = find_column(w, "a key", given->name, &column, err);
    if (status == TRIGPERF_OK) {
        key->column = column->name;
        key->kind = column->kind;
        key->rendering = column->rendering;
    }
    return status;
}

/* Typed outbox columns are told under no settings at all. */
static void drop_needless_rendering(work *w) {
    for (uint32_t i = 0; i < w->spec->key_count; i++) {
        if (w->keys[i].kind != TP_KEY_TEXT) {
            w->keys[i].rendering = 0;
        }
    }
}

static int32_t make_keys(work *w, PGconn *connection, trigperf_error **err) {
    free(w->keys);
    w->keys = calloc((size_t)w->spec->key_count + 1, sizeof *w->keys);
    int32_t status = w->keys == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < w->spec->key_count; i++) {
        status = make_key(w, i, err);
        if (status == TRIGPERF_OK && w->keys[i].expression != NULL) {
            status = tp_expression_check(connection, &w->relation, &w->layout, &w->keys[i], err);
        }
    }
    if (status == TRIGPERF_OK) {
        drop_needless_rendering(w);
        status = tp_capture_slots(w->keys, w->spec->key_count, err);
    }
    return status;
}

static int32_t check_watch(const work *w, trigperf_error **err) {
    const tp_column *column = NULL;
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < w->spec->watch_count; i++) {
        status = find_column(w, "a watched column", w->spec->watch[i], &column, err);
    }
    return status;
}

static int32_t check_rule(const work *w, uint32_t i, const char *const *names,
                          trigperf_error **err) {
    const char *text = w->spec->rules[i].key_template;
    for (uint32_t j = 0; j < i; j++) {
        if (strcmp(w->spec->rules[j].key_template, text) == 0) {
            return tp_error_set(err, TRIGPERF_E_EXISTS,
                                "give each template once, with all its operations",
                                "template '%s' is given twice", text);
        }
    }
    tp_template *parsed = NULL;
    int32_t status = tp_template_parse(text, names, w->spec->key_count, &parsed, err);
    tp_template_free(parsed);
    return status;
}

static int32_t check_rules(const work *w, trigperf_error **err) {
    const char **names = calloc((size_t)w->spec->key_count + 1, sizeof *names);
    if (names == NULL) {
        return tp_error_nomem(err);
    }
    for (uint32_t i = 0; i < w->spec->key_count; i++) {
        names[i] = w->spec->keys[i].name;
    }
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < w->spec->rule_count; i++) {
        status = check_rule(w, i, names, err);
    }
    free(names);
    return status;
}

static int32_t check_below(const work *w, trigperf_error **err) {
    for (uint32_t i = 0; i < w->layout.below_count; i++) {
        if (w->layout.below[i].kind == 'f') {
            return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                                "attach the other partitions one by one, or detach this one",
                                "%s has the foreign table %s beneath it: the server refuses to "
                                "collect its changes, and would refuse your statements",
                                w->relation.quoted, w->layout.below[i].quoted);
        }
    }
    return TRIGPERF_OK;
}

static int32_t check_attached(const work *w, PGconn *connection, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status = tp_sql_query(
        connection,
        "SELECT relid = $1::oid FROM trigperf.captured_table "
        "WHERE relid = $1::oid OR (schema_name = $2 AND table_name = $3)",
        3, (const char *const[]){w->relation.oid, w->relation.schema, w->relation.table},
        "reading the registry", &result, err);
    if (status == TRIGPERF_OK && PQntuples(result) > 0) {
        bool same = PQgetvalue(result, 0, 0)[0] == 't';
        status =
            tp_error_set(err, TRIGPERF_E_EXISTS,
                         "'trigperf apply' changes its keys and settings, 'trigperf rules' its "
                         "rules; or run 'trigperf detach' for it first",
                         same ? "%s is attached already"
                              : "%s is attached already, as a table that was dropped or "
                                "renamed since",
                         w->relation.quoted);
    }
    PQclear(result);
    return status;
}

/* The SQL of a dry run may be run later, after others, or in another database: its number is drawn
 * from a range of its own, a thousand million wide. */
static int32_t draw_id(work *w, trigperf_error **err) {
    uint32_t random = 0;
    if (!tp_entropy_fill(&random, sizeof random)) {
        return tp_error_set(err, TRIGPERF_E_SYSTEM, "check the kernel's random source",
                            "getrandom failed");
    }
    w->capture.id = (int32_t)(1000000000u + random % 1000000000u);
    return TRIGPERF_OK;
}

/* Takes the lock that serializes attaching, and the next number, which is never used again. */
static int32_t next_id(work *w, PGconn *connection, trigperf_error **err) {
    PGresult *result = NULL;
    if (w->dry_run) {
        return draw_id(w, err);
    }
    int32_t status = tp_sql_run(connection,
                                "SELECT FROM trigperf.setting WHERE name = 'registry_version' "
                                "FOR UPDATE",
                                doing, err);
    if (status == TRIGPERF_OK) {
        status =
            tp_sql_query(connection, "SELECT pg_catalog.nextval('trigperf.captured_table_id_seq')",
                         0, NULL, "reading the registry", &result, err);
    }
    if (status == TRIGPERF_OK) {
        w->capture.id = (int32_t)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    }
    PQclear(result);
    return status;
}

/* That of the description, else that of the database. */
static int32_t choose_sample_rate(work *w, const char *setting, trigperf_error **err) {
    if (w->spec->sample_rate_set) {
        w->capture.sample_rate = w->spec->sample_rate;
        return TRIGPERF_OK;
    }
    return tp_attachment_sample_rate(setting, &w->capture.sample_rate, err);
}

static int32_t find_subscription(work *w, PGconn *connection, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status = tp_sql_query(connection,
                                  "SELECT trigperf.table_subscribed($1::oid), (SELECT value FROM "
                                  "trigperf.setting WHERE name = 'sample_rate')",
                                  1, (const char *const[]){w->relation.oid},
                                  "looking for subscriptions", &result, err);
    if (status == TRIGPERF_OK) {
        status = choose_sample_rate(w, PQgetvalue(result, 0, 1), err);
    }
    if (status == TRIGPERF_OK) {
        w->replicated = w->spec->replicated || PQgetvalue(result, 0, 0)[0] == 't';
    }
    PQclear(result);
    return status;
}

static bool is_wal(const work *w) {
    return w->spec->granularity == TP_GRANULARITY_WAL;
}

static int32_t judge(work *w, PGconn *connection, trigperf_error **err) {
    int32_t status = w->again ? TRIGPERF_OK : check_attached(w, connection, err);
    if (status == TRIGPERF_OK) {
        status = tp_relation_check(&w->relation, err);
    }
    if (status == TRIGPERF_OK) {
        tp_layout_free(&w->layout);
        status = tp_layout_read(connection, &w->relation, &w->layout, err);
    }
    if (status == TRIGPERF_OK) {
        status = check_below(w, err);
    }
    if (status == TRIGPERF_OK) {
        status = make_keys(w, connection, err);
    }
    if (status == TRIGPERF_OK) {
        status = check_watch(w, err);
    }
    if (status == TRIGPERF_OK) {
        status = check_rules(w, err);
    }
    if (is_wal(w)) {
        w->wal = (tp_wal_attach){.spec = w->spec,
                                 .relation = &w->relation,
                                 .layout = &w->layout,
                                 .publish = w->wal.publish};
        snprintf(w->reason, sizeof w->reason, "chosen by whoever attached the table");
        return status == TRIGPERF_OK ? tp_wal_attach_check(connection, &w->wal, err) : status;
    }
    if (status == TRIGPERF_OK && w->spec->where != NULL) {
        status = tp_error_set(
            err, TRIGPERF_E_UNSUPPORTED, "limit a rule to operations, or use the granularity wal",
            "expected no row filter, capture triggers see every row; got \"%s\"", w->spec->where);
    }
    if (status == TRIGPERF_OK) {
        status = find_subscription(w, connection, err);
    }
    tp_granularity_facts facts = {&w->relation, &w->layout, false, w->replicated};
    for (uint32_t i = 0; i < w->spec->key_count; i++) {
        facts.expressions = facts.expressions || w->spec->keys[i].expression != NULL;
    }
    if (status == TRIGPERF_OK) {
        status = tp_granularity_choose(connection, &facts, w->spec->granularity, &w->capture.by_row,
                                       w->reason, sizeof w->reason, err);
    }
    return status;
}

static void describe(work *w) {
    tp_capture *capture = &w->capture;
    capture->schema = w->relation.schema;
    capture->table = w->relation.table;
    capture->keys = w->keys;
    capture->key_count = w->spec->key_count;
    capture->watch = (const char *const *)w->spec->watch;
    capture->watch_count = w->spec->watch_count;
    capture->columns = w->layout.images;
    capture->column_count = w->layout.column_count;
    capture->identity = w->layout.identity;
    capture->identity_count = w->layout.identity_count;
    capture->max_keys = w->max_keys;
    capture->isolate_full = w->spec->isolate_full;
    capture->replicated = w->replicated;
}

static void put_grants(const work *w, tp_strbuf *sql) {
    tp_strbuf owner = TP_STRBUF_INIT;
    tp_sql_ident(&owner, w->relation.owner);
    const char *role = tp_strbuf_str(&owner);
    if (!w->relation.owns_schema) {
        tp_strbuf_printf(
            sql,
            "GRANT USAGE, CREATE ON SCHEMA trigperf TO %s;\n"
            "GRANT INSERT ON trigperf.outbox_0, trigperf.outbox_1, trigperf.outbox_2,\n"
            "    trigperf.outbox_3, trigperf.trigger_error_log TO %s;\n"
            "GRANT EXECUTE ON FUNCTION trigperf.outbox_coarse TO %s;\n"
            "GRANT INSERT ON trigperf.trigger_execution_log TO %s;\n",
            role, role, role, role);
    }
    if (!w->relation.owns_schema && w->capture.isolate_full) {
        tp_strbuf_printf(sql, "GRANT USAGE ON SEQUENCE trigperf.uncaptured TO %s;\n", role);
    }
    tp_strbuf_printf(sql, "ALTER FUNCTION trigperf.capture_%d() OWNER TO %s;\n", w->capture.id,
                     role);
    if (!w->relation.owns_schema) {
        tp_strbuf_printf(sql, "REVOKE CREATE ON SCHEMA trigperf FROM %s;\n", role);
    }
    sql->failed = sql->failed || owner.failed;
    tp_strbuf_free(&owner);
}

static void put_triggers(const work *w, tp_strbuf *sql) {
    tp_capture_triggers(&w->capture, w->relation.quoted, TP_PLACE_ROOT, sql);
    for (uint32_t i = 0; i < w->layout.below_count; i++) {
        const tp_below *below = &w->layout.below[i];
        tp_capture_triggers(&w->capture, below->quoted,
                            below->is_partition ? TP_PLACE_PARTITION : TP_PLACE_INHERITS, sql);
    }
}

enum key_field { KEY_NAME, KEY_COLUMN, KEY_EXPRESSION, KEY_SLOT };

static const char *key_field(const tp_capture_key *key, enum key_field field) {
    return field == KEY_NAME     ? key->name
           : field == KEY_COLUMN ? key->column
           : field == KEY_SLOT   ? key->slot
                                 : key->expression;
}

static void put_element(tp_strbuf *sql, uint32_t index, const char *text) {
    tp_strbuf_puts(sql, index == 0 ? "" : ", ");
    if (text == NULL) {
        tp_strbuf_puts(sql, "NULL");
    } else {
        tp_sql_literal(sql, text);
    }
}

static void put_key_array(const work *w, enum key_field field, tp_strbuf *sql) {
    tp_strbuf_puts(sql, "    ARRAY[");
    for (uint32_t i = 0; i < w->spec->key_count; i++) {
        put_element(sql, i, key_field(&w->keys[i], field));
    }
    tp_strbuf_puts(sql, "]::pg_catalog.text[],\n");
}

static void put_registry(const work *w, tp_strbuf *sql) {
    tp_strbuf_printf(sql,
                     "INSERT INTO trigperf.captured_table\n"
                     "    (id, schema_name, table_name, relid, key_names, key_columns, key_exprs, "
                     "key_slots,\n"
                     "     watch, granularity, granularity_reason, isolate, replicated, max_keys, "
                     "function_name,\n     row_filter, sample_rate, generator)\n"
                     "OVERRIDING SYSTEM VALUE VALUES (\n    %d, ",
                     w->capture.id);
    put_element(sql, 0, w->relation.schema);
    put_element(sql, 1, w->relation.table);
    put_element(sql, 2, w->relation.quoted);
    tp_strbuf_puts(sql, "::pg_catalog.regclass,\n");
    put_key_array(w, KEY_NAME, sql);
    put_key_array(w, KEY_COLUMN, sql);
    put_key_array(w, KEY_EXPRESSION, sql);
    put_key_array(w, KEY_SLOT, sql);
    tp_strbuf_puts(sql, "    ARRAY[");
    for (uint32_t i = 0; i < w->spec->watch_count; i++) {
        put_element(sql, i, w->spec->watch[i]);
    }
    tp_strbuf_printf(sql, "]::pg_catalog.text[],\n    '%s', ",
                     is_wal(w)           ? "wal"
                     : w->capture.by_row ? "row"
                                         : "statement");
    put_element(sql, 0, w->reason);
    tp_strbuf_printf(sql, ", '%s', %s, %d, 'capture_%d', ",
                     w->capture.isolate_full ? "full" : "keys", w->replicated ? "true" : "false",
                     w->max_keys, w->capture.id);
    put_element(sql, 0, w->spec->where);
    tp_strbuf_puts(sql, ", ");
    if (is_wal(w)) {
        tp_strbuf_puts(sql, "NULL, NULL");
    } else {
        tp_json_digits(sql, w->capture.sample_rate);
        tp_strbuf_printf(sql, ", %d", TP_CAPTURE_GENERATOR);
    }
    tp_strbuf_puts(sql, ");\n");
}

static void put_fingerprint(const work *w, tp_strbuf *sql) {
    tp_strbuf_printf(
        sql,
        "-- What looks different later was altered after this.\n"
        "UPDATE trigperf.captured_table SET fingerprint = trigperf.table_fingerprint(\n"
        "    relid, pg_catalog.to_regprocedure('trigperf.capture_%d()')) "
        "WHERE id = %d;\n",
        w->capture.id, w->capture.id);
}

static void put_rules(const work *w, tp_strbuf *sql) {
    tp_strbuf id = TP_STRBUF_INIT;
    tp_strbuf_printf(&id, "%d", w->capture.id);
    for (uint32_t i = 0; i < w->spec->rule_count; i++) {
        const tp_attachment_rule *given = &w->spec->rules[i];
        tp_rule_spec rule = {.table = w->relation.quoted,
                             .ops = given->ops,
                             .key_template = given->key_template,
                             .min_interval_ms = given->min_interval_ms};
        tp_rules_put_insert(sql, tp_strbuf_str(&id), &rule);
    }
    sql->failed = sql->failed || id.failed;
    tp_strbuf_free(&id);
}

static void put_all(const work *w, tp_strbuf *sql) {
    tp_strbuf_puts(sql, "-- Captures the changes of ");
    tp_sql_comment(sql, w->relation.quoted);
    tp_strbuf_puts(sql,
                   ". Run in one transaction; takes a SHARE ROW\n"
                   "-- EXCLUSIVE lock on the table (and on what is beneath it) until its end.\n");
    if (is_wal(w)) {
        tp_wal_attach_lock(&w->wal, sql);
        put_registry(w, sql);
        tp_wal_attach_publish(&w->wal, w->capture.id, sql);
    } else {
        tp_capture_function(&w->capture, sql);
        tp_strbuf_printf(sql, "REVOKE ALL ON FUNCTION trigperf.capture_%d() FROM PUBLIC;\n",
                         w->capture.id);
        put_triggers(w, sql);
        put_grants(w, sql);
        put_registry(w, sql);
    }
    put_fingerprint(w, sql);
    put_rules(w, sql);
    tp_strbuf_printf(sql,
                     "-- Changes before this were not captured: readers forget what they hold.\n"
                     "SELECT trigperf.resync(%d);\nSELECT trigperf.registry_bump();\n",
                     w->capture.id);
}

static int32_t attach(PGconn *connection, void *user, trigperf_error **err) {
    work *w = user;
    int32_t version = 0;
    tp_strbuf_reset(w->sql);
    tp_relation_free(&w->relation);
    int32_t status = tp_migrate_check(connection, true, &version, err);
    if (status == TRIGPERF_OK) {
        status = tp_relation_find(connection, w->spec->table, &w->relation, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_sql_run(connection, "SET LOCAL search_path = pg_catalog, pg_temp", doing, err);
    }
    if (status == TRIGPERF_OK) {
        status = next_id(w, connection, err);
    }
    if (status == TRIGPERF_OK) {
        status = judge(w, connection, err);
    }
    if (status == TRIGPERF_OK) {
        describe(w);
        put_all(w, w->sql);
        status = w->sql->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    if (status == TRIGPERF_OK && !w->dry_run) {
        status = tp_sql_run(connection, tp_strbuf_str(w->sql), doing, err);
    }
    return status;
}

static void release(work *w) {
    tp_relation_free(&w->relation);
    tp_layout_free(&w->layout);
    tp_strbuf_free(&w->wal.publish);
    free(w->keys);
}

int32_t tp_attach_within(PGconn *connection, const trigperf_attachment *spec, int32_t max_keys,
                         bool dry_run, bool again, tp_strbuf *sql, trigperf_error **err) {
    work w = {.spec = spec,
              .max_keys = spec->max_keys > 0 ? spec->max_keys : max_keys,
              .dry_run = dry_run,
              .again = again && dry_run,
              .sql = sql};
    int32_t status = attach(connection, &w, err);
    release(&w);
    return status;
}

int32_t tp_attach(PGconn *connection, const trigperf_attachment *spec, int32_t max_keys,
                  bool dry_run, tp_strbuf *sql, trigperf_error **err) {
    if (spec->table == NULL) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "apply it instead: a scope has rules alone",
                            "expected the description of a table, got that of the scope \"%s\"",
                            spec->scope);
    }
    tp_strbuf own = TP_STRBUF_INIT;
    work w = {.spec = spec,
              .max_keys = spec->max_keys > 0 ? spec->max_keys : max_keys,
              .dry_run = dry_run,
              .sql = sql == NULL ? &own : sql};
    int32_t status = tp_retry(connection, attach, &w, !dry_run, doing, err);
    release(&w);
    tp_strbuf_free(&own);
    if (status != TRIGPERF_OK && sql != NULL) {
        tp_strbuf_reset(sql);
    }
    return status;
}
