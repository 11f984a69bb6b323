/* Buckets of two cache lines and ten records: a head of four bytes, ten tags of 32 bits, ten words
 * of 64. Tag and word are 96 bits of a keyed 128-bit hash; four more choose one of sixteen
 * partitions, which are tables of their own. So two different records are taken for one when 100
 * bits of their hashes agree.
 *
 * A record's home is the upper half of its word, scaled to the number of buckets; when the home is
 * full it goes to the next bucket that is not. A search ends at a match or at such a bucket. Homes
 * are in the order of the words whatever the size of the table. That is what allows sizes that are
 * no powers of two, so that a table may grow by a quarter and still be copied from front to back.
 * The sixteen grow at different times, because their sizes are apart by a sixteenth of a step; so
 * the memory of all of them stays below 16 bytes a record (12.8 at a full load of 0.92, and 1.12
 * times that on the average of a step), which doubling could not do, and only one of them is there
 * twice at a time.
 *
 * What limits the speed: one cache line for each record, mostly (tags come first, so that a bucket
 * without a match costs one line), whose address depends on nothing but the hash, so that a caller
 * with several records at hand has them fetched together. At a load of 0.92 a new record reads 8.4
 * neighbouring lines on average, at 0.82 2.3, at 0.74 1.5.
 *
 * A generation in each head empties the set without touching it.
 *
 * Rejected: 64-bit fingerprints at 8 bytes a slot (a million records are confused once in 37
 * million batches; these once in 2.5e18); an index beside a dense array (two misses instead of one,
 * and over 16 bytes); two-choice buckets (always two lines, and growing is random access). */
#include "core/fingerprints.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define RECORDS 10u
#define PARTITION_BITS 4u
#define PARTITIONS (1u << PARTITION_BITS)
#define LINE 64u
#define LOAD_TOP 59u /* of 64 */
#define LOAD_ALL 64u
#define DOUBLED_UP_TO 32u /* buckets; larger tables grow by a quarter */
#define BUCKETS_MAX (UINT32_C(1) << 30)
#define GENERATION_MAX 0xFFFFFFu
#define PATIENCE 64u /* batches that used little before memory is given back */

typedef struct bucket {
    uint32_t head; /* generation << 8 | records */
    uint32_t tags[RECORDS];
    uint32_t unused;
    uint64_t words[RECORDS];
} bucket;

_Static_assert(sizeof(bucket) == 2 * LINE, "a bucket is two cache lines");

typedef struct partition {
    bucket *buckets; /* aligned, within block */
    void *block;
    uint32_t bucket_count;
    uint32_t count;
    uint32_t room;       /* records before it must grow */
    uint32_t generation; /* from 1 */
    uint32_t slack;      /* how often it was emptied nearly unused */
} partition;

struct tp_fingerprints {
    partition partitions[PARTITIONS];
    uint64_t count;
};

tp_fingerprints *tp_fingerprints_new(void) {
    return calloc(1, sizeof(tp_fingerprints));
}

void tp_fingerprints_free(tp_fingerprints *set) {
    for (uint32_t i = 0; set != NULL && i < PARTITIONS; i++) {
        free(set->partitions[i].block);
    }
    free(set);
}

/* ---- one partition ---- */

static uint32_t home_of(const partition *p, uint64_t word) {
    return (uint32_t)((word >> 32) * p->bucket_count >> 32);
}

static uint32_t used_of(const partition *p, const bucket *at) {
    return at->head >> 8 == p->generation ? at->head & 0xFFu : 0;
}

static bool holds(const bucket *at, uint32_t used, uint64_t word, uint32_t tag) {
    for (uint32_t i = 0; i < used; i++) {
        if (at->tags[i] == tag && at->words[i] == word) {
            return true;
        }
    }
    return false;
}

static void put(const partition *p, bucket *at, uint32_t used, uint64_t word, uint32_t tag) {
    at->tags[used] = tag;
    at->words[used] = word;
    at->head = p->generation << 8 | (used + 1);
}

static uint32_t next_of(const partition *p, uint32_t at) {
    return at + 1 == p->bucket_count ? 0 : at + 1;
}

/* A record that is not there, into a table that has room. */
static void place(const partition *p, uint64_t word, uint32_t tag) {
    uint32_t at = home_of(p, word);
    uint32_t used = used_of(p, &p->buckets[at]);
    while (used == RECORDS) {
        at = next_of(p, at);
        used = used_of(p, &p->buckets[at]);
    }
    put(p, &p->buckets[at], used, word, tag);
}

/* Front to back: the order of homes is that of the old ones. */
static void copy_all(const partition *from, const partition *to) {
    for (uint32_t at = 0; at < from->bucket_count; at++) {
        const bucket *old = &from->buckets[at];
        uint32_t used = used_of(from, old);
        for (uint32_t i = 0; i < used; i++) {
            place(to, old->words[i], old->tags[i]);
        }
    }
}

static uint64_t block_bytes(uint32_t buckets) {
    return (uint64_t)buckets * sizeof(bucket) + LINE;
}

static uint32_t room_in(uint32_t buckets) {
    return (uint32_t)((uint64_t)buckets * RECORDS * LOAD_TOP / LOAD_ALL);
}

static bool resize(partition *p, uint64_t buckets) {
    void *block = buckets > BUCKETS_MAX ? NULL : calloc(1, (size_t)block_bytes((uint32_t)buckets));
    if (block == NULL) {
        return false;
    }
    partition grown = *p;
    grown.block = block;
    grown.buckets = (bucket *)(((uintptr_t)block + LINE - 1) / LINE * LINE);
    grown.bucket_count = (uint32_t)buckets;
    grown.room = room_in(grown.bucket_count);
    grown.generation = 1;
    copy_all(p, &grown);
    free(p->block);
    *p = grown;
    return true;
}

/* The next size of partition number `at`: the sizes of large ones are apart. */
static uint64_t next_size(uint64_t buckets, uint32_t at) {
    if (buckets < DOUBLED_UP_TO) {
        return buckets == 0 ? 1 : buckets * 2;
    }
    uint64_t size = DOUBLED_UP_TO * 64u + DOUBLED_UP_TO * at; /* in 64ths */
    while (size / 64 <= buckets) {
        size += size / 4;
    }
    return size / 64;
}

/* 0 when it is there, else 1: it may be put into *at, if there is room. */
static int32_t search(const partition *p, uint64_t word, uint32_t tag, uint32_t *at) {
    for (*at = home_of(p, word);; *at = next_of(p, *at)) {
        const bucket *candidate = &p->buckets[*at];
        uint32_t used = used_of(p, candidate);
        if (holds(candidate, used, word, tag)) {
            return 0;
        }
        if (used < RECORDS) {
            return 1;
        }
    }
}

static int32_t add(tp_fingerprints *set, uint32_t number, uint64_t word, uint32_t tag) {
    partition *p = &set->partitions[number];
    uint32_t at = 0;
    if (p->bucket_count > 0 && search(p, word, tag, &at) == 0) {
        return 0;
    }
    if (p->count < p->room) {
        put(p, &p->buckets[at], used_of(p, &p->buckets[at]), word, tag);
    } else if (resize(p, next_size(p->bucket_count, number))) {
        place(p, word, tag);
    } else {
        return TRIGPERF_E_NOMEM;
    }
    p->count++;
    return 1;
}

static void clear(partition *p) {
    bool wasteful = p->bucket_count > DOUBLED_UP_TO && p->count < p->room / 16;
    p->slack = wasteful ? p->slack + 1 : 0;
    p->count = 0;
    if (p->slack >= PATIENCE) {
        free(p->block);
        *p = (partition){0};
    } else if (p->bucket_count > 0 && ++p->generation > GENERATION_MAX) {
        memset(p->buckets, 0, p->bucket_count * sizeof *p->buckets);
        p->generation = 1;
    }
}

/* ---- the set ---- */

static uint32_t partition_of(tp_hash128 hash) {
    return (uint32_t)(hash.low >> (64 - PARTITION_BITS));
}

void tp_fingerprints_foresee(const tp_fingerprints *set, tp_hash128 hash) {
    const partition *p = &set->partitions[partition_of(hash)];
    if (p->bucket_count > 0) {
        __builtin_prefetch(&p->buckets[home_of(p, hash.high)], 1);
    }
}

int32_t tp_fingerprints_add(tp_fingerprints *set, tp_hash128 hash) {
    int32_t added = add(set, partition_of(hash), hash.high, (uint32_t)hash.low);
    set->count += added > 0 ? 1 : 0;
    return added;
}

/* A partition gets a little more than its sixteenth, since they do not fill evenly. */
bool tp_fingerprints_reserve(tp_fingerprints *set, uint64_t records) {
    if (records > (uint64_t)BUCKETS_MAX * RECORDS) {
        return false;
    }
    uint64_t share = records / PARTITIONS;
    share += share / 64 + 32;
    uint64_t buckets = share * LOAD_ALL / (LOAD_TOP * RECORDS) + 1;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        partition *p = &set->partitions[i];
        if (p->bucket_count < buckets && !resize(p, buckets)) {
            return false;
        }
    }
    return true;
}

void tp_fingerprints_clear(tp_fingerprints *set) {
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        clear(&set->partitions[i]);
    }
    set->count = 0;
}

uint64_t tp_fingerprints_count(const tp_fingerprints *set) {
    return set->count;
}

uint64_t tp_fingerprints_bytes(const tp_fingerprints *set) {
    uint64_t bytes = sizeof *set;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        const partition *p = &set->partitions[i];
        bytes += p->block == NULL ? 0 : block_bytes(p->bucket_count);
    }
    return bytes;
}
