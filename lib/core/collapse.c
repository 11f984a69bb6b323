/* Three levels, each of which says more than has changed, and needs less memory:
 *
 *   group       the change itself is given up, its cache keys are not: a key of one part stays a
 *               key, of one with more parts the beginning stays, up to the second part. What a user
 *               does a thousand times is told once. A template with more than max_groups of them is
 *               told whole, by its literal prefix; so one template that tells records apart does
 *               not spoil those that tell users apart.
 *   table       every template that the table feeds is told whole.
 *   everything  needs no memory at all.
 *
 * A share of max_bytes belongs to each, so that there is always room for the next one. What a
 * waiting resync covers already joins it, whatever the level.
 *
 * The fence and what is bound to rows know the change exactly in all cases, since that takes no
 * memory. Generations are raised for templates that are not told by their keys: a host that mixes
 * them into its keys instead of deleting by prefix forgets the template. */
#include "core/collapse.h"

#include "core/groups.h"
#include "core/pipeline_parts.h"

/* ---- resyncs ---- */

static void mark_everything(tp_pipeline *pipeline, const tp_table *table) {
    tp_bonds_resync(pipeline->options.bonds, table == NULL ? NULL : table->name);
    if (pipeline->fence != NULL) {
        tp_fence_mark_all(pipeline->fence);
    }
    if (table == NULL) {
        tp_generations_raise_all(pipeline->generations);
        return;
    }
    tp_generations_raise_table(pipeline->generations, pipeline->cascade, table);
}

/* A resync is dear to the host, and seldom comes alone. */
static void keep_open(tp_pipeline *pipeline) {
    tp_due_open(&pipeline->due, pipeline->now_ms);
    tp_due_recur(&pipeline->due);
}

static void resync_waits(tp_pipeline *pipeline, const tp_table *table, const tp_resync_mark *mark) {
    if (table == NULL) {
        tp_resyncs_add_all(pipeline->resyncs, mark);
    } else {
        tp_resyncs_add(pipeline->resyncs, pipeline->cascade, table, mark);
        keep_open(pipeline);
    }
}

/* A resync of everything that waits for the host covers this one too. */
void tp_collapse_resync(tp_pipeline *pipeline, const tp_table *table, uint64_t tag, uint64_t lsn) {
    tp_resync_mark mark = {++pipeline->arrived, tp_lsn_or_unknown(lsn), tag};
    mark_everything(pipeline, table);
    if (pipeline->ready_all != NULL) {
        tp_batch_raise(pipeline->ready_all, mark.lsn, mark.tag);
    } else {
        resync_waits(pipeline, table, &mark);
    }
}

/* It waits even beside a resync of everything: it is shown. */
bool tp_collapse_truncate(tp_pipeline *pipeline, const tp_change *change, const tp_table *copy) {
    tp_resync_mark mark = {pipeline->arrived + 1, tp_lsn_or_unknown(change->lsn), 0};
    tp_addition addition = {1, mark.arrival, mark.lsn, TP_OP_TRUNCATE};
    if (!tp_resyncs_add_truncate(pipeline->resyncs, copy, &addition)) {
        return false;
    }
    pipeline->arrived++;
    mark_everything(pipeline, change->table);
    resync_waits(pipeline, change->table, &mark);
    return true;
}

/* ---- groups ---- */

typedef struct grouping {
    tp_pipeline *pipeline;
    const tp_change *change;
    tp_group_of of;
    tp_resync_mark mark;
} grouping;

/* A key that is its own group waits in the window, where it may be already. */
static tp_group_fate keep_key(const grouping *g, const char *key, size_t length,
                              uint32_t interval_ms) {
    tp_pipeline *pipeline = g->pipeline;
    tp_group_fate fate = TP_GROUP_KNOWN;
    if (!tp_window_has_key(pipeline->window, key, length)) {
        fate = tp_groups_admit(tp_resyncs_groups(pipeline->resyncs), &g->of);
    }
    if (fate == TP_GROUP_KNOWN &&
        !tp_pipeline_stage_key(pipeline, key, length, interval_ms, g->mark.lsn)) {
        fate = TP_GROUP_LOST;
    }
    return fate;
}

static bool group_key(void *user, const char *key, size_t length, uint32_t template_index,
                      uint32_t min_interval_ms) {
    grouping *g = user;
    tp_pipeline *pipeline = g->pipeline;
    g->of.template = template_index;
    if (pipeline->fence != NULL) {
        tp_fence_mark(pipeline->fence, key, length);
    }
    size_t group = tp_cascade_group_length(g->of.cascade, g->change, template_index);
    tp_group_fate fate = group < length ? tp_groups_add(tp_resyncs_groups(pipeline->resyncs),
                                                        &g->of, key, (uint32_t)group)
                                        : keep_key(g, key, length, min_interval_ms);
    if (group < length || fate == TP_GROUP_WHOLE) {
        tp_generations_raise(pipeline->generations,
                             tp_cascade_template(g->of.cascade, template_index));
    }
    return fate != TP_GROUP_LOST;
}

static bool keep_staged(tp_pipeline *pipeline, const tp_resync_mark *mark) {
    tp_addition addition = {1, mark->arrival, mark->lsn, 0};
    if (tp_window_staged_count(pipeline->window) > 0 &&
        !tp_window_commit(pipeline->window, &addition, 0)) {
        return false;
    }
    if (tp_window_weight(pipeline->window) >= pipeline->options.max_keys) {
        tp_due_hasten(&pipeline->due, pipeline->now_ms);
    }
    return true;
}

/* False when memory is short: what was noted by then is told beside what it becomes instead. */
static bool collapse_to_groups(tp_pipeline *pipeline, const tp_change *change,
                               const tp_table *copy) {
    grouping g = {.pipeline = pipeline,
                  .change = change,
                  .of = {pipeline->cascade, copy, 0},
                  .mark = {pipeline->arrived + 1, tp_lsn_or_unknown(change->lsn), 0}};
    tp_window_stage_nothing(pipeline->window);
    if (!tp_groups_open(tp_resyncs_groups(pipeline->resyncs), copy) ||
        !tp_cascade_expand(pipeline->cascade, change, group_key, &g) ||
        !keep_staged(pipeline, &g.mark)) {
        return false;
    }
    pipeline->arrived++;
    tp_resyncs_add_groups(pipeline->resyncs, &g.mark);
    keep_open(pipeline);
    return true;
}

/* ---- levels ---- */

static bool all_waits(const tp_pipeline *pipeline) {
    return pipeline->ready_all != NULL || tp_resyncs_has_all(pipeline->resyncs);
}

tp_resync_level tp_collapse_level(const tp_pipeline *pipeline, const tp_table *table) {
    uint64_t bytes = tp_pipeline_bytes(pipeline);
    if (bytes < pipeline->group_bytes) {
        return TP_RESYNC_NONE;
    }
    if (all_waits(pipeline)) {
        return TP_RESYNC_ALL;
    }
    if (tp_resyncs_covers(pipeline->resyncs, table)) {
        return TP_RESYNC_TABLE;
    }
    if (bytes >= pipeline->options.max_bytes) {
        return TP_RESYNC_ALL;
    }
    return bytes < pipeline->table_bytes ? TP_RESYNC_GROUP : TP_RESYNC_TABLE;
}

/* What it has become may be more than was asked for. */
static void count(tp_pipeline *pipeline, const tp_table *table) {
    tp_pipeline_counters *counters = &pipeline->counters;
    counters->changes++;
    counters->collapsed++;
    if (all_waits(pipeline)) {
        counters->collapsed_all++;
    } else if (table != NULL && tp_resyncs_covers(pipeline->resyncs, table)) {
        counters->collapsed_table++;
    } else {
        counters->collapsed_group++;
    }
}

void tp_collapse_change(tp_pipeline *pipeline, const tp_change *change, const tp_table *copy,
                        tp_resync_level level) {
    if (level != TP_RESYNC_GROUP || !collapse_to_groups(pipeline, change, copy)) {
        bool joins = level != TP_RESYNC_ALL || all_waits(pipeline);
        tp_collapse_resync(pipeline, joins ? change->table : NULL, 0, change->lsn);
    }
    count(pipeline, change->table);
}

void tp_collapse_key(tp_pipeline *pipeline) {
    tp_collapse_resync(pipeline, NULL, 0, 0);
    count(pipeline, NULL);
}
