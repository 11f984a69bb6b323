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
/* Returns false when memory is short: nothing is stored then, and no former value stays. */
bool cache_put(cc_cache *cache, const char *key, const char *value);
bool cache_delete(cc_cache *cache, const char *key); /* true: it was there */
void cache_clear_prefix(cc_cache *cache, const char *prefix);
uint64_t cache_count(cc_cache *cache);

/* Calls fn for every entry; it must not call the cache. */
typedef void cache_visit_fn(void *user, const char *key, const char *value);
void cache_each(cc_cache *cache, cache_visit_fn *fn, void *user);

#endif
