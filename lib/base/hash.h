/* Keyed hashes of 64 and 128 bits: XXH3 with a secret that the caller fills with random bytes. */
#ifndef TP_BASE_HASH_H
#define TP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define TP_HASH_SECRET_SIZE 192

typedef struct tp_hash_key {
    unsigned char secret[TP_HASH_SECRET_SIZE];
} tp_hash_key;

/* Deterministic expansion of a 64-bit seed into a secret, for tests and reproducible tools. */
void tp_hash_key_seed(tp_hash_key *key, uint64_t seed);

uint64_t tp_hash64(const tp_hash_key *key, const void *bytes, size_t length);

/* 128 bits, for telling things apart by nothing but their hash. */
typedef struct tp_hash128 {
    uint64_t low;
    uint64_t high;
} tp_hash128;

tp_hash128 tp_hash128_of(const tp_hash_key *key, const void *bytes, size_t length);

/* Unkeyed, stable across processes and versions: checksums of text. */
uint64_t tp_hash_stable(const void *bytes, size_t length);

#endif
