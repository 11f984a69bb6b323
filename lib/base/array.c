/* Doubling, from 8 elements up, so that n appended elements cost O(n). */
#include "base/array.h"

#include <stdlib.h>

void *tp_array_reserve(void *items, uint32_t *capacity, uint32_t wanted, size_t size) {
    if (wanted <= *capacity && items != NULL) {
        return items;
    }
    uint64_t room = *capacity < 8 ? 8 : *capacity;
    while (room < wanted) {
        room *= 2;
    }
    if (room > UINT32_MAX || room > SIZE_MAX / size) {
        return NULL;
    }
    void *grown = realloc(items, (size_t)room * size);
    if (grown != NULL) {
        *capacity = (uint32_t)room;
    }
    return grown;
}
