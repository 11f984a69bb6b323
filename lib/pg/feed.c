/* A table of functions for each kind of source. Only the outbox needs wrappers, since its functions
 * are called by their own names elsewhere. */
#include "pg/feed.h"

#include <math.h>

#include "base/json.h"

static void outbox_free(void *self) {
    tp_source_free(self);
}

static void outbox_abandon(void *self) {
    tp_source_abandon(self);
}

static int32_t outbox_process(void *self, uint64_t now_ms, trigperf_error **err) {
    return tp_source_process(self, now_ms, err);
}

static uint64_t outbox_deadline(const void *self) {
    return tp_source_deadline(self);
}

static tp_source_state outbox_state(const void *self) {
    return tp_source_state_of(self);
}

static const trigperf_error *outbox_error(const void *self) {
    return tp_source_error(self);
}

static void outbox_retry(void *self) {
    tp_source_retry(self);
}

static void outbox_request(void *self, uint64_t ticket) {
    tp_source_request(self, ticket);
}

static uint64_t outbox_polled(const void *self) {
    return tp_source_polled(self);
}

static bool outbox_passed(const void *self, uint64_t xid) {
    return tp_source_passed(self, xid);
}

static void outbox_close(void *self, uint64_t now_ms) {
    tp_source_close(self, now_ms);
}

static bool outbox_closed(const void *self) {
    return tp_source_closed(self);
}

static void outbox_status(const void *self, tp_strbuf *json) {
    tp_source_status(self, json);
}

static void outbox_measure(const void *self, tp_feed_measures *out) {
    tp_source_measures measures;
    tp_source_measure(self, &measures);
    *out = tp_feed_nothing();
    out->rows = measures.rows;
    out->polls = measures.polls;
    out->announcements = measures.announcements;
    out->reconnects = measures.reconnects;
    out->caught_up_ms = measures.caught_up_ms;
    out->lag_bytes = measures.lag_bytes;
}

static tp_connection *outbox_link(void *self) {
    return tp_source_link(self);
}

static const tp_census_figures *outbox_census(const void *self) {
    tp_source_measures measures;
    tp_source_measure(self, &measures);
    return measures.census;
}

tp_feed tp_feed_outbox(tp_source *source) {
    static const tp_feed_class class = {
        .name = "outbox",
        .free = outbox_free,
        .abandon = outbox_abandon,
        .process = outbox_process,
        .deadline = outbox_deadline,
        .state = outbox_state,
        .error = outbox_error,
        .retry = outbox_retry,
        .request = outbox_request,
        .polled = outbox_polled,
        .passed = outbox_passed,
        .close = outbox_close,
        .closed = outbox_closed,
        .status = outbox_status,
        .measure = outbox_measure,
        .link = outbox_link,
        .census = outbox_census,
    };
    return (tp_feed){&class, source};
}

tp_feed_measures tp_feed_nothing(void) {
    return (tp_feed_measures){.rows = TP_NOT_MEASURED,
                              .polls = TP_NOT_MEASURED,
                              .announcements = TP_NOT_MEASURED,
                              .reconnects = TP_NOT_MEASURED,
                              .malformed = TP_NOT_MEASURED,
                              .retained_bytes = TP_NOT_MEASURED,
                              .lag_bytes = TP_NOT_MEASURED,
                              .retained_alert = TP_NOT_MEASURED,
                              .given_up = TP_NOT_MEASURED,
                              .queue_ratio = NAN};
}

void tp_feed_put_lag(const tp_feed *feed, uint64_t now_ms, tp_strbuf *json) {
    tp_feed_measures measures = tp_feed_nothing();
    if (tp_feed_exists(feed) && feed->class->measure != NULL) {
        feed->class->measure(feed->self, &measures);
    }
    uint64_t since = measures.caught_up_ms;
    tp_json_double(json, "lag_seconds",
                   since == 0 || since > now_ms ? NAN : (double)(now_ms - since) / 1000);
    tp_json_double(json, "lag_bytes",
                   measures.lag_bytes == TP_NOT_MEASURED ? NAN : (double)measures.lag_bytes);
}
