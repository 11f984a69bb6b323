/* XXH3 (Yann Collet, xxHash) with a custom secret. A stranger who chooses keys but does not know
 * the secret cannot predict buckets; that is what hash tables need. */
#include "base/hash.h"

#include <string.h>

/* The library's code is compiled into this file: a call through the linkage table costs as much as
 * hashing a short key. */
#define XXH_INLINE_ALL
#include <xxhash.h>

/* SplitMix64 (Steele, Lea, Flood 2014): a full-period mixer, enough for tests. */
static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void tp_hash_key_seed(tp_hash_key *key, uint64_t seed) {
    for (size_t at = 0; at < sizeof key->secret; at += sizeof seed) {
        uint64_t word = splitmix64(&seed);
        memcpy(key->secret + at, &word, sizeof word);
    }
}

uint64_t tp_hash64(const tp_hash_key *key, const void *bytes, size_t length) {
    return XXH3_64bits_withSecret(bytes, length, key->secret, sizeof key->secret);
}

tp_hash128 tp_hash128_of(const tp_hash_key *key, const void *bytes, size_t length) {
    XXH128_hash_t hash = XXH3_128bits_withSecret(bytes, length, key->secret, sizeof key->secret);
    return (tp_hash128){hash.low64, hash.high64};
}

uint64_t tp_hash_stable(const void *bytes, size_t length) {
    return XXH3_64bits(bytes, length);
}
