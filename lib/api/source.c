/* Each source takes its own few options; what the connection needs is the same for all. */
#include "api/source.h"

#include <stddef.h>

#include "api/config.h"
#include "api/option_table.h"
#include "pg/notify_source.h"
#include "pg/outbox_source.h"
#include "pg/wal_source.h"
#include <trigperf/version.h>

typedef struct making {
    const trigperf_config *config;
    const tp_conninfo *info;
    tp_loop *loop;
    tp_engine *engine;
    const tp_log *log;
} making;

static int32_t make_outbox(const making *m, tp_feed *out, trigperf_error **err) {
    const trigperf_config *config = m->config;
    tp_source_options options = {
        .consumer = tp_config_text(config, TP_OPTION_CONSUMER),
        .application_name = tp_config_text(config, TP_OPTION_APPLICATION_NAME),
        .schema_version = trigperf_schema_version(),
        .poll_min_ms = tp_config_u32(config, TP_OPTION_POLL_MIN_MS),
        .poll_max_ms = tp_config_u32(config, TP_OPTION_POLL_MAX_MS),
        .ack_interval_ms = tp_config_u32(config, TP_OPTION_ACK_INTERVAL_MS),
        .beat_ms = tp_config_u32(config, TP_OPTION_NOTIFIER_BEAT_MS),
        .notifier = tp_config_number(config, TP_OPTION_NOTIFIER_ENABLED) != 0,
        .reconnect_min_ms = tp_config_u32(config, TP_OPTION_RECONNECT_MIN_MS),
        .reconnect_max_ms = tp_config_u32(config, TP_OPTION_RECONNECT_MAX_MS),
        .connect_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_TIMEOUT_MS),
        .silence_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_SILENCE_MS)};
    if (options.poll_max_ms < options.poll_min_ms) {
        return tp_error_set(err, TRIGPERF_E_CONFIG, "raise poll.max_ms or lower poll.min_ms",
                            "expected poll.max_ms to be at least poll.min_ms (%u), got %u",
                            options.poll_min_ms, options.poll_max_ms);
    }
    tp_source *source = NULL;
    int32_t status = tp_source_new(&options, m->info, m->loop, m->engine, m->log, &source, err);
    if (status == TRIGPERF_OK) {
        *out = tp_feed_outbox(source);
    }
    return status;
}

static uint32_t shortest_window(const trigperf_config *config) {
    uint32_t window_ms = tp_config_u32(config, TP_OPTION_BATCH_WINDOW_MS);
    uint32_t fresh_ms = tp_config_u32(config, TP_OPTION_BATCH_FRESH_MS);
    return fresh_ms < window_ms ? fresh_ms : window_ms;
}

static int32_t make_wal(const making *m, tp_feed *out, trigperf_error **err) {
    const trigperf_config *config = m->config;
    tp_wal_options options = {
        .consumer = tp_config_text(config, TP_OPTION_CONSUMER),
        .application_name = tp_config_text(config, TP_OPTION_APPLICATION_NAME),
        .schema_version = trigperf_schema_version(),
        .poll_min_ms = tp_config_u32(config, TP_OPTION_POLL_MIN_MS),
        .poll_max_ms = tp_config_u32(config, TP_OPTION_POLL_MAX_MS),
        .ack_interval_ms = tp_config_u32(config, TP_OPTION_ACK_INTERVAL_MS),
        .reconnect_min_ms = tp_config_u32(config, TP_OPTION_RECONNECT_MIN_MS),
        .reconnect_max_ms = tp_config_u32(config, TP_OPTION_RECONNECT_MAX_MS),
        .connect_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_TIMEOUT_MS),
        .silence_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_SILENCE_MS),
        .window_ms = shortest_window(config),
        .max_bytes = tp_config_number(config, TP_OPTION_MEMORY_MAX_BYTES)};
    return tp_wal_source_new(&options, m->info, m->loop, m->engine, m->log, out, err);
}

static int32_t make_notify(const making *m, tp_feed *out, trigperf_error **err) {
    const trigperf_config *config = m->config;
    if (tp_config_text(config, TP_OPTION_CONSUMER)[0] != '\0') {
        return tp_error_set(err, TRIGPERF_E_CONFIG,
                            "leave consumer out, or choose source = outbox or wal",
                            "expected no consumer with source = notify, got \"%s\": what is sent "
                            "while nobody listens is kept for nobody",
                            tp_config_text(config, TP_OPTION_CONSUMER));
    }
    tp_notify_options options = {
        .channels = tp_config_text(config, TP_OPTION_NOTIFY_CHANNEL),
        .keys = tp_config_text(config, TP_OPTION_NOTIFY_KEYS),
        .reconnect_min_ms = tp_config_u32(config, TP_OPTION_RECONNECT_MIN_MS),
        .reconnect_max_ms = tp_config_u32(config, TP_OPTION_RECONNECT_MAX_MS),
        .connect_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_TIMEOUT_MS),
        .silence_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_SILENCE_MS)};
    return tp_notify_source_new(&options, m->info, m->loop, m->engine, m->log, out, err);
}

int32_t tp_api_source_new(const trigperf_config *config, tp_loop *loop, tp_engine *engine,
                          const tp_log *log, tp_conninfo **info, tp_feed *out,
                          trigperf_error **err) {
    static int32_t (*const makers[])(const making *, tp_feed *,
                                     trigperf_error **) = {[TP_SOURCE_OUTBOX] = make_outbox,
                                                           [TP_SOURCE_WAL] = make_wal,
                                                           [TP_SOURCE_NOTIFY] = make_notify};
    uint64_t kind = tp_config_number(config, TP_OPTION_SOURCE);
    if (kind == TP_SOURCE_NONE) {
        *out = (tp_feed){NULL, NULL};
        return TRIGPERF_OK;
    }
    tp_conninfo_options conninfo = {
        .connection = tp_config_text(config, TP_OPTION_CONNECTION),
        .application_name = tp_config_text(config, TP_OPTION_APPLICATION_NAME),
        .connect_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_TIMEOUT_MS),
        .silence_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_SILENCE_MS)};
    int32_t status = tp_conninfo_new(&conninfo, info, err);
    making m = {config, *info, loop, engine, log};
    return status != TRIGPERF_OK ? status : makers[kind](&m, out, err);
}
