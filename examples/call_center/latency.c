/* Each transaction updates a call that no other one updates, so that the arrival of its key can
 * only mean this commit; the calls are those of all users in turn. Both moments are noted by
 * different threads and compared in the end: a key may arrive before the writer's thread woke up
 * from its commit, which counts as 0. */
#include "latency.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/db.h"
#include "feed.h"
#include "model.h"

enum { MEAN_PAUSE_MS = 12 };

typedef struct cc_probe {
    int64_t first; /* number of the first call */
    uint32_t count;
    uint32_t written; /* of them */
    uint64_t *committed_ns;
    _Atomic uint64_t *arrived_ns;
} cc_probe;

static void note_arrival(void *user, const char *key, uint64_t arrived_ns) {
    cc_probe *probe = user;
    int kind;
    int64_t id;
    if (model_parse(key, &kind, &id) && kind == MODEL_CALL && id >= probe->first &&
        id < probe->first + probe->count) {
        atomic_store(&probe->arrived_ns[id - probe->first], arrived_ns);
    }
}

static bool write_calls(cc_world *world, PGconn *conn, cc_probe *probe, uint64_t end_ns) {
    ex_dice dice = world_dice(world);
    bool fine = true;
    while (fine && probe->written < probe->count && now_ns() < end_ns && !world_ending(world)) {
        char sql[120];
        snprintf(sql, sizeof sql,
                 "update call_center.calls set duration_s = duration_s + 1 where id = %" PRId64,
                 probe->first + probe->written);
        fine = db_run(conn, sql);
        probe->committed_ns[probe->written++] = now_ns();
        struct timespec pause = {.tv_nsec =
                                     1000000 * (1 + dice_below(&dice, 2 * MEAN_PAUSE_MS - 1))};
        nanosleep(&pause, NULL);
    }
    return fine;
}

/* Rows to write to, made before anybody follows. */
static bool make_calls(PGconn *conn, cc_probe *probe) {
    char sql[300];
    snprintf(
        sql, sizeof sql,
        "with made as (insert into call_center.calls (user_id, phone, status, started_at)"
        " select 1 + i %% (select count(*) from call_center.users), 'latency', 'ringing', now()"
        " from generate_series(1, %u) as i returning id)"
        " select min(id) from made",
        probe->count);
    return db_value(conn, sql, &probe->first);
}

static void evaluate(const cc_probe *probe, cc_latency *latency) {
    for (uint32_t i = 0; i < probe->written; i++) {
        uint64_t arrived = atomic_load(&probe->arrived_ns[i]);
        if (arrived == 0) {
            latency->missing++;
        } else {
            samples_add(&latency->samples, ms_between(probe->committed_ns[i], arrived));
        }
    }
}

static bool measure(cc_world *world, PGconn *conn, int32_t window_ms, double seconds,
                    cc_probe *probe, cc_latency *latency) {
    cc_feed *feed = feed_start(world, window_ms, note_arrival, probe);
    if (feed == NULL) {
        return false;
    }
    bool fine = write_calls(world, conn, probe, now_ns() + (uint64_t)(seconds * 1e9)) &&
                feed_catch_up(feed);
    latency->window_ms = feed_window_ms(feed);
    latency->resyncs = feed_resyncs(feed);
    feed_stop(feed);
    return fine;
}

bool latency_run(cc_world *world, int32_t window_ms, double seconds, cc_latency *latency) {
    *latency = (struct cc_latency){0};
    cc_probe probe = {.count = (uint32_t)(seconds * 1000)};
    probe.count = probe.count < 900 ? probe.count : 900;
    probe.committed_ns = calloc(probe.count, sizeof *probe.committed_ns);
    probe.arrived_ns = calloc(probe.count, sizeof *probe.arrived_ns);
    PGconn *conn = db_connect(world->options->conninfo, "call_center latency");
    bool fine = probe.committed_ns != NULL && probe.arrived_ns != NULL && conn != NULL &&
                make_calls(conn, &probe) &&
                measure(world, conn, window_ms, seconds, &probe, latency);
    if (fine) {
        evaluate(&probe, latency);
    }
    PQfinish(conn);
    free(probe.committed_ns);
    free(probe.arrived_ns);
    return fine;
}
