/* Tables by name and id, each with its plan, and expansion. Distinct keys are found by comparing
 * with those rendered before: a change has a handful. */
#include "core/cascade.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/map.h"
#include "base/text.h"
#include "core/plan.h"
#include "core/ruleset.h"

typedef struct table_node {
    tp_table table; /* first: a tp_table is a table_node */
    tp_plan plan;
} table_node;

typedef struct rendered {
    size_t start;
    size_t length;
} rendered;

struct tp_cascade {
    tp_ruleset *rules;
    table_node **nodes; /* former declarations too */
    uint32_t node_count;
    uint32_t node_capacity;
    tp_map *by_name;
    tp_map *by_id;
    tp_strbuf scratch;
    rendered *keys; /* one for each step of the longest plan */
    uint32_t key_capacity;
    bool prepared;
};

static void strings_free(const char *const *strings, uint32_t count) {
    for (uint32_t i = 0; strings != NULL && i < count; i++) {
        free((void *)(uintptr_t)strings[i]);
    }
    free((void *)(uintptr_t)strings);
}

static void node_free(table_node *node) {
    if (node == NULL) {
        return;
    }
    tp_plan_free(&node->plan);
    strings_free(node->table.key_names, node->table.key_count);
    free((void *)(uintptr_t)node->table.name);
    free(node);
}

int32_t tp_cascade_new(tp_cascade **out, trigperf_error **err) {
    tp_cascade *cascade = calloc(1, sizeof *cascade);
    if (cascade == NULL) {
        return tp_error_nomem(err);
    }
    cascade->by_name = tp_map_new();
    cascade->by_id = tp_map_new();
    cascade->rules = tp_ruleset_new();
    if (cascade->by_name == NULL || cascade->by_id == NULL || cascade->rules == NULL) {
        tp_cascade_free(cascade);
        return tp_error_nomem(err);
    }
    *out = cascade;
    return TRIGPERF_OK;
}

void tp_cascade_free(tp_cascade *cascade) {
    if (cascade == NULL) {
        return;
    }
    for (uint32_t i = 0; i < cascade->node_count; i++) {
        node_free(cascade->nodes[i]);
    }
    free(cascade->nodes);
    free(cascade->keys);
    tp_map_free(cascade->by_name, NULL);
    tp_map_free(cascade->by_id, NULL);
    tp_ruleset_free(cascade->rules);
    tp_strbuf_free(&cascade->scratch);
    free(cascade);
}

static const char *const *strings_copy(const char *const *strings, uint32_t count) {
    char **copy = calloc((size_t)count + 1, sizeof *copy);
    for (uint32_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = tp_text_copy(strings[i]);
        if (copy[i] == NULL) {
            strings_free((const char *const *)copy, count);
            return NULL;
        }
    }
    return (const char *const *)copy;
}

static table_node *node_new(const char *name, int32_t id, const char *const *key_names,
                            uint32_t key_count) {
    table_node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    node->table.name = tp_text_copy(name);
    node->table.id = id;
    node->table.key_names = strings_copy(key_names, key_count);
    node->table.key_count = node->table.key_names == NULL ? 0 : key_count;
    if (node->table.name == NULL || node->table.key_names == NULL) {
        node_free(node);
        return NULL;
    }
    return node;
}

static int32_t check_rule(const char *text, const tp_table *table, trigperf_error **err) {
    tp_template *bound = NULL;
    trigperf_error *cause = NULL;
    int32_t status = tp_template_parse(text, table->key_names, table->key_count, &bound, &cause);
    tp_template_free(bound);
    if (status != TRIGPERF_OK) {
        tp_error_set(err, status, trigperf_error_hint(cause), "rule of table %s: %s", table->name,
                     trigperf_error_message(cause));
    }
    trigperf_error_free(cause);
    return status;
}

static int32_t check_rules_of(const tp_cascade *cascade, const tp_table *table,
                              trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; i < tp_ruleset_count(cascade->rules) && status == TRIGPERF_OK; i++) {
        const tp_rule *r = tp_ruleset_at(cascade->rules, i);
        if (r->table != NULL && strcmp(r->table, table->name) == 0) {
            status = check_rule(tp_template_text(tp_ruleset_template(cascade->rules, r->template)),
                                table, err);
        }
    }
    return status;
}

static bool same_declaration(const tp_table *table, int32_t id, const char *const *key_names,
                             uint32_t key_count) {
    if (table->id != id || table->key_count != key_count) {
        return false;
    }
    for (uint32_t i = 0; i < key_count; i++) {
        if (strcmp(table->key_names[i], key_names[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* Puts the node into both maps; on failure neither has changed. */
static bool register_node(tp_cascade *cascade, table_node *node) {
    size_t length = strlen(node->table.name);
    void *former = NULL;
    if (!tp_map_put(cascade->by_name, node->table.name, length, node, &former)) {
        return false;
    }
    int32_t id = node->table.id;
    if (id == 0 || tp_map_put(cascade->by_id, (const char *)&id, sizeof id, node, NULL)) {
        return true;
    }
    if (former == NULL) {
        tp_map_remove(cascade->by_name, node->table.name, length);
    } else {
        tp_map_put(cascade->by_name, node->table.name, length, former, NULL);
    }
    return false;
}

static void forget_id(tp_cascade *cascade, const tp_table *former, const tp_table *present) {
    int32_t id = former == NULL ? 0 : former->id;
    if (id != 0 && id != present->id && tp_cascade_find_id(cascade, id) == former) {
        tp_map_remove(cascade->by_id, (const char *)&id, sizeof id);
    }
}

static int32_t make_plan(tp_cascade *cascade, table_node *node, trigperf_error **err) {
    tp_plan made;
    int32_t status = tp_plan_make(cascade->rules, &node->table, &made, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    rendered *keys =
        tp_array_reserve(cascade->keys, &cascade->key_capacity, made.count, sizeof *cascade->keys);
    if (keys == NULL) {
        tp_plan_free(&made);
        return tp_error_nomem(err);
    }
    cascade->keys = keys;
    node->plan = made;
    return TRIGPERF_OK;
}

static int32_t add_node(tp_cascade *cascade, table_node *node, trigperf_error **err) {
    int32_t status = check_rules_of(cascade, &node->table, err);
    if (status == TRIGPERF_OK && cascade->prepared) {
        status = make_plan(cascade, node, err);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    table_node **nodes = tp_array_reserve(cascade->nodes, &cascade->node_capacity,
                                          cascade->node_count + 1, sizeof *nodes);
    if (nodes == NULL) {
        return tp_error_nomem(err);
    }
    cascade->nodes = nodes;
    const tp_table *former = tp_cascade_find(cascade, node->table.name);
    if (!register_node(cascade, node)) {
        return tp_error_nomem(err);
    }
    forget_id(cascade, former, &node->table);
    nodes[cascade->node_count++] = node;
    return TRIGPERF_OK;
}

int32_t tp_cascade_table(tp_cascade *cascade, const char *name, int32_t id,
                         const char *const *key_names, uint32_t key_count, const tp_table **out,
                         trigperf_error **err) {
    const tp_table *present = tp_cascade_find(cascade, name);
    if (present != NULL && same_declaration(present, id, key_names, key_count)) {
        if (out != NULL) {
            *out = present;
        }
        return TRIGPERF_OK;
    }
    table_node *node = node_new(name, id, key_names, key_count);
    if (node == NULL) {
        return tp_error_nomem(err);
    }
    int32_t status = add_node(cascade, node, err);
    if (status != TRIGPERF_OK) {
        node_free(node);
        return status;
    }
    if (out != NULL) {
        *out = &node->table;
    }
    return TRIGPERF_OK;
}

const tp_table *tp_cascade_find(const tp_cascade *cascade, const char *name) {
    const table_node *node = tp_map_get_str(cascade->by_name, name);
    return node == NULL ? NULL : &node->table;
}

const tp_table *tp_cascade_find_id(const tp_cascade *cascade, int32_t id) {
    const table_node *node = tp_map_get(cascade->by_id, (const char *)&id, sizeof id);
    return node == NULL ? NULL : &node->table;
}

/* ---- rules ---- */

int32_t tp_cascade_rule(tp_cascade *cascade, const char *table, const char *scope, uint32_t ops,
                        const char *template_text, uint32_t min_interval_ms, trigperf_error **err) {
    if (cascade->prepared) {
        return tp_error_set(err, TRIGPERF_E_STATE, "build a new set of rules and replace this one",
                            "rule '%s': rules cannot be added to a set that is in use",
                            template_text);
    }
    const tp_table *declared = table == NULL ? NULL : tp_cascade_find(cascade, table);
    int32_t status = declared == NULL ? TRIGPERF_OK : check_rule(template_text, declared, err);
    return status != TRIGPERF_OK ? status
                                 : tp_ruleset_add(cascade->rules, table, scope, ops, template_text,
                                                  min_interval_ms, err);
}

int32_t tp_cascade_prepare(tp_cascade *cascade, trigperf_error **err) {
    int32_t status = tp_ruleset_check(cascade->rules, err);
    for (uint32_t i = 0; i < cascade->node_count && status == TRIGPERF_OK; i++) {
        tp_plan_free(&cascade->nodes[i]->plan);
        status = make_plan(cascade, cascade->nodes[i], err);
    }
    cascade->prepared = status == TRIGPERF_OK;
    return status;
}

/* ---- expanding ---- */

static const table_node *node_of(const tp_table *table) {
    return (const table_node *)(const void *)table;
}

static bool already_rendered(const tp_cascade *cascade, uint32_t count, const rendered *key) {
    const char *bytes = cascade->scratch.data;
    for (uint32_t i = 0; i < count; i++) {
        const rendered *other = &cascade->keys[i];
        if (other->length == key->length &&
            memcmp(bytes + other->start, bytes + key->start, key->length) == 0) {
            return true;
        }
    }
    return false;
}

/* A key of no bytes names nothing that a cache could hold. */
static bool render_step(tp_cascade *cascade, const tp_step *s, const tp_change *change,
                        uint32_t count, rendered *out) {
    size_t start = cascade->scratch.length;
    if ((s->ops & change->op) == 0 ||
        !tp_template_render(s->bound, change->values, &cascade->scratch)) {
        return false;
    }
    *out = (rendered){start, cascade->scratch.length - start};
    return !cascade->scratch.failed && out->length > 0 && !already_rendered(cascade, count, out);
}

bool tp_cascade_expand(tp_cascade *cascade, const tp_change *change, tp_cascade_emit emit,
                       void *user) {
    const tp_plan *p = &node_of(change->table)->plan;
    tp_strbuf *scratch = &cascade->scratch;
    tp_strbuf_reset(scratch);
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        rendered key = {0, 0};
        if (!render_step(cascade, &p->steps[i], change, count, &key)) {
            continue;
        }
        cascade->keys[count++] = key;
        if (!emit(user, scratch->data + key.start, key.length, p->steps[i].template,
                  p->steps[i].min_interval_ms)) {
            return false;
        }
    }
    return !scratch->failed;
}

size_t tp_cascade_group_length(const tp_cascade *cascade, const tp_change *change,
                               uint32_t template_index) {
    (void)cascade;
    const tp_plan *p = &node_of(change->table)->plan;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->steps[i].template == template_index) {
            return tp_template_group_length(p->steps[i].bound, change->values);
        }
    }
    return 0;
}

/* ---- templates ---- */

uint32_t tp_cascade_template_count(const tp_cascade *cascade) {
    return tp_ruleset_template_count(cascade->rules);
}

const char *tp_cascade_template(const tp_cascade *cascade, uint32_t index) {
    return tp_template_text(tp_ruleset_template(cascade->rules, index));
}

const char *tp_cascade_template_prefix(const tp_cascade *cascade, uint32_t index) {
    return tp_template_prefix(tp_ruleset_template(cascade->rules, index));
}

uint32_t tp_cascade_table_template_count(const tp_cascade *cascade, const tp_table *table) {
    (void)cascade;
    return node_of(table)->plan.template_count;
}

uint32_t tp_cascade_table_template(const tp_cascade *cascade, const tp_table *table, uint32_t i) {
    (void)cascade;
    return node_of(table)->plan.templates[i];
}
