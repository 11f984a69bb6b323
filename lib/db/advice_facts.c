/* Everything is read in one transaction with search_path = pg_catalog, so that definitions are
 * qualified and belong together. pg_stat_statements is asked under a savepoint: it may be missing,
 * not loaded, or closed to the role, and then the counters of the tables must do. */
#include "db/advice_facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "db/queries.h"
#include "db/sqltext.h"

static const char *cell(const PGresult *result, int row, int column) {
    return PQgetisnull(result, row, column) != 0 ? NULL : PQgetvalue(result, row, column);
}

static double number(const PGresult *result, int row, int column) {
    return strtod(PQgetvalue(result, row, column), NULL);
}

static bool yes(const PGresult *result, int row, int column) {
    return PQgetvalue(result, row, column)[0] == 't';
}

/* --- tables ------------------------------------------------------------------------------------*/

static void take_table(const PGresult *r, int row, tp_advice_table *table) {
    *table = (tp_advice_table){
        .oid = PQgetvalue(r, row, 0),
        .schema = PQgetvalue(r, row, 1),
        .name = PQgetvalue(r, row, 2),
        .quoted = PQgetvalue(r, row, 3),
        .kind = PQgetvalue(r, row, 4)[0],
        .inserted = number(r, row, 5),
        .updated = number(r, row, 6),
        .deleted = number(r, row, 7),
        .hot = number(r, row, 8),
        .scans = number(r, row, 9),
        .checks = (uint32_t)number(r, row, 10),
        .related = yes(r, row, 11),
        .generated = yes(r, row, 12),
        .key = PQgetvalue(r, row, 13),
    };
}

static void name_key(tp_strbuf *key, const char *schema, const char *name) {
    tp_strbuf_reset(key);
    tp_strbuf_puts(key, schema);
    tp_strbuf_putc(key, '\0');
    tp_strbuf_puts(key, name);
}

static int32_t index_tables(tp_advice_facts *facts, trigperf_error **err) {
    tp_strbuf key = TP_STRBUF_INIT;
    facts->by_name = tp_map_new();
    facts->by_oid = tp_map_new();
    bool good = facts->by_name != NULL && facts->by_oid != NULL;
    for (uint32_t i = 0; good && i < facts->table_count; i++) {
        tp_advice_table *table = &facts->tables[i];
        name_key(&key, table->schema, table->name);
        good = !key.failed && tp_map_put(facts->by_name, key.data, key.length, table, NULL) &&
               tp_map_put_str(facts->by_oid, table->oid, table, NULL);
    }
    tp_strbuf_free(&key);
    return good ? TRIGPERF_OK : tp_error_nomem(err);
}

static int32_t read_tables(PGconn *connection, tp_advice_facts *facts, trigperf_error **err) {
    int32_t status = tp_sql_query(connection, tp_query_advice_tables, 0, NULL, "reading the tables",
                                  &facts->results[0], err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    int rows = PQntuples(facts->results[0]);
    facts->tables = calloc((size_t)rows + 1, sizeof *facts->tables);
    if (facts->tables == NULL) {
        return tp_error_nomem(err);
    }
    facts->table_count = (uint32_t)rows;
    for (int i = 0; i < rows; i++) {
        take_table(facts->results[0], i, &facts->tables[i]);
    }
    return index_tables(facts, err);
}

/* --- triggers ----------------------------------------------------------------------------------*/

static void take_trigger(const PGresult *r, int row, tp_advice_trigger *trigger) {
    *trigger = (tp_advice_trigger){
        .name = PQgetvalue(r, row, 1),
        .quoted = PQgetvalue(r, row, 2),
        .type = (uint32_t)number(r, row, 3),
        .enabled = PQgetvalue(r, row, 4)[0],
        .of_columns = PQgetvalue(r, row, 5),
        .definition = PQgetvalue(r, row, 6),
        .has_when = yes(r, row, 7),
        .old_table = PQgetvalue(r, row, 8),
        .new_table = PQgetvalue(r, row, 9),
        .arguments = PQgetvalue(r, row, 10),
        .constraint = yes(r, row, 12),
        .function_oid = PQgetvalue(r, row, 13),
        .function_schema = PQgetvalue(r, row, 14),
        .function_name = PQgetvalue(r, row, 15),
        .function = PQgetvalue(r, row, 16),
        .source = PQgetvalue(r, row, 17),
        .language = PQgetvalue(r, row, 18),
        .definer = yes(r, row, 19),
        .path = cell(r, row, 20),
        .calls = PQgetisnull(r, row, 21) != 0 ? -1 : number(r, row, 21),
        .total_ms = number(r, row, 22),
        .comment = cell(r, row, 23),
        .of_extension = yes(r, row, 24),
        .shared_by = (uint32_t)number(r, row, 25),
        .of_column_array = PQgetvalue(r, row, 26),
        .owner = PQgetvalue(r, row, 27),
        .function_definition = PQgetvalue(r, row, 28),
    };
}

static int32_t take_triggers(tp_advice_facts *facts, trigperf_error **err) {
    const PGresult *r = facts->results[1];
    int rows = PQntuples(r);
    facts->triggers = calloc((size_t)rows + 1, sizeof *facts->triggers);
    int32_t status = facts->triggers == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    for (int i = 0; status == TRIGPERF_OK && i < rows; i++) {
        tp_advice_table *table = tp_map_get_str(facts->by_oid, PQgetvalue(r, i, 0));
        if (table == NULL) { /* a foreign table, a temporary one */
            continue;
        }
        tp_advice_trigger *trigger = &facts->triggers[facts->trigger_count];
        take_trigger(r, i, trigger);
        trigger->table = table;
        facts->trigger_count++;
        status = tp_trigger_body_read(trigger->source, &trigger->body, err);
    }
    return status;
}

static int32_t read_triggers(PGconn *connection, tp_advice_facts *facts, trigperf_error **err) {
    int32_t status = tp_sql_query(connection, tp_query_advice_triggers, 0, NULL,
                                  "reading the triggers", &facts->results[1], err);
    return status == TRIGPERF_OK ? take_triggers(facts, err) : status;
}

/* --- statements --------------------------------------------------------------------------------*/

/* The table that a statement writes, by its text; only the plain forms, which are most. */
static tp_advice_table *written_table(tp_advice_facts *facts, const tp_lexemes *l, uint32_t *kind) {
    static const struct {
        const char *first;
        const char *second;
        uint32_t kind;
    } forms[] = {{"insert", "into", TP_MIX_INSERT},
                 {"update", NULL, TP_MIX_UPDATE},
                 {"delete", "from", TP_MIX_DELETE},
                 {"copy", NULL, TP_MIX_INSERT}};
    uint32_t at = 0;
    for (size_t i = 0; at == 0 && i < sizeof forms / sizeof forms[0]; i++) {
        if (tp_lex_word(l, 0, forms[i].first) &&
            (forms[i].second == NULL || tp_lex_word(l, 1, forms[i].second))) {
            at = forms[i].second == NULL ? 1 : 2;
            *kind = forms[i].kind;
        }
    }
    at += at > 0 && tp_lex_word(l, at, "only") ? 1 : 0;
    if (at == 0 || !tp_lex_is_name(l, at)) {
        return NULL;
    }
    bool qualified = tp_lex_sign(l, at + 1, ".") && tp_lex_is_name(l, at + 2);
    tp_advice_trigger nobody = {.body.lexemes = *l};
    return tp_advice_find_table(facts, &nobody, qualified ? at : TP_BODY_NONE,
                                qualified ? at + 2 : at);
}

static int32_t count_statement(tp_advice_facts *facts, const PGresult *r, int row,
                               trigperf_error **err) {
    tp_lexemes lexemes;
    uint32_t kind = 0;
    const char *text = PQgetvalue(r, row, 0);
    int32_t status = tp_sql_lex(text, strlen(text), &lexemes, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_advice_table *table = written_table(facts, &lexemes, &kind);
    if (table != NULL) {
        table->mix[kind].calls += number(r, row, 1);
        table->mix[kind].rows += number(r, row, 2);
    }
    tp_lexemes_free(&lexemes);
    return TRIGPERF_OK;
}

static const char where_sql[] =
    "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = "
    "e.extnamespace WHERE e.extname = 'pg_stat_statements'";

static int32_t read_statements(PGconn *connection, tp_advice_facts *facts, trigperf_error **err) {
    PGresult *where = NULL;
    int32_t status =
        tp_sql_query(connection, where_sql, 0, NULL, "looking for pg_stat_statements", &where, err);
    if (status != TRIGPERF_OK || PQntuples(where) == 0) {
        PQclear(where);
        return status;
    }
    tp_strbuf sql = TP_STRBUF_INIT;
    tp_strbuf_printf(&sql,
                     "SELECT s.query, s.calls, s.rows FROM %s.pg_stat_statements s "
                     "JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database() "
                     "WHERE s.query ~* '\\m(insert|update|delete|copy)\\M' AND s.calls > 0 "
                     "ORDER BY s.rows DESC LIMIT 5000",
                     PQgetvalue(where, 0, 0));
    PQclear(where);
    PGresult *found = NULL;
    status = sql.failed ? tp_error_nomem(err)
                        : tp_sql_run(connection, "SAVEPOINT statements", "asking", err);
    if (status == TRIGPERF_OK && tp_sql_query(connection, tp_strbuf_str(&sql), 0, NULL, "asking",
                                              &found, NULL) != TRIGPERF_OK) {
        status = tp_sql_run(connection, "ROLLBACK TO SAVEPOINT statements", "asking", err);
    }
    facts->statements = found != NULL;
    for (int i = 0; status == TRIGPERF_OK && found != NULL && i < PQntuples(found); i++) {
        status = count_statement(facts, found, i, err);
    }
    PQclear(found);
    tp_strbuf_free(&sql);
    return status;
}

static int32_t read_commits(PGconn *connection, tp_advice_facts *facts, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status = tp_sql_query(connection,
                                  "SELECT COALESCE(sum(xact_commit), 0) FROM pg_stat_database "
                                  "WHERE datname = current_database()",
                                  0, NULL, "reading the database's statistics", &result, err);
    if (status == TRIGPERF_OK) {
        facts->commits = number(result, 0, 0);
    }
    PQclear(result);
    return status;
}

/* --- all ---------------------------------------------------------------------------------------*/

int32_t tp_advice_facts_read(PGconn *connection, tp_advice_facts *out, trigperf_error **err) {
    tp_advice_facts facts = {0};
    int32_t status = tp_sql_query(
        connection, "SELECT pg_catalog.array_to_string(pg_catalog.current_schemas(false), ',')", 0,
        NULL, "reading search_path", &facts.results[2], err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_run(connection, "SET LOCAL search_path = pg_catalog", "beginning", err);
    }
    if (status == TRIGPERF_OK) {
        status = read_tables(connection, &facts, err);
    }
    if (status == TRIGPERF_OK) {
        status = read_triggers(connection, &facts, err);
    }
    if (status == TRIGPERF_OK) {
        status = read_statements(connection, &facts, err);
    }
    if (status == TRIGPERF_OK) {
        status = read_commits(connection, &facts, err);
    }
    if (status != TRIGPERF_OK) {
        tp_advice_facts_free(&facts);
        return status;
    }
    *out = facts;
    return TRIGPERF_OK;
}

void tp_advice_facts_free(tp_advice_facts *facts) {
    for (uint32_t i = 0; i < facts->trigger_count; i++) {
        tp_trigger_body_free(&facts->triggers[i].body);
    }
    free(facts->triggers);
    free(facts->tables);
    tp_map_free(facts->by_name, NULL);
    tp_map_free(facts->by_oid, NULL);
    for (size_t i = 0; i < sizeof facts->results / sizeof facts->results[0]; i++) {
        PQclear(facts->results[i]);
    }
    *facts = (tp_advice_facts){0};
}

/* --- names -------------------------------------------------------------------------------------*/

static tp_advice_table *find(tp_advice_facts *facts, const char *schema, size_t length,
                             const char *name) {
    tp_strbuf key = TP_STRBUF_INIT;
    tp_strbuf_add(&key, schema, length);
    tp_strbuf_putc(&key, '\0');
    tp_strbuf_puts(&key, name);
    tp_advice_table *table = key.failed ? NULL : tp_map_get(facts->by_name, key.data, key.length);
    facts->failed = facts->failed || key.failed;
    tp_strbuf_free(&key);
    return table;
}

/* Along a list of schemas as search_path writes it: quotes are undone, "$user" is passed over. */
static tp_advice_table *find_along(tp_advice_facts *facts, const char *path, const char *name) {
    tp_advice_table *table = NULL;
    while (table == NULL && *path != '\0') {
        path += strspn(path, " ,");
        size_t quoted = *path == '"' ? 1 : 0;
        size_t length = strcspn(path + quoted, quoted ? "\"" : ", ");
        table = find(facts, path + quoted, length, name);
        path += quoted + length + (path[quoted + length] == '"' ? 1 : 0);
    }
    return table;
}

tp_advice_table *tp_advice_find_table(tp_advice_facts *facts, const tp_advice_trigger *trigger,
                                      uint32_t schema, uint32_t name) {
    const tp_lexemes *l = &trigger->body.lexemes;
    char *table = tp_lex_name(&l->items[name]);
    char *space = schema == TP_BODY_NONE ? NULL : tp_lex_name(&l->items[schema]);
    tp_advice_table *found = NULL;
    facts->failed = facts->failed || table == NULL || (space == NULL && schema != TP_BODY_NONE);
    if (table != NULL && space != NULL) {
        found = find(facts, space, strlen(space), table);
    } else if (table != NULL && schema == TP_BODY_NONE) {
        const char *path = trigger->path;
        found = find_along(facts, path != NULL ? path : PQgetvalue(facts->results[2], 0, 0), table);
    }
    free(table);
    free(space);
    return found;
}
