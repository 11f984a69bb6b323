/* A map from byte strings to pointers, for registries (rules, tables, consumers). The only place
 * that knows uthash. Not for the hot paths of lib/core. Not thread-safe. */
#ifndef TP_BASE_MAP_H
#define TP_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct tp_map tp_map;

tp_map *tp_map_new(void); /* NULL when memory is short */

/* Releases the map; release_value (may be NULL) is called for each value. */
void tp_map_free(tp_map *map, void (*release_value)(void *));

/* The value of a key, or NULL. */
void *tp_map_get(const tp_map *map, const char *key, size_t length);
void *tp_map_get_str(const tp_map *map, const char *key);

/* Sets a key (copied) to a value that is not NULL; the former value, if any, goes to *former (which
 * may be NULL). False when memory is short: the map is unchanged. */
bool tp_map_put(tp_map *map, const char *key, size_t length, void *value, void **former);
bool tp_map_put_str(tp_map *map, const char *key, void *value, void **former);

/* Removes a key and returns its value, or NULL. */
void *tp_map_remove(tp_map *map, const char *key, size_t length);

size_t tp_map_count(const tp_map *map);

/* Walks in insertion order: *cursor starts NULL; false at the end. key may be NULL. */
bool tp_map_next(const tp_map *map, void **cursor, const char **key, void **value);

#endif
