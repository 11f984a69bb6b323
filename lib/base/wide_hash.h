/* A keyed 128-bit hash with a proof instead of a belief: whoever does not know the key, and does
 * not see the results, cannot find two messages that collide but by trying. */
#ifndef TP_BASE_WIDE_HASH_H
#define TP_BASE_WIDE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TP_WIDE_SHORT 16u   /* bytes of a message that needs no first stage */
#define TP_WIDE_MIDDLE 256u /* bytes of one whose first stage is NH */

/* Random bytes throughout. [2]: low and high half of a 128-bit number, or the two results. */
typedef struct tp_wide_key {
    uint64_t factor[2][3][2];
    uint64_t offset[2][TP_WIDE_SHORT + 3][2];
    uint64_t nh[2][TP_WIDE_MIDDLE / 8 + 2];
    uint64_t point[2][2];
} tp_wide_key;

/* Two independent results: where to look, and what to compare. */
typedef struct tp_wide_hash {
    uint64_t place;
    uint64_t mark;
} tp_wide_hash;

void tp_wide_key_seed(tp_wide_key *key, uint64_t seed); /* for tests */

/* salt belongs to the message. Messages of more than TP_WIDE_SHORT bytes. */
tp_wide_hash tp_wide_hash_long(const tp_wide_key *key, uint64_t salt, const void *bytes,
                               size_t length);

#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 tp_wide;
#else
#error "the hash needs a compiler with 128-bit integers"
#endif

/* Adds factor * word, modulo 2^128. Compilers shuffle halves to and fro where this is inlined. */
static inline void tp_wide_add(uint64_t *lower, uint64_t *upper, const uint64_t factor[2],
                               uint64_t word) {
    *upper += factor[1] * word;
#if defined(__x86_64__) && defined(__GNUC__)
    uint64_t low;
    uint64_t high;
    __asm__("mulq %5\n\taddq %2, %0\n\tadcq %3, %1"
            : "+&r"(*lower), "+&r"(*upper), "=&a"(low), "=&d"(high)
            : "2"(word), "rm"(factor[0])
            : "cc");
#else
    tp_wide product = (tp_wide)factor[0] * word + *lower;
    *lower = (uint64_t)product;
    *upper += (uint64_t)(product >> 64);
#endif
}

/* The upper half of offset + sum of factor * word. form: length of a short message, or above. */
static inline uint64_t tp_wide_finish(const tp_wide_key *key, size_t lane, size_t form,
                                      uint64_t first, uint64_t second, uint64_t salt) {
    uint64_t lower = key->offset[lane][form][0];
    uint64_t upper = key->offset[lane][form][1];
    tp_wide_add(&lower, &upper, key->factor[lane][0], first);
    tp_wide_add(&lower, &upper, key->factor[lane][1], second);
    if (salt != 0) {
        tp_wide_add(&lower, &upper, key->factor[lane][2], salt);
    }
    return upper;
}

static inline uint64_t tp_wide_load64(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint64_t tp_wide_load32(const unsigned char *at) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

static inline __attribute__((always_inline)) tp_wide_hash
tp_wide_hash_of(const tp_wide_key *key, uint64_t salt, const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    uint64_t first = 0;
    uint64_t second = 0;
    if (length > TP_WIDE_SHORT) {
        return tp_wide_hash_long(key, salt, bytes, length);
    }
    if (length >= 8) { /* both ends, which may overlap: the length is known */
        first = tp_wide_load64(at);
        second = tp_wide_load64(at + length - 8);
    } else if (length >= 4) {
        first = tp_wide_load32(at) | tp_wide_load32(at + length - 4) << 32;
    } else if (length > 0) {
        first = (uint64_t)at[0] | (uint64_t)at[length / 2] << 8 | (uint64_t)at[length - 1] << 16;
    }
    return (tp_wide_hash){tp_wide_finish(key, 0, length, first, second, salt),
                          tp_wide_finish(key, 1, length, first, second, salt)};
}

#endif
