/* Open addressing, places in the slots, at most half full; strings are compared whole, so the hash
 * (keyed: values may come from strangers) decides about speed only. */
#include "core/distinct.h"

#include <stdlib.h>
#include <string.h>

bool tp_distinct_find(const tp_hash_key *key, const char *const *strings, const uint64_t *lengths,
                      uint32_t count, uint32_t *first) {
    size_t size = 4;
    while (size < (size_t)count * 2) {
        size *= 2;
    }
    uint32_t *slots = calloc(size, sizeof *slots); /* place + 1; 0: empty */
    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)tp_hash64(key, strings[i], (size_t)lengths[i]) & (size - 1);
        while (slots[at] != 0) {
            uint32_t other = slots[at] - 1;
            if (lengths[other] == lengths[i] &&
                memcmp(strings[other], strings[i], (size_t)lengths[i]) == 0) {
                break;
            }
            at = (at + 1) & (size - 1);
        }
        if (slots[at] == 0) {
            slots[at] = i + 1;
        }
        first[i] = slots[at] - 1;
    }
    free(slots);
    return true;
}
