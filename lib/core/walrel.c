/* The description of a relation is kept as it came: it tells whether a later one differs, and it is
 * matched anew when other tables are wanted. Columns are matched by name, so that one that was
 * dropped and added again is found, and one that was renamed is not. What is wanted was read from
 * other catalogs than those that the description is of, earlier or later ones: so the form of a key
 * goes by the type that stands in the description, and where a watched column is not found any
 * column may be the one that was meant. */
#include "core/walrel.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct tp_walrels {
    tp_map *map; /* by relid */
    tp_walrel *last;
    const tp_walspec *specs;
    uint32_t spec_count;
};

static void rel_free(void *value) {
    tp_walrel *rel = value;
    if (rel != NULL) {
        free(rel->compared);
        free(rel->attributes);
        free(rel);
    }
}

tp_walrels *tp_walrels_new(void) {
    tp_walrels *rels = calloc(1, sizeof *rels);
    tp_map *map = tp_map_new();
    if (rels == NULL || map == NULL) {
        free(rels);
        tp_map_free(map, NULL);
        return NULL;
    }
    rels->map = map;
    return rels;
}

void tp_walrels_free(tp_walrels *rels) {
    if (rels != NULL) {
        tp_map_free(rels->map, rel_free);
        free(rels);
    }
}

static int by_relid(const void *a, const void *b) {
    uint32_t one = ((const tp_walspec *)a)->relid;
    uint32_t other = ((const tp_walspec *)b)->relid;
    return one < other ? -1 : one > other;
}

static const tp_walspec *find_spec(const tp_walrels *rels, uint32_t relid) {
    tp_walspec wanted = {.relid = relid};
    return rels->spec_count == 0
               ? NULL
               : bsearch(&wanted, rels->specs, rels->spec_count, sizeof wanted, by_relid);
}

#define FIRST_USER_OID 16384

/* Types that come with the server have fixed ids; of others nothing is known but what was read. */
static uint8_t form_of(const tp_walspec *spec, uint32_t key, uint32_t type) {
    if (type == spec->types[key]) {
        return spec->forms[key];
    }
    switch (type) {
    case 16:
        return TP_WAL_BOOL;
    case 1042:
        return TP_WAL_BLANKS;
    case 869:
        return TP_WAL_INET;
    default:
        return type < FIRST_USER_OID ? TP_WAL_PLAIN : TP_WAL_UNKNOWN;
    }
}

static bool is_watched(const tp_walspec *spec, const char *name) {
    for (uint32_t i = 0; i < spec->watch_count; i++) {
        if (strcmp(spec->watch[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Marks what a column means; returns the number of keys that it is. */
static uint32_t match_key(tp_walrel *rel, uint32_t column, const tp_pgo_attribute *attribute) {
    uint32_t keys = 0;
    for (uint32_t i = 0; i < rel->spec->key_count; i++) {
        if (strcmp(rel->spec->keys[i], attribute->name) == 0) {
            rel->key_at[i] = column;
            rel->forms[i] = form_of(rel->spec, i, attribute->type);
            rel->compared[column] = 1;
            rel->identity_covers = rel->identity_covers && attribute->identity;
            keys += rel->forms[i] == TP_WAL_UNKNOWN ? 0 : 1;
        }
    }
    return keys;
}

static void match(const tp_walrels *rels, tp_walrel *rel) {
    const unsigned char *at = rel->attributes;
    uint32_t keys = 0;
    uint32_t watched = 0;
    rel->spec = find_spec(rels, rel->relid);
    rel->told = false;
    rel->keys_known = false;
    if (rel->spec == NULL) {
        return;
    }
    rel->identity_covers = true;
    for (uint32_t i = 0; i < rel->column_count; i++) {
        tp_pgo_attribute attribute = tp_pgo_attribute_next(&at);
        rel->compared[i] = is_watched(rel->spec, attribute.name);
        watched += rel->compared[i];
        keys += match_key(rel, i, &attribute);
    }
    if (watched == 0 || watched < rel->spec->watch_count) {
        memset(rel->compared, 1, rel->column_count);
    }
    rel->keys_known = keys == rel->spec->key_count;
    rel->identity_covers = rel->identity_covers && rel->keys_known;
}

void tp_walrels_use(tp_walrels *rels, const tp_walspec *specs, uint32_t count) {
    void *cursor = NULL;
    const char *key;
    void *value;
    rels->specs = specs;
    rels->spec_count = count;
    while (tp_map_next(rels->map, &cursor, &key, &value)) {
        match(rels, value);
    }
}

static uint32_t attribute_bytes(const tp_pgo_message *message) {
    const unsigned char *at = message->attributes.at;
    for (uint32_t i = 0; i < message->attributes.count; i++) {
        tp_pgo_attribute_next(&at);
    }
    return (uint32_t)(at - message->attributes.at);
}

static tp_walrel *describe(const tp_walrels *rels, const tp_pgo_message *message) {
    tp_walrel *rel = calloc(1, sizeof *rel);
    if (rel == NULL) {
        return NULL;
    }
    rel->relid = message->relid;
    rel->identity = message->identity;
    rel->column_count = message->attributes.count;
    rel->attribute_bytes = attribute_bytes(message);
    rel->compared = calloc((size_t)rel->column_count + 1, 1);
    rel->attributes = malloc((size_t)rel->attribute_bytes + 1);
    if (rel->compared == NULL || rel->attributes == NULL) {
        rel_free(rel);
        return NULL;
    }
    memcpy(rel->attributes, message->attributes.at, rel->attribute_bytes);
    match(rels, rel);
    return rel;
}

static bool same(const tp_walrel *a, const tp_walrel *b) {
    return a->identity == b->identity && a->column_count == b->column_count &&
           a->attribute_bytes == b->attribute_bytes &&
           memcmp(a->attributes, b->attributes, a->attribute_bytes) == 0;
}

bool tp_walrels_take(tp_walrels *rels, const tp_pgo_message *message, bool *altered) {
    void *former = NULL;
    char key[4];
    memcpy(key, &message->relid, sizeof key);
    tp_walrel *rel = describe(rels, message);
    rels->last = NULL;
    *altered = false;
    if (rel == NULL || !tp_map_put(rels->map, key, sizeof key, rel, &former)) {
        rel_free(rel);
        rel_free(tp_map_remove(rels->map, key, sizeof key));
        return false;
    }
    if (former != NULL) {
        *altered = !same(former, rel);
        rel->told = ((tp_walrel *)former)->told;
        rel_free(former);
    }
    return true;
}

tp_walrel *tp_walrels_find(tp_walrels *rels, uint32_t relid) {
    char key[4];
    if (rels->last == NULL || rels->last->relid != relid) {
        memcpy(key, &relid, sizeof key);
        rels->last = tp_map_get(rels->map, key, sizeof key);
    }
    return rels->last;
}

void tp_walrels_forget(tp_walrels *rels) {
    void *cursor = NULL;
    const char *key;
    void *value;
    rels->last = NULL;
    while (tp_map_next(rels->map, &cursor, &key, &value)) {
        char copy[4];
        memcpy(copy, &((tp_walrel *)value)->relid, sizeof copy);
        rel_free(tp_map_remove(rels->map, copy, sizeof copy));
        cursor = NULL;
    }
}
