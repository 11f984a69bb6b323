/* A set of records that are known by their whole keys. */
#ifndef TP_CORE_KEYBAG_H
#define TP_CORE_KEYBAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "core/arena.h"
#include "core/slots.h"

/* A record: a kind, and bytes of that kind. */
typedef struct tp_record {
    const char *bytes;
    uint32_t length; /* below 2^28 */
    uint32_t kind;   /* below 16 */
} tp_record;

#define TP_RECORD_LENGTH_MAX ((UINT32_C(1) << 28) - 1)

typedef struct tp_keybag {
    tp_hash_key key;
    tp_arena arena;
    tp_slots slots;
} tp_keybag;

void tp_keybag_init(tp_keybag *bag, const tp_hash_key *key);
void tp_keybag_free(tp_keybag *bag);
void tp_keybag_clear(tp_keybag *bag); /* O(1) */

uint64_t tp_keybag_hash(const tp_keybag *bag, const tp_record *record);
/* Ahead of tp_keybag_add(), in this order, for callers that have several at hand. Only hints. */
void tp_keybag_foresee(const tp_keybag *bag, uint64_t hash);
void tp_keybag_approach(const tp_keybag *bag, uint64_t hash);
/* Adds it: 1 when it was new, 0 when it was there, TRIGPERF_E_NOMEM (nothing has changed). */
int32_t tp_keybag_add(tp_keybag *bag, const tp_record *record, uint64_t hash);
/* Room in the index for so many in all. False when memory is short. */
bool tp_keybag_reserve(tp_keybag *bag, uint64_t records);

uint64_t tp_keybag_count(const tp_keybag *bag);
uint64_t tp_keybag_bytes(const tp_keybag *bag); /* allocated */

#endif
