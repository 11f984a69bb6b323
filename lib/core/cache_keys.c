/* Blocks of 32 bytes and powers of two above, cut from chunks that are never given back while the
 * cache lives: a reader that is late reads another key, sees that the version of the set has
 * changed, and looks again. All words are atomics for its sake. Blocks that were released wait in
 * one list for each size; a lock that is held for a few instructions guards the lists. */
#include "core/cache_keys.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES 17u
#define SMALLEST 32u
#define CHUNK 16384u

struct tp_kept_key {
    _Atomic uint32_t length;
    uint32_t class;
    _Atomic uint64_t salt;
    _Atomic uint64_t words[];
};

typedef struct chunk {
    struct chunk *next;
} chunk;

struct tp_cache_keys {
    atomic_flag busy;
    _Atomic uint64_t bytes;
    chunk *chunks;
    tp_kept_key *unused[CLASSES];
};

tp_cache_keys *tp_cache_keys_new(void) {
    return calloc(1, sizeof(tp_cache_keys));
}

void tp_cache_keys_free(tp_cache_keys *keys) {
    if (keys == NULL) {
        return;
    }
    while (keys->chunks != NULL) {
        chunk *next = keys->chunks->next;
        free(keys->chunks);
        keys->chunks = next;
    }
    free(keys);
}

static void lock(tp_cache_keys *keys) {
    while (atomic_flag_test_and_set_explicit(&keys->busy, memory_order_acquire)) {
        sched_yield();
    }
}

static void unlock(tp_cache_keys *keys) {
    atomic_flag_clear_explicit(&keys->busy, memory_order_release);
}

static uint32_t class_of(size_t length) {
    uint32_t class = 0;
    while (sizeof(tp_kept_key) + length > (size_t)SMALLEST << class) {
        class ++;
    }
    return class;
}

/* The link of a block in a list lies where its bytes are. */
static tp_kept_key *next_of(const tp_kept_key *kept) {
    uintptr_t link = (uintptr_t)atomic_load_explicit(&kept->words[0], memory_order_relaxed);
    return (tp_kept_key *)link;
}

static void push(tp_cache_keys *keys, tp_kept_key *kept) {
    atomic_store_explicit(&kept->words[0], (uint64_t)(uintptr_t)keys->unused[kept->class],
                          memory_order_relaxed);
    keys->unused[kept->class] = kept;
}

/* With the lock held. */
static bool add_chunk(tp_cache_keys *keys, uint32_t class) {
    size_t block = (size_t)SMALLEST << class;
    size_t count = block < CHUNK ? CHUNK / block : 1;
    size_t size = SMALLEST + count * block;
    chunk *fresh = malloc(size);
    if (fresh == NULL) {
        return false;
    }
    fresh->next = keys->chunks;
    keys->chunks = fresh;
    atomic_fetch_add_explicit(&keys->bytes, size, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        tp_kept_key *kept = (tp_kept_key *)(void *)((char *)fresh + SMALLEST + i * block);
        kept->class = class;
        atomic_init(&kept->length, 0);
        atomic_init(&kept->salt, 0);
        push(keys, kept);
    }
    return true;
}

static uint64_t word_at(const unsigned char *bytes, size_t length, size_t at) {
    uint64_t word = 0;
    memcpy(&word, bytes + at, length - at < sizeof word ? length - at : sizeof word);
    return word;
}

tp_kept_key *tp_cache_keys_keep(tp_cache_keys *keys, uint64_t salt, const void *bytes,
                                size_t length) {
    uint32_t class = class_of(length);
    tp_kept_key *kept = NULL;
    lock(keys);
    if (keys->unused[class] != NULL || add_chunk(keys, class)) {
        kept = keys->unused[class];
        keys->unused[class] = next_of(kept);
    }
    unlock(keys);
    if (kept == NULL) {
        return NULL;
    }
    atomic_store_explicit(&kept->length, (uint32_t)length, memory_order_relaxed);
    atomic_store_explicit(&kept->salt, salt, memory_order_relaxed);
    for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
        atomic_store_explicit(&kept->words[at / sizeof(uint64_t)], word_at(bytes, length, at),
                              memory_order_relaxed);
    }
    return kept;
}

void tp_cache_keys_release(tp_cache_keys *keys, tp_kept_key *kept) {
    if (kept != NULL) {
        lock(keys);
        push(keys, kept);
        unlock(keys);
    }
}

uint64_t tp_cache_keys_bytes(const tp_cache_keys *keys) {
    return atomic_load_explicit(&keys->bytes, memory_order_relaxed);
}

/* Loads are acquire so that the version of the set is looked at after them. */
bool tp_kept_key_is(const tp_kept_key *kept, uint64_t salt, const void *bytes, size_t length) {
    if (atomic_load_explicit(&kept->length, memory_order_acquire) != length ||
        atomic_load_explicit(&kept->salt, memory_order_acquire) != salt) {
        return false;
    }
    for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
        uint64_t word =
            atomic_load_explicit(&kept->words[at / sizeof(uint64_t)], memory_order_acquire);
        if (word != word_at(bytes, length, at)) {
            return false;
        }
    }
    return true;
}

uint64_t tp_kept_key_salt(const tp_kept_key *kept) {
    return atomic_load_explicit(&kept->salt, memory_order_relaxed);
}

size_t tp_kept_key_length(const tp_kept_key *kept) {
    return atomic_load_explicit(&kept->length, memory_order_relaxed);
}

void tp_kept_key_copy(const tp_kept_key *kept, size_t at, void *bytes, size_t length) {
    for (size_t done = 0; done < length; done += sizeof(uint64_t)) {
        uint64_t word = atomic_load_explicit(&kept->words[(at + done) / sizeof(uint64_t)],
                                             memory_order_relaxed);
        memcpy((char *)bytes + done, &word,
               length - done < sizeof word ? length - done : sizeof word);
    }
}
