/* The host's own cache: text keys to text values, safe for any number of threads. It knows nothing
 * of libtrigperf; a Redis or memcached client could stand here. */
#ifndef EXAMPLES_CALL_CENTER_CACHE_H
#define EXAMPLES_CALL_CENTER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cc_cache cc_cache;

cc_cache *cache_new(void); /* NULL when memory is short */
void cache_free(cc_cache *cache);

/* A copy of the value for the caller to free, or NULL on a miss. */
char *cache_get(cc_cache *cache, const char *key);
/* Puts the value, asks whether it may stay, and takes it out again if not, before anybody else can
 * see it; `valid` must not call the cache. Returns whether it stayed. No former value does, even
 * when memory is short for the new one. */
typedef bool cache_valid_fn(void *user, const char *key);
bool cache_fill(cc_cache *cache, const char *key, const char *value, cache_valid_fn *valid,
                void *user);
bool cache_has(cc_cache *cache, const char *key);
bool cache_delete(cc_cache *cache, const char *key); /* true: it was there */
void cache_clear_prefix(cc_cache *cache, const char *prefix);
uint64_t cache_count(cc_cache *cache);

/* Calls fn for every entry; it must not call the cache. */
typedef void cache_visit_fn(void *user, const char *key, const char *value);
void cache_each(cc_cache *cache, cache_visit_fn *fn, void *user);

#endif
