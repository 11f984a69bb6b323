/* One connection that writes: one transaction after the other, at a pace; one in seventeen is
 * held open for a while, one in ten is rolled back. */
#include "common/db.h"
#include "crew.h"
#include "operations.h"

static const double share_held = 0.06;
static const double share_rolled_back = 0.10;

static void hold(cc_member *member) {
    uint64_t until = now_ns() + (20 + dice_below(&member->dice, 380)) * UINT64_C(1000000);
    member_sleep_until(member, &until);
}

static void count(cc_desk *desk, bool commit, bool held) {
    cc_figures *figures = &desk->world->figures;
    figures_add(figures, commit ? FIGURE_COMMITS : FIGURE_ROLLBACKS, 1);
    figures_add(figures, FIGURE_HELD, held);
    figures_add(figures, FIGURE_ROWS, commit ? desk->rows : 0);
}

static bool transaction(cc_member *member, cc_desk *desk) {
    bool commit = !dice_chance(&member->dice, share_rolled_back);
    bool held = dice_chance(&member->dice, share_held);
    desk->rows = 0;
    if (!db_run(desk->conn, "begin")) {
        return false;
    }
    bool fine = operations_run(desk);
    if (fine && held) {
        hold(member);
        fine = operations_run(desk);
    }
    if (!fine) {
        figures_add(&desk->world->figures, FIGURE_CONFLICTS, 1);
        return db_run(desk->conn, "rollback");
    }
    if (!db_run(desk->conn, commit ? "commit" : "rollback")) {
        return false;
    }
    count(desk, commit, held);
    return true;
}

static void pause_between(cc_member *member, uint64_t *moment) {
    const cc_options *options = member->world->options;
    double mean_ns = 1e9 * options->writers / options->write_rate;
    do {
        *moment += (uint64_t)(2 * mean_ns * dice_unit(&member->dice));
        member_sleep_until(member, moment);
    } while (member->feed != NULL && member_ahead_of_readers(member) &&
             !atomic_load(member->ending));
}

void *writer_run(void *argument) {
    cc_member *member = argument;
    PGconn *conn = db_connect(member->world->options->conninfo, "call_center writer");
    bool fine = conn != NULL && operations_prepare(conn);
    cc_desk desk = {.conn = conn, .world = member->world, .dice = &member->dice};
    uint64_t moment = now_ns();
    while (fine && !atomic_load(member->ending)) {
        fine = transaction(member, &desk);
        pause_between(member, &moment);
    }
    if (!fine) {
        world_fail(member->world);
    }
    PQfinish(conn);
    return NULL;
}
