/* The claim number goes with every store: whoever claimed later wins, and the earlier one learns it
 * at its next store. If it claims the name back, what the other one was told meanwhile is unknown
 * to it: it resyncs.
 *
 * Numbers only grow, so one that did not grow comes from a server that went back to a former state
 * of its files: what this process was told since is unknown there, and a resync follows.
 *
 * The resync that a new (or broken) consumer owes is tagged with the number of the claim that found
 * the debt. It is emitted once for a debt, also when the connection breaks before its settlement is
 * stored; acknowledging an older one does not settle a newer debt.
 *
 * A store writes to the server and so moves its snapshot, which the next poll would take for news;
 * therefore positions are stored when something was acknowledged, and otherwise only now and then.
 */
#include "pg/consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/lsn.h"
#include "pg/pgerror.h"

struct tp_consumer {
    tp_connection *connection;
    tp_engine *engine;
    char *name;
    const char *instance;
    tp_consumer_handler handler;
    uint64_t claim;
    uint64_t former;   /* newest claim of this process, 0: none, or given up to another */
    uint64_t owed;     /* claim whose resync was emitted last, 0: none */
    uint64_t settled;  /* claim whose resync is stored as done */
    uint64_t settling; /* the same, once the store under way has succeeded */
    bool superseded;
    uint64_t acked_before;
    bool storing;
};

int32_t tp_consumer_new(tp_connection *connection, tp_engine *engine, const char *name,
                        const char *instance, const tp_consumer_handler *handler, tp_consumer **out,
                        trigperf_error **err) {
    tp_consumer *consumer = calloc(1, sizeof *consumer);
    char *copy = tp_text_copy(name);
    if (consumer == NULL || copy == NULL) {
        free(consumer);
        free(copy);
        return tp_error_nomem(err);
    }
    consumer->connection = connection;
    consumer->engine = engine;
    consumer->name = copy;
    consumer->instance = instance;
    consumer->handler = *handler;
    *out = consumer;
    return TRIGPERF_OK;
}

void tp_consumer_free(tp_consumer *consumer) {
    if (consumer != NULL) {
        free(consumer->name);
        free(consumer);
    }
}

/* Nothing is stored until the next claim is answered: a store under the former number would find
 * the new one and take it for somebody else's. */
void tp_consumer_reset(tp_consumer *consumer) {
    consumer->storing = false;
    consumer->claim = 0;
}

static void fail_result(tp_consumer *consumer, const PGresult *result, const char *what) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(consumer->connection), result, what);
    consumer->handler.failed(consumer->handler.user, error);
}

static void fail_superseded(tp_consumer *consumer) {
    trigperf_error *error = NULL;
    consumer->superseded = true;
    consumer->former = 0;
    tp_error_set(&error, TRIGPERF_E_SUPERSEDED,
                 "run one process per consumer name, or call trigperf_context_retry() to claim it "
                 "back",
                 "consumer \"%s\" was claimed by a newer process", consumer->name);
    consumer->handler.failed(consumer->handler.user, error);
}

static void on_claim(void *user, PGresult *result) {
    tp_consumer *consumer = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(consumer, result, "claiming the consumer");
        return;
    }
    if (PQgetisnull(result, 0, 0)) {
        fail_superseded(consumer);
        return;
    }
    uint64_t lsn = 0;
    tp_lsn_parse(PQgetvalue(result, 0, 4), &lsn);
    consumer->claim = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    bool went_back = consumer->former != 0 && consumer->claim <= consumer->former;
    consumer->former = consumer->claim;
    bool owes = PQgetvalue(result, 0, 2)[0] == 't';
    bool fresh = PQgetvalue(result, 0, 3)[0] == 't';
    bool dropped = consumer->owed != 0 && tp_engine_tag_dropped(consumer->engine) >= consumer->owed;
    bool emit =
        (owes && (fresh || consumer->owed == 0 || dropped)) || consumer->superseded || went_back;
    consumer->superseded = false;
    consumer->owed = emit ? consumer->claim : consumer->owed;
    consumer->handler.claimed(consumer->handler.user, PQgetvalue(result, 0, 1), emit, lsn);
}

int32_t tp_consumer_claim(tp_consumer *consumer, const char *system, const char *incarnation,
                          trigperf_error **err) {
    char former[24];
    snprintf(former, sizeof former, "%llu", (unsigned long long)consumer->former);
    const char *values[] = {consumer->name, consumer->instance, system, incarnation,
                            consumer->former == 0 ? NULL : former};
    consumer->claim = 0;
    tp_statement statement = {
        .text = "SELECT claim, pos, needs_resync, fresh, pg_catalog.pg_current_wal_insert_lsn() "
                "FROM trigperf.consumer_claim($1::text, $2::uuid, $3::bigint, $4::uuid, "
                "$5::bigint)",
        .count = 5,
        .values = values,
        .done = on_claim,
        .user = consumer};
    return tp_connection_send(consumer->connection, &statement, err);
}

uint64_t tp_consumer_claim_number(const tp_consumer *consumer) {
    return consumer->claim;
}

static void on_stored(void *user, PGresult *result) {
    tp_consumer *consumer = user;
    consumer->storing = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(consumer, result, "storing the consumer's position");
        return;
    }
    const char *answer = PQgetvalue(result, 0, 0);
    if (strcmp(answer, "superseded") == 0) {
        fail_superseded(consumer);
    } else if (strcmp(answer, "missing") == 0) {
        consumer->handler.missing(consumer->handler.user);
    } else {
        consumer->settled = consumer->settling;
    }
}

#define STORE "SELECT trigperf.consumer_store($1::text, $2::bigint, $3::pg_snapshot, $4::bool)"

/* application: the context shows itself as well; NULL: it does not. */
static int32_t send_store(tp_consumer *consumer, const char *position, bool resync_done,
                          const char *application, trigperf_error **err) {
    char claim[24];
    snprintf(claim, sizeof claim, "%llu", (unsigned long long)consumer->claim);
    const char *values[] = {consumer->name,     claim,      position, resync_done ? "t" : "f",
                            consumer->instance, application};
    tp_statement statement = {.text =
                                  application == NULL ? STORE
                                                      : STORE
                                      ", trigperf.member_seen($5::uuid, $6::text, NULL), "
                                      "pg_catalog.set_config('synchronous_commit', 'off', true)",
                              .repeated = true,
                              .count = application == NULL ? 4 : 6,
                              .values = values,
                              .done = on_stored,
                              .user = consumer};
    int32_t status = tp_connection_send(consumer->connection, &statement, err);
    if (status == TRIGPERF_OK) {
        consumer->storing = true;
        consumer->settling = resync_done ? consumer->owed : consumer->settled;
    }
    return status;
}

static int32_t store(tp_consumer *consumer, bool idle_too, const char *application,
                     trigperf_error **err) {
    if (!tp_consumer_can_store(consumer)) {
        return TRIGPERF_OK;
    }
    bool resync_done = consumer->owed != consumer->settled &&
                       tp_engine_tag_acked(consumer->engine) >= consumer->owed;
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
    return !consumer->storing && consumer->claim != 0;
}

bool tp_consumer_storing(const tp_consumer *consumer) {
    return consumer->storing;
}
