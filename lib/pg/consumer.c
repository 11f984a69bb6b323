/* A store writes to the server and so moves its snapshot, which the next poll would take for news;
 * therefore positions are stored when something was acknowledged, and otherwise only now and then.
 */
#include "pg/consumer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "core/lsn.h"
#include "pg/ownership.h"

struct tp_consumer {
    tp_connection *connection;
    tp_engine *engine;
    tp_ownership *own;
    const char *instance;
    tp_consumer_handler handler;
    uint64_t acked_before;
};

int32_t tp_consumer_new(tp_connection *connection, tp_engine *engine, const char *name,
                        const char *instance, const tp_consumer_handler *handler, tp_consumer **out,
                        trigperf_error **err) {
    tp_ownership_handler told = {handler->user, handler->missing, handler->failed, NULL};
    tp_consumer *consumer = calloc(1, sizeof *consumer);
    tp_ownership *own = tp_ownership_new(connection, engine, name, &told);
    if (consumer == NULL || own == NULL) {
        free(consumer);
        tp_ownership_free(own);
        return tp_error_nomem(err);
    }
    consumer->connection = connection;
    consumer->engine = engine;
    consumer->own = own;
    consumer->instance = instance;
    consumer->handler = *handler;
    *out = consumer;
    return TRIGPERF_OK;
}

void tp_consumer_free(tp_consumer *consumer) {
    if (consumer != NULL) {
        tp_ownership_free(consumer->own);
        free(consumer);
    }
}

void tp_consumer_reset(tp_consumer *consumer) {
    tp_ownership_reset(consumer->own);
}

static void on_claim(void *user, PGresult *result) {
    tp_consumer *consumer = user;
    uint64_t lsn = 0;
    if (!tp_ownership_answered(consumer->own, result)) {
        return;
    }
    tp_lsn_parse(PQgetvalue(result, 0, 4), &lsn);
    bool emit = tp_ownership_owes(consumer->own);
    if (emit) {
        tp_ownership_emitted(consumer->own);
    }
    consumer->handler.claimed(consumer->handler.user, PQgetvalue(result, 0, 1), emit, lsn);
}

int32_t tp_consumer_claim(tp_consumer *consumer, const char *system, const char *incarnation,
                          const char *channel, trigperf_error **err) {
    char former[24];
    const char *values[] = {tp_ownership_name(consumer->own),
                            consumer->instance,
                            system,
                            incarnation,
                            tp_ownership_former(consumer->own, former),
                            channel};
    tp_statement statement = {
        .text = "SELECT claim, pos, needs_resync, fresh, pg_catalog.pg_current_wal_insert_lsn(), "
                "pg_catalog.pg_notify($6::text, pg_catalog.json_build_object('k', 'c', 'c', "
                "pg_catalog.left($1::text, 100))::text) "
                "FROM trigperf.consumer_claim($1::text, $2::uuid, $3::bigint, $4::uuid, "
                "$5::bigint)",
        .count = 6,
        .values = values,
        .done = on_claim,
        .user = consumer};
    tp_ownership_asking(consumer->own);
    return tp_connection_send(consumer->connection, &statement, err);
}

uint64_t tp_consumer_claim_number(const tp_consumer *consumer) {
    return tp_ownership_number(consumer->own);
}

#define STORE "SELECT trigperf.consumer_store($1::text, $2::bigint, $3::pg_snapshot, $4::bool)"

/* application: the context shows itself as well; NULL: it does not. */
static int32_t send_store(tp_consumer *consumer, const char *position, bool resync_done,
                          const char *application, trigperf_error **err) {
    char claim[24];
    snprintf(claim, sizeof claim, "%llu", (unsigned long long)tp_ownership_number(consumer->own));
    const char *values[] = {tp_ownership_name(consumer->own),
                            claim,
                            position,
                            resync_done ? "t" : "f",
                            consumer->instance,
                            application};
    tp_statement statement = {.text =
                                  application == NULL ? STORE
                                                      : STORE
                                      ", trigperf.member_seen($5::uuid, $6::text, NULL), "
                                      "pg_catalog.set_config('synchronous_commit', 'off', true)",
                              .repeated = true,
                              .count = application == NULL ? 4 : 6,
                              .values = values};
    return tp_ownership_store(consumer->own, statement, resync_done, err);
}

static int32_t store(tp_consumer *consumer, bool idle_too, const char *application,
                     trigperf_error **err) {
    if (!tp_ownership_can_store(consumer->own)) {
        return TRIGPERF_OK;
    }
    bool resync_done = tp_ownership_settles(consumer->own);
    tp_pipeline_counters counters;
    tp_pipeline *pipeline = tp_engine_lock(consumer->engine);
    tp_pipeline_counters_get(pipeline, &counters);
    bool due = counters.acknowledged != consumer->acked_before || resync_done || idle_too;
    const char *borrowed = due ? tp_pipeline_position(pipeline) : NULL;
    char *position = borrowed == NULL ? NULL : tp_text_copy(borrowed);
    tp_engine_unlock(consumer->engine);
    consumer->acked_before = counters.acknowledged;
    int32_t status = position != NULL || resync_done || idle_too
                         ? send_store(consumer, position, resync_done, application, err)
                         : TRIGPERF_OK;
    free(position);
    return status;
}

int32_t tp_consumer_store(tp_consumer *consumer, bool idle_too, trigperf_error **err) {
    return store(consumer, idle_too, NULL, err);
}

int32_t tp_consumer_seen(tp_consumer *consumer, const char *application, trigperf_error **err) {
    return store(consumer, true, application, err);
}

bool tp_consumer_can_store(const tp_consumer *consumer) {
    return tp_ownership_can_store(consumer->own);
}

bool tp_consumer_storing(const tp_consumer *consumer) {
    return tp_ownership_storing(consumer->own);
}
