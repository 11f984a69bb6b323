/* Sixteen verdicts in four cache lines: searched without a lock, changed under the set's own.
 *
 * What a lookup needs of a set that lacks the key is one line; of the set that has it, two. */
#ifndef TP_CORE_CACHE_SET_H
#define TP_CORE_CACHE_SET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Vectors are loaded as plain memory, which ThreadSanitizer would call a race. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TP_SET_SCALAR 1
#endif
#endif
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__) && !defined(TP_SET_SCALAR)
#define TP_SET_SSE2 1
#include <emmintrin.h>
#endif

#define TP_CACHE_INLINE static inline __attribute__((always_inline))

/* Hides what is known of a value, so that compilers make no branch of it. */
#define TP_OPAQUE(value) __asm__("" : "+r"(value))
#define TP_LIKELY(condition) __builtin_expect((condition), 1)
#define TP_UNLIKELY(condition) __builtin_expect((condition), 0)

#define TP_SET_WAYS 16u
#define TP_SET_ALL 0xFFFFu
#define TP_SET_GHOSTS 8u
#define TP_SET_NOWHERE UINT32_MAX
#define TP_SET_FULL 0x4u  /* in `state`: there is no room */
#define TP_SET_TERMS 0x8u /* and: an entry has terms, or had */

/* Zeroes are an empty set. */
typedef struct tp_cache_set {
    _Atomic uint16_t tags[TP_SET_WAYS]; /* 0: empty */
    _Atomic uint32_t version;           /* odd while somebody changes the set */
    _Atomic uint32_t points;            /* how often a way was asked for, up to three times: bit i
                                           is the lower bit of way i's, bit 16 + i the upper one */
    _Atomic uint32_t since;             /* what the times of expiry are counted from */
    _Atomic uint32_t state;             /* see cache_queue.h */
    union {
        _Atomic uint16_t ghosts[TP_SET_GHOSTS]; /* tags, 0: none */
        _Atomic uint64_t order;                 /* of the ways, under lru */
    } past;
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

/* ---- comparing tags ---- */

#ifdef TP_SET_SSE2

static inline __m128i tp_set_tags(const _Atomic uint16_t *tags) {
    return _mm_load_si128((const __m128i *)(uintptr_t)tags);
}

static inline uint32_t tp_set_equal(const tp_cache_set *set, __m128i wanted) {
    __m128i low = _mm_cmpeq_epi16(tp_set_tags(set->tags), wanted);
    __m128i high = _mm_cmpeq_epi16(tp_set_tags(set->tags + 8), wanted);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low, high));
}

/* Bit i: way i has this tag; 16 and more: the second set's. */
static inline uint32_t tp_set_match_two(const tp_cache_set *first, const tp_cache_set *second,
                                        uint32_t tag) {
    __m128i wanted = _mm_set1_epi16((short)tag);
    uint32_t ways = tp_set_equal(first, wanted) | tp_set_equal(second, wanted) << 16;
    atomic_signal_fence(memory_order_seq_cst); /* x86 keeps loads in order, compilers need not */
    return ways;
}

static inline uint32_t tp_set_match(const tp_cache_set *set, uint32_t tag) {
    uint32_t ways = tp_set_equal(set, _mm_set1_epi16((short)tag));
    atomic_signal_fence(memory_order_seq_cst);
    return ways;
}

/* Whether a key with this tag went lately. */
static inline bool tp_set_has_ghost(const tp_cache_set *set, uint32_t tag) {
    __m128i wanted = _mm_set1_epi16((short)tag);
    return _mm_movemask_epi8(_mm_cmpeq_epi16(tp_set_tags(set->past.ghosts), wanted)) != 0;
}

static inline bool tp_set_has_ghost_two(const tp_cache_set *first, const tp_cache_set *second,
                                        uint32_t tag) {
    __m128i wanted = _mm_set1_epi16((short)tag);
    __m128i one = _mm_cmpeq_epi16(tp_set_tags(first->past.ghosts), wanted);
    __m128i other = _mm_cmpeq_epi16(tp_set_tags(second->past.ghosts), wanted);
    return _mm_movemask_epi8(_mm_or_si128(one, other)) != 0;
}

#else

/* Four tags as a word. */
static inline uint64_t tp_set_tags(const _Atomic uint16_t *tags) {
    uint64_t word = 0;
    for (uint32_t i = 0; i < 4; i++) {
        word |= (uint64_t)atomic_load_explicit(&tags[i], memory_order_acquire) << (16 * i);
    }
    return word;
}

/* Bit i: tag i of four is this one. */
static inline uint32_t tp_set_equal(const _Atomic uint16_t *tags, uint32_t tag) {
    uint64_t low = UINT64_C(0x7FFF7FFF7FFF7FFF);
    uint64_t differs = tp_set_tags(tags) ^ tag * UINT64_C(0x0001000100010001);
    uint64_t equal = ~(((differs & low) + low) | differs | low) >> 15;
    return (uint32_t)(equal * UINT64_C(0x0001000200040008) >> 48) & 15;
}

static inline uint32_t tp_set_match(const tp_cache_set *set, uint32_t tag) {
    uint32_t ways = 0;
    for (uint32_t i = 0; i < TP_SET_WAYS; i += 4) {
        ways |= tp_set_equal(&set->tags[i], tag) << i;
    }
    return ways;
}

static inline uint32_t tp_set_match_two(const tp_cache_set *first, const tp_cache_set *second,
                                        uint32_t tag) {
    return tp_set_match(first, tag) | tp_set_match(second, tag) << 16;
}

static inline bool tp_set_has_ghost(const tp_cache_set *set, uint32_t tag) {
    return (tp_set_equal(set->past.ghosts, tag) | tp_set_equal(set->past.ghosts + 4, tag)) != 0;
}

static inline bool tp_set_has_ghost_two(const tp_cache_set *first, const tp_cache_set *second,
                                        uint32_t tag) {
    return tp_set_has_ghost(first, tag) || tp_set_has_ghost(second, tag);
}

#endif

/* ---- without a lock ---- */

static inline uint32_t tp_set_version(const tp_cache_set *set) {
    return atomic_load_explicit(&set->version, memory_order_acquire);
}

/* The mark but for its tag, and the verdict. */
static inline uint64_t tp_set_body(const _Atomic uint32_t entry[3]) {
    uint64_t body;
#ifdef TP_SET_SSE2 /* one load as plain as the vectors, and little-endian */
    memcpy(&body, (const void *)(uintptr_t)entry, sizeof body);
    atomic_signal_fence(memory_order_seq_cst);
#else
    body = atomic_load_explicit(&entry[0], memory_order_acquire);
    body |= (uint64_t)atomic_load_explicit(&entry[1], memory_order_acquire) << 32;
#endif
    return body;
}

/* What an entry is compared by: its verdict when it has the mark, otherwise above 0xFFFF. */
static inline uint64_t tp_set_differs(const _Atomic uint32_t entry[3], uint64_t mark) {
    return tp_set_body(entry) ^ (mark & ~UINT64_C(0xFFFF));
}

/* Whether a way whose tag fits holds the mark; entry receives it. */
static inline bool tp_set_is(const tp_cache_set *set, uint32_t way, uint64_t mark,
                             tp_cache_entry *entry) {
    uint64_t differs = tp_set_differs(set->entries[way], mark);
    uint32_t terms = atomic_load_explicit(&set->entries[way][2], memory_order_acquire);
    *entry = (tp_cache_entry){mark, (uint32_t)differs & 0xFFFF, terms};
    return differs <= 0xFFFF;
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

/* A hit: a lost update does no harm, and who has three points is not written to, which no branch
 * decides, since nobody could predict it: the word then goes to the stack. */
TP_CACHE_INLINE void tp_set_touch_if(tp_cache_set *set, uint32_t way, bool wanted) {
    _Atomic uint32_t nowhere;
    uint32_t all = atomic_load_explicit(&set->points, memory_order_relaxed);
    uint32_t mine = all >> way | all << (-way & 31); /* its bits are the first and the 17th */
    uint32_t more = (mine ^ 1) | (mine & 1) << 16;
    uint32_t room = ~mine & 0x10001 & -(uint32_t)wanted;
    TP_OPAQUE(room);
    _Atomic uint32_t *place = room != 0 ? &set->points : &nowhere;
    TP_OPAQUE(place);
    atomic_store_explicit(place, more << way | more >> (-way & 31), memory_order_relaxed);
}

static inline void tp_set_touch(tp_cache_set *set, uint32_t way) {
    tp_set_touch_if(set, way, true);
}

/* The same under lru: the way becomes the youngest. */
void tp_set_touch_lru(tp_cache_set *set, uint32_t way);

/* ---- with the lock ---- */

void tp_set_lock(tp_cache_set *set);

/* Locks a set that is still at a version that is even. */
static inline bool tp_set_lock_at(tp_cache_set *set, uint32_t version) {
    return atomic_compare_exchange_strong_explicit(&set->version, &version, version + 1,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

/* changed false: readers need not notice. */
static inline void tp_set_unlock(tp_cache_set *set, bool changed) {
    uint32_t seen = atomic_load_explicit(&set->version, memory_order_relaxed);
    atomic_store_explicit(&set->version, changed ? seen + 1 : seen - 1, memory_order_release);
}

/* Insertions so far, modulo 256, in the uppermost bits of a state. */
static inline uint32_t tp_set_state(const tp_cache_set *set) {
    return atomic_load_explicit(&set->state, memory_order_relaxed);
}

static inline uint32_t tp_set_tag(const tp_cache_set *set, uint32_t way) {
    return atomic_load_explicit(&set->tags[way], memory_order_relaxed);
}

void tp_set_read(const tp_cache_set *set, uint32_t way, tp_cache_entry *entry); /* mark 0: empty */
/* In place of what the way holds, with the same terms or none unless the set knows of terms. */
static inline void tp_set_store(tp_cache_set *set, uint32_t way, const tp_cache_entry *entry) {
    _Atomic uint32_t *words = set->entries[way];
    uint32_t first = ((uint32_t)entry->mark & 0xFFFF0000u) | entry->verdict;
    atomic_store_explicit(&words[0], first, memory_order_release);
    atomic_store_explicit(&words[1], (uint32_t)(entry->mark >> 32), memory_order_release);
    atomic_store_explicit(&words[2], entry->terms, memory_order_release);
    atomic_store_explicit(&set->tags[way], (uint16_t)entry->mark, memory_order_release);
}
void tp_set_write(tp_cache_set *set, uint32_t way, const tp_cache_entry *entry);
void tp_set_clear(tp_cache_set *set, uint32_t way);
/* Adds an entry that the set does not hold; *loss says what that cost. known: it is worth more than
 * a key seen for the first time; empty: the ways with room; way receives its place. */
tp_set_loss tp_set_insert(tp_cache_set *set, tp_cache_policy policy, const tp_cache_entry *entry,
                          bool known, uint32_t empty, const tp_set_owner *owner, uint32_t *way);

#endif
