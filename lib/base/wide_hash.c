/* Universal hashing (Carter and Wegman 1979) in two stages.
 *
 * Last stage, "multilinear": the upper 64 bits of a + b*x + c*y + d*s modulo 2^128, for 64-bit
 * words x, y, s and random 128-bit a, b, c, d. It is strongly universal: for any two different
 * messages the two results are independent and uniform (Lemire and Kaser, "Strongly universal
 * string hashing is fast", 2014). So 64 bits of it collide with probability 2^-64, whatever the
 * messages are, and it needs no mixing afterwards. x and y are the message when it has at most 16
 * bytes; a is another number for each length.
 *
 * First stage, for longer messages, which makes two words of many: NH (Black, Halevi, Krawczyk,
 * Krovetz, Rogaway, "UMAC", 1999) up to 256 bytes, one multiplication for 16 bytes, collisions
 * 2^-63; above that two polynomials over the prime field of 2^61 - 1, evaluated at random points,
 * collisions (n / 2^61)^2 for n words of seven bytes: below 2^-86 for a megabyte. The length is
 * part of what they hash.
 *
 * Everything is done twice with independent random numbers. The first result says where to look,
 * the second is what is compared, so that knowing all about the one (an observer may time which
 * keys displace each other) tells nothing of the other.
 *
 * Beside it: XXH3 with a secret is as quick for 16 bytes and twice as quick for long keys, but
 * nobody has shown how hard collisions are to find; SipHash costs twice as much; hashes made of AES
 * rounds need an instruction that the oldest of the supported processors lack, and snapshots must
 * be readable everywhere. */
#include "base/wide_hash.h"

#define PRIME ((UINT64_C(1) << 61) - 1)
#define FORM_MIDDLE (TP_WIDE_SHORT + 1)
#define FORM_LONG (TP_WIDE_SHORT + 2)
#define LIMB 7u

void tp_wide_key_seed(tp_wide_key *key, uint64_t seed) {
    uint64_t *words = (uint64_t *)key;
    for (size_t i = 0; i < sizeof *key / sizeof *words; i++) {
        uint64_t z = (seed += UINT64_C(0x9E3779B97F4A7C15)); /* SplitMix64 */
        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        words[i] = z ^ (z >> 31);
    }
}

/* Up to eight bytes, the rest zero. */
static uint64_t load_part(const unsigned char *at, size_t length) {
    unsigned char part[8] = {0};
    memcpy(part, at, length < 8 ? length : 8);
    return tp_wide_load64(part);
}

static tp_wide nh(const uint64_t *keys, const unsigned char *at, size_t length) {
    const uint64_t *end = keys + TP_WIDE_MIDDLE / 8;
    tp_wide sum = (tp_wide)(end[0] + length) * end[1];
    for (; length >= 16; at += 16, length -= 16, keys += 2) {
        sum += (tp_wide)(keys[0] + tp_wide_load64(at)) * (keys[1] + tp_wide_load64(at + 8));
    }
    if (length > 0) {
        uint64_t second = length > 8 ? load_part(at + 8, length - 8) : 0;
        sum += (tp_wide)(keys[0] + load_part(at, length)) * (keys[1] + second);
    }
    return sum;
}

static uint64_t reduce(tp_wide product, uint64_t term) {
    uint64_t sum = ((uint64_t)product & PRIME) + (uint64_t)(product >> 61);
    sum = (sum & PRIME) + (sum >> 61) + term;
    sum = (sum & PRIME) + (sum >> 61);
    return sum >= PRIME ? sum - PRIME : sum;
}

static uint64_t polynomial(uint64_t point, const unsigned char *at, size_t length) {
    uint64_t value = length;
    while (length > 0) {
        size_t part = length < LIMB ? length : LIMB;
        value = reduce((tp_wide)value * (point & PRIME), load_part(at, part));
        at += part;
        length -= part;
    }
    return value;
}

static uint64_t one(const tp_wide_key *key, size_t lane, uint64_t salt, const void *bytes,
                    size_t length) {
    if (length <= TP_WIDE_MIDDLE) {
        tp_wide sum = nh(key->nh[lane], bytes, length);
        return tp_wide_finish(key, lane, FORM_MIDDLE, (uint64_t)sum, (uint64_t)(sum >> 64), salt);
    }
    uint64_t first = polynomial(key->point[lane][0], bytes, length);
    uint64_t second = polynomial(key->point[lane][1], bytes, length);
    return tp_wide_finish(key, lane, FORM_LONG, first, second, salt);
}

tp_wide_hash tp_wide_hash_long(const tp_wide_key *key, uint64_t salt, const void *bytes,
                               size_t length) {
    return (tp_wide_hash){one(key, 0, salt, bytes, length), one(key, 1, salt, bytes, length)};
}
