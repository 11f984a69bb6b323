/* Get-or-insert on caches of C: ours, a textbook LRU on uthash, GHashTable with GQueue.
 *
 *   bench_cache speed WHO CAPACITY THREADS BATCH OPERATIONS [POLICY [EXACT]]
 *   bench_cache ids CAPACITY OPERATIONS > FILE
 *   bench_cache trace FILE CAPACITY POLICY
 *
 * WHO is ours, uthash or glib. speed prints: operations per second, hit ratio, bytes per entry
 * (what the allocator gave out, at the end). The keys have 16 bytes and follow Zipf's law (0.99)
 * over ten times the capacity; as many operations before warm up. One thread is measured by its
 * processor time, several by the clock. ids writes the numbers that the keys are made of. trace
 * replays a file of little-endian uint32 keys and prints hit_ratio, and that of an exact LRU. */
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <trigperf.h>
#include <uthash.h>
#if defined(__has_include)
#if __has_include(<glib.h>)
#include <glib.h>
#define HAS_GLIB 1
#endif
#endif

#include "zipf.h"

#define BATCH_MAX 1024

static double seconds(bool of_processor) {
    struct timespec now;
    clock_gettime(of_processor ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void die(const char *what, trigperf_error *error) {
    fprintf(stderr, "%s: %s\n", what, error == NULL ? "failed" : trigperf_error_message(error));
    exit(2);
}

static size_t allocated(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* ---- ours ---- */

static trigperf_context *open_cache(const char *capacity, const char *policy, const char *exact) {
    trigperf_error *error = NULL;
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    if (trigperf_config_new(&config, &error) != 0 ||
        trigperf_config_set(config, "source", "none", &error) != 0 ||
        trigperf_config_set(config, "cache.capacity", capacity, &error) != 0 ||
        (policy != NULL && trigperf_config_set(config, "cache.policy", policy, &error) != 0) ||
        (exact != NULL && trigperf_config_set(config, "cache.exact", exact, &error) != 0) ||
        trigperf_context_new(config, &context, &error) != 0) {
        die("cache", error);
    }
    trigperf_config_free(config);
    return context;
}

static int32_t verdict_of(void *user, const char *key, uint64_t length, uint32_t *verdict) {
    (void)user;
    (void)key;
    (void)length;
    *verdict = 1;
    return 0;
}

static size_t ours_single(trigperf_context *context, const uint32_t *ids, size_t count) {
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char key[16];
        uint32_t verdict;
        zipf_key(ids[i], key);
        hits += (size_t)trigperf_cache_compute(context, 0, (const char *)key, 16, verdict_of, NULL,
                                               &verdict, NULL);
    }
    return hits;
}

static size_t ours_batched(trigperf_context *context, const uint32_t *ids, size_t count,
                           uint32_t batch) {
    static __thread unsigned char bytes[BATCH_MAX][16];
    static __thread const char *keys[BATCH_MAX];
    static __thread uint64_t lengths[BATCH_MAX];
    static __thread int32_t verdicts[BATCH_MAX];
    size_t hits = 0;
    for (size_t i = 0; i < count; i += batch) {
        uint32_t part = count - i < batch ? (uint32_t)(count - i) : batch;
        for (uint32_t j = 0; j < part; j++) {
            zipf_key(ids[i + j], bytes[j]);
            keys[j] = (const char *)bytes[j];
            lengths[j] = 16;
        }
        hits += (size_t)trigperf_cache_compute_many(context, 0, keys, lengths, part, verdict_of,
                                                    NULL, verdicts, NULL);
    }
    return hits;
}

/* ---- peers ---- */

typedef struct entry {
    unsigned char key[16];
    uint32_t verdict;
    UT_hash_handle hh;
} entry;

typedef struct uthash_lru {
    entry *head;
    size_t capacity;
    pthread_mutex_t mutex;
    bool locked;
} uthash_lru;

static bool uthash_touch(uthash_lru *lru, const unsigned char key[16]) {
    entry *found = NULL;
    HASH_FIND(hh, lru->head, key, 16, found);
    if (found != NULL) {
        HASH_DELETE(hh, lru->head, found);
        HASH_ADD(hh, lru->head, key, 16, found);
        return true;
    }
    entry *fresh = malloc(sizeof *fresh);
    memcpy(fresh->key, key, 16);
    fresh->verdict = 1;
    HASH_ADD(hh, lru->head, key, 16, fresh);
    if (HASH_COUNT(lru->head) > lru->capacity) {
        entry *oldest = lru->head;
        HASH_DELETE(hh, lru->head, oldest);
        free(oldest);
    }
    return false;
}

static size_t uthash_run(uthash_lru *lru, const uint32_t *ids, size_t count) {
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char key[16];
        zipf_key(ids[i], key);
        if (lru->locked) {
            pthread_mutex_lock(&lru->mutex);
        }
        hits += uthash_touch(lru, key) ? 1 : 0;
        if (lru->locked) {
            pthread_mutex_unlock(&lru->mutex);
        }
    }
    return hits;
}

#ifdef HAS_GLIB
typedef struct glib_lru {
    GHashTable *table;
    GQueue queue;
    size_t capacity;
    pthread_mutex_t mutex;
    bool locked;
} glib_lru;

static guint key_hash(gconstpointer key) {
    uint64_t words[2];
    memcpy(words, key, 16);
    uint64_t mixed = (words[0] ^ words[1]) * UINT64_C(0xD6E8FEB86659FD93);
    return (guint)(mixed >> 32);
}

static gboolean key_equal(gconstpointer a, gconstpointer b) {
    return memcmp(a, b, 16) == 0;
}

typedef struct glib_entry {
    unsigned char key[16];
    uint32_t verdict;
    GList link;
} glib_entry;

static bool glib_touch(glib_lru *lru, const unsigned char key[16]) {
    glib_entry *found = g_hash_table_lookup(lru->table, key);
    if (found != NULL) {
        g_queue_unlink(&lru->queue, &found->link);
        g_queue_push_tail_link(&lru->queue, &found->link);
        return true;
    }
    glib_entry *fresh = g_new0(glib_entry, 1);
    memcpy(fresh->key, key, 16);
    fresh->verdict = 1;
    fresh->link.data = fresh;
    g_hash_table_insert(lru->table, fresh->key, fresh);
    g_queue_push_tail_link(&lru->queue, &fresh->link);
    if (lru->queue.length > lru->capacity) {
        glib_entry *oldest = g_queue_pop_head_link(&lru->queue)->data;
        g_hash_table_remove(lru->table, oldest->key);
        g_free(oldest);
    }
    return false;
}

static size_t glib_run(glib_lru *lru, const uint32_t *ids, size_t count) {
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char key[16];
        zipf_key(ids[i], key);
        if (lru->locked) {
            pthread_mutex_lock(&lru->mutex);
        }
        hits += glib_touch(lru, key) ? 1 : 0;
        if (lru->locked) {
            pthread_mutex_unlock(&lru->mutex);
        }
    }
    return hits;
}
#endif

/* ---- speed ---- */

typedef enum kind { OURS, UTHASH, GLIB } kind;

typedef struct worker {
    pthread_t thread;
    kind who;
    void *cache;
    const uint32_t *ids;
    size_t count;
    uint32_t batch;
    size_t hits;
} worker;

static void *work(void *argument) {
    worker *w = argument;
    if (w->who == UTHASH) {
        w->hits = uthash_run(w->cache, w->ids, w->count);
#ifdef HAS_GLIB
    } else if (w->who == GLIB) {
        w->hits = glib_run(w->cache, w->ids, w->count);
#endif
    } else {
        w->hits = w->batch > 1 ? ours_batched(w->cache, w->ids, w->count, w->batch)
                               : ours_single(w->cache, w->ids, w->count);
    }
    return NULL;
}

static kind kind_of(const char *name) {
    kind who = strcmp(name, "uthash") == 0 ? UTHASH : strcmp(name, "glib") == 0 ? GLIB : OURS;
#ifndef HAS_GLIB
    if (who == GLIB) {
        fprintf(stderr, "built without GLib: install libglib2.0-dev\n");
        exit(77);
    }
#endif
    return who;
}

static void *cache_of(kind who, char **argv, int argc, bool locked) {
    size_t capacity = strtoul(argv[3], NULL, 10);
    if (who == OURS) {
        return open_cache(argv[3], argc > 7 ? argv[7] : NULL, argc > 8 ? argv[8] : NULL);
    }
    if (who == UTHASH) {
        uthash_lru *lru = calloc(1, sizeof *lru);
        lru->capacity = capacity;
        lru->locked = locked;
        pthread_mutex_init(&lru->mutex, NULL);
        return lru;
    }
#ifdef HAS_GLIB
    glib_lru *lru = calloc(1, sizeof *lru);
    lru->table = g_hash_table_new(key_hash, key_equal);
    lru->capacity = capacity;
    lru->locked = locked;
    pthread_mutex_init(&lru->mutex, NULL);
    return lru;
#else
    return NULL;
#endif
}

static int speed(int argc, char **argv) {
    kind who = kind_of(argv[2]);
    uint32_t capacity = (uint32_t)strtoul(argv[3], NULL, 10);
    uint32_t threads = (uint32_t)strtoul(argv[4], NULL, 10);
    uint32_t batch = (uint32_t)strtoul(argv[5], NULL, 10);
    size_t count = strtoul(argv[6], NULL, 10);
    uint32_t *ids = malloc(count * 2 * sizeof *ids);
    zipf_fill(ids, count * 2, capacity * 10, 0.99, 42);
    /* what a context holds besides its cache is that of one without a cache */
    size_t before = allocated();
    if (who == OURS) {
        open_cache("0", NULL, NULL);
        before = allocated() - before + allocated();
    }
    void *cache = cache_of(who, argv, argc, threads > 1);
    worker first = {.who = who, .cache = cache, .ids = ids, .count = count, .batch = batch};
    work(&first);
    worker workers[16];
    double began = seconds(threads == 1);
    for (uint32_t i = 0; i < threads; i++) {
        size_t part = count / threads;
        workers[i] = (worker){.who = who,
                              .cache = cache,
                              .ids = ids + count + part * i,
                              .count = part,
                              .batch = batch};
        if (threads > 1) {
            pthread_create(&workers[i].thread, NULL, work, &workers[i]);
        } else {
            work(&workers[i]);
        }
    }
    size_t hits = 0;
    for (uint32_t i = 0; i < threads; i++) {
        if (threads > 1) {
            pthread_join(workers[i].thread, NULL);
        }
        hits += workers[i].hits;
    }
    double took = seconds(threads == 1) - began;
    double bytes = (double)(allocated() - before) / capacity;
    printf("%.0f %.6f %.3f\n", (double)count / took, (double)hits / (double)count, bytes);
    return 0;
}

/* ---- traces ---- */

static uint32_t *read_trace(const char *path, size_t *count) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    *count = (size_t)ftell(file) / 4;
    rewind(file);
    unsigned char *bytes = malloc(*count * 4 + 4);
    uint32_t *keys = malloc(*count * 4 + 4);
    if (fread(bytes, 4, *count, file) != *count) {
        perror(path);
        exit(2);
    }
    for (size_t i = 0; i < *count; i++) {
        const unsigned char *b = bytes + 4 * i;
        keys[i] = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    }
    fclose(file);
    free(bytes);
    return keys;
}

static int trace(char **argv) {
    size_t count;
    size_t hits = 0;
    size_t exact = 0;
    uint32_t *keys = read_trace(argv[2], &count);
    trigperf_context *context = open_cache(argv[3], argv[4], NULL);
    uthash_lru lru = {.capacity = strtoul(argv[3], NULL, 10)};
    for (size_t i = 0; i < count; i++) {
        unsigned char key[16];
        uint32_t verdict;
        int32_t found = trigperf_cache_compute(context, 0, (const char *)&keys[i], 4, verdict_of,
                                               NULL, &verdict, NULL);
        if (found < 0) {
            die("compute", NULL);
        }
        hits += (size_t)found;
        zipf_key(keys[i], key);
        exact += uthash_touch(&lru, key) ? 1 : 0;
    }
    double all = count == 0 ? 1 : (double)count;
    printf("hit_ratio %.6f\nexact_lru %.6f\n", (double)hits / all, (double)exact / all);
    trigperf_context_free(context);
    free(keys);
    return 0;
}

static int write_ids(char **argv) {
    size_t count = strtoul(argv[3], NULL, 10) * 2;
    uint32_t *numbers = malloc(count * sizeof *numbers);
    zipf_fill(numbers, count, (uint32_t)strtoul(argv[2], NULL, 10) * 10, 0.99, 42);
    return fwrite(numbers, sizeof *numbers, count, stdout) == count ? 0 : 2;
}

int main(int argc, char **argv) {
    if (argc >= 7 && strcmp(argv[1], "speed") == 0) {
        return speed(argc, argv);
    }
    if (argc == 4 && strcmp(argv[1], "ids") == 0) {
        return write_ids(argv);
    }
    if (argc == 5 && strcmp(argv[1], "trace") == 0) {
        return trace(argv);
    }
    fprintf(stderr, "bench_cache speed WHO CAPACITY THREADS BATCH OPERATIONS [POLICY [EXACT]]\n"
                    "bench_cache trace FILE CAPACITY POLICY\n");
    return 2;
}
