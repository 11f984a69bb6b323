/* Whole keys, for a cache that compares them: memory that a reader without a lock may look at even
 * after it was given back. */
#ifndef TP_CORE_CACHE_KEYS_H
#define TP_CORE_CACHE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tp_cache_keys tp_cache_keys;
typedef struct tp_kept_key tp_kept_key;

tp_cache_keys *tp_cache_keys_new(void); /* NULL when memory is short */
void tp_cache_keys_free(tp_cache_keys *keys);

/* NULL when memory is short. salt is part of the key. Any thread. */
tp_kept_key *tp_cache_keys_keep(tp_cache_keys *keys, uint64_t salt, const void *bytes,
                                size_t length);
void tp_cache_keys_release(tp_cache_keys *keys, tp_kept_key *kept); /* NULL: no effect */
/* Allocated in all. */
uint64_t tp_cache_keys_bytes(const tp_cache_keys *keys);

/* May be called while another thread releases the key, and means nothing then. */
bool tp_kept_key_is(const tp_kept_key *kept, uint64_t salt, const void *bytes, size_t length);
uint64_t tp_kept_key_salt(const tp_kept_key *kept);
size_t tp_kept_key_length(const tp_kept_key *kept);
/* A part of its bytes; at is a multiple of eight. */
void tp_kept_key_copy(const tp_kept_key *kept, size_t at, void *bytes, size_t length);

#endif
