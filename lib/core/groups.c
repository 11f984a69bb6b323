/* The first part of a template is what its keys are grouped by: `call:{user}:{id}` has the group
 * `call:7:` for all calls of user 7, and a burst of that user is one entry here. What is kept of a
 * group is those bytes. They are a prefix of every key that was collapsed into it, so that a host
 * that forgets all that begins so cannot forget too little, whatever the values look like.
 *
 * Texts are copied, since the cascade may be replaced while they wait. Entries of former rules stay
 * and are told; new ones are made beside them. Tables and templates are few and found by walking;
 * groups are many and found in a set. */
#include "core/groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "core/keyset.h"

typedef struct group_set {
    uint32_t template;
    uint32_t count; /* groups told apart, single keys kept elsewhere among them */
    bool whole;
    char *text;
    char *prefix;
    tp_keyset beginnings;
} group_set;

typedef struct group_table {
    const tp_table *table;
    group_set *sets;
    uint32_t count;
    uint32_t capacity;
} group_table;

struct tp_groups {
    tp_hash_key key;
    uint32_t most;
    group_table *tables;
    uint32_t count;
    uint32_t capacity;
    uint32_t known_from; /* tables before this one are of former rules */
    uint64_t bytes;
};

tp_groups *tp_groups_new(const tp_hash_key *key, uint32_t most) {
    tp_groups *groups = calloc(1, sizeof *groups);
    if (groups != NULL) {
        groups->key = *key;
        groups->most = most;
    }
    return groups;
}

static void set_free(group_set *set) {
    free(set->text);
    free(set->prefix);
    tp_keyset_free(&set->beginnings);
}

void tp_groups_clear(tp_groups *groups) {
    for (uint32_t i = 0; i < groups->count; i++) {
        group_table *table = &groups->tables[i];
        for (uint32_t j = 0; j < table->count; j++) {
            set_free(&table->sets[j]);
        }
        free(table->sets);
    }
    free(groups->tables);
    groups->tables = NULL;
    groups->count = 0;
    groups->capacity = 0;
    groups->known_from = 0;
    groups->bytes = 0;
}

void tp_groups_free(tp_groups *groups) {
    if (groups != NULL) {
        tp_groups_clear(groups);
        free(groups);
    }
}

/* ---- collecting ---- */

static group_table *find_table(const tp_groups *groups, const tp_table *table) {
    for (uint32_t i = groups->count; i > groups->known_from; i--) {
        if (groups->tables[i - 1].table == table) {
            return &groups->tables[i - 1];
        }
    }
    return NULL;
}

bool tp_groups_open(tp_groups *groups, const tp_table *table) {
    if (find_table(groups, table) != NULL) {
        return true;
    }
    group_table *tables =
        tp_array_reserve(groups->tables, &groups->capacity, groups->count + 1, sizeof *tables);
    if (tables == NULL) {
        return false;
    }
    groups->tables = tables;
    tables[groups->count++] = (group_table){.table = table};
    groups->bytes += sizeof *tables;
    return true;
}

static group_set *add_set(tp_groups *groups, group_table *table, const tp_group_of *of) {
    group_set *sets =
        tp_array_reserve(table->sets, &table->capacity, table->count + 1, sizeof *sets);
    if (sets == NULL) {
        return NULL;
    }
    table->sets = sets;
    group_set made = {.template = of->template,
                      .text = tp_text_copy(tp_cascade_template(of->cascade, of->template)),
                      .prefix =
                          tp_text_copy(tp_cascade_template_prefix(of->cascade, of->template))};
    if (made.text == NULL || made.prefix == NULL) {
        set_free(&made);
        return NULL;
    }
    sets[table->count++] = made;
    groups->bytes += sizeof made + strlen(made.text) + strlen(made.prefix);
    return &sets[table->count - 1];
}

static group_set *set_of(tp_groups *groups, const tp_group_of *of) {
    group_table *table = find_table(groups, of->table);
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->sets[i].template == of->template) {
            return &table->sets[i];
        }
    }
    return add_set(groups, table, of);
}

/* Whether there is no room for one more group; from then on the prefix says it all. */
static bool is_whole(tp_groups *groups, group_set *set) {
    if (!set->whole && set->count >= groups->most) {
        groups->bytes -= tp_keyset_bytes(&set->beginnings);
        tp_keyset_free(&set->beginnings);
        set->beginnings = (tp_keyset){0};
        set->whole = true;
    }
    return set->whole;
}

tp_group_fate tp_groups_admit(tp_groups *groups, const tp_group_of *of) {
    group_set *set = set_of(groups, of);
    if (set == NULL) {
        return TP_GROUP_LOST;
    }
    if (is_whole(groups, set)) {
        return TP_GROUP_WHOLE;
    }
    set->count++;
    return TP_GROUP_KNOWN;
}

tp_group_fate tp_groups_add(tp_groups *groups, const tp_group_of *of, const char *bytes,
                            uint32_t length) {
    group_set *set = set_of(groups, of);
    if (set == NULL) {
        return TP_GROUP_LOST;
    }
    tp_keyset *beginnings = &set->beginnings;
    uint64_t hash = tp_hash64(&groups->key, bytes, length);
    if (tp_keyset_find(beginnings, bytes, length, hash) != TP_KEY_NONE) {
        return TP_GROUP_KNOWN;
    }
    if (is_whole(groups, set)) {
        return TP_GROUP_WHOLE;
    }
    if (!tp_keyset_reserve(beginnings, 1, length)) {
        return TP_GROUP_LOST;
    }
    groups->bytes -= tp_keyset_bytes(beginnings);
    tp_keyset_add(beginnings, bytes, length, hash);
    groups->bytes += tp_keyset_bytes(beginnings);
    set->count++;
    return TP_GROUP_KNOWN;
}

void tp_groups_rules_changed(tp_groups *groups) {
    groups->known_from = groups->count;
}

bool tp_groups_is_empty(const tp_groups *groups) {
    return groups->count == 0;
}

uint64_t tp_groups_bytes(const tp_groups *groups) {
    return groups->bytes;
}

/* ---- telling ---- */

typedef struct telling {
    const char **templates;
    const char **prefixes;
    uint32_t template_count;
    uint32_t prefix_count;
} telling;

static uint32_t told_prefixes(const group_set *set) {
    return set->whole ? 1 : tp_keyset_count(&set->beginnings);
}

/* Keys that are kept elsewhere are told there. */
static void tell_set(telling *t, const group_set *set) {
    if (told_prefixes(set) == 0) {
        return;
    }
    t->templates[t->template_count++] = set->text;
    if (set->whole) {
        t->prefixes[t->prefix_count++] = set->prefix;
        return;
    }
    for (tp_key *key = NULL; (key = tp_keyset_next(&set->beginnings, key)) != NULL;) {
        t->prefixes[t->prefix_count++] = key->bytes;
    }
}

static void tell_table(const group_table *table, tp_batch *batch) {
    size_t prefixes = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        prefixes += told_prefixes(&table->sets[i]);
    }
    const char **texts = calloc(table->count + prefixes + 1, sizeof *texts);
    if (texts == NULL) {
        tp_batch_fail(batch);
        return;
    }
    telling t = {texts, texts + table->count, 0, 0};
    for (uint32_t i = 0; i < table->count; i++) {
        tell_set(&t, &table->sets[i]);
    }
    tp_batch_add_resync(batch, &(tp_batch_entry){.table = table->table->name,
                                                 .level = TP_RESYNC_GROUP,
                                                 .templates = t.templates,
                                                 .template_count = t.template_count,
                                                 .prefixes = t.prefixes,
                                                 .prefix_count = t.prefix_count});
    free(texts);
}

void tp_groups_tell(const tp_groups *groups, tp_batch *batch) {
    for (uint32_t i = 0; i < groups->count; i++) {
        tell_table(&groups->tables[i], batch);
    }
}
