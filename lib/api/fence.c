/* The public side of lib/core/fence.h and of generations. */
#include <trigperf/fence.h>

#include "api/context.h"

int32_t trigperf_fence_begin(trigperf_context *context, uint64_t *token) {
    if (context == NULL || tp_context_forked(context)) {
        return context == NULL ? TRIGPERF_E_INVALID : TRIGPERF_E_FORKED;
    }
    *token = tp_fence_begin(tp_engine_fence(tp_context_engine(context)));
    return TRIGPERF_OK;
}

int32_t trigperf_fence_check(trigperf_context *context, uint64_t token, const char *key,
                             uint64_t length) {
    if (context == NULL || tp_context_forked(context)) {
        return context == NULL ? TRIGPERF_E_INVALID : TRIGPERF_E_FORKED;
    }
    bool fresh =
        tp_fence_check(tp_engine_fence(tp_context_engine(context)), token, key, (size_t)length);
    return fresh ? TRIGPERF_OK : TRIGPERF_E_STALE;
}

int32_t trigperf_generation(trigperf_context *context, const char *key_template,
                            uint64_t *generation, trigperf_error **error) {
    int32_t status = tp_context_check(context, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_pipeline *pipeline = tp_engine_lock(tp_context_engine(context));
    uint64_t got = tp_pipeline_generation(pipeline, key_template);
    tp_engine_unlock(tp_context_engine(context));
    if (got == 0) {
        return tp_error_set(error, TRIGPERF_E_NOT_FOUND, "'trigperf rules' lists the templates",
                            "no rule has the template \"%s\"", key_template);
    }
    *generation = got;
    return TRIGPERF_OK;
}
