/* Cycle search by stripping (Kahn, "Topological sorting of large networks", 1962): scopes that lead
 * nowhere are taken away until nothing changes. Whatever is left has an edge to something that is
 * left, so following any such edge must come back: that walk is the cycle to show. Passes over the
 * whole edge list make it quadratic in the worst case; rule sets have tens of scopes. */
#include "core/scopes.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/map.h"
#include "base/strbuf.h"
#include "base/text.h"

typedef struct edge {
    uint32_t from;
    uint32_t to;
} edge;

struct tp_scopes {
    tp_map *numbers; /* name -> (number + 1) as a pointer */
    char **names;
    uint32_t name_count;
    uint32_t name_capacity;
    edge *edges;
    uint32_t edge_count;
    uint32_t edge_capacity;
};

tp_scopes *tp_scopes_new(void) {
    tp_scopes *scopes = calloc(1, sizeof *scopes);
    if (scopes == NULL) {
        return NULL;
    }
    scopes->numbers = tp_map_new();
    if (scopes->numbers == NULL) {
        free(scopes);
        return NULL;
    }
    return scopes;
}

void tp_scopes_free(tp_scopes *scopes) {
    if (scopes == NULL) {
        return;
    }
    for (uint32_t i = 0; i < scopes->name_count; i++) {
        free(scopes->names[i]);
    }
    free(scopes->names);
    free(scopes->edges);
    tp_map_free(scopes->numbers, NULL);
    free(scopes);
}

static bool append_name(tp_scopes *scopes, const char *name, size_t length) {
    char **names = tp_array_reserve(scopes->names, &scopes->name_capacity, scopes->name_count + 1,
                                    sizeof *names);
    if (names == NULL) {
        return false;
    }
    scopes->names = names;
    char *copy = tp_text_copy_bytes(name, length);
    void *number = (void *)((uintptr_t)scopes->name_count + 1);
    if (copy == NULL || !tp_map_put(scopes->numbers, name, length, number, NULL)) {
        free(copy);
        return false;
    }
    names[scopes->name_count++] = copy;
    return true;
}

static bool number_of(tp_scopes *scopes, const char *name, size_t length, uint32_t *out) {
    void *found = tp_map_get(scopes->numbers, name, length);
    if (found == NULL && !append_name(scopes, name, length)) {
        return false;
    }
    *out = found == NULL ? scopes->name_count - 1 : (uint32_t)((uintptr_t)found - 1);
    return true;
}

int32_t tp_scopes_add(tp_scopes *scopes, const char *from, size_t from_length, const char *to,
                      size_t to_length, trigperf_error **err) {
    edge added = {0, 0};
    if (!number_of(scopes, from, from_length, &added.from) ||
        !number_of(scopes, to, to_length, &added.to)) {
        return tp_error_nomem(err);
    }
    edge *edges = tp_array_reserve(scopes->edges, &scopes->edge_capacity, scopes->edge_count + 1,
                                   sizeof *edges);
    if (edges == NULL) {
        return tp_error_nomem(err);
    }
    scopes->edges = edges;
    edges[scopes->edge_count++] = added;
    return TRIGPERF_OK;
}

/* One pass: leads[i] tells whether scope i has an edge to a scope that is left. */
static bool strip_once(const tp_scopes *scopes, bool *left, bool *leads) {
    memset(leads, 0, scopes->name_count * sizeof *leads);
    for (uint32_t i = 0; i < scopes->edge_count; i++) {
        const edge *e = &scopes->edges[i];
        leads[e->from] = leads[e->from] || left[e->to];
    }
    bool changed = false;
    for (uint32_t i = 0; i < scopes->name_count; i++) {
        changed = changed || (left[i] && !leads[i]);
        left[i] = left[i] && leads[i];
    }
    return changed;
}

static uint32_t follow(const tp_scopes *scopes, const bool *left, uint32_t from) {
    for (uint32_t i = 0; i < scopes->edge_count; i++) {
        if (scopes->edges[i].from == from && left[scopes->edges[i].to]) {
            return scopes->edges[i].to;
        }
    }
    return from;
}

static int32_t cycle_error(const tp_scopes *scopes, const bool *left, uint32_t start,
                           trigperf_error **err) {
    for (uint32_t i = 0; i < scopes->name_count; i++) {
        start = follow(scopes, left, start);
    }
    tp_strbuf path = TP_STRBUF_INIT;
    tp_strbuf_puts(&path, scopes->names[start]);
    uint32_t at = start;
    do {
        at = follow(scopes, left, at);
        tp_strbuf_printf(&path, " -> %s", scopes->names[at]);
    } while (at != start);
    int32_t status = tp_error_set(err, TRIGPERF_E_CONFIG,
                                  "remove one of these scope rules: a scope may not lead to itself",
                                  "scope rules form a cycle: %s", tp_strbuf_str(&path));
    tp_strbuf_free(&path);
    return status;
}

int32_t tp_scopes_check(const tp_scopes *scopes, trigperf_error **err) {
    bool *left = calloc((size_t)scopes->name_count * 2 + 1, sizeof *left);
    if (left == NULL) {
        return tp_error_nomem(err);
    }
    memset(left, 1, scopes->name_count * sizeof *left);
    while (strip_once(scopes, left, left + scopes->name_count)) {
        continue;
    }
    int32_t status = TRIGPERF_OK;
    const bool *first = memchr(left, 1, scopes->name_count);
    if (first != NULL) {
        status = cycle_error(scopes, left, (uint32_t)(first - left), err);
    }
    free(left);
    return status;
}
