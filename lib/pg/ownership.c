/* The claim number goes with every store: whoever claimed later wins, and the earlier one learns it
 * at its next store. If it claims the name back, what the other one was told meanwhile is unknown
 * to it: it resyncs.
 *
 * Numbers only grow, so one that did not grow comes from a server that went back to a former state
 * of its files: what this process was told since is unknown there, and a resync follows.
 *
 * The resync that a new (or broken) consumer owes is tagged with the number of the claim that found
 * the debt. It is emitted once for a debt, also when the connection breaks before its settlement is
 * stored; acknowledging an older one does not settle a newer debt. */
#include "pg/ownership.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "pg/pgerror.h"

struct tp_ownership {
    tp_connection *connection;
    tp_engine *engine;
    char *name;
    tp_ownership_handler handler;
    uint64_t claim;
    uint64_t former;   /* newest claim of this process, 0: none, or given up to another */
    uint64_t owed;     /* claim whose resync was emitted last, 0: none */
    uint64_t settled;  /* claim whose resync is stored as done */
    uint64_t settling; /* the same, once the store under way has succeeded */
    bool superseded;
    bool due; /* a resync is owed and was not emitted yet */
    bool storing;
};

tp_ownership *tp_ownership_new(tp_connection *connection, tp_engine *engine, const char *name,
                               const tp_ownership_handler *handler) {
    tp_ownership *own = calloc(1, sizeof *own);
    char *copy = tp_text_copy(name);
    if (own == NULL || copy == NULL) {
        free(own);
        free(copy);
        return NULL;
    }
    own->connection = connection;
    own->engine = engine;
    own->name = copy;
    own->handler = *handler;
    return own;
}

void tp_ownership_free(tp_ownership *own) {
    if (own != NULL) {
        free(own->name);
        free(own);
    }
}

/* Nothing is stored until the next claim is answered: a store under the former number would find
 * the new one and take it for somebody else's. */
void tp_ownership_reset(tp_ownership *own) {
    own->storing = false;
    own->claim = 0;
}

const char *tp_ownership_name(const tp_ownership *own) {
    return own->name;
}

uint64_t tp_ownership_number(const tp_ownership *own) {
    return own->claim;
}

const char *tp_ownership_former(const tp_ownership *own, char text[24]) {
    snprintf(text, 24, "%llu", (unsigned long long)own->former);
    return own->former == 0 ? NULL : text;
}

static void fail_result(tp_ownership *own, const PGresult *result, const char *what) {
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(own->connection), result, what);
    own->handler.failed(own->handler.user, error);
}

static void fail_superseded(tp_ownership *own) {
    trigperf_error *error = NULL;
    own->superseded = true;
    own->former = 0;
    tp_error_set(&error, TRIGPERF_E_SUPERSEDED,
                 "run one process per consumer name, or call trigperf_context_retry() to claim it "
                 "back",
                 "consumer \"%s\" was claimed by a newer process", own->name);
    own->handler.failed(own->handler.user, error);
}

/* ---- claiming ---- */

void tp_ownership_asking(tp_ownership *own) {
    own->claim = 0;
}

bool tp_ownership_answered(tp_ownership *own, const PGresult *result) {
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(own, result, "claiming the consumer");
        return false;
    }
    if (PQgetisnull(result, 0, 0)) {
        fail_superseded(own);
        return false;
    }
    own->claim = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    bool went_back = own->former != 0 && own->claim <= own->former;
    own->former = own->claim;
    bool owes = PQgetvalue(result, 0, 2)[0] == 't';
    bool fresh = PQgetvalue(result, 0, 3)[0] == 't';
    bool dropped = own->owed != 0 && tp_engine_tag_dropped(own->engine) >= own->owed;
    own->due =
        own->due || (owes && (fresh || own->owed == 0 || dropped)) || own->superseded || went_back;
    return true;
}

bool tp_ownership_owes(const tp_ownership *own) {
    return own->due;
}

uint64_t tp_ownership_emitted(tp_ownership *own) {
    own->due = false;
    own->superseded = false;
    own->owed = own->claim;
    return own->claim;
}

void tp_ownership_seen(tp_ownership *own, uint64_t present) {
    if (own->claim != 0 && present > own->claim) {
        fail_superseded(own);
    } else if (own->claim != 0 && present < own->claim) {
        own->handler.missing(own->handler.user);
    }
}

/* ---- storing ---- */

static void on_stored(void *user, PGresult *result) {
    tp_ownership *own = user;
    own->storing = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail_result(own, result, "storing the consumer's position");
        return;
    }
    const char *answer = PQgetvalue(result, 0, 0);
    if (strcmp(answer, "superseded") == 0) {
        fail_superseded(own);
    } else if (strcmp(answer, "missing") == 0) {
        own->handler.missing(own->handler.user);
    } else {
        own->settled = own->settling;
        if (own->handler.stored != NULL) {
            own->handler.stored(own->handler.user);
        }
    }
}

bool tp_ownership_settles(const tp_ownership *own) {
    return own->claim != 0 && own->owed != own->settled &&
           tp_engine_tag_acked(own->engine) >= own->owed;
}

int32_t tp_ownership_store(tp_ownership *own, tp_statement statement, bool settles,
                           trigperf_error **err) {
    statement.done = on_stored;
    statement.user = own;
    int32_t status = tp_connection_send(own->connection, &statement, err);
    if (status == TRIGPERF_OK) {
        own->storing = true;
        own->settling = settles ? own->owed : own->settled;
    }
    return status;
}

bool tp_ownership_storing(const tp_ownership *own) {
    return own->storing;
}

bool tp_ownership_can_store(const tp_ownership *own) {
    return !own->storing && own->claim != 0;
}
