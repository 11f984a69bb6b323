/* Open addressing over hashes that need no secret: the words are the rule's author's, and a probe
 * for a stranger's value ends at the first empty slot among at least as many as there are words. */
#include "core/wordset.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct tp_wordset {
    uint32_t mask;
    tp_value *slots; /* data NULL: empty */
    char *bytes;
};

static uint32_t slots_for(uint32_t count) {
    uint32_t slots = 4;
    while (slots < count * 2) {
        slots *= 2;
    }
    return slots;
}

/* The slot of a word, or the empty one where it would be. */
static tp_value *find(const tp_wordset *set, const char *word, size_t length) {
    uint32_t at = (uint32_t)tp_hash_stable(word, length) & set->mask;
    for (;; at = (at + 1) & set->mask) {
        tp_value *slot = &set->slots[at];
        if (slot->data == NULL ||
            (slot->length == length && memcmp(slot->data, word, length) == 0)) {
            return slot;
        }
    }
}

static void fill(tp_wordset *set, const tp_value *words, uint32_t count) {
    char *at = set->bytes;
    for (uint32_t i = 0; i < count; i++) {
        tp_value *slot = find(set, words[i].data, words[i].length);
        if (slot->data == NULL) {
            memcpy(at, words[i].data, words[i].length);
            *slot = (tp_value){at, words[i].length};
            at += words[i].length;
        }
    }
}

tp_wordset *tp_wordset_new(const tp_value *words, uint32_t count) {
    tp_wordset *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    size_t bytes = 1;
    for (uint32_t i = 0; i < count; i++) {
        bytes += words[i].length;
    }
    uint32_t slots = slots_for(count);
    set->mask = slots - 1;
    set->slots = calloc(slots, sizeof *set->slots);
    set->bytes = malloc(bytes);
    if (set->slots == NULL || set->bytes == NULL) {
        tp_wordset_free(set);
        return NULL;
    }
    fill(set, words, count);
    return set;
}

void tp_wordset_free(tp_wordset *set) {
    if (set != NULL) {
        free(set->slots);
        free(set->bytes);
        free(set);
    }
}

bool tp_wordset_has(const tp_wordset *set, const char *word, size_t length) {
    return find(set, word, length)->data != NULL;
}
