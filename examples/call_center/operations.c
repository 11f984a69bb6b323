/* Every statement is prepared once and takes numbers only. Two tables: statements by name, and
 * operations by weight. */
#include "operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/db.h"

/* Statements of one transaction agree on the newest calls of someone. */
#define NEWEST_CALLS(column)                                                                       \
    "(select id from call_center.calls where " column " = $1 order by id desc limit 300)"

static const struct {
    const char *name;
    const char *sql;
} statements[] = {
    {"progress", "update call_center.calls set status = 'answered',"
                 " duration_s = duration_s + $2::int, cost = cost + 0.001 * $2::int where id = $1"},
    {"end", "update call_center.calls set"
            " status = (array['answered', 'missed', 'failed'])[$2::int] where id = $1"},
    {"start", "insert into call_center.calls (user_id, agent_id, phone, status, started_at)"
              " select user_id, id, '+49 30 ' || $2::int, 'ringing', now()"
              " from call_center.agents where id = $1 returning id"},
    {"lead", "insert into call_center.lead_analytics (call_id, user_id, score, stage)"
             " select id, user_id, $2::int, 'new' from call_center.calls where id = $1"
             " on conflict (call_id) do update set score = excluded.score"},
    {"delete", "delete from call_center.calls where id = $1"},
    {"heartbeat", "update call_center.calls set heartbeat_at = now() where id = $1"},
    {"seen", "update call_center.users set last_seen_at = now() where id = $1"},
    {"same", "update call_center.calls set status = status, cost = cost where id = $1"},
    {"statistics",
     "insert into call_center.agent_analytics (agent_id, day, calls, answered, talk_s)"
     " values ($1, current_date, 1, 1, $2) on conflict (agent_id, day) do update"
     " set calls = agent_analytics.calls + 1, answered = agent_analytics.answered + 1,"
     " talk_s = agent_analytics.talk_s + excluded.talk_s"},
    {"score", "update call_center.lead_analytics set score = $2, stage ="
              " (array['new', 'contacted', 'qualified', 'lost'])[1 + $2::int % 4]"
              " where call_id = $1"},
    {"transaction",
     "insert into call_center.credit_transactions (user_id, amount, kind, created_at)"
     " values ($1, 0.01 * $2::int,"
     " case when $2::int < 0 then 'usage' else 'purchase' end, now())"},
    {"balance", "update call_center.users set credit_balance = credit_balance + 0.01 * $2::int"
                " where id = $1"},
    {"reassign", "update call_center.calls c set agent_id = a.id, user_id = a.user_id"
                 " from call_center.agents a where c.id = $1 and a.id = $2"},
    {"follow", "update call_center.lead_analytics l set user_id = c.user_id"
               " from call_center.calls c where c.id = $1 and l.call_id = c.id"},
    {"pick_up", "update call_center.calls set agent_id = $1, status = 'ringing' where id ="
                " (select id from call_center.calls where agent_id is null"
                " order by id limit 1 for update skip locked)"},
    {"transfer", "update call_center.agents set user_id = $2 where id = $1"},
    {"transfer_calls", "update call_center.calls set user_id = $2"
                       " where id in " NEWEST_CALLS("agent_id")},
    {"transfer_leads", "update call_center.lead_analytics set user_id = $2"
                       " where call_id in " NEWEST_CALLS("agent_id")},
    {"reprice", "update call_center.calls set cost = round(cost * 1.01 + 0.0001, 4)"
                " where id in " NEWEST_CALLS("user_id")},
    {"campaign", "insert into call_center.calls (user_id, agent_id, phone, status, started_at)"
                 " select user_id, id, '+49 40 ' || n, 'queued', now()"
                 " from call_center.agents, generate_series(1, 150) n where id = $1"},
    {"purge", "delete from call_center.calls where id in"
              " (select id from call_center.calls where status = 'queued'"
              " order by id limit 150 for update skip locked)"},
    {"pause", "update call_center.agents set status ="
              " case status when 'active' then 'paused' else 'active' end where id = $1"},
};

enum { STATEMENTS = sizeof statements / sizeof statements[0] };

bool operations_prepare(PGconn *conn) {
    bool fine = true;
    for (int i = 0; fine && i < STATEMENTS; i++) {
        fine = db_prepare(conn, statements[i].name, statements[i].sql);
    }
    return fine;
}

/* Runs a statement of one or two numbers (none: the statement ignores both). Deadlocks and rows
 * that went meanwhile are part of the day; anything else ends the example. */
static PGresult *execute(cc_desk *desk, const char *name, int parameters, int64_t one,
                         int64_t two) {
    char first[24];
    char second[24];
    snprintf(first, sizeof first, "%" PRId64, one);
    snprintf(second, sizeof second, "%" PRId64, two);
    const char *const values[] = {first, second};
    PGresult *result = PQexecPrepared(desk->conn, name, parameters, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        desk->rows += strtoull(PQcmdTuples(result), NULL, 10);
        return result;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == NULL || (strncmp(state, "40", 2) != 0 && strncmp(state, "23", 2) != 0)) {
        db_complain(desk->conn, name);
        world_fail(desk->world);
    }
    PQclear(result);
    return NULL;
}

static bool run(cc_desk *desk, const char *name, int parameters, int64_t one, int64_t two) {
    PGresult *result = execute(desk, name, parameters, one, two);
    PQclear(result);
    return result != NULL;
}

static bool with_call(cc_desk *desk, const char *name) {
    return run(desk, name, 1, world_open_call(desk->world, desk->dice), 0);
}

static bool progress(cc_desk *desk) {
    return run(desk, "progress", 2, world_open_call(desk->world, desk->dice),
               1 + dice_below(desk->dice, 60));
}

static bool end_call(cc_desk *desk) {
    return run(desk, "end", 2, world_open_call(desk->world, desk->dice),
               1 + dice_below(desk->dice, 3));
}

static void note_newest(cc_world *world, int64_t id) {
    int64_t newest = atomic_load(&world->newest_call);
    while (id > newest && !atomic_compare_exchange_weak(&world->newest_call, &newest, id)) {
    }
}

static bool start_call(cc_desk *desk) {
    PGresult *result = execute(desk, "start", 2, world_agent(desk->world, desk->dice),
                               1000000 + dice_below(desk->dice, 9000000));
    if (result == NULL || PQntuples(result) == 0) {
        PQclear(result);
        return false;
    }
    int64_t id = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    note_newest(desk->world, id);
    return dice_chance(desk->dice, 0.5) || run(desk, "lead", 2, id, dice_below(desk->dice, 100));
}

static bool delete_call(cc_desk *desk) {
    return with_call(desk, "delete");
}

static bool heartbeat(cc_desk *desk) {
    return with_call(desk, "heartbeat");
}

static bool same_values(cc_desk *desk) {
    return with_call(desk, "same");
}

static bool seen(cc_desk *desk) {
    return run(desk, "seen", 1, world_user(desk->world, desk->dice), 0);
}

static bool statistics(cc_desk *desk) {
    return run(desk, "statistics", 2, world_agent(desk->world, desk->dice),
               dice_below(desk->dice, 600));
}

static bool score(cc_desk *desk) {
    return run(desk, "score", 2, world_open_call(desk->world, desk->dice),
               dice_below(desk->dice, 100));
}

static bool pay(cc_desk *desk, int64_t cents) {
    int64_t user = world_user(desk->world, desk->dice);
    return run(desk, "transaction", 2, user, cents) && run(desk, "balance", 2, user, cents);
}

static bool bill(cc_desk *desk) {
    return pay(desk, -1 - (int64_t)dice_below(desk->dice, 200));
}

static bool top_up(cc_desk *desk) {
    return pay(desk, 5000 + dice_below(desk->dice, 20000));
}

static bool reassign(cc_desk *desk) {
    int64_t call = world_open_call(desk->world, desk->dice);
    return run(desk, "reassign", 2, call, world_agent(desk->world, desk->dice)) &&
           run(desk, "follow", 1, call, 0);
}

static bool pick_up(cc_desk *desk) {
    return run(desk, "pick_up", 1, world_agent(desk->world, desk->dice), 0);
}

static bool transfer(cc_desk *desk) {
    int64_t agent = world_agent(desk->world, desk->dice);
    int64_t user = world_user(desk->world, desk->dice);
    return run(desk, "transfer", 2, agent, user) && run(desk, "transfer_calls", 2, agent, user) &&
           run(desk, "transfer_leads", 2, agent, user);
}

static bool reprice(cc_desk *desk) {
    return run(desk, "reprice", 1, world_user(desk->world, desk->dice), 0);
}

static bool campaign(cc_desk *desk) {
    return run(desk, "campaign", 1, world_agent(desk->world, desk->dice), 0);
}

static bool purge(cc_desk *desk) {
    return run(desk, "purge", 0, 0, 0);
}

static bool pause_agent(cc_desk *desk) {
    return run(desk, "pause", 1, world_agent(desk->world, desk->dice), 0);
}

static const struct {
    uint32_t weight;
    bool (*run)(cc_desk *desk);
} operations[] = {
    {300, progress}, {80, end_call},    {120, start_call}, {30, delete_call}, {120, heartbeat},
    {60, seen},      {60, same_values}, {60, statistics},  {40, score},       {50, bill},
    {10, top_up},    {30, reassign},    {10, pick_up},     {5, transfer},     {10, reprice},
    {6, campaign},   {5, purge},        {4, pause_agent},
};

enum { OPERATIONS = sizeof operations / sizeof operations[0], WEIGHTS = 1000 };

bool operations_run(cc_desk *desk) {
    uint32_t wanted = dice_below(desk->dice, WEIGHTS);
    uint32_t sum = 0;
    for (int i = 0; i < OPERATIONS; i++) {
        sum += operations[i].weight;
        if (wanted < sum) {
            return operations[i].run(desk);
        }
    }
    return operations[0].run(desk);
}
