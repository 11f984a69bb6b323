/* Coalescing: changes of 48-byte keys merged by key, walked and forgotten every so often.
 *
 *     coalesce CONTESTANT CHANGES KEYS FLUSH
 *     coalesce --list */
#include "contest.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "core/coalescer.h"
#include "core/tuple.h"

#define GROUP 32u

void coalesce_uthash_jenkins(const changes *input, outcome *out);
void coalesce_uthash_xxh3(const changes *input, outcome *out);
void coalesce_uthash_pool(const changes *input, outcome *out);
void coalesce_glib(const changes *input, outcome *out);
void coalesce_absl(const changes *input, outcome *out);

uint64_t contest_bytes(void) {
    struct mallinfo2 all = mallinfo2();
    return all.uordblks + all.hblkhd;
}

static const char *const names[] = {"key"};
static const tp_table table = {"bench", 1, 1, names};

typedef struct staged {
    char tuple[64];
    uint32_t length;
    uint64_t hash;
} staged;

static void stage(staged *item, const tp_hash_key *secret, uint32_t id) {
    char key[CHANGE_KEY];
    change_key(key, id);
    tp_value value = {key, CHANGE_KEY};
    item->length = (uint32_t)tp_tuple_length(&value, 1);
    tp_tuple_encode(&value, 1, item->tuple);
    item->hash = tp_hash64(secret, item->tuple, item->length);
}

static void flush(tp_coalescer *deltas, uint64_t before, outcome *out) {
    out->distinct = deltas->count;
    out->bytes = contest_bytes() - before;
    for (tp_delta *d = NULL; (d = tp_coalescer_next(deltas, d)) != NULL;) {
        out->sum += tp_delta_count(d) * (d->lsn - d->arrival + d->ops);
    }
    tp_coalescer_clear(deltas);
}

static void take(tp_coalescer *deltas, const staged *item, uint64_t number) {
    tp_addition addition = {1, number, number, OP_UPDATE};
    tp_coalescer_take(deltas, &table, item->tuple, item->length, item->hash, &addition);
}

/* As changes come from the host, one by one. */
static void coalesce_single(const changes *input, outcome *out) {
    tp_coalescer deltas = {0};
    tp_hash_key secret;
    tp_hash_key_seed(&secret, 1);
    uint64_t before = contest_bytes();
    for (uint32_t i = 0; i < input->count; i++) {
        staged item;
        stage(&item, &secret, input->ids[i]);
        if (!tp_coalescer_reserve(&deltas, 1, item.length)) {
            abort();
        }
        take(&deltas, &item, i);
        if ((i + 1) % input->flush == 0) {
            flush(&deltas, before, out);
        }
    }
    tp_coalescer_free(&deltas);
}

static void take_group(tp_coalescer *deltas, staged *items, uint32_t n, uint64_t number) {
    size_t bytes = 0;
    for (uint32_t j = 0; j < n; j++) {
        tp_coalescer_approach(deltas, &table, items[j].length, items[j].hash);
        bytes += items[j].length;
    }
    if (!tp_coalescer_reserve(deltas, n, bytes)) {
        abort();
    }
    for (uint32_t j = 0; j < n; j++) {
        take(deltas, &items[j], number + j);
    }
}

/* As they come from a page that was read: groups that are at hand together. */
static void coalesce_group(const changes *input, outcome *out) {
    tp_coalescer deltas = {0};
    tp_hash_key secret;
    tp_hash_key_seed(&secret, 1);
    uint64_t before = contest_bytes();
    for (uint32_t i = 0; i < input->count;) {
        staged items[GROUP];
        uint32_t left = input->flush - i % input->flush;
        uint32_t n = left < GROUP ? left : GROUP;
        for (uint32_t j = 0; j < n; j++) {
            stage(&items[j], &secret, input->ids[i + j]);
            tp_coalescer_foresee(&deltas, &table, items[j].hash);
        }
        take_group(&deltas, items, n, i);
        i += n;
        if (i % input->flush == 0) {
            flush(&deltas, before, out);
        }
    }
    tp_coalescer_free(&deltas);
}

/* Building and hashing the keys, and nothing else. */
static void coalesce_nothing(const changes *input, outcome *out) {
    tp_hash_key secret;
    tp_hash_key_seed(&secret, 1);
    for (uint32_t i = 0; i < input->count; i++) {
        staged item;
        stage(&item, &secret, input->ids[i]);
        out->sum += item.hash;
    }
}

static const struct contestant {
    const char *name;
    void (*run)(const changes *, outcome *);
} contestants[] = {
    {"ours", coalesce_group},
    {"ours-single", coalesce_single},
    {"nothing", coalesce_nothing},
    {"uthash-jenkins", coalesce_uthash_jenkins},
    {"uthash-xxh3", coalesce_uthash_xxh3},
    {"uthash-xxh3-pool", coalesce_uthash_pool},
#ifdef WITH_GLIB
    {"glib", coalesce_glib},
#endif
#ifdef WITH_ABSL
    {"absl", coalesce_absl},
#endif
};

#define CONTESTANTS (sizeof contestants / sizeof contestants[0])

static uint32_t *random_ids(uint32_t count, uint32_t keys) {
    uint32_t *ids = malloc(count * sizeof *ids);
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; ids != NULL && i < count; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        ids[i] = (uint32_t)((random >> 11) % keys);
    }
    return ids;
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 2 && i < CONTESTANTS; i++) {
        puts(contestants[i].name);
    }
    if (argc != 5) {
        return argc == 2 ? 0 : 2;
    }
    changes input = {NULL, (uint32_t)strtoul(argv[2], NULL, 10),
                     (uint32_t)strtoul(argv[4], NULL, 10)};
    input.ids = random_ids(input.count, (uint32_t)strtoul(argv[3], NULL, 10));
    for (size_t i = 0; i < CONTESTANTS && input.ids != NULL; i++) {
        if (strcmp(contestants[i].name, argv[1]) == 0) {
            outcome out = {0, 0, 0, 0, 0};
            double began = contest_seconds();
            contestants[i].run(&input, &out);
            double ns = (contest_seconds() - began) * 1e9 / input.count;
            printf("ns %.3f distinct %llu bytes %llu sum %llu\n", ns,
                   (unsigned long long)out.distinct, (unsigned long long)out.bytes,
                   (unsigned long long)out.sum);
            return 0;
        }
    }
    return 2;
}
