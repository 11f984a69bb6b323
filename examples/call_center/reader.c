/* Someone who looks at dashboards, calls, agents and balances. A miss is filled in the order that
 * keeps the cache right: begin, read, put, check, and delete when the check fails; the last three
 * under a lock of the cache, so that nobody sees what is taken out again. */
#include <stdlib.h>
#include <string.h>

#include "common/db.h"
#include "crew.h"
#include "model.h"

enum { READS_PER_TURN = 6 };
static const double share_slow = 0.002; /* of the fills */

static void pick(cc_member *member, int *kind, int64_t *id) {
    double share = dice_unit(&member->dice);
    if (share < 0.40) {
        *kind = MODEL_CALL;
        *id = world_call(member->world, &member->dice);
    } else if (share < 0.70) {
        *kind = MODEL_DASHBOARD;
        *id = world_user(member->world, &member->dice);
    } else if (share < 0.85) {
        *kind = MODEL_AGENT;
        *id = world_agent(member->world, &member->dice);
    } else {
        *kind = share < 0.93 ? MODEL_AGENTS : MODEL_CREDITS;
        *id = world_user(member->world, &member->dice);
    }
}

/* Now and then a network is slow, or a process is put to sleep: between reading and putting there
 * is time for a change to be made and delivered. */
static void be_slow(cc_member *member) {
    uint64_t until = now_ns() + (50 + dice_below(&member->dice, 200)) * UINT64_C(1000000);
    member_sleep_until(member, &until);
}

static char *fill(cc_member *member, PGconn *conn, int kind, int64_t id, const char *key) {
    uint64_t token = 0;
    if (trigperf_fence_begin(feed_context(member->feed), &token) != 0) {
        return NULL;
    }
    char *answer = model_read(conn, kind, id);
    if (answer == NULL) {
        return NULL;
    }
    if (dice_chance(&member->dice, share_slow)) {
        be_slow(member);
    }
    if (!feed_fill(member->feed, token, key, answer)) {
        figures_add(&member->world->figures, FIGURE_DISCARDED, 1);
    }
    return answer;
}

static char *read_through_cache(cc_member *member, PGconn *conn, int kind, int64_t id) {
    char key[MODEL_KEY_SIZE];
    model_key(kind, id, key);
    char *answer = cache_get(member->world->cache, key);
    figures_add(&member->world->figures, answer != NULL ? FIGURE_HITS : FIGURE_MISSES, 1);
    return answer != NULL ? answer : fill(member, conn, kind, id, key);
}

static bool read_one(cc_member *member, PGconn *conn) {
    int kind;
    int64_t id;
    pick(member, &kind, &id);
    uint64_t begin = now_ns();
    char *answer = NULL;
    if (member->feed != NULL) {
        answer = read_through_cache(member, conn, kind, id);
    } else {
        answer = model_read(conn, kind, id);
        figures_add(&member->world->figures, FIGURE_MISSES, 1);
    }
    samples_add(&member->reads, ms_between(begin, now_ns()));
    free(answer);
    return answer != NULL;
}

void *reader_run(void *argument) {
    cc_member *member = argument;
    const cc_options *options = member->world->options;
    PGconn *conn = db_connect(options->conninfo, "call_center reader");
    bool fine = conn != NULL && model_prepare(conn);
    uint64_t turn_ns = (uint64_t)(1e9 * READS_PER_TURN * options->readers / options->read_rate);
    uint64_t moment = now_ns();
    while (fine && !atomic_load(member->ending)) {
        for (int i = 0; fine && i < READS_PER_TURN; i++) {
            fine = read_one(member, conn);
        }
        moment += turn_ns;
        member_sleep_until(member, &moment);
    }
    if (!fine) {
        world_fail(member->world);
    }
    PQfinish(conn);
    return NULL;
}
