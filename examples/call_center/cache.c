/* Chained hash tables behind a mutex each: a key's hash names the shard, so that threads seldom
 * wait for each other. The tables do not grow: the example knows how much it will hold. */
#include "cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS = 64, BUCKETS = 4096 };

typedef struct cc_entry {
    struct cc_entry *next;
    char *value;
    char key[];
} cc_entry;

typedef struct cc_shard {
    pthread_mutex_t mutex;
    uint64_t count;
    cc_entry *buckets[BUCKETS];
} cc_shard;

struct cc_cache {
    cc_shard shards[SHARDS];
};

cc_cache *cache_new(void) {
    cc_cache *made = calloc(1, sizeof *made);
    for (int i = 0; made != NULL && i < SHARDS; i++) {
        pthread_mutex_init(&made->shards[i].mutex, NULL);
    }
    return made;
}

void cache_free(cc_cache *cache) {
    if (cache == NULL) {
        return;
    }
    cache_clear_prefix(cache, "");
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&cache->shards[i].mutex);
    }
    free(cache);
}

static uint64_t hash_of(const char *key) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * 0x100000001B3u;
    }
    return hash ^ (hash >> 29);
}

static cc_entry *entry_new(const char *key, const char *value) {
    size_t size = strlen(key) + 1;
    cc_entry *made = malloc(sizeof *made + size);
    char *copy = strdup(value);
    if (made == NULL || copy == NULL) {
        free(made);
        free(copy);
        return NULL;
    }
    made->next = NULL;
    made->value = copy;
    memcpy(made->key, key, size);
    return made;
}

static void entry_free(cc_entry *entry) {
    if (entry != NULL) {
        free(entry->value);
        free(entry);
    }
}

/* The link that points to the key's entry, or to the end of its chain. */
static cc_entry **find(cc_shard *shard, uint64_t hash, const char *key) {
    cc_entry **link = &shard->buckets[hash / SHARDS % BUCKETS];
    while (*link != NULL && strcmp((*link)->key, key) != 0) {
        link = &(*link)->next;
    }
    return link;
}

/* Under the shard's lock: the entry taken out, or NULL. */
static cc_entry *take(cc_shard *shard, cc_entry **link) {
    cc_entry *taken = *link;
    if (taken != NULL) {
        *link = taken->next;
        shard->count--;
    }
    return taken;
}

char *cache_get(cc_cache *cache, const char *key) {
    uint64_t hash = hash_of(key);
    cc_shard *shard = &cache->shards[hash % SHARDS];
    pthread_mutex_lock(&shard->mutex);
    cc_entry *found = *find(shard, hash, key);
    char *copy = found != NULL ? strdup(found->value) : NULL;
    pthread_mutex_unlock(&shard->mutex);
    return copy;
}

bool cache_has(cc_cache *cache, const char *key) {
    uint64_t hash = hash_of(key);
    cc_shard *shard = &cache->shards[hash % SHARDS];
    pthread_mutex_lock(&shard->mutex);
    bool found = *find(shard, hash, key) != NULL;
    pthread_mutex_unlock(&shard->mutex);
    return found;
}

static void insert(cc_shard *shard, cc_entry **link, cc_entry *made) {
    made->next = *link;
    *link = made;
    shard->count++;
}

bool cache_fill(cc_cache *cache, const char *key, const char *value, cache_valid_fn *valid,
                void *user) {
    uint64_t hash = hash_of(key);
    cc_shard *shard = &cache->shards[hash % SHARDS];
    cc_entry *made = entry_new(key, value);
    pthread_mutex_lock(&shard->mutex);
    cc_entry **link = find(shard, hash, key);
    cc_entry *former = take(shard, link);
    cc_entry *refused = NULL;
    if (made != NULL) {
        insert(shard, link, made);
        refused = valid(user, key) ? NULL : take(shard, link);
    }
    pthread_mutex_unlock(&shard->mutex);
    entry_free(former);
    entry_free(refused);
    return made != NULL && refused == NULL;
}

bool cache_delete(cc_cache *cache, const char *key) {
    uint64_t hash = hash_of(key);
    cc_shard *shard = &cache->shards[hash % SHARDS];
    pthread_mutex_lock(&shard->mutex);
    cc_entry *taken = take(shard, find(shard, hash, key));
    pthread_mutex_unlock(&shard->mutex);
    entry_free(taken);
    return taken != NULL;
}

static void clear_bucket(cc_shard *shard, cc_entry **link, const char *prefix, size_t length) {
    while (*link != NULL) {
        if (strncmp((*link)->key, prefix, length) == 0) {
            entry_free(take(shard, link));
        } else {
            link = &(*link)->next;
        }
    }
}

void cache_clear_prefix(cc_cache *cache, const char *prefix) {
    size_t length = strlen(prefix);
    for (int i = 0; i < SHARDS; i++) {
        cc_shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->mutex);
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            clear_bucket(shard, &shard->buckets[bucket], prefix, length);
        }
        pthread_mutex_unlock(&shard->mutex);
    }
}

uint64_t cache_count(cc_cache *cache) {
    uint64_t count = 0;
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&cache->shards[i].mutex);
        count += cache->shards[i].count;
        pthread_mutex_unlock(&cache->shards[i].mutex);
    }
    return count;
}

void cache_each(cc_cache *cache, cache_visit_fn *fn, void *user) {
    for (int i = 0; i < SHARDS; i++) {
        cc_shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->mutex);
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            for (cc_entry *entry = shard->buckets[bucket]; entry != NULL; entry = entry->next) {
                fn(user, entry->key, entry->value);
            }
        }
        pthread_mutex_unlock(&shard->mutex);
    }
}
