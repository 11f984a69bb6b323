/* Sixteen verdicts in four cache lines: searched without a lock, changed under the set's own.
 *
 * What a lookup needs of a set that lacks the key is one line; of the set that has it, two. */
#ifndef TP_CORE_CACHE_SET_H
#define TP_CORE_CACHE_SET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define TP_SET_WAYS 16u
#define TP_SET_GHOSTS 8u
#define TP_SET_FREQUENCY_MAX 3u
#define TP_SET_NOWHERE UINT32_MAX

/* Zeroes are an empty set. */
typedef struct tp_cache_set {
    _Atomic uint64_t tags[4];   /* 16 bits each, 0: empty */
    _Atomic uint32_t version;   /* odd while somebody changes the set */
    _Atomic uint32_t frequency; /* two bits each */
    _Atomic uint32_t since;     /* what the times of expiry are counted from */
    _Atomic uint32_t state;     /* see cache_set.c */
    _Atomic uint64_t ghosts[2]; /* 16 bits each, 0: none; under lru the order of the ways */
    _Atomic uint32_t entries[TP_SET_WAYS][3];
} tp_cache_set;

/* What is stored of a key and its verdict. */
typedef struct tp_cache_entry {
    uint64_t mark;    /* the lowest 16 bits are the tag, never 0 */
    uint32_t verdict; /* 16 bits */
    uint32_t terms;   /* group in the upper half, time of expiry in the lower; 0: none */
} tp_cache_entry;

typedef enum tp_cache_policy { TP_CACHE_S3FIFO, TP_CACHE_LRU } tp_cache_policy;

/* What became of the entry that had to go. */
typedef enum tp_set_loss { TP_SET_NONE, TP_SET_EVICTED, TP_SET_DEAD } tp_set_loss;

/* Whether an entry with such terms is of no use any more. */
typedef bool (*tp_set_dead_fn)(void *user, const tp_cache_set *set, uint32_t way, uint32_t terms);
/* Told of every entry that moves to another way, or goes (to TP_SET_NOWHERE). May be NULL. */
typedef void (*tp_set_move_fn)(void *user, const tp_cache_set *set, uint32_t from, uint32_t to);

typedef struct tp_set_owner {
    tp_set_dead_fn dead;
    tp_set_move_fn move;
    void *user;
} tp_set_owner;

static inline uint64_t tp_set_mark(uint64_t hash) {
    return hash + ((hash & 0xFFFF) == 0 ? 1 : 0);
}

static inline uint64_t tp_set_tags(const tp_cache_set *set, uint32_t word) {
    return atomic_load_explicit(&set->tags[word], memory_order_acquire);
}

/* Bit i: way i has this tag. */
static inline uint32_t tp_set_match(const tp_cache_set *set, uint32_t tag) {
    uint64_t a = tp_set_tags(set, 0);
    uint64_t b = tp_set_tags(set, 1);
    uint64_t c = tp_set_tags(set, 2);
    uint64_t d = tp_set_tags(set, 3);
#if defined(__SSE2__)
    __m128i wanted = _mm_set1_epi16((short)tag);
    __m128i low = _mm_cmpeq_epi16(_mm_set_epi64x((long long)b, (long long)a), wanted);
    __m128i high = _mm_cmpeq_epi16(_mm_set_epi64x((long long)d, (long long)c), wanted);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
#else
    uint64_t words[4] = {a, b, c, d};
    uint32_t found = 0;
    for (uint32_t i = 0; i < TP_SET_WAYS; i++) {
        found |= (uint32_t)((uint16_t)(words[i / 4] >> (i % 4 * 16)) == tag) << i;
    }
    return found;
#endif
}

/* Whether a key with this tag went lately. */
static inline bool tp_set_has_ghost(const tp_cache_set *set, uint32_t tag) {
    uint64_t a = atomic_load_explicit(&set->ghosts[0], memory_order_relaxed);
    uint64_t b = atomic_load_explicit(&set->ghosts[1], memory_order_relaxed);
#if defined(__SSE2__)
    __m128i all = _mm_set_epi64x((long long)b, (long long)a);
    return _mm_movemask_epi8(_mm_cmpeq_epi16(all, _mm_set1_epi16((short)tag))) != 0;
#else
    bool found = false;
    for (uint32_t i = 0; i < 64; i += 16) {
        found = found || (uint16_t)(a >> i) == tag || (uint16_t)(b >> i) == tag;
    }
    return found;
#endif
}

static inline uint32_t tp_set_version(const tp_cache_set *set) {
    return atomic_load_explicit(&set->version, memory_order_acquire);
}

/* Whether a way whose tag fits holds the mark; entry receives it. */
static inline bool tp_set_is(const tp_cache_set *set, uint32_t way, uint64_t mark,
                             tp_cache_entry *entry) {
    const _Atomic uint32_t *words = set->entries[way];
    uint32_t first = atomic_load_explicit(&words[0], memory_order_acquire);
    uint32_t second = atomic_load_explicit(&words[1], memory_order_acquire);
    *entry = (tp_cache_entry){mark, second & 0xFFFF,
                              atomic_load_explicit(&words[2], memory_order_acquire)};
    return first == (uint32_t)(mark >> 32) && second >> 16 == (uint16_t)(mark >> 16);
}

/* The way among candidates that holds the mark, or TP_SET_NOWHERE; entry receives it. */
static inline uint32_t tp_set_find(const tp_cache_set *set, uint64_t mark, uint32_t candidates,
                                   tp_cache_entry *entry) {
    for (; candidates != 0; candidates &= candidates - 1) {
        uint32_t way = (uint32_t)__builtin_ctz(candidates);
        if (tp_set_is(set, way, mark, entry)) {
            return way;
        }
    }
    return TP_SET_NOWHERE;
}

/* A hit: a lost update does no harm, a saturated counter is not written. */
static inline void tp_set_touch(tp_cache_set *set, uint32_t way) {
    uint32_t all = atomic_load_explicit(&set->frequency, memory_order_relaxed);
    if ((all >> (2 * way) & 3) < TP_SET_FREQUENCY_MAX) {
        atomic_store_explicit(&set->frequency, all + (UINT32_C(1) << (2 * way)),
                              memory_order_relaxed);
    }
}

/* The same under lru: the way becomes the youngest. */
void tp_set_touch_lru(tp_cache_set *set, uint32_t way);

void tp_set_lock(tp_cache_set *set);
/* changed false: readers need not notice. */
void tp_set_unlock(tp_cache_set *set, bool changed);

/* The rest with the lock held. */
/* Insertions so far, modulo 256. */
uint32_t tp_set_inserts(const tp_cache_set *set);
void tp_set_read(const tp_cache_set *set, uint32_t way, tp_cache_entry *entry); /* mark 0: empty */
void tp_set_write(tp_cache_set *set, uint32_t way, const tp_cache_entry *entry);
void tp_set_clear(tp_cache_set *set, uint32_t way);
/* Adds an entry that the set does not hold; *loss says what that cost. known: it is worth more than
 * a key seen for the first time; empty: the ways with room; way receives its place. */
tp_set_loss tp_set_insert(tp_cache_set *set, tp_cache_policy policy, const tp_cache_entry *entry,
                          bool known, uint32_t empty, const tp_set_owner *owner, uint32_t *way);

#endif
