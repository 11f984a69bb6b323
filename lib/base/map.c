/* uthash with its fatal out-of-memory behaviour replaced (HASH_NONFATAL_OOM): a failed insertion
 * leaves the element outside the table, which the add macro reports by clearing hh.tbl. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->added = false)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#include <uthash.h>

typedef struct entry {
    UT_hash_handle hh;
    void *value;
    bool added;
    char key[];
} entry;

struct tp_map {
    entry *head;
};

static entry *find(const tp_map *map, const char *key, size_t length) {
    entry *found = NULL;
    HASH_FIND(hh, map->head, key, length, found);
    return found;
}

static bool add(tp_map *map, entry *item, size_t length) {
    item->added = true;
    HASH_ADD_KEYPTR(hh, map->head, item->key, length, item);
    return item->added;
}

static void delete (tp_map *map, entry *item) {
    HASH_DELETE(hh, map->head, item);
}

static size_t count(const tp_map *map) {
    return HASH_COUNT(map->head);
}
#pragma GCC diagnostic pop

tp_map *tp_map_new(void) {
    return calloc(1, sizeof(tp_map));
}

void tp_map_free(tp_map *map, void (*release_value)(void *)) {
    if (map == NULL) {
        return;
    }
    while (map->head != NULL) {
        entry *item = map->head;
        delete (map, item);
        if (release_value != NULL) {
            release_value(item->value);
        }
        free(item);
    }
    free(map);
}

void *tp_map_get(const tp_map *map, const char *key, size_t length) {
    entry *item = find(map, key, length);
    return item == NULL ? NULL : item->value;
}

void *tp_map_get_str(const tp_map *map, const char *key) {
    return tp_map_get(map, key, strlen(key));
}

bool tp_map_put(tp_map *map, const char *key, size_t length, void *value, void **former) {
    entry *item = find(map, key, length);
    void *old = item == NULL ? NULL : item->value;
    if (item == NULL) {
        item = calloc(1, sizeof *item + length + 1);
        if (item == NULL) {
            return false;
        }
        memcpy(item->key, key, length);
        if (!add(map, item, length)) {
            free(item);
            return false;
        }
    }
    item->value = value;
    if (former != NULL) {
        *former = old;
    }
    return true;
}

bool tp_map_put_str(tp_map *map, const char *key, void *value, void **former) {
    return tp_map_put(map, key, strlen(key), value, former);
}

void *tp_map_remove(tp_map *map, const char *key, size_t length) {
    entry *item = find(map, key, length);
    if (item == NULL) {
        return NULL;
    }
    void *value = item->value;
    delete (map, item);
    free(item);
    return value;
}

size_t tp_map_count(const tp_map *map) {
    return count(map);
}

bool tp_map_next(const tp_map *map, void **cursor, const char **key, void **value) {
    entry *item = *cursor == NULL ? map->head : ((entry *)*cursor)->hh.next;
    if (item == NULL) {
        return false;
    }
    *cursor = item;
    if (key != NULL) {
        *key = item->key;
    }
    *value = item->value;
    return true;
}
