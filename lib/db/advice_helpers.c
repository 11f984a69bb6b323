/* The server finds the functions whose texts could matter, by words alone; here their texts are
 * read. What notifies is known from its own body first, then from the names that it calls, until
 * nothing is added. A name without a schema is taken for a function of that name in any schema: the
 * writer's search_path is not known, and the finding says which function is meant. */
#include "db/advice_helpers.h"

#include <stdlib.h>
#include <string.h>

#include "db/queries.h"
#include "db/sqltext.h"

typedef struct helper {
    const char *schema;
    const char *name;
    const char *quoted;
    tp_trigger_body body;
    bool notifies;
} helper;

typedef struct helpers {
    helper *items;
    uint32_t count;
    tp_map *telling; /* "schema\0name" and "\0name" of those that notify, to them */
} helpers;

static bool put_key(tp_strbuf *key, const char *schema, const char *name) {
    tp_strbuf_reset(key);
    tp_strbuf_puts(key, schema);
    tp_strbuf_putc(key, '\0');
    tp_strbuf_puts(key, name);
    return !key->failed;
}

static int32_t add_telling(helpers *all, helper *one, trigperf_error **err) {
    tp_strbuf key = TP_STRBUF_INIT;
    bool good = put_key(&key, one->schema, one->name) &&
                tp_map_put(all->telling, key.data, key.length, one, NULL) &&
                put_key(&key, "", one->name) &&
                tp_map_put(all->telling, key.data, key.length, one, NULL);
    tp_strbuf_free(&key);
    one->notifies = good;
    return good ? TRIGPERF_OK : tp_error_nomem(err);
}

/* The one whose name stands at a place where a function is called; *good is false when memory is
 * short. INSERT INTO name ( names a table. */
static helper *called_at(const helpers *all, const tp_lexemes *l, uint32_t at, bool *good) {
    bool qualified = at >= 2 && tp_lex_sign(l, at - 1, ".") && tp_lex_is_name(l, at - 2);
    uint32_t first = qualified ? at - 2 : at;
    if (!tp_lex_is_name(l, at) || !tp_lex_sign(l, at + 1, "(") ||
        (first > 0 && tp_lex_word(l, first - 1, "into"))) {
        return NULL;
    }
    tp_strbuf key = TP_STRBUF_INIT;
    char *schema = qualified ? tp_lex_name(&l->items[first]) : NULL;
    char *name = tp_lex_name(&l->items[at]);
    helper *found = NULL;
    *good = name != NULL && (schema != NULL || !qualified) &&
            put_key(&key, qualified ? schema : "", name);
    if (*good) {
        found = tp_map_get(all->telling, key.data, key.length);
    }
    tp_strbuf_free(&key);
    free(schema);
    free(name);
    return found;
}

static int32_t find_called(const helpers *all, const tp_lexemes *l, helper **found,
                           trigperf_error **err) {
    bool good = true;
    *found = NULL;
    for (uint32_t i = 0; good && *found == NULL && i < l->count; i++) {
        *found = called_at(all, l, i, &good);
    }
    return good ? TRIGPERF_OK : tp_error_nomem(err);
}

static int32_t take(const PGresult *result, helpers *all, trigperf_error **err) {
    uint32_t rows = (uint32_t)PQntuples(result);
    all->items = calloc((size_t)rows + 1, sizeof *all->items);
    all->telling = tp_map_new();
    int32_t status = all->items == NULL || all->telling == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < rows; i++) {
        helper *one = &all->items[all->count++];
        one->schema = PQgetvalue(result, (int)i, 0);
        one->name = PQgetvalue(result, (int)i, 1);
        one->quoted = PQgetvalue(result, (int)i, 2);
        status = tp_trigger_body_read(PQgetvalue(result, (int)i, 3), &one->body, err);
        if (status == TRIGPERF_OK && one->body.notifies) {
            status = add_telling(all, one, err);
        }
    }
    return status;
}

/* Those that call one that notifies, and so on. */
static int32_t spread(helpers *all, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (bool more = true; more && status == TRIGPERF_OK;) {
        more = false;
        for (uint32_t i = 0; status == TRIGPERF_OK && i < all->count; i++) {
            helper *one = &all->items[i];
            helper *called = NULL;
            if (!one->notifies) {
                status = find_called(all, &one->body.lexemes, &called, err);
            }
            if (called != NULL) {
                status = add_telling(all, one, err);
                more = true;
            }
        }
    }
    return status;
}

static int32_t mark(const helpers *all, tp_advice_facts *facts, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < facts->trigger_count; i++) {
        tp_advice_trigger *trigger = &facts->triggers[i];
        helper *called = NULL;
        if (!trigger->body.notifies) {
            status = find_called(all, &trigger->body.lexemes, &called, err);
        }
        trigger->notifies_by = called == NULL ? NULL : called->quoted;
    }
    return status;
}

int32_t tp_advice_helpers_read(PGconn *connection, tp_advice_facts *facts, trigperf_error **err) {
    helpers all = {0};
    int32_t status = tp_sql_query(connection, tp_query_advice_helpers, 0, NULL,
                                  "reading the functions", &facts->results[3], err);
    if (status == TRIGPERF_OK) {
        status = take(facts->results[3], &all, err);
    }
    if (status == TRIGPERF_OK) {
        status = spread(&all, err);
    }
    if (status == TRIGPERF_OK) {
        status = mark(&all, facts, err);
    }
    for (uint32_t i = 0; i < all.count; i++) {
        tp_trigger_body_free(&all.items[i].body);
    }
    free(all.items);
    tp_map_free(all.telling, NULL);
    return status;
}
