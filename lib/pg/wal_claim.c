/* The same rules as pg/consumer.c, for positions that a slot keeps: the claim number decides who
 * owns the name, and the resync that a new or broken consumer owes is tagged with the claim that
 * found the debt. */
#include "pg/wal_claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "core/lsn.h"
#include "pg/pgerror.h"

struct tp_wal_claim {
    tp_connection *connection;
    tp_engine *engine;
    char *name;
    const char *instance;
    tp_wal_claim_handler handler;
    uint64_t claim;
    uint64_t former;   /* newest claim of this process, 0: none, or given up to another */
    uint64_t owed;     /* claim whose resync was emitted last, 0: none */
    uint64_t settled;  /* claim whose resync is stored as done */
    uint64_t settling; /* the same, once the store under way has succeeded */
    bool superseded;
    bool due; /* a resync is owed and was not emitted yet */
    bool storing;
};

int32_t tp_wal_claim_new(tp_connection *connection, tp_engine *engine, const char *name,
                         const char *instance, const tp_wal_claim_handler *handler,
                         tp_wal_claim **out, trigperf_error **err) {
    tp_wal_claim *claim = calloc(1, sizeof *claim);
    char *copy = tp_text_copy(name);
    if (claim == NULL || copy == NULL) {
        free(claim);
        free(copy);
        return tp_error_nomem(err);
    }
    *claim = (tp_wal_claim){.connection = connection,
                            .engine = engine,
                            .name = copy,
                            .instance = instance,
                            .handler = *handler};
    *out = claim;
    return TRIGPERF_OK;
}

void tp_wal_claim_free(tp_wal_claim *claim) {
    if (claim != NULL) {
        free(claim->name);
        free(claim);
    }
}

void tp_wal_claim_reset(tp_wal_claim *claim) {
    claim->storing = false;
    claim->claim = 0;
}

static void fail_result(tp_wal_claim *claim, const PGresult *result, const char *what) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(claim->connection), result, what);
    claim->handler.failed(claim->handler.user, error);
}

static void fail_superseded(tp_wal_claim *claim) {
    trigperf_error *error = NULL;
    claim->superseded = true;
    claim->former = 0;
    tp_error_set(&error, TRIGPERF_E_SUPERSEDED,
                 "run one process per consumer name, or call trigperf_context_retry() to claim it "
                 "back",
                 "consumer \"%s\" was claimed by a newer process", claim->name);
    claim->handler.failed(claim->handler.user, error);
}

static void on_claim(void *user, PGresult *result) {
    tp_wal_claim *claim = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(claim, result, "claiming the consumer");
        return;
    }
    if (PQgetisnull(result, 0, 0)) {
        fail_superseded(claim);
        return;
    }
    claim->claim = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    bool went_back = claim->former != 0 && claim->claim <= claim->former;
    claim->former = claim->claim;
    bool owes = PQgetvalue(result, 0, 2)[0] == 't';
    bool fresh = PQgetvalue(result, 0, 3)[0] == 't';
    bool dropped = claim->owed != 0 && tp_engine_tag_dropped(claim->engine) >= claim->owed;
    claim->due = claim->due || (owes && (fresh || claim->owed == 0 || dropped)) ||
                 claim->superseded || went_back;
    tp_wal_claimed claimed = {.slot = PQgetvalue(result, 0, 1),
                              .make = fresh,
                              .stale = PQgetvalue(result, 0, 4)[0] == 't',
                              .resync = claim->due};
    claim->handler.claimed(claim->handler.user, &claimed);
}

int32_t tp_wal_claim_ask(tp_wal_claim *claim, const char *system, const char *incarnation,
                         bool restart, trigperf_error **err) {
    char former[24];
    snprintf(former, sizeof former, "%llu", (unsigned long long)claim->former);
    const char *values[] = {claim->name,
                            claim->instance,
                            system,
                            incarnation,
                            claim->former == 0 ? NULL : former,
                            restart ? "t" : "f"};
    claim->claim = 0;
    tp_statement statement = {
        .text = "SELECT claim, slot, needs_resync, fresh, stale FROM trigperf.wal_claim($1::text, "
                "$2::uuid, $3::bigint, $4::uuid, $5::bigint, $6::bool)",
        .count = 6,
        .values = values,
        .done = on_claim,
        .user = claim};
    return tp_connection_send(claim->connection, &statement, err);
}

uint64_t tp_wal_claim_emitted(tp_wal_claim *claim) {
    claim->due = false;
    claim->superseded = false;
    claim->owed = claim->claim;
    return claim->claim;
}

uint64_t tp_wal_claim_number(const tp_wal_claim *claim) {
    return claim->claim;
}

void tp_wal_claim_seen(tp_wal_claim *claim, uint64_t present) {
    if (claim->claim != 0 && present > claim->claim) {
        fail_superseded(claim);
    } else if (claim->claim != 0 && present < claim->claim) {
        claim->handler.missing(claim->handler.user);
    }
}

static void on_stored(void *user, PGresult *result) {
    tp_wal_claim *claim = user;
    claim->storing = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(claim, result, "noting what was acknowledged");
        return;
    }
    const char *answer = PQgetvalue(result, 0, 0);
    if (strcmp(answer, "superseded") == 0) {
        fail_superseded(claim);
    } else if (strcmp(answer, "missing") == 0) {
        claim->handler.missing(claim->handler.user);
    } else {
        claim->settled = claim->settling;
    }
}

/* A resync was acknowledged, and is not stored as done. */
static bool settles_debt(const tp_wal_claim *claim) {
    return claim->claim != 0 && claim->owed != claim->settled &&
           tp_engine_tag_acked(claim->engine) >= claim->owed;
}

int32_t tp_wal_claim_store(tp_wal_claim *claim, uint64_t acked, bool idle_too,
                           trigperf_error **err) {
    bool settles = settles_debt(claim);
    if (claim->storing || claim->claim == 0 || (!settles && !idle_too)) {
        return TRIGPERF_OK;
    }
    char number[24];
    tp_strbuf lsn = TP_STRBUF_INIT;
    snprintf(number, sizeof number, "%llu", (unsigned long long)claim->claim);
    tp_lsn_format(acked, &lsn);
    const char *values[] = {claim->name, number, acked == 0 ? NULL : tp_strbuf_str(&lsn),
                            settles ? "t" : "f"};
    tp_statement statement = {
        .text = "SELECT trigperf.wal_store($1::text, $2::bigint, $3::pg_lsn, $4::bool)",
        .count = 4,
        .values = values,
        .done = on_stored,
        .user = claim};
    int32_t status =
        lsn.failed ? tp_error_nomem(err) : tp_connection_send(claim->connection, &statement, err);
    tp_strbuf_free(&lsn);
    if (status == TRIGPERF_OK) {
        claim->storing = true;
        claim->settling = settles ? claim->owed : claim->settled;
    }
    return status;
}

bool tp_wal_claim_storing(const tp_wal_claim *claim) {
    return claim->storing;
}
