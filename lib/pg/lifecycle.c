/* What the server, its schema or its rights cannot offer does not change by trying again;
 * everything else may. To whoever was ready before, most of that is something under way: an
 * address that leads to a standby which is about to be promoted, a schema that is being restored,
 * a right between its revoke and its grant. Waits grow exponentially with jitter, without end. */
#include "pg/lifecycle.h"

#include "base/entropy.h"

void tp_lifecycle_init(tp_lifecycle *lifecycle, uint32_t min_ms, uint32_t max_ms,
                       const tp_log *log) {
    *lifecycle =
        (tp_lifecycle){.state = TP_SOURCE_CONNECTING, .backoff = {min_ms, max_ms, 0}, .log = log};
}

void tp_lifecycle_free(tp_lifecycle *lifecycle) {
    trigperf_error_free(lifecycle->error);
    lifecycle->error = NULL;
}

const char *tp_lifecycle_name(const tp_lifecycle *lifecycle) {
    static const char *const names[] = {"connecting", "ready", "backoff", "failed"};
    return names[lifecycle->state];
}

static bool is_final(const tp_lifecycle *lifecycle, int32_t code) {
    bool lacking = code == TRIGPERF_E_UNSUPPORTED || code == TRIGPERF_E_NOT_FOUND ||
                   code == TRIGPERF_E_PERMISSION;
    return (lacking && !lifecycle->was_ready) || code == TRIGPERF_E_VERSION ||
           code == TRIGPERF_E_SUPERSEDED || code == TRIGPERF_E_CONFIG;
}

void tp_lifecycle_fail(tp_lifecycle *lifecycle, uint64_t now_ms, trigperf_error *error) {
    trigperf_error_free(lifecycle->error);
    lifecycle->error = error;
    if (is_final(lifecycle, trigperf_error_code(error))) {
        lifecycle->state = TP_SOURCE_FAILED;
        tp_log_write(lifecycle->log, TP_LOG_ERROR, "%s", trigperf_error_message(error));
        return;
    }
    uint32_t random = 0;
    tp_entropy_fill(&random, sizeof random);
    uint32_t wait = tp_backoff_next(&lifecycle->backoff, random);
    lifecycle->state = TP_SOURCE_BACKOFF;
    lifecycle->retry_at = now_ms + wait;
    lifecycle->reconnects++;
    tp_log_write(lifecycle->log, TP_LOG_WARNING, "%s; trying again in %u ms",
                 trigperf_error_message(error), wait);
}

bool tp_lifecycle_ready(tp_lifecycle *lifecycle) {
    if (lifecycle->state == TP_SOURCE_READY) {
        return false;
    }
    lifecycle->state = TP_SOURCE_READY;
    lifecycle->was_ready = true;
    tp_backoff_reset(&lifecycle->backoff);
    tp_lifecycle_free(lifecycle);
    return true;
}

void tp_lifecycle_retry(tp_lifecycle *lifecycle) {
    lifecycle->state = TP_SOURCE_BACKOFF;
    lifecycle->retry_at = 0;
    tp_backoff_reset(&lifecycle->backoff);
}

bool tp_lifecycle_begins(tp_lifecycle *lifecycle, uint64_t now_ms) {
    bool again = lifecycle->state == TP_SOURCE_BACKOFF && now_ms >= lifecycle->retry_at;
    if (!lifecycle->started || again) {
        lifecycle->started = true;
        lifecycle->state = TP_SOURCE_CONNECTING;
        return true;
    }
    return false;
}

bool tp_lifecycle_works(const tp_lifecycle *lifecycle) {
    return lifecycle->started &&
           (lifecycle->state == TP_SOURCE_CONNECTING || lifecycle->state == TP_SOURCE_READY);
}

uint64_t tp_lifecycle_deadline(const tp_lifecycle *lifecycle) {
    if (lifecycle->state == TP_SOURCE_FAILED) {
        return UINT64_MAX;
    }
    return lifecycle->started ? lifecycle->retry_at : 0;
}

int32_t tp_lifecycle_verdict(const tp_lifecycle *lifecycle, trigperf_error **err) {
    if (lifecycle->state != TP_SOURCE_FAILED) {
        return TRIGPERF_OK;
    }
    return tp_error_move(err, tp_error_copy(lifecycle->error),
                         trigperf_error_code(lifecycle->error));
}
