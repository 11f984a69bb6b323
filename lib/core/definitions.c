/* DDL reaches a context as a resync: the elected notifier's context compares what tables are with
 * what they were, and resyncs those that differ. Other reasons for a resync (a bulk change, a lost
 * connection) look the same, so that a mark says "may have changed", and whoever cares looks again.
 * Behind it is a fence of its own, by the names of tables. */
#include "core/definitions.h"

#include <stdlib.h>
#include <string.h>

#include "core/fence.h"

#define SLOTS 1024u

struct tp_definitions {
    tp_fence *fence;
};

tp_definitions *tp_definitions_new(const tp_hash_key *key) {
    tp_definitions *definitions = malloc(sizeof *definitions);
    if (definitions != NULL) {
        definitions->fence = tp_fence_new(SLOTS, key);
    }
    if (definitions != NULL && definitions->fence == NULL) {
        free(definitions);
        return NULL;
    }
    return definitions;
}

void tp_definitions_free(tp_definitions *definitions) {
    if (definitions != NULL) {
        tp_fence_free(definitions->fence);
        free(definitions);
    }
}

void tp_definitions_mark(tp_definitions *definitions, const tp_table *table) {
    if (definitions == NULL) {
        return;
    }
    if (table == NULL) {
        tp_fence_mark_all(definitions->fence);
    } else {
        tp_fence_mark(definitions->fence, table->name, strlen(table->name));
    }
}

uint64_t tp_definitions_begin(tp_definitions *definitions) {
    return tp_fence_begin(definitions->fence);
}

bool tp_definitions_check(const tp_definitions *definitions, uint64_t token, const char *table) {
    return tp_fence_check(definitions->fence, token, table, strlen(table));
}
