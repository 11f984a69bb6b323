/* Read your writes: a thread writes an agent's label, waits until its own transaction has been
 * delivered, and must find the new label through the cache. Nobody else writes labels. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "db.h"
#include "model.h"
#include "setup.h"

enum { PAUSE_MS = 250, PATIENCE_MS = 30000 };

/* Writes and commits; the transaction's number goes to xid. */
static bool write_label(PGconn *conn, int64_t agent, uint64_t number, char xid[24]) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "update call_center.agents set label = 'v%" PRIu64 "' where id = %" PRId64
             " returning pg_current_xact_id()",
             number, agent);
    int64_t id = 0;
    bool fine = db_value(conn, sql, &id);
    snprintf(xid, 24, "%" PRId64, id);
    return fine;
}

/* Through the cache, as any reader. */
static char *read_agents(cc_member *member, PGconn *conn, int64_t agent) {
    char key[MODEL_KEY_SIZE];
    model_key(MODEL_AGENT, agent, key);
    char *answer = cache_get(member->world->cache, key);
    return answer != NULL ? answer : model_read(conn, MODEL_AGENT, agent);
}

static bool seen(cc_member *member, PGconn *conn, int64_t agent, uint64_t number) {
    char wanted[40];
    snprintf(wanted, sizeof wanted, "\"v%" PRIu64 "\"", number);
    char *answer = read_agents(member, conn, agent);
    bool found = answer != NULL && strstr(answer, wanted) != NULL;
    free(answer);
    return found;
}

static bool round_trip(cc_member *member, PGconn *conn, uint64_t number) {
    int64_t agent = 1 + dice_below(&member->dice, 20);
    char xid[24];
    if (!write_label(conn, agent, number, xid)) {
        return false;
    }
    trigperf_error *error = NULL;
    int32_t status = trigperf_wait_position(feed_context(member->feed), xid, PATIENCE_MS, &error);
    if (status != 0) {
        setup_complain("waiting for a transaction of one's own", error);
        return false;
    }
    figures_add(&member->world->figures, FIGURE_OWN_WRITES, 1);
    figures_add(&member->world->figures, FIGURE_OWN_WRITES_SEEN, seen(member, conn, agent, number));
    return true;
}

void *own_writes_run(void *argument) {
    cc_member *member = argument;
    PGconn *conn = db_connect(member->world->options->conninfo, "call_center own writes");
    bool fine = conn != NULL && model_prepare(conn);
    uint64_t moment = now_ns();
    for (uint64_t number = 1; fine && !atomic_load(member->ending); number++) {
        fine = round_trip(member, conn, number);
        moment += PAUSE_MS * UINT64_C(1000000);
        member_sleep_until(member, &moment);
    }
    if (!fine) {
        world_fail(member->world);
    }
    PQfinish(conn);
    return NULL;
}
