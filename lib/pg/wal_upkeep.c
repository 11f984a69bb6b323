/* A turn every second looks at the claim, every fourth of them at the tables, slots and consumers,
 * and lets the outbox go that all have read, lest nobody does where none reads it. The same
 * statements prove that the ordinary connection is alive. A slot whose reader never comes back is
 * found by the others. */
#include "pg/wal_upkeep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pg/pgerror.h"

#define TURN_MS 1000
#define TURNS_PER_CHECK 4
#define SEEN_MS 10000

struct tp_wal_upkeep {
    tp_connection *connection;
    const tp_log *log;
    tp_wal_upkeep_handler handler;
    tp_wal_claim *claim;
    char slot[64];
    bool busy;
    uint32_t turn;
    uint64_t next_ms;
    uint64_t next_seen_ms;
    uint64_t retained;
    uint64_t unconfirmed;
    uint64_t given_up;     /* slots of others that were dropped */
    uint64_t own_given_up; /* times that the own one was */
    char application[64];
    tp_census census;
    bool alert;
};

int32_t tp_wal_upkeep_new(tp_connection *connection, const tp_log *log,
                          const tp_wal_upkeep_handler *handler, tp_wal_upkeep **out,
                          trigperf_error **err) {
    tp_wal_upkeep *upkeep = calloc(1, sizeof *upkeep);
    if (upkeep == NULL) {
        return tp_error_nomem(err);
    }
    upkeep->connection = connection;
    upkeep->log = log;
    upkeep->handler = *handler;
    upkeep->next_ms = UINT64_MAX;
    upkeep->retained = TP_NOT_MEASURED;
    upkeep->unconfirmed = TP_NOT_MEASURED;
    upkeep->census = (tp_census){.connection = connection, .log = log};
    snprintf(upkeep->application, sizeof upkeep->application, "%s", handler->application);
    *out = upkeep;
    return TRIGPERF_OK;
}

void tp_wal_upkeep_free(tp_wal_upkeep *upkeep) {
    free(upkeep);
}

void tp_wal_upkeep_begin(tp_wal_upkeep *upkeep, const char *slot, uint64_t now_ms) {
    snprintf(upkeep->slot, sizeof upkeep->slot, "%s", slot);
    upkeep->next_ms = now_ms;
    upkeep->next_seen_ms = now_ms;
    upkeep->turn = 0;
}

void tp_wal_upkeep_reset(tp_wal_upkeep *upkeep) {
    upkeep->busy = false;
    upkeep->next_ms = UINT64_MAX;
    upkeep->retained = TP_NOT_MEASURED;
    upkeep->unconfirmed = TP_NOT_MEASURED;
    tp_census_forget(&upkeep->census);
}

static bool answered(tp_wal_upkeep *upkeep, const PGresult *result, const char *what) {
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        return true;
    }
    trigperf_error *error = NULL;
    tp_pg_error(&error, tp_connection_raw(upkeep->connection), result, what);
    upkeep->handler.failed(upkeep->handler.user, error);
    return false;
}

static void send(tp_wal_upkeep *upkeep, const char *sql, const char *value, tp_result_fn done) {
    trigperf_error *error = NULL;
    const char *values[] = {value};
    tp_statement statement = {.text = sql,
                              .repeated = true,
                              .count = value == NULL ? 0 : 1,
                              .values = values,
                              .done = done,
                              .user = upkeep};
    upkeep->busy = true;
    if (tp_connection_send(upkeep->connection, &statement, &error) != TRIGPERF_OK) {
        upkeep->handler.failed(upkeep->handler.user, error);
    }
}

static void on_claim(void *user, PGresult *result) {
    tp_wal_upkeep *upkeep = user;
    upkeep->busy = false;
    if (!answered(upkeep, result, "looking at the consumer") || upkeep->claim == NULL) {
        return;
    }
    uint64_t present = PQntuples(result) == 0 ? 0 : strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    tp_wal_claim_seen(upkeep->claim, present);
}

static void warn(tp_wal_upkeep *upkeep, bool alert) {
    if (alert && !upkeep->alert) {
        tp_log_write(upkeep->log, TP_LOG_WARNING,
                     "slot %s holds back %llu bytes of the server's log, above wal.alert_bytes",
                     upkeep->slot, (unsigned long long)upkeep->retained);
    }
    upkeep->alert = alert;
}

static void on_dropped(void *user, PGresult *result) {
    tp_wal_upkeep *upkeep = user;
    upkeep->busy = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        tp_log_write(upkeep->log, TP_LOG_WARNING, "a slot above wal.max_bytes was not dropped: %s",
                     PQresultErrorMessage(result));
        return;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        upkeep->given_up++;
        tp_log_write(
            upkeep->log, TP_LOG_WARNING,
            "slot %s held back more log than wal.max_bytes and had no reader: dropped; its "
            "consumer will resync",
            PQgetvalue(result, row, 0));
    }
}

static uint64_t figure(const PGresult *result, int column) {
    return PQgetisnull(result, 0, column) ? TP_NOT_MEASURED
                                          : strtoull(PQgetvalue(result, 0, column), NULL, 10);
}

static void on_slots(void *user, PGresult *result) {
    tp_wal_upkeep *upkeep = user;
    upkeep->busy = false;
    if (!answered(upkeep, result, "looking at the replication slots") || PQntuples(result) == 0) {
        return;
    }
    upkeep->retained = figure(result, 0);
    upkeep->unconfirmed = figure(result, 4);
    warn(upkeep, PQgetvalue(result, 0, 1)[0] == 't');
    if (PQgetvalue(result, 0, 2)[0] == 't') {
        upkeep->own_given_up++;
        upkeep->handler.overdue(upkeep->handler.user, upkeep->retained);
    } else if (PQgetvalue(result, 0, 3)[0] == 't') {
        send(upkeep,
             "SELECT slot, pg_catalog.pg_drop_replication_slot(slot) FROM trigperf.wal_slots() "
             "WHERE overdue AND NOT active AND consumer IS NOT NULL",
             NULL, on_dropped);
    }
}

static void on_tables(void *user, PGresult *result) {
    tp_wal_upkeep *upkeep = user;
    upkeep->busy = false;
    if (answered(upkeep, result, "looking at the attached tables")) {
        send(upkeep,
             "SELECT retained_bytes, alert, overdue, "
             "EXISTS (SELECT FROM trigperf.wal_slots() WHERE overdue AND NOT active), "
             "unconfirmed_bytes "
             "FROM trigperf.wal_slots() WHERE slot OPERATOR(pg_catalog.=) $1",
             upkeep->slot, on_slots);
    }
}

static int32_t say(tp_wal_upkeep *upkeep, const char *sql, const char *application,
                   trigperf_error **err) {
    const char *values[] = {upkeep->handler.instance, application};
    tp_statement statement = {
        .text = sql, .repeated = true, .count = application == NULL ? 1 : 2, .values = values};
    return tp_connection_send(upkeep->connection, &statement, err);
}

static void show_up(tp_wal_upkeep *upkeep, uint64_t now_ms) {
    trigperf_error *error = NULL;
    upkeep->next_seen_ms = now_ms + SEEN_MS;
    if (say(upkeep,
            "SELECT trigperf.member_follow($1::uuid, $2::text, 'wal'), "
            "pg_catalog.set_config('synchronous_commit', 'off', true)",
            upkeep->application, &error) != TRIGPERF_OK) {
        upkeep->handler.failed(upkeep->handler.user, error);
    }
}

int32_t tp_wal_upkeep_leave(tp_wal_upkeep *upkeep, trigperf_error **err) {
    return say(upkeep, "SELECT trigperf.member_gone($1::uuid)", NULL, err);
}

static void look_around(tp_wal_upkeep *upkeep) {
    trigperf_error *error = NULL;
    if (tp_census_ask(&upkeep->census, &error) != TRIGPERF_OK) {
        upkeep->handler.failed(upkeep->handler.user, error);
    }
}

void tp_wal_upkeep_tick(tp_wal_upkeep *upkeep, tp_wal_claim *claim, uint64_t now_ms) {
    if (now_ms < upkeep->next_ms || upkeep->busy) {
        return;
    }
    if (now_ms >= upkeep->next_seen_ms) {
        show_up(upkeep, now_ms);
    }
    upkeep->claim = claim;
    upkeep->next_ms = now_ms + TURN_MS;
    if (upkeep->turn++ % TURNS_PER_CHECK == 0) {
        send(upkeep,
             "SELECT trigperf.wal_watch(), trigperf.outbox_rotate(), "
             "pg_catalog.set_config('synchronous_commit', 'off', true)",
             NULL, on_tables);
        look_around(upkeep);
    } else if (claim != NULL) {
        send(upkeep,
             "SELECT CASE WHEN claim OPERATOR(pg_catalog.=) reset_claim THEN 0 ELSE claim END "
             "FROM trigperf.wal_consumer WHERE slot OPERATOR(pg_catalog.=) $1",
             upkeep->slot, on_claim);
    }
}

uint64_t tp_wal_upkeep_deadline(const tp_wal_upkeep *upkeep) {
    return upkeep->busy ? UINT64_MAX : upkeep->next_ms;
}

void tp_wal_upkeep_measure(const tp_wal_upkeep *upkeep, tp_feed_measures *out) {
    out->retained_bytes = upkeep->retained;
    out->lag_bytes = upkeep->unconfirmed;
    out->retained_alert = upkeep->retained == TP_NOT_MEASURED ? TP_NOT_MEASURED : upkeep->alert;
    out->given_up = upkeep->given_up + upkeep->own_given_up;
}

const tp_census_figures *tp_wal_upkeep_census(const tp_wal_upkeep *upkeep) {
    return &upkeep->census.figures;
}

void tp_wal_upkeep_status(const tp_wal_upkeep *upkeep, tp_strbuf *json) {
    tp_json_double(json, "retained_bytes",
                   upkeep->retained == TP_NOT_MEASURED ? NAN : (double)upkeep->retained);
    tp_json_bool(json, "retained_alert", upkeep->alert);
    tp_json_uint(json, "slots_given_up", upkeep->given_up);
}
