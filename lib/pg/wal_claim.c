/* Where it reads on is kept by the slot. What is stored here is that it lives, that a resync was
 * delivered, and what was acknowledged, which the server is told no sooner: so a slot that is ahead
 * of it was moved or made by somebody else, and what lies between was told to nobody. */
#include "pg/wal_claim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/strbuf.h"
#include "core/lsn.h"
#include "pg/ownership.h"

struct tp_wal_claim {
    tp_connection *connection;
    tp_ownership *own;
    const char *instance;
    tp_wal_claim_handler handler;
};

int32_t tp_wal_claim_new(tp_connection *connection, tp_engine *engine, const char *name,
                         const char *instance, const tp_wal_claim_handler *handler,
                         tp_wal_claim **out, trigperf_error **err) {
    tp_ownership_handler told = {handler->user, handler->missing, handler->failed, handler->stored};
    tp_wal_claim *claim = calloc(1, sizeof *claim);
    tp_ownership *own = tp_ownership_new(connection, engine, name, &told);
    if (claim == NULL || own == NULL) {
        free(claim);
        tp_ownership_free(own);
        return tp_error_nomem(err);
    }
    *claim = (tp_wal_claim){connection, own, instance, *handler};
    *out = claim;
    return TRIGPERF_OK;
}

void tp_wal_claim_free(tp_wal_claim *claim) {
    if (claim != NULL) {
        tp_ownership_free(claim->own);
        free(claim);
    }
}

void tp_wal_claim_reset(tp_wal_claim *claim) {
    tp_ownership_reset(claim->own);
}

static void on_claim(void *user, PGresult *result) {
    tp_wal_claim *claim = user;
    if (!tp_ownership_answered(claim->own, result)) {
        return;
    }
    tp_wal_claimed claimed = {.slot = PQgetvalue(result, 0, 1),
                              .make = PQgetvalue(result, 0, 3)[0] == 't',
                              .stale = PQgetvalue(result, 0, 4)[0] == 't',
                              .resync = tp_ownership_owes(claim->own)};
    claim->handler.claimed(claim->handler.user, &claimed);
}

int32_t tp_wal_claim_ask(tp_wal_claim *claim, const char *system, const char *incarnation,
                         bool restart, trigperf_error **err) {
    char former[24];
    const char *values[] = {
        tp_ownership_name(claim->own),           claim->instance,    system, incarnation,
        tp_ownership_former(claim->own, former), restart ? "t" : "f"};
    tp_statement statement = {
        .text = "SELECT claim, slot, needs_resync, fresh, stale FROM trigperf.wal_claim($1::text, "
                "$2::uuid, $3::bigint, $4::uuid, $5::bigint, $6::bool)",
        .count = 6,
        .values = values,
        .done = on_claim,
        .user = claim};
    tp_ownership_asking(claim->own);
    return tp_connection_send(claim->connection, &statement, err);
}

uint64_t tp_wal_claim_emitted(tp_wal_claim *claim) {
    return tp_ownership_emitted(claim->own);
}

uint64_t tp_wal_claim_number(const tp_wal_claim *claim) {
    return tp_ownership_number(claim->own);
}

void tp_wal_claim_seen(tp_wal_claim *claim, uint64_t present) {
    tp_ownership_seen(claim->own, present);
}

int32_t tp_wal_claim_store(tp_wal_claim *claim, uint64_t acked, bool idle_too,
                           trigperf_error **err) {
    bool settles = tp_ownership_settles(claim->own);
    if (!tp_ownership_can_store(claim->own) || (!settles && !idle_too)) {
        return TRIGPERF_OK;
    }
    char number[24];
    tp_strbuf lsn = TP_STRBUF_INIT;
    snprintf(number, sizeof number, "%llu", (unsigned long long)tp_ownership_number(claim->own));
    tp_lsn_format(acked, &lsn);
    const char *values[] = {tp_ownership_name(claim->own), number,
                            acked == 0 ? NULL : tp_strbuf_str(&lsn), settles ? "t" : "f"};
    tp_statement statement = {
        .text = "SELECT trigperf.wal_store($1::text, $2::bigint, $3::pg_lsn, $4::bool)",
        .count = 4,
        .values = values};
    int32_t status =
        lsn.failed ? tp_error_nomem(err) : tp_ownership_store(claim->own, statement, settles, err);
    tp_strbuf_free(&lsn);
    return status;
}

bool tp_wal_claim_storing(const tp_wal_claim *claim) {
    return tp_ownership_storing(claim->own);
}
