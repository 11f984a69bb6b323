/* Only the outbox columns that some attached table uses are selected. Tables stand in ascending
 * order of id, so that finding one is a binary search. */
#include "pg/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "pg/textarray.h"

struct tp_registry {
    char *version;
    tp_strbuf columns;
    uint32_t column_count;
    tp_registry_table *tables;
    uint32_t table_count;
    uint32_t refused;
};

void tp_registry_free(tp_registry *registry) {
    if (registry != NULL) {
        free(registry->version);
        tp_strbuf_free(&registry->columns);
        free(registry->tables);
        free(registry);
    }
}

/* Index of a column, which a letter names, in the list; appended when it is new. */
static uint32_t column_index(tp_registry *registry, char letter) {
    const char *list = tp_strbuf_str(&registry->columns);
    for (uint32_t i = 0; i < registry->column_count && !registry->columns.failed; i++) {
        if (list[2 * i] == letter) {
            return i;
        }
    }
    if (registry->column_count > 0) {
        tp_strbuf_putc(&registry->columns, ',');
    }
    tp_strbuf_putc(&registry->columns, letter);
    return registry->column_count++;
}

/* Elements of a text[] as strings. */
typedef struct names {
    char *at[TP_REGISTRY_KEYS_MAX];
    uint32_t count;
    bool malformed;
    bool failed; /* memory was short */
} names;

static void read_names(const char *text, names *out) {
    tp_textarray array;
    tp_value value;
    *out = (names){.malformed = !tp_textarray_begin(&array, text)};
    while (!out->malformed && !out->failed && tp_textarray_next(&array, &value)) {
        out->malformed = value.data == NULL || out->count == TP_REGISTRY_KEYS_MAX;
        if (!out->malformed) {
            out->at[out->count] = tp_text_copy_bytes(value.data, value.length);
            out->failed = out->at[out->count] == NULL;
            out->count += out->failed ? 0 : 1;
        }
    }
    out->failed = out->failed || (!out->malformed && array.scratch.failed);
    if (text != NULL && text[0] == '{') {
        tp_textarray_end(&array);
    }
}

static void free_names(names *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->at[i]);
    }
}

static int32_t bad_registry(trigperf_error **err, const char *table) {
    return tp_error_set(err, TRIGPERF_E_VERSION,
                        "detach the table and attach it again with this version of the library",
                        "the registry row of table %s is not understood: expected up to %d key "
                        "names with as many places in columns i, u and t of the outbox",
                        table, TP_REGISTRY_KEYS_MAX);
}

/* The keys of a table in the column of one of them, counted from 1 in the order of its keys. */
static bool place_keys(tp_registry *registry, const names *slots, tp_registry_table *table) {
    for (uint32_t i = 0; i < slots->count; i++) {
        char letter = slots->at[i][0];
        uint32_t before = 0;
        uint32_t all = 0;
        for (uint32_t j = 0; j < slots->count; j++) {
            all += slots->at[j][0] == letter ? 1 : 0;
            before += j < i && slots->at[j][0] == letter ? 1 : 0;
        }
        if (letter == '\0' || strchr("iut", letter) == NULL ||
            strtoul(slots->at[i] + 1, NULL, 10) != before + 1) {
            return false;
        }
        table->slots[i] = (tp_registry_slot){column_index(registry, letter), before, all};
    }
    return true;
}

static int32_t declare(tp_registry *registry, tp_cascade *cascade, const PGresult *tables, int row,
                       const names *keys, const names *slots, trigperf_error **err) {
    tp_registry_table *table = &registry->tables[registry->table_count++];
    table->id = (int32_t)strtol(PQgetvalue(tables, row, 0), NULL, 10);
    table->coarse = false;
    if (!place_keys(registry, slots, table)) {
        return bad_registry(err, PQgetvalue(tables, row, 1));
    }
    return tp_cascade_table(cascade, PQgetvalue(tables, row, 1), table->id,
                            (const char *const *)keys->at, keys->count, &table->table, err);
}

static int32_t add_table(tp_registry *registry, tp_cascade *cascade, const PGresult *tables,
                         int row, trigperf_error **err) {
    names keys;
    names slots;
    read_names(PQgetvalue(tables, row, 2), &keys);
    read_names(PQgetvalue(tables, row, 3), &slots);
    int32_t status;
    if (keys.failed || slots.failed) {
        status = tp_error_nomem(err);
    } else if (keys.malformed || slots.malformed || keys.count != slots.count) {
        status = bad_registry(err, PQgetvalue(tables, row, 1));
    } else {
        status = declare(registry, cascade, tables, row, &keys, &slots, err);
    }
    free_names(&keys);
    free_names(&slots);
    return status;
}

/* What a load is made from. */
typedef struct loading {
    tp_registry *registry;
    const PGresult *tables;
    const PGresult *rules;
    bool scopes; /* scope rules too */
    const tp_log *log;
} loading;

static int32_t add_rule(tp_cascade *cascade, const PGresult *rules, int row, trigperf_error **err) {
    bool scoped = !PQgetisnull(rules, row, 1);
    uint32_t ops = 0;
    int32_t status = tp_op_parse_list(PQgetvalue(rules, row, 2), &ops, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    return tp_cascade_rule(cascade, scoped ? NULL : PQgetvalue(rules, row, 0),
                           scoped ? PQgetvalue(rules, row, 1) : NULL, ops,
                           PQgetvalue(rules, row, 3),
                           (uint32_t)strtoul(PQgetvalue(rules, row, 4), NULL, 10), err);
}

/* Of one table, or (NULL) of all. */
static void make_coarse(tp_registry *registry, const char *table) {
    for (uint32_t i = 0; i < registry->table_count; i++) {
        tp_registry_table *known = &registry->tables[i];
        known->coarse = known->coarse || table == NULL || strcmp(known->table->name, table) == 0;
    }
}

/* A scope rule may concern any table. */
static void refuse_rule(const loading *load, int row, const trigperf_error *why) {
    bool scoped = PQgetisnull(load->rules, row, 0) != 0;
    const char *name = PQgetvalue(load->rules, row, scoped ? 1 : 0);
    tp_log_write(load->log, TP_LOG_ERROR,
                 "rule %s of %s %s, '%s', is left out: %s. Until it is mended, each change of %s "
                 "comes as a resync: remove it with 'trigperf rules remove', or correct its row in "
                 "trigperf.cascade_rule and call registry_bump there",
                 PQgetvalue(load->rules, row, 5), scoped ? "scope" : "table", name,
                 PQgetvalue(load->rules, row, 3), trigperf_error_message(why),
                 scoped ? "every table" : "the table");
    load->registry->refused++;
    make_coarse(load->registry, scoped ? NULL : name);
}

static int32_t add_rules(const loading *load, tp_cascade *cascade, trigperf_error **err) {
    for (int row = 0; row < PQntuples(load->rules); row++) {
        trigperf_error *why = NULL;
        if (!load->scopes && PQgetisnull(load->rules, row, 0)) {
            continue;
        }
        int32_t status = add_rule(cascade, load->rules, row, &why);
        if (status == TRIGPERF_E_NOMEM) {
            return tp_error_move(err, why, status);
        }
        if (status != TRIGPERF_OK) {
            refuse_rule(load, row, why);
        }
        trigperf_error_free(why);
    }
    return TRIGPERF_OK;
}

static int32_t fill(const loading *load, tp_cascade *cascade, trigperf_error **err) {
    tp_registry *registry = load->registry;
    int32_t status = TRIGPERF_OK;
    registry->table_count = 0;
    registry->refused = 0;
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(load->tables); row++) {
        status = add_table(registry, cascade, load->tables, row, err);
    }
    if (status == TRIGPERF_OK) {
        status = add_rules(load, cascade, err);
    }
    return status == TRIGPERF_OK && registry->columns.failed ? tp_error_nomem(err) : status;
}

static int32_t build(const loading *load, tp_engine *engine, trigperf_error **err) {
    tp_cascade *cascade = NULL;
    int32_t status = tp_engine_cascade_begin(engine, &cascade, err);
    if (status == TRIGPERF_OK) {
        status = fill(load, cascade, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_engine_cascade_use(engine, cascade, err);
    }
    if (status != TRIGPERF_OK) {
        tp_cascade_free(cascade);
    }
    return status;
}

/* Scope rules that follow from each other in a circle: none of them can be used. */
static int32_t build_without_scopes(loading *load, tp_engine *engine, trigperf_error *why,
                                    trigperf_error **err) {
    load->scopes = false;
    int32_t status = build(load, engine, NULL);
    if (status != TRIGPERF_OK) {
        return tp_error_move(err, why, TRIGPERF_E_CONFIG);
    }
    tp_log_write(
        load->log, TP_LOG_ERROR,
        "no scope rule is used: %s. Until that is mended, each change of every table comes "
        "as a resync: %s",
        trigperf_error_message(why), trigperf_error_hint(why));
    trigperf_error_free(why);
    load->registry->refused++;
    make_coarse(load->registry, NULL);
    return TRIGPERF_OK;
}

int32_t tp_registry_new(const PGresult *tables, const PGresult *rules, const char *version,
                        tp_engine *engine, const tp_log *log, tp_registry **out,
                        trigperf_error **err) {
    tp_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL) {
        return tp_error_nomem(err);
    }
    loading load = {registry, tables, rules, true, log};
    trigperf_error *why = NULL;
    registry->version = tp_text_copy(version);
    registry->tables = calloc((size_t)PQntuples(tables) + 1, sizeof *registry->tables);
    int32_t status = registry->version == NULL || registry->tables == NULL
                         ? tp_error_nomem(&why)
                         : build(&load, engine, &why);
    status = status == TRIGPERF_E_CONFIG ? build_without_scopes(&load, engine, why, err)
                                         : tp_error_move(err, why, status);
    if (status != TRIGPERF_OK) {
        tp_registry_free(registry);
        return status;
    }
    *out = registry;
    return TRIGPERF_OK;
}

const char *tp_registry_version(const tp_registry *registry) {
    return registry->version;
}

const char *tp_registry_columns(const tp_registry *registry) {
    return tp_strbuf_str(&registry->columns);
}

uint32_t tp_registry_column_count(const tp_registry *registry) {
    return registry->column_count;
}

uint32_t tp_registry_refused(const tp_registry *registry) {
    return registry->refused;
}

const tp_registry_table *tp_registry_find(const tp_registry *registry, int32_t id) {
    uint32_t low = 0;
    uint32_t high = registry->table_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (registry->tables[middle].id == id) {
            return &registry->tables[middle];
        }
        if (registry->tables[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
