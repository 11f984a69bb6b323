/* Readers and checker run the same statements, so that a difference means a stale entry and never
 * another way to count. */
#include "model.h"

#include "common/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *query;
} kinds[MODEL_KINDS] = {
    [MODEL_DASHBOARD] =
        {"dashboard",
         "select u.id, json_build_object('name', u.name, 'plan', u.plan,"
         " 'balance', u.credit_balance, 'agents', a.active, 'calls', c.total,"
         " 'answered', c.answered, 'talk_s', c.talk_s, 'cost', c.cost, 'qualified', l.qualified)"
         " from call_center.users u,"
         " lateral (select count(*) filter (where status = 'active') active"
         "  from call_center.agents where user_id = u.id) a,"
         " lateral (select count(*) total, count(*) filter (where status = 'answered') answered,"
         "  sum(duration_s) talk_s, sum(cost) as cost from call_center.calls"
         "  where user_id = u.id) c,"
         " lateral (select count(*) qualified from call_center.lead_analytics"
         "  where user_id = u.id and stage = 'qualified') l"
         " where u.id = any ($1::bigint[])"},
    [MODEL_CALL] = {"call", "select c.id, json_build_object('user', c.user_id, 'agent', c.agent_id,"
                            " 'phone', c.phone, 'status', c.status, 'duration_s', c.duration_s,"
                            " 'cost', c.cost, 'score', l.score, 'stage', l.stage)"
                            " from call_center.calls c"
                            " left join call_center.lead_analytics l on l.call_id = c.id"
                            " where c.id = any ($1::bigint[])"},
    [MODEL_AGENT] =
        {"agent",
         "select a.id, json_build_object('name', a.name, 'label', a.label, 'voice', a.voice,"
         " 'status', a.status, 'calls', s.calls, 'answered', s.answered, 'talk_s', s.talk_s,"
         " 'assigned', c.total, 'cost', c.cost)"
         " from call_center.agents a,"
         " lateral (select sum(calls) calls, sum(answered) answered, sum(talk_s) talk_s"
         "  from call_center.agent_analytics where agent_id = a.id) s,"
         " lateral (select count(*) total, sum(cost) as cost from call_center.calls"
         "  where agent_id = a.id) c"
         " where a.id = any ($1::bigint[])"},
    [MODEL_AGENTS] =
        {"agents", "select u.id, (select json_agg(json_build_array(a.id, a.name, a.label, a.status)"
                   "  order by a.id) from call_center.agents a where a.user_id = u.id)"
                   " from call_center.users u where u.id = any ($1::bigint[])"},
    [MODEL_CREDITS] =
        {"credits", "select u.id, json_build_object('balance', u.credit_balance, 'last',"
                    " (select json_agg(json_build_array(t.id, t.kind, t.amount) order by t.id desc)"
                    "  from (select id, kind, amount from call_center.credit_transactions"
                    "   where user_id = u.id order by id desc limit 10) t))"
                    " from call_center.users u where u.id = any ($1::bigint[])"},
};

void model_key(int kind, int64_t id, char key[MODEL_KEY_SIZE]) {
    snprintf(key, MODEL_KEY_SIZE, "%s:%" PRId64, kinds[kind].name, id);
}

bool model_parse(const char *key, int *kind, int64_t *id) {
    const char *colon = strchr(key, ':');
    for (int i = 0; colon != NULL && i < MODEL_KINDS; i++) {
        size_t length = strlen(kinds[i].name);
        if (length == (size_t)(colon - key) && memcmp(key, kinds[i].name, length) == 0) {
            *kind = i;
            *id = strtoll(colon + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

bool model_prepare(PGconn *conn) {
    bool fine = true;
    for (int i = 0; fine && i < MODEL_KINDS; i++) {
        fine = db_prepare(conn, kinds[i].name, kinds[i].query);
    }
    return fine;
}

static PGresult *query(PGconn *conn, int kind, const char *array) {
    PGresult *result = PQexecPrepared(conn, kinds[kind].name, 1, &array, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        db_complain(conn, "the server refused a query");
        PQclear(result);
        return NULL;
    }
    return result;
}

char *model_read(PGconn *conn, int kind, int64_t id) {
    char array[32];
    snprintf(array, sizeof array, "{%" PRId64 "}", id);
    PGresult *result = query(conn, kind, array);
    if (result == NULL) {
        return NULL;
    }
    char *answer = strdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 1) : MODEL_ABSENT);
    PQclear(result);
    return answer;
}

PGresult *model_read_many(PGconn *conn, int kind, const int64_t *ids, size_t count) {
    char *array = malloc(count * 21 + 3);
    if (array == NULL) {
        return NULL;
    }
    size_t used = 0;
    array[used++] = '{';
    for (size_t i = 0; i < count; i++) {
        used += (size_t)sprintf(array + used, "%s%" PRId64, i > 0 ? "," : "", ids[i]);
    }
    memcpy(array + used, "}", 2);
    PGresult *result = query(conn, kind, array);
    free(array);
    return result;
}
