/* The whole way of a change inside: told to the pipeline, merged or expanded by rules, its keys
 * marked in the fence, cut into batches, pulled and acknowledged.
 *
 *     pipeline ahead|single RULES KEYS WINDOW CHANGES FLUSH
 *
 * WINDOW: keys that close a window; FLUSH: changes after which it is closed in any case. */
#include "contest.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/pipeline.h"

uint64_t contest_bytes(void) {
    return 0;
}

typedef struct bench {
    tp_pipeline *pipeline;
    const tp_table *table;
    uint64_t keys;
} bench;

static bench start(uint32_t rules, uint32_t window) {
    static const char *const names[] = {"user_id", "id"};
    static const char *const templates[] = {"dashboard:{user_id}", "call:{id}"};
    tp_pipeline_options options = {.window_ms = 100,
                                   .fresh_ms = 100,
                                   .max_keys = window,
                                   .max_pending = 1000000,
                                   .max_bytes = UINT64_C(1) << 32};
    tp_cascade *cascade = NULL;
    bench b = {NULL, NULL, 0};
    tp_hash_key_seed(&options.hash_key, 1);
    int32_t status = tp_cascade_new(&cascade, NULL);
    for (uint32_t i = 0; i < rules && status == 0; i++) {
        status = tp_cascade_rule(cascade, "calls", NULL, 0, templates[i % 2], 0, NULL);
    }
    if (status != 0 || tp_cascade_table(cascade, "calls", 1, names, 2, &b.table, NULL) != 0 ||
        tp_cascade_prepare(cascade, NULL) != 0 ||
        tp_pipeline_new(&options, cascade, tp_fence_new(65536, &options.hash_key), &b.pipeline,
                        NULL) != 0) {
        abort();
    }
    return b;
}

typedef struct named {
    char user[40];
    char id[8];
    tp_value values[2];
} named;

static void name_change(named *n, uint32_t id) {
    char key[CHANGE_KEY];
    change_key(key, id);
    memcpy(n->user, key + 8, sizeof n->user);
    memcpy(n->id, key + 40, sizeof n->id);
    n->values[0] = (tp_value){n->user, sizeof n->user};
    n->values[1] = (tp_value){n->id, sizeof n->id};
}

static void pull_all(bench *b) {
    for (tp_batch *batch; (batch = tp_pipeline_next(b->pipeline)) != NULL;) {
        b->keys += tp_batch_key_count(batch);
        tp_pipeline_ack(b->pipeline, batch);
    }
}

static void run(bench *b, const uint32_t *ids, uint32_t count, uint32_t flush, int ahead) {
    for (uint32_t i = 0; i < count; i++) {
        named group[TP_PIPELINE_AHEAD];
        uint32_t at = i % TP_PIPELINE_AHEAD;
        for (uint32_t j = 0; at == 0 && j < TP_PIPELINE_AHEAD && i + j < count; j++) {
            name_change(&group[j], ids[i + j]);
        }
        if (ahead && at == 0 && tp_pipeline_looks_ahead(b->pipeline)) {
            for (uint32_t j = 0; j < TP_PIPELINE_AHEAD && i + j < count; j++) {
                tp_change next = {b->table, TP_OP_UPDATE, group[j].values, i + j + 1};
                tp_pipeline_foresee(b->pipeline, &next);
            }
            tp_pipeline_approach(b->pipeline);
        }
        tp_change change = {b->table, TP_OP_UPDATE, group[at].values, i + 1};
        if (tp_pipeline_change(b->pipeline, 1000, &change, NULL) != 0) {
            abort();
        }
        if ((i + 1) % flush == 0) {
            tp_pipeline_flush(b->pipeline, 1000);
            pull_all(b);
        }
        if (i % 1024 == 1023) {
            pull_all(b);
        }
    }
}

int main(int argc, char **argv) {
    uint32_t numbers[5];
    if (argc != 7) {
        return argc == 2 ? 0 : 2; /* --list: there are no peers */
    }
    for (int i = 0; i < 5; i++) {
        numbers[i] = (uint32_t)strtoul(argv[i + 2], NULL, 10);
    }
    uint32_t count = numbers[3];
    uint32_t *ids = malloc(count * sizeof *ids);
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; ids != NULL && i < count; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        ids[i] = (uint32_t)((random >> 11) % numbers[1]);
    }
    bench b = start(numbers[0], numbers[2]);
    double began = contest_seconds();
    run(&b, ids, ids == NULL ? 0 : count, numbers[4], strcmp(argv[1], "ahead") == 0);
    printf("ns %.3f keys %llu\n", (contest_seconds() - began) * 1e9 / count,
           (unsigned long long)b.keys);
    return 0;
}
