/* Everything that must not outlive a connection forgets it in one place. */
#include "pg/wal_parts.h"

#include <stdio.h>

#include "base/entropy.h"

static int32_t build_stream(tp_wal_parts *parts, const tp_wal_options *options,
                            const tp_wal_wiring *wiring, trigperf_error **err) {
    tp_wal_stream_options stream = {options->connect_timeout_ms, options->silence_timeout_ms,
                                    options->window_ms};
    tp_wal_stream_handler handler = {wiring->user, wiring->started, wiring->resume, wiring->message,
                                     wiring->stream_failed};
    tp_hash_key key;
    if (!tp_entropy_fill(&key, sizeof key) || !tp_entropy_uuid(parts->instance)) {
        return tp_error_set(err, TRIGPERF_E_SYSTEM, "check the kernel's random source",
                            "getrandom failed");
    }
    int32_t status =
        tp_waldecoder_new(&key, parts->instance, options->max_bytes, &parts->decoder, err);
    return status != TRIGPERF_OK ? status
                                 : tp_wal_stream_new(wiring->loop, wiring->info, &stream, &handler,
                                                     wiring->log, &parts->stream, err);
}

static int32_t build_control(tp_wal_parts *parts, const tp_wal_options *options,
                             const tp_wal_wiring *wiring, trigperf_error **err) {
    tp_connection_options connection = {.connect_timeout_ms = options->connect_timeout_ms,
                                        .silence_timeout_ms = options->silence_timeout_ms,
                                        .notify = wiring->notify,
                                        .user = wiring->user,
                                        .log = wiring->log};
    tp_wal_catalog_options catalog = {.schema_version = options->schema_version,
                                      .timeout_ms = options->connect_timeout_ms,
                                      .loop = wiring->loop,
                                      .info = wiring->info,
                                      .engine = wiring->engine,
                                      .log = wiring->log};
    tp_wal_catalog_handler heard = {wiring->user, wiring->standing, wiring->loaded, wiring->failed};
    int32_t status =
        tp_connection_new(wiring->loop, wiring->info, &connection, &parts->control, err);
    return status != TRIGPERF_OK
               ? status
               : tp_wal_catalog_new(parts->control, &catalog, &heard, &parts->catalog, err);
}

static int32_t build_claim(tp_wal_parts *parts, const tp_wal_options *options,
                           const tp_wal_wiring *wiring, trigperf_error **err) {
    tp_wal_upkeep_handler upkeep = {wiring->user, wiring->failed, wiring->overdue, parts->instance,
                                    options->application_name};
    tp_wal_claim_handler claim = {wiring->user, wiring->claimed, wiring->missing, wiring->failed,
                                  wiring->stored};
    int32_t status = tp_wal_upkeep_new(parts->control, wiring->log, &upkeep, &parts->upkeep, err);
    if (status == TRIGPERF_OK && options->consumer[0] != '\0') {
        status = tp_wal_claim_new(parts->control, wiring->engine, options->consumer,
                                  parts->instance, &claim, &parts->claim, err);
    }
    return status;
}

int32_t tp_wal_parts_build(tp_wal_parts *parts, const tp_wal_options *options,
                           const tp_wal_wiring *wiring, trigperf_error **err) {
    int32_t status = build_stream(parts, options, wiring, err);
    if (status == TRIGPERF_OK) {
        status = build_control(parts, options, wiring, err);
    }
    if (status == TRIGPERF_OK) {
        status = build_claim(parts, options, wiring, err);
    }
    parts->look = (tp_wal_look){.connection = parts->control,
                                .min_ms = options->poll_min_ms,
                                .max_ms = options->poll_max_ms,
                                .user = wiring->user,
                                .failed = wiring->failed};
    parts->mark = (tp_wal_mark){.connection = parts->control,
                                .instance = parts->instance,
                                .user = wiring->user,
                                .written = wiring->written,
                                .failed = wiring->failed};
    parts->ack = (tp_wal_ack){.engine = wiring->engine,
                              .stream = parts->stream,
                              .decoder = parts->decoder,
                              .claim = parts->claim,
                              .interval_ms = options->ack_interval_ms};
    return status;
}

void tp_wal_parts_free(tp_wal_parts *parts) {
    tp_connection_free(parts->control);
    tp_wal_stream_free(parts->stream);
    tp_wal_catalog_free(parts->catalog);
    tp_waldecoder_free(parts->decoder);
    tp_wal_claim_free(parts->claim);
    tp_wal_upkeep_free(parts->upkeep);
    tp_wal_look_reset(&parts->look);
    tp_wal_mark_free(&parts->mark);
}

void tp_wal_parts_abandon(tp_wal_parts *parts) {
    tp_connection_abandon(parts->control);
    tp_wal_stream_abandon(parts->stream);
    tp_wal_catalog_abandon(parts->catalog);
}

void tp_wal_parts_name_slot(const tp_wal_parts *parts, char name[64]) {
    int length = snprintf(name, 64, "trigperf_tmp_");
    for (const char *c = parts->instance; *c != '\0'; c++) {
        if (*c != '-') {
            name[length++] = *c;
        }
    }
    name[length] = '\0';
}

void tp_wal_parts_reset(tp_wal_parts *parts) {
    tp_wal_catalog_reached(parts->catalog, tp_wal_stream_reached(parts->stream));
    tp_connection_close(parts->control);
    tp_wal_stream_close(parts->stream);
    tp_wal_catalog_reset(parts->catalog);
    tp_waldecoder_reset(parts->decoder);
    tp_wal_upkeep_reset(parts->upkeep);
    tp_wal_look_reset(&parts->look);
    tp_wal_mark_reset(&parts->mark);
    if (parts->claim != NULL) {
        tp_wal_claim_reset(parts->claim);
    }
}
