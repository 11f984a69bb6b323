/* Records that come twice in a batch of 40-byte keys, one in twenty of them a duplicate.
 *
 *     dedup CONTESTANT RECORDS
 *     dedup --list */
#include "contest.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/tracker.h"

#define RECORD_KEY 40u

void dedup_uthash_jenkins(const batch *input, outcome *out);
void dedup_uthash_xxh3(const batch *input, outcome *out);
void dedup_glib(const batch *input, outcome *out);
void dedup_absl(const batch *input, outcome *out);
void dedup_absl_xxh128(const batch *input, outcome *out);

uint64_t contest_bytes(void) {
    struct mallinfo2 all = mallinfo2();
    return all.uordblks + all.hblkhd;
}

static tp_tracker *make_tracker(bool exact, uint64_t expected) {
    static const char *const families[] = {"records"};
    tp_hash_key key;
    tp_dedup *dedup = NULL;
    tp_hash_key_seed(&key, 1);
    if (tp_dedup_new(&key, families, 1, &dedup, NULL) != TRIGPERF_OK) {
        abort();
    }
    tp_tracker *tracker = tp_tracker_new(dedup, exact);
    tp_dedup_unref(dedup);
    if (tracker == NULL || !tp_tracker_reserve(tracker, expected)) {
        abort();
    }
    return tracker;
}

static void see_all(tp_tracker *tracker, const batch *input, uint8_t *seen) {
    for (uint32_t i = 0; seen == NULL && i < input->count; i++) {
        tp_record record = {input->keys[i], (uint32_t)input->lengths[i], 0};
        tp_tracker_see(tracker, &record);
    }
    if (seen != NULL) {
        tp_tracker_see_many(tracker, 0, input->keys, input->lengths, input->count, seen);
    }
}

static void run(bool exact, bool many, uint64_t expected, const batch *input, outcome *out) {
    uint8_t *seen = many ? malloc(input->count) : NULL;
    uint64_t before = contest_bytes();
    double made = contest_seconds();
    tp_tracker *tracker = make_tracker(exact, expected);
    for (int again = 0; again < 2; again++) {
        double began = again ? contest_seconds() : made;
        see_all(tracker, input, seen);
        const tp_dedup_counts *counts = tp_tracker_counts(tracker);
        out->sum += counts->duplicates[0];
        out->distinct = counts->records[0] - counts->duplicates[0];
        out->bytes = contest_bytes() - before;
        tp_tracker_end(tracker, NULL, NULL, NULL);
        *(again ? &out->again_ns : &out->ns) = (contest_seconds() - began) * 1e9 / input->count;
    }
    tp_tracker_free(tracker);
    free(seen);
}

static void dedup_many(const batch *input, outcome *out) {
    run(false, true, 0, input, out);
}

static void dedup_single(const batch *input, outcome *out) {
    run(false, false, 0, input, out);
}

static void dedup_expected(const batch *input, outcome *out) {
    run(false, true, input->count, input, out);
}

static void dedup_exact(const batch *input, outcome *out) {
    run(true, true, 0, input, out);
}

static void dedup_exact_single(const batch *input, outcome *out) {
    run(true, false, 0, input, out);
}

static const struct contestant {
    const char *name;
    void (*run)(const batch *, outcome *);
} contestants[] = {
    {"ours", dedup_many},
    {"ours-single", dedup_single},
    {"ours-expected", dedup_expected},
    {"ours-exact", dedup_exact},
    {"ours-exact-single", dedup_exact_single},
    {"uthash-jenkins", dedup_uthash_jenkins},
    {"uthash-xxh3", dedup_uthash_xxh3},
#ifdef WITH_GLIB
    {"glib", dedup_glib},
#endif
#ifdef WITH_ABSL
    {"absl", dedup_absl},
    {"absl-xxh128", dedup_absl_xxh128},
#endif
};

#define CONTESTANTS (sizeof contestants / sizeof contestants[0])

/* Device, day and a number, as text; some of them an earlier one again. */
static bool make_batch(uint32_t count, batch *out) {
    char *text = calloc(count, RECORD_KEY + 1);
    const char **keys = malloc(count * sizeof *keys);
    uint64_t *lengths = malloc(count * sizeof *lengths);
    uint64_t random = 88172645463325252u;
    if (text == NULL || keys == NULL || lengths == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t of = (uint32_t)(random >> 33);
        uint32_t id = i > 0 && of % 20 == 0 ? (uint32_t)(random >> 20) % i : i;
        char *key = text + (size_t)i * (RECORD_KEY + 1);
        snprintf(key, RECORD_KEY + 1, "device-%08x/2026-11-21/walk/%08x", id / 1000, id);
        keys[i] = key;
        lengths[i] = RECORD_KEY;
    }
    *out = (batch){keys, lengths, count};
    return true;
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 2 && i < CONTESTANTS; i++) {
        puts(contestants[i].name);
    }
    batch input;
    if (argc != 3 || !make_batch((uint32_t)strtoul(argv[2], NULL, 10), &input)) {
        return argc == 2 ? 0 : 2;
    }
    for (size_t i = 0; i < CONTESTANTS; i++) {
        if (strcmp(contestants[i].name, argv[1]) == 0) {
            outcome out = {0, 0, 0, 0, 0};
            contestants[i].run(&input, &out);
            printf("ns %.3f again %.3f distinct %llu bytes %llu sum %llu\n", out.ns, out.again_ns,
                   (unsigned long long)out.distinct, (unsigned long long)out.bytes,
                   (unsigned long long)out.sum);
            return 0;
        }
    }
    return 2;
}
