/* Read your writes: a thread writes an agent's label, waits until its own transaction has been
 * delivered, and must find the new label through the cache. Nobody else writes labels.
 *
 * Meanwhile it is also the slowest of all readers: what it read before its write it puts into the
 * cache after the delivery. The fence must notice each time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/db.h"
#include "crew.h"
#include "model.h"
#include "setup.h"

enum { PAUSE_MS = 250, PATIENCE_MS = 120000 };

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

/* Puts an answer that is out of date, as a reader would who was overtaken. */
static void fill_late(cc_member *member, int64_t agent, uint64_t token, const char *answer) {
    char key[MODEL_KEY_SIZE];
    model_key(MODEL_AGENT, agent, key);
    figures_add(&member->world->figures, FIGURE_LATE_FILLS, 1);
    if (!feed_fill(member->feed, token, key, answer)) {
        figures_add(&member->world->figures, FIGURE_LATE_FILLS_NOTICED, 1);
    }
}

static bool write_and_wait(cc_member *member, PGconn *conn, int64_t agent, uint64_t number) {
    char xid[24];
    if (!write_label(conn, agent, number, xid)) {
        return false;
    }
    trigperf_error *error = NULL;
    if (trigperf_wait_position(feed_context(member->feed), xid, PATIENCE_MS, &error) != 0) {
        setup_complain("waiting for a transaction of one's own", error);
        return false;
    }
    return true;
}

static bool round_trip(cc_member *member, PGconn *conn) {
    uint64_t number = now_ns(); /* in no label so far */
    int64_t agent = 1 + dice_below(&member->dice, 20);
    uint64_t token = 0;
    trigperf_fence_begin(feed_context(member->feed), &token);
    char *before = model_read(conn, MODEL_AGENT, agent);
    bool fine = before != NULL && write_and_wait(member, conn, agent, number);
    if (fine) {
        fill_late(member, agent, token, before);
        figures_add(&member->world->figures, FIGURE_OWN_WRITES, 1);
        figures_add(&member->world->figures, FIGURE_OWN_WRITES_SEEN,
                    seen(member, conn, agent, number));
    }
    free(before);
    return fine;
}

void *own_writes_run(void *argument) {
    cc_member *member = argument;
    PGconn *conn = db_connect(member->world->options->conninfo, "call_center own writes");
    bool fine = conn != NULL && model_prepare(conn);
    uint64_t moment = now_ns();
    while (fine && !atomic_load(member->ending)) {
        fine = round_trip(member, conn);
        moment += PAUSE_MS * UINT64_C(1000000);
        member_sleep_until(member, &moment);
    }
    if (!fine) {
        world_fail(member->world);
    }
    PQfinish(conn);
    return NULL;
}
