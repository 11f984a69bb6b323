/* The entries of each kind are sorted by number and asked for in slices, so that 100,000 of them
 * take a second and not a minute. */
#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/db.h"
#include "model.h"

enum { SLICE = 500 };

typedef struct cc_held {
    int64_t id;
    char *answer;
} cc_held;

typedef struct cc_pile {
    cc_held *entries;
    size_t count;
    size_t capacity;
} cc_pile;

typedef struct cc_piles {
    cc_pile kinds[MODEL_KINDS];
    uint64_t lost; /* unknown keys, or memory was short: counts as a failure */
} cc_piles;

static bool pile_add(cc_pile *pile, int64_t id, const char *answer) {
    if (pile->count == pile->capacity) {
        size_t capacity = pile->capacity > 0 ? pile->capacity * 2 : 1024;
        cc_held *entries = realloc(pile->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            return false;
        }
        pile->entries = entries;
        pile->capacity = capacity;
    }
    char *copy = strdup(answer);
    if (copy == NULL) {
        return false;
    }
    pile->entries[pile->count++] = (cc_held){.id = id, .answer = copy};
    return true;
}

static void collect(void *user, const char *key, const char *answer) {
    cc_piles *piles = user;
    int kind;
    int64_t id;
    if (!model_parse(key, &kind, &id) || !pile_add(&piles->kinds[kind], id, answer)) {
        piles->lost++;
    }
}

static int by_id(const void *left, const void *right) {
    int64_t a = ((const cc_held *)left)->id;
    int64_t b = ((const cc_held *)right)->id;
    return (a > b) - (a < b);
}

static void note(cc_verdict *verdict, int kind, const cc_held *held, const char *truth) {
    verdict->entries++;
    if (strcmp(held->answer, truth) == 0) {
        return;
    }
    verdict->stale++;
    char key[MODEL_KEY_SIZE];
    model_key(kind, held->id, key);
    if (verdict->example == NULL &&
        asprintf(&verdict->example, "%s\n    cached   %s\n    database %s", key, held->answer,
                 truth) < 0) {
        verdict->example = NULL;
    }
}

/* Compares a slice with the rows found for it; a missing row means "absent". */
static void compare(cc_verdict *verdict, int kind, const cc_held *entries, size_t count,
                    const PGresult *result, const char **truths) {
    for (size_t i = 0; i < count; i++) {
        truths[i] = MODEL_ABSENT;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        cc_held wanted = {.id = strtoll(PQgetvalue(result, row, 0), NULL, 10)};
        const cc_held *found = bsearch(&wanted, entries, count, sizeof *entries, by_id);
        if (found != NULL) {
            truths[found - entries] = PQgetvalue(result, row, 1);
        }
    }
    for (size_t i = 0; i < count; i++) {
        note(verdict, kind, &entries[i], truths[i]);
    }
}

static bool check_slice(PGconn *conn, cc_verdict *verdict, int kind, const cc_held *entries,
                        size_t count) {
    int64_t ids[SLICE] = {0};
    const char *truths[SLICE];
    for (size_t i = 0; i < count; i++) {
        ids[i] = entries[i].id;
    }
    PGresult *result = model_read_many(conn, kind, ids, count);
    if (result == NULL) {
        return false;
    }
    compare(verdict, kind, entries, count, result, truths);
    PQclear(result);
    return true;
}

static bool check_pile(PGconn *conn, cc_verdict *verdict, int kind, cc_pile *pile) {
    if (pile->count > 0) {
        qsort(pile->entries, pile->count, sizeof *pile->entries, by_id);
    }
    bool fine = true;
    for (size_t at = 0; fine && at < pile->count; at += SLICE) {
        size_t count = pile->count - at < SLICE ? pile->count - at : SLICE;
        fine = check_slice(conn, verdict, kind, pile->entries + at, count);
    }
    return fine;
}

static void piles_free(cc_piles *piles) {
    for (int kind = 0; kind < MODEL_KINDS; kind++) {
        for (size_t i = 0; i < piles->kinds[kind].count; i++) {
            free(piles->kinds[kind].entries[i].answer);
        }
        free(piles->kinds[kind].entries);
    }
}

bool checker_run(cc_world *world, cc_verdict *verdict) {
    *verdict = (struct cc_verdict){0};
    PGconn *conn = db_connect(world->options->conninfo, "call_center checker");
    bool fine = conn != NULL && model_prepare(conn);
    cc_piles piles = {.lost = 0};
    cache_each(world->cache, collect, &piles);
    if (piles.lost > 0) {
        fputs("call_center: the checker could not look at every entry\n", stderr);
        fine = false;
    }
    for (int kind = 0; fine && kind < MODEL_KINDS; kind++) {
        fine = check_pile(conn, verdict, kind, &piles.kinds[kind]);
    }
    piles_free(&piles);
    PQfinish(conn);
    return fine;
}

void verdict_free(cc_verdict *verdict) {
    free(verdict->example);
    verdict->example = NULL;
}
