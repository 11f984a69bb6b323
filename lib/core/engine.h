/* The pipeline with its lock, rules and fence: what several threads share. The lock is held only
 * for short, bounded work; waiting for batches uses its condition variable. */
#ifndef TP_CORE_ENGINE_H
#define TP_CORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/cascade.h"
#include "core/fence.h"
#include "core/pipeline.h"

typedef struct tp_engine tp_engine;

/* A rule as configured in this process, kept so that rules of the database can be added anew. */
typedef struct tp_engine_rule {
    const char *table; /* exactly one of table and scope */
    const char *scope;
    uint32_t ops;
    const char *template_text;
    uint32_t min_interval_ms;
} tp_engine_rule;

int32_t tp_engine_new(const tp_pipeline_options *options, const tp_engine_rule *rules,
                      uint32_t rule_count, tp_engine **out, trigperf_error **err);

/* References: batches in the host's hands keep the engine alive after the context is gone. */
tp_engine *tp_engine_ref(tp_engine *engine);
void tp_engine_unref(tp_engine *engine);
/* The context is gone: later acks and nacks only release. */
void tp_engine_shut(tp_engine *engine);

/* The pipeline, between lock and unlock, which settles it. */
tp_pipeline *tp_engine_lock(tp_engine *engine);
void tp_engine_unlock(tp_engine *engine);
/* Not locked: whether a source had better stop reading. */
bool tp_engine_full(tp_engine *engine);
/* While locked: the cascade in use. */
tp_cascade *tp_engine_cascade(tp_engine *engine);

tp_fence *tp_engine_fence(tp_engine *engine);             /* lock-free, constant */
tp_bonds *tp_engine_bonds(tp_engine *engine);             /* has a lock of its own, constant */
tp_definitions *tp_engine_definitions(tp_engine *engine); /* the same */

/* Wakes everyone who sleeps in tp_engine_sleep(). */
void tp_engine_broadcast(tp_engine *engine);
/* While locked: sleeps until a broadcast or a monotonic time in ms (UINT64_MAX: no limit). */
void tp_engine_sleep(tp_engine *engine, uint64_t deadline_ms);

/* Called, from any thread, when the processing thread has something to do; cleared by shut. */
void tp_engine_set_wake(tp_engine *engine, void (*wake)(void *), void *user);

/* Told, with the engine locked, how long the host had a batch that it acknowledged; cleared by
 * shut. */
void tp_engine_set_applied(tp_engine *engine, void (*applied)(void *, uint64_t ns), void *user);
void tp_engine_applied(tp_engine *engine, uint64_t ns);

/* Acknowledges (or gives back) a batch and wakes whoever waits for that. After shut it only
 * releases the batch, and returns false. */
bool tp_engine_ack(tp_engine *engine, tp_batch *batch);
bool tp_engine_nack(tp_engine *engine, uint64_t now_ms, tp_batch *batch);
/* Releases a batch without saying whether it was applied: it holds the low-water mark from now on.
 */
void tp_engine_drop(tp_engine *engine, tp_batch *batch);
/* The newest tag of an acknowledged batch (see tp_pipeline_resync), 0 before. */
uint64_t tp_engine_tag_acked(tp_engine *engine);
/* The newest tag of a batch that was dropped, 0 before. */
uint64_t tp_engine_tag_dropped(tp_engine *engine);

/* A cascade that holds the configured rules, not yet prepared: the database's are added to it. */
int32_t tp_engine_cascade_begin(tp_engine *engine, tp_cascade **out, trigperf_error **err);
/* Prepares it and puts it into use; takes ownership on success. Tables that the host pushed are
 * declared again when it pushes the next time. */
int32_t tp_engine_cascade_use(tp_engine *engine, tp_cascade *cascade, trigperf_error **err);

/* A change that the host names by key names; tables not known from the database are declared as
 * they come. */
int32_t tp_engine_push(tp_engine *engine, uint64_t now_ms, const char *table, uint32_t op,
                       const char *const *names, const tp_value *values, uint32_t count,
                       trigperf_error **err);

#endif
