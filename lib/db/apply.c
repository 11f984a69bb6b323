/* What stands in the registry is compared with the description inside the transaction that changes
 * it. Rules are changed in place, since that needs no lock on the table; anything else is detaching
 * and attaching, one after the other without an end between them, so that no write goes uncaptured.
 * A dry run of rules is the same without its commit; one of attaching stops before the locks. */
#include "db/apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "core/change.h"
#include "db/attach.h"
#include "db/capture.h"
#include "db/detach.h"
#include "db/migrate.h"
#include "db/relation.h"
#include "db/retry.h"
#include "db/rules.h"
#include "db/sqltext.h"

static const char doing[] = "applying the description";

typedef struct work {
    const trigperf_attachment *spec;
    int32_t max_keys;
    bool dry_run;
    tp_strbuf *json;
    tp_relation relation;
    PGresult *rows;    /* of the registry that mean the table: one, or none, or (swapped) two */
    tp_strbuf reasons; /* of a difference: members of a JSON array */
    tp_strbuf added;   /* templates, likewise */
    tp_strbuf changed;
    tp_strbuf removed;
    tp_strbuf sql;
} work;

enum column {
    ID,
    NAME,
    FUNCTION,
    SHAPE,
    IS_AUTO,
    MAX_KEYS,
    STATE,
    ISOLATE,
    REPLICATED,
    SUBSCRIBED,
    WHERE,
    SAMPLE_RATE,
    GENERATOR
};

static const char rows_sql[] =
    "SELECT c.id, format('%I.%I', c.schema_name, c.table_name), c.function_name, c.granularity,"
    " starts_with(c.granularity_reason, 'auto:'), c.max_keys, s.state, c.isolate,"
    " c.replicated, trigperf.table_subscribed(c.relid), COALESCE(c.row_filter, ''), "
    "c.sample_rate::numeric::text, c.generator "
    "FROM trigperf.captured_table c JOIN trigperf.status_tables() s ON s.id = c.id "
    "WHERE c.relid = $1::oid OR (c.schema_name = $2 AND c.table_name = $3) "
    "ORDER BY c.relid = $1::oid DESC, c.id";

static const char keys_sql[] =
    "SELECT k.name, k.expression FROM trigperf.captured_table c, "
    "ROWS FROM (unnest(c.key_names), unnest(c.key_exprs)) WITH ORDINALITY "
    "AS k(name, expression, place) WHERE c.id = $1 ORDER BY k.place";

static const char watch_sql[] =
    "SELECT w FROM trigperf.captured_table c, unnest(c.watch) AS w WHERE c.id = $1";

static const char rules_sql[] =
    "SELECT r.template, array_to_string(r.ops, ','), COALESCE(r.min_interval_ms, 0) "
    "FROM trigperf.cascade_rule r WHERE r.table_id = $1 OR r.scope = $2 ORDER BY r.id";

static void clear(work *w) {
    tp_strbuf *texts[] = {w->json, &w->reasons, &w->added, &w->changed, &w->removed, &w->sql};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        tp_strbuf_reset(texts[i]);
    }
    PQclear(w->rows);
    w->rows = NULL;
    tp_relation_free(&w->relation);
}

static void add(tp_strbuf *list, const char *text) {
    if (list->length > 0) {
        tp_strbuf_putc(list, ',');
    }
    tp_json_string(list, text, strlen(text));
}

static int32_t query(PGconn *connection, const char *sql, const char *id, PGresult **rows,
                     trigperf_error **err) {
    return tp_sql_query(connection, sql, 1, (const char *const[]){id}, "reading the registry", rows,
                        err);
}

static bool same_text(const char *a, const char *b) {
    static const char blanks[] = " \t\r\n";
    a += strspn(a, blanks);
    b += strspn(b, blanks);
    size_t length = strlen(a);
    size_t other = strlen(b);
    while (length > 0 && strchr(blanks, a[length - 1]) != NULL) {
        length--;
    }
    while (other > 0 && strchr(blanks, b[other - 1]) != NULL) {
        other--;
    }
    return length == other && memcmp(a, b, length) == 0;
}

static bool same_key(const tp_attachment_key *key, const PGresult *rows, int row) {
    bool column = PQgetisnull(rows, row, 1) != 0;
    return strcmp(key->name, PQgetvalue(rows, row, 0)) == 0 &&
           column == (key->expression == NULL) &&
           (column || same_text(key->expression, PQgetvalue(rows, row, 1)));
}

static int32_t compare_keys(work *w, PGconn *connection, const char *id, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status = query(connection, keys_sql, id, &rows, err);
    if (status == TRIGPERF_OK) {
        bool same = (uint32_t)PQntuples(rows) == w->spec->key_count;
        for (uint32_t i = 0; same && i < w->spec->key_count; i++) {
            same = same_key(&w->spec->keys[i], rows, (int)i);
        }
        if (!same) {
            add(&w->reasons, "other keys");
        }
    }
    PQclear(rows);
    return status;
}

/* As a set: their order means nothing. */
static bool same_watch(const trigperf_attachment *spec, const PGresult *rows) {
    uint32_t found = 0;
    for (int row = 0; row < PQntuples(rows); row++) {
        for (uint32_t i = 0; i < spec->watch_count; i++) {
            found += strcmp(spec->watch[i], PQgetvalue(rows, row, 0)) == 0 ? 1 : 0;
        }
    }
    return found == spec->watch_count && found == (uint32_t)PQntuples(rows);
}

static int32_t compare_watch(work *w, PGconn *connection, const char *id, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status = query(connection, watch_sql, id, &rows, err);
    if (status == TRIGPERF_OK && !same_watch(w->spec, rows)) {
        add(&w->reasons, "other watched columns");
    }
    PQclear(rows);
    return status;
}

static void compare_shape(work *w) {
    static const char *const shapes[] = {"auto", "statement", "row", "wal"};
    bool is_auto = PQgetvalue(w->rows, 0, IS_AUTO)[0] == 't';
    const char *wanted = shapes[w->spec->granularity];
    bool same = w->spec->granularity == TP_GRANULARITY_AUTO
                    ? is_auto
                    : strcmp(wanted, PQgetvalue(w->rows, 0, SHAPE)) == 0;
    if (!same) {
        add(&w->reasons, "other granularity");
    }
}

/* Whether the registry says one; tables of the log have none. */
static bool known_sample_rate(const work *w, double *rate) {
    return PQntuples(w->rows) > 0 && !PQgetisnull(w->rows, 0, SAMPLE_RATE) &&
           tp_attachment_sample_rate(PQgetvalue(w->rows, 0, SAMPLE_RATE), rate, NULL) ==
               TRIGPERF_OK;
}

static bool other_sample_rate(const work *w) {
    double rate = 0;
    if (!w->spec->sample_rate_set) {
        return false;
    }
    known_sample_rate(w, &rate); /* what is not known is not sampled */
    return rate - w->spec->sample_rate > 1e-9 || w->spec->sample_rate - rate > 1e-9;
}

static void compare_settings(work *w) {
    const char *max_keys = PQgetvalue(w->rows, 0, MAX_KEYS);
    if (w->spec->isolate_full != (strcmp(PQgetvalue(w->rows, 0, ISOLATE), "full") == 0)) {
        add(&w->reasons, "other isolation");
    }
    if (w->spec->max_keys > 0 && w->spec->max_keys != (int32_t)strtol(max_keys, NULL, 10)) {
        add(&w->reasons, "other max_keys");
    }
    const char *where = w->spec->where == NULL ? "" : w->spec->where;
    if (strcmp(where, PQgetvalue(w->rows, 0, WHERE)) != 0) {
        add(&w->reasons, "other row filter");
    }
    if (w->spec->granularity == TP_GRANULARITY_WAL) {
        return; /* the log tells replicated rows in any case */
    }
    if (other_sample_rate(w)) {
        add(&w->reasons, "other sample_rate");
    }
    if (strtol(PQgetvalue(w->rows, 0, GENERATOR), NULL, 10) != TP_CAPTURE_GENERATOR &&
        strcmp(PQgetvalue(w->rows, 0, SHAPE), "wal") != 0) {
        add(&w->reasons, "its capture function was made by another version");
    }
    bool replicated = w->spec->replicated || PQgetvalue(w->rows, 0, SUBSCRIBED)[0] == 't';
    if (replicated != (PQgetvalue(w->rows, 0, REPLICATED)[0] == 't')) {
        add(&w->reasons, replicated ? "replicated rows as well" : "no replicated rows any more");
    }
}

static void compare_state(work *w) {
    static const char *const published[] = {"unpublished", "refused",  "untold",  "filter",
                                            "identity",    "unlogged", "foreign", "overlap"};
    const char *state = PQgetvalue(w->rows, 0, STATE);
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        if (strcmp(state, published[i]) == 0) {
            add(&w->reasons, "publication and replica identity do not fit together");
            return;
        }
    }
    if (strcmp(state, "lacking") == 0) {
        add(&w->reasons, "a column that it was attached with is gone");
        return;
    }
    if (strcmp(state, "missing") == 0 || strcmp(state, "disabled") == 0) {
        add(&w->reasons,
            strcmp(state, "missing") == 0 ? "triggers are missing" : "triggers are disabled");
    } else if (strcmp(state, "ok") != 0 && strcmp(state, "subscribed") != 0) {
        add(&w->reasons, strcmp(state, "renamed") == 0
                             ? "the table was renamed since"
                             : "the table was dropped and made anew since");
    }
}

static uint32_t mask(uint32_t ops) {
    return ops == 0 ? (uint32_t)TP_OP_ALL : ops;
}

static const tp_attachment_rule *find_rule(const trigperf_attachment *spec, const char *text) {
    for (uint32_t i = 0; i < spec->rule_count; i++) {
        if (strcmp(spec->rules[i].key_template, text) == 0) {
            return &spec->rules[i];
        }
    }
    return NULL;
}

static bool has_row(const PGresult *rows, const char *text) {
    for (int row = 0; row < PQntuples(rows); row++) {
        if (strcmp(PQgetvalue(rows, row, 0), text) == 0) {
            return true;
        }
    }
    return false;
}

static tp_rule_spec rule_of(const work *w, const tp_attachment_rule *rule) {
    return (tp_rule_spec){.table = w->spec->scope == NULL ? w->relation.quoted : NULL,
                          .scope = w->spec->scope,
                          .ops = rule->ops,
                          .key_template = rule->key_template,
                          .min_interval_ms = rule->min_interval_ms};
}

static void put_delete(work *w, const char *id, const char *text) {
    tp_rule_spec gone = {.scope = w->spec->scope, .key_template = text};
    tp_rules_put_delete(&w->sql, id, &gone);
    tp_strbuf_puts(&w->sql, ";\n");
}

static void put_insert(work *w, const char *id, const tp_attachment_rule *rule) {
    tp_rule_spec fresh = rule_of(w, rule);
    tp_rules_put_insert(&w->sql, id, &fresh);
}

/* A rule of the database: it stays, is written anew, or goes. */
static int32_t settle_rule(work *w, const PGresult *rows, int row, const char *id,
                           trigperf_error **err) {
    const char *text = PQgetvalue(rows, row, 0);
    const tp_attachment_rule *wanted = find_rule(w->spec, text);
    uint32_t ops = 0;
    int32_t status = tp_op_parse_list(PQgetvalue(rows, row, 1), &ops, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (wanted == NULL) {
        add(&w->removed, text);
        put_delete(w, id, text);
    } else if (mask(ops) != mask(wanted->ops) ||
               strtoul(PQgetvalue(rows, row, 2), NULL, 10) != wanted->min_interval_ms) {
        add(&w->changed, text);
        put_delete(w, id, text);
        put_insert(w, id, wanted);
    }
    return TRIGPERF_OK;
}

static int32_t check_twice(const trigperf_attachment *spec, trigperf_error **err) {
    for (uint32_t i = 0; i < spec->rule_count; i++) {
        if (find_rule(spec, spec->rules[i].key_template) != &spec->rules[i]) {
            return tp_error_set(err, TRIGPERF_E_EXISTS,
                                "give each template once, with all its operations",
                                "template '%s' is given twice", spec->rules[i].key_template);
        }
    }
    return TRIGPERF_OK;
}

/* id: of the table, NULL for a scope. */
static int32_t compare_rules(work *w, PGconn *connection, const char *id, trigperf_error **err) {
    PGresult *rows = NULL;
    const char *values[] = {id, w->spec->scope};
    int32_t status = check_twice(w->spec, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(connection, rules_sql, 2, values, "reading the rules", &rows, err);
    }
    const char *literal = id == NULL ? "NULL" : id;
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(rows); row++) {
        status = settle_rule(w, rows, row, literal, err);
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < w->spec->rule_count; i++) {
        if (!has_row(rows, w->spec->rules[i].key_template)) {
            add(&w->added, w->spec->rules[i].key_template);
            put_insert(w, literal, &w->spec->rules[i]);
        }
    }
    PQclear(rows);
    bool failed = w->added.failed || w->changed.failed || w->removed.failed || w->sql.failed;
    return status == TRIGPERF_OK && failed ? tp_error_nomem(err) : status;
}

static int32_t run_rules(work *w, PGconn *connection, const char *id, trigperf_error **err) {
    if (w->added.length + w->changed.length > 0) {
        tp_strbuf_printf(&w->sql, "SELECT trigperf.resync(%s);\n", id == NULL ? "NULL" : id);
    }
    tp_strbuf_puts(&w->sql, "SELECT trigperf.registry_bump();\n");
    int32_t status = w->sql.failed ? tp_error_nomem(err)
                                   : tp_sql_run(connection, tp_strbuf_str(&w->sql), doing, err);
    return status == TRIGPERF_OK ? tp_rules_check(connection, err) : status;
}

static int32_t detach_rows(work *w, PGconn *connection, trigperf_error **err) {
    tp_strbuf_reset(&w->sql);
    int32_t status = TRIGPERF_OK;
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(w->rows); row++) {
        status =
            tp_detach_put(connection, PQgetvalue(w->rows, row, ID), PQgetvalue(w->rows, row, NAME),
                          PQgetvalue(w->rows, row, FUNCTION), &w->sql, err);
    }
    return status == TRIGPERF_OK && !w->dry_run && w->sql.length > 0
               ? tp_sql_run(connection, tp_strbuf_str(&w->sql), doing, err)
               : status;
}

/* What the description leaves open stays as it was. */
static int32_t attach_anew(work *w, PGconn *connection, trigperf_error **err) {
    trigperf_attachment named = *w->spec;
    bool known = PQntuples(w->rows) > 0;
    if (!named.sample_rate_set) {
        named.sample_rate_set = known_sample_rate(w, &named.sample_rate);
    }
    int32_t max_keys =
        known ? (int32_t)strtol(PQgetvalue(w->rows, 0, MAX_KEYS), NULL, 10) : w->max_keys;
    named.table = w->relation.quoted;
    int32_t status = detach_rows(w, connection, err);
    tp_strbuf_reset(&w->sql);
    return status == TRIGPERF_OK
               ? tp_attach_within(connection, &named, max_keys, w->dry_run, known, &w->sql, err)
               : status;
}

static void put_list(tp_strbuf *json, const char *name, const tp_strbuf *members) {
    tp_strbuf array = TP_STRBUF_INIT;
    tp_strbuf_printf(&array, "[%s]", tp_strbuf_str(members));
    tp_json_raw(json, name, tp_strbuf_str(&array));
    json->failed = json->failed || array.failed || members->failed;
    tp_strbuf_free(&array);
}

static int32_t report(work *w, const char *action, trigperf_error **err) {
    bool known = w->rows != NULL && PQntuples(w->rows) > 0;
    tp_json_open(w->json, NULL, '{');
    tp_json_text(w->json, "table", w->relation.quoted);
    tp_json_text(w->json, "scope", w->spec->scope);
    tp_json_text(w->json, "was", known ? PQgetvalue(w->rows, 0, NAME) : NULL);
    tp_json_text(w->json, "action", action);
    put_list(w->json, "reasons", &w->reasons);
    put_list(w->json, "rules_added", &w->added);
    put_list(w->json, "rules_changed", &w->changed);
    put_list(w->json, "rules_removed", &w->removed);
    tp_json_close(w->json, '}');
    return w->json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
}

static int32_t compare(work *w, PGconn *connection, trigperf_error **err) {
    const char *id = PQgetvalue(w->rows, 0, ID);
    int32_t status = compare_keys(w, connection, id, err);
    if (status == TRIGPERF_OK) {
        status = compare_watch(w, connection, id, err);
    }
    if (PQntuples(w->rows) > 1) {
        add(&w->reasons, "attached under this name and another one");
    }
    compare_shape(w);
    compare_settings(w);
    compare_state(w);
    if (status == TRIGPERF_OK && w->reasons.failed) {
        status = tp_error_nomem(err); /* a reason that is not known decides as well */
    }
    return status == TRIGPERF_OK ? compare_rules(w, connection, id, err) : status;
}

static int32_t bring_rules(work *w, PGconn *connection, const char *id, trigperf_error **err) {
    bool any = w->added.length + w->changed.length + w->removed.length > 0;
    int32_t status = any ? run_rules(w, connection, id, err) : TRIGPERF_OK;
    return status == TRIGPERF_OK ? report(w, any ? "rules" : "none", err) : status;
}

static int32_t bring_table(work *w, PGconn *connection, trigperf_error **err) {
    const char *values[] = {w->relation.oid, w->relation.schema, w->relation.table};
    int32_t status =
        tp_sql_query(connection, rows_sql, 3, values, "reading the registry", &w->rows, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    bool known = PQntuples(w->rows) > 0;
    status = known ? compare(w, connection, err) : TRIGPERF_OK;
    if (status == TRIGPERF_OK && known && w->reasons.length == 0) {
        return bring_rules(w, connection, PQgetvalue(w->rows, 0, ID), err);
    }
    if (status == TRIGPERF_OK) {
        status = attach_anew(w, connection, err);
    }
    return status == TRIGPERF_OK ? report(w, known ? "replace" : "attach", err) : status;
}

static int32_t bring_scope(work *w, PGconn *connection, trigperf_error **err) {
    int32_t status = compare_rules(w, connection, NULL, err);
    return status == TRIGPERF_OK ? bring_rules(w, connection, NULL, err) : status;
}

static int32_t apply(PGconn *connection, void *user, trigperf_error **err) {
    work *w = user;
    int32_t version = 0;
    clear(w);
    int32_t status = tp_migrate_check(connection, true, &version, err);
    if (status == TRIGPERF_OK && w->spec->table != NULL) {
        status = tp_relation_find(connection, w->spec->table, &w->relation, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_sql_run(connection, "SET LOCAL search_path = pg_catalog, pg_temp", doing, err);
    }
    if (status == TRIGPERF_OK && !w->dry_run) {
        status = tp_sql_run(connection,
                            "SELECT FROM trigperf.setting WHERE name = 'registry_version' "
                            "FOR UPDATE",
                            doing, err);
    }
    if (status == TRIGPERF_OK) {
        status = w->spec->table != NULL ? bring_table(w, connection, err)
                                        : bring_scope(w, connection, err);
    }
    return status;
}

int32_t tp_apply(PGconn *connection, const trigperf_attachment *spec, int32_t max_keys,
                 bool dry_run, tp_strbuf *json, trigperf_error **err) {
    work w = {.spec = spec, .max_keys = max_keys, .dry_run = dry_run, .json = json};
    int32_t status = tp_retry(connection, apply, &w, !dry_run, doing, err);
    tp_strbuf nothing = TP_STRBUF_INIT;
    if (status == TRIGPERF_OK) {
        w.json = &nothing; /* what was said stays */
    }
    clear(&w);
    tp_strbuf *texts[] = {&w.reasons, &w.added, &w.changed, &w.removed, &w.sql};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        tp_strbuf_free(texts[i]);
    }
    return status;
}
