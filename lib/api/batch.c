/* A batch in the host's hands: the pipeline's batch and a reference to the engine, so that it stays
 * readable, and can be released, after its context is gone. */
#include <trigperf/batch.h>

#include <stdlib.h>
#include <unistd.h>

#include "api/context.h"
#include "base/clock.h"

struct trigperf_batch {
    tp_batch *inner;
    tp_engine *engine;
    pid_t pid;
    uint64_t pulled_ns;
};

int32_t trigperf_batch_next(trigperf_context *context, trigperf_batch **batch,
                            trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    trigperf_batch *outer = calloc(1, sizeof *outer);
    if (outer == NULL) {
        return tp_error_nomem(error);
    }
    outer->inner = tp_pipeline_next(tp_engine_lock(tp_context_engine(context)));
    tp_engine_unlock(tp_context_engine(context));
    if (outer->inner == NULL) {
        free(outer);
        *batch = NULL;
        return TRIGPERF_OK;
    }
    outer->engine = tp_engine_ref(tp_context_engine(context));
    outer->pid = getpid();
    outer->pulled_ns = tp_clock_ns();
    *batch = outer;
    return TRIGPERF_OK;
}

static int32_t gone(trigperf_error **error) {
    return tp_error_set(error, TRIGPERF_E_STATE, "what was not stored comes again",
                        "the context of this batch was freed before");
}

static int32_t forked(trigperf_batch *batch, trigperf_error **error) {
    trigperf_batch_free(batch);
    return tp_error_set(error, TRIGPERF_E_FORKED, "acknowledge in the process that pulled it",
                        "this batch belongs to the parent process");
}

static int32_t give_back(trigperf_batch *batch, bool acked, trigperf_error **error) {
    if (batch == NULL) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pull one with trigperf_batch_next()",
                            "expected a batch, got NULL");
    }
    if (batch->pid != getpid()) {
        return forked(batch, error);
    }
    if (acked) {
        tp_engine_applied(batch->engine, tp_clock_ns() - batch->pulled_ns);
    }
    bool alive = acked ? tp_engine_ack(batch->engine, batch->inner)
                       : tp_engine_nack(batch->engine, tp_clock_ms(), batch->inner);
    tp_engine_unref(batch->engine);
    free(batch);
    return alive ? TRIGPERF_OK : gone(error);
}

int32_t trigperf_batch_ack(trigperf_batch *batch, trigperf_error **error) {
    return give_back(batch, true, error);
}

int32_t trigperf_batch_nack(trigperf_batch *batch, trigperf_error **error) {
    return give_back(batch, false, error);
}

/* Dropped without a word, a batch keeps holding the low-water mark: in a live pipeline it must not
 * be mistaken for an acknowledged one. */
void trigperf_batch_free(trigperf_batch *batch) {
    if (batch == NULL) {
        return;
    }
    if (batch->pid == getpid()) {
        tp_engine_drop(batch->engine, batch->inner);
        tp_engine_unref(batch->engine);
    }
    free(batch);
}

uint64_t trigperf_batch_number(const trigperf_batch *batch) {
    return tp_batch_number(batch->inner);
}

uint32_t trigperf_batch_attempt(const trigperf_batch *batch) {
    return tp_batch_attempt(batch->inner);
}

int32_t trigperf_batch_reason(const trigperf_batch *batch) {
    return (int32_t)tp_batch_reason_of(batch->inner);
}

uint64_t trigperf_batch_lsn(const trigperf_batch *batch) {
    return tp_batch_lsn(batch->inner);
}

const char *trigperf_batch_position(const trigperf_batch *batch) {
    return tp_batch_position(batch->inner);
}

uint32_t trigperf_batch_key_count(const trigperf_batch *batch) {
    return tp_batch_key_count(batch->inner);
}

static const char *with_length(const char *text, const size_t *got, uint64_t *length) {
    if (length != NULL && text != NULL) {
        *length = *got;
    }
    return text;
}

const char *trigperf_batch_key_at(const trigperf_batch *batch, uint32_t index, uint64_t *length) {
    size_t got = 0;
    return index >= tp_batch_key_count(batch->inner)
               ? NULL
               : with_length(tp_batch_key(batch->inner, index, &got), &got, length);
}

uint32_t trigperf_batch_change_count(const trigperf_batch *batch) {
    return tp_batch_change_count(batch->inner);
}

static bool has_change(const trigperf_batch *batch, uint32_t index) {
    return index < tp_batch_change_count(batch->inner);
}

const char *trigperf_batch_change_table(const trigperf_batch *batch, uint32_t index) {
    return has_change(batch, index) ? tp_batch_change_table(batch->inner, index) : NULL;
}

uint32_t trigperf_batch_change_ops(const trigperf_batch *batch, uint32_t index) {
    return has_change(batch, index) ? tp_batch_change_ops(batch->inner, index) : 0;
}

uint64_t trigperf_batch_change_merged(const trigperf_batch *batch, uint32_t index) {
    return has_change(batch, index) ? tp_batch_change_merged(batch->inner, index) : 0;
}

uint32_t trigperf_batch_change_key_count(const trigperf_batch *batch, uint32_t index) {
    return has_change(batch, index) ? tp_batch_change_value_count(batch->inner, index) : 0;
}

const char *trigperf_batch_change_key_name(const trigperf_batch *batch, uint32_t index,
                                           uint32_t key) {
    return key < trigperf_batch_change_key_count(batch, index)
               ? tp_batch_change_name(batch->inner, index, key)
               : NULL;
}

const char *trigperf_batch_change_key_value(const trigperf_batch *batch, uint32_t index,
                                            uint32_t key, uint64_t *length) {
    size_t got = 0;
    return key < trigperf_batch_change_key_count(batch, index)
               ? with_length(tp_batch_change_value(batch->inner, index, key, &got), &got, length)
               : NULL;
}

uint32_t trigperf_batch_resync_count(const trigperf_batch *batch) {
    return tp_batch_resync_count(batch->inner);
}

static bool has_resync(const trigperf_batch *batch, uint32_t index) {
    return index < tp_batch_resync_count(batch->inner);
}

const char *trigperf_batch_resync_table(const trigperf_batch *batch, uint32_t index) {
    return has_resync(batch, index) ? tp_batch_resync_table(batch->inner, index) : NULL;
}

int32_t trigperf_batch_resync_level(const trigperf_batch *batch, uint32_t index) {
    return (int32_t)tp_batch_resync_level(batch->inner, index);
}

uint32_t trigperf_batch_resync_template_count(const trigperf_batch *batch, uint32_t index) {
    return has_resync(batch, index) ? tp_batch_resync_template_count(batch->inner, index) : 0;
}

const char *trigperf_batch_resync_template(const trigperf_batch *batch, uint32_t index,
                                           uint32_t item) {
    return item < trigperf_batch_resync_template_count(batch, index)
               ? tp_batch_resync_template(batch->inner, index, item)
               : NULL;
}

uint32_t trigperf_batch_resync_prefix_count(const trigperf_batch *batch, uint32_t index) {
    return has_resync(batch, index) ? tp_batch_resync_prefix_count(batch->inner, index) : 0;
}

const char *trigperf_batch_resync_prefix(const trigperf_batch *batch, uint32_t index,
                                         uint32_t item) {
    return item < trigperf_batch_resync_prefix_count(batch, index)
               ? tp_batch_resync_prefix(batch->inner, index, item)
               : NULL;
}

int32_t trigperf_batch_json(trigperf_batch *batch, const char **json, uint64_t *length,
                            trigperf_error **error) {
    size_t got = 0;
    const char *text = tp_batch_json(batch->inner, &got);
    if (text == NULL) {
        return tp_error_nomem(error);
    }
    *json = with_length(text, &got, length);
    return TRIGPERF_OK;
}
