/* uthash, compiled once with its own hash function (Jenkins) and once with XXH3: an element a key,
 * allocated when it is new and freed when the table is emptied, as its manual shows; and, for
 * coalescing, with all elements in one block. */
#include "contest.h"

#include <stdlib.h>

#ifdef WITH_XXH3
#define XXH_INLINE_ALL
#include <xxhash.h>
#define HASH_FUNCTION(key, length, hash) (hash) = (unsigned)XXH3_64bits((key), (length))
#define NAME(what) what##_uthash_xxh3
#else
#define NAME(what) what##_uthash_jenkins
#endif

#include <uthash.h>

void NAME(coalesce)(const changes *input, outcome *out);
void NAME(dedup)(const batch *input, outcome *out);

typedef struct element {
    merged value;
    UT_hash_handle hh;
    char key[CHANGE_KEY];
} element;

static uint64_t worth(const element *e) {
    return e->value.count * (e->value.lsn - e->value.arrival + e->value.ops);
}

static element *find_or_add(element **head, const char *key, element *pool) {
    element *found = NULL;
    HASH_FIND(hh, *head, key, CHANGE_KEY, found);
    if (found == NULL) {
        found = pool != NULL ? pool : malloc(sizeof *found);
        found->value = (merged)MERGED_NONE;
        memcpy(found->key, key, CHANGE_KEY);
        HASH_ADD(hh, *head, key, CHANGE_KEY, found);
    }
    return found;
}

static void flush(element **head, int own, uint64_t before, outcome *out) {
    out->distinct = HASH_COUNT(*head);
    out->bytes = contest_bytes() - before;
    for (const element *e = *head; e != NULL; e = e->hh.next) {
        out->sum += worth(e);
    }
    element *at = *head;
    HASH_CLEAR(hh, *head);
    while (own && at != NULL) {
        element *next = at->hh.next;
        free(at);
        at = next;
    }
}

void NAME(coalesce)(const changes *input, outcome *out) {
    element *head = NULL;
    uint64_t before = contest_bytes();
    for (uint32_t i = 0; i < input->count; i++) {
        char key[CHANGE_KEY];
        change_key(key, input->ids[i]);
        merge_change(&find_or_add(&head, key, NULL)->value, i);
        if ((i + 1) % input->flush == 0) {
            flush(&head, 1, before, out);
        }
    }
}

#ifdef WITH_XXH3
void coalesce_uthash_pool(const changes *input, outcome *out);

void coalesce_uthash_pool(const changes *input, outcome *out) {
    element *head = NULL;
    uint64_t before = contest_bytes();
    element *pool = malloc(input->flush * sizeof *pool);
    for (uint32_t i = 0; i < input->count; i++) {
        char key[CHANGE_KEY];
        change_key(key, input->ids[i]);
        merge_change(&find_or_add(&head, key, &pool[HASH_COUNT(head)])->value, i);
        if ((i + 1) % input->flush == 0) {
            flush(&head, 0, before, out);
        }
    }
    free(pool);
}
#endif

/* ---- records ---- */

typedef struct record {
    UT_hash_handle hh;
    char key[];
} record;

static uint64_t see_all(record **head, const batch *input) {
    uint64_t duplicates = 0;
    for (uint32_t i = 0; i < input->count; i++) {
        record *found = NULL;
        size_t length = input->lengths[i];
        HASH_FIND(hh, *head, input->keys[i], length, found);
        if (found != NULL) {
            duplicates++;
            continue;
        }
        found = malloc(sizeof *found + length);
        memcpy(found->key, input->keys[i], length);
        HASH_ADD_KEYPTR(hh, *head, found->key, length, found);
    }
    return duplicates;
}

static void forget_all(record **head) {
    record *at = *head;
    HASH_CLEAR(hh, *head);
    while (at != NULL) {
        record *next = at->hh.next;
        free(at);
        at = next;
    }
}

void NAME(dedup)(const batch *input, outcome *out) {
    record *head = NULL;
    for (int again = 0; again < 2; again++) {
        uint64_t before = contest_bytes();
        double began = contest_seconds();
        out->sum += see_all(&head, input);
        out->distinct = HASH_COUNT(head);
        out->bytes = contest_bytes() - before;
        forget_all(&head);
        *(again ? &out->again_ns : &out->ns) = (contest_seconds() - began) * 1e9 / input->count;
    }
}
