/* A lease is a row that its holder renews every ten seconds and loses after thirty (as the notifier
 * lives by its heartbeat, for the same reason: a lock would outlive a half-open connection for
 * hours). Whoever does not hold one asks as often, which writes nothing while somebody else does.
 *
 * A source that needs no schema may follow a database without one. So the catalog is asked first on
 * each new connection, and again every minute while the answer was no: installing the schema, or
 * granting rights, is enough. */
#include "pg/lease.h"

#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"

#define ASK_MS 10000
#define LEASE_MS 30000
#define LOOK_AGAIN_MS 60000
#define RETRY_MS 1000

static void tell(tp_lease *lease) {
    if (lease->told == lease->ground) {
        return;
    }
    lease->told = lease->ground;
    if (lease->ground == TP_LEASE_ABSENT) {
        tp_log_write(lease->log, TP_LOG_INFO,
                     "series are not stored and no jobs run: this database has no schema trigperf "
                     "that fits this library ('trigperf install' makes it)");
    } else if (lease->ground == TP_LEASE_FORBIDDEN) {
        tp_log_write(lease->log, TP_LOG_WARNING,
                     "series are not stored and no jobs run: this role lacks rights in the schema "
                     "trigperf ('trigperf grants --consumer' gives them)");
    }
}

/* An answer that failed is asked for again later; the log says why. */
static void put_off(tp_lease *lease, const char *why) {
    lease->asking = false;
    lease->next_ms = lease->now_ms + RETRY_MS;
    tp_log_write(lease->log, TP_LOG_DEBUG, "asking who runs jobs failed: %s", why);
}

static void send(tp_lease *lease, const tp_statement *statement) {
    trigperf_error *error = NULL;
    lease->asking = true;
    lease->asked_ms = lease->now_ms;
    if (tp_connection_send(lease->link, statement, &error) != TRIGPERF_OK) {
        put_off(lease, trigperf_error_message(error));
        trigperf_error_free(error);
    }
}

static void on_ground(void *user, PGresult *result) {
    tp_lease *lease = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        put_off(lease, PQresultErrorMessage(result));
        return;
    }
    bool there = strcmp(PQgetvalue(result, 0, 0), "2") == 0;
    bool allowed = PQgetvalue(result, 0, 1)[0] == 't';
    lease->asking = false;
    lease->ground = !there ? TP_LEASE_ABSENT : !allowed ? TP_LEASE_FORBIDDEN : TP_LEASE_PRESENT;
    lease->next_ms = lease->now_ms + (lease->ground == TP_LEASE_PRESENT ? 0 : LOOK_AGAIN_MS);
    tell(lease);
}

static void look(tp_lease *lease) {
    tp_statement statement = {
        .text = "SELECT pg_catalog.count(*), pg_catalog.bool_and("
                "pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND "
                "pg_catalog.has_function_privilege(p.oid, 'EXECUTE')) "
                "FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_proc p "
                "ON p.pronamespace OPERATOR(pg_catalog.=) n.oid "
                "WHERE n.nspname OPERATOR(pg_catalog.=) 'trigperf' AND p.proname "
                "OPERATOR(pg_catalog.=) ANY ('{job_lead,series_flush}'::pg_catalog.name[])",
        .done = on_ground,
        .user = lease};
    send(lease, &statement);
}

static uint32_t bit_of(const tp_lease *lease, const char *job) {
    for (uint32_t i = 0; i < lease->count; i++) {
        if (strcmp(lease->jobs[i], job) == 0) {
            return 1u << i;
        }
    }
    return 0;
}

static void on_asked(void *user, PGresult *result) {
    tp_lease *lease = user;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        lease->ground = TP_LEASE_UNKNOWN; /* perhaps the schema is gone */
        put_off(lease, PQresultErrorMessage(result));
        return;
    }
    lease->asking = false;
    lease->held = 0;
    for (int i = 0; i < PQntuples(result); i++) {
        lease->held |= bit_of(lease, PQgetvalue(result, i, 0));
    }
    lease->until_ms = lease->asked_ms + LEASE_MS;
    lease->next_ms = lease->asked_ms + ASK_MS;
}

static void ask_for_jobs(tp_lease *lease) {
    char duration[16];
    tp_strbuf jobs = TP_STRBUF_INIT;
    for (uint32_t i = 0; i < lease->count; i++) {
        tp_strbuf_putc(&jobs, i == 0 ? '{' : ',');
        tp_strbuf_puts(&jobs, lease->jobs[i]);
    }
    tp_strbuf_putc(&jobs, '}');
    snprintf(duration, sizeof duration, "%d", LEASE_MS);
    const char *values[] = {lease->instance, lease->application, tp_strbuf_str(&jobs), duration};
    tp_statement statement = {
        .text = "SELECT j FROM trigperf.job_lead($1::uuid, $2::text, $3::text[], $4::int) AS j",
        .repeated = true,
        .count = 4,
        .values = values,
        .done = on_asked,
        .user = lease};
    if (jobs.failed) {
        put_off(lease, "out of memory");
    } else {
        send(lease, &statement);
    }
    tp_strbuf_free(&jobs);
}

void tp_lease_tick(tp_lease *lease, tp_connection *link, bool ask, uint64_t now_ms) {
    lease->now_ms = now_ms;
    if (lease->link != link) {
        lease->link = link;
        lease->ground = TP_LEASE_UNKNOWN;
        lease->asking = false;
        lease->next_ms = now_ms;
    }
    if (link == NULL || lease->asking || now_ms < lease->next_ms) {
        return;
    }
    if (lease->ground != TP_LEASE_PRESENT) {
        look(lease);
    } else if (ask && lease->count > 0) {
        ask_for_jobs(lease);
    }
}

uint64_t tp_lease_deadline(const tp_lease *lease, bool ask) {
    if (lease->link == NULL && tp_lease_held(lease, lease->now_ms) != 0) {
        return lease->until_ms;
    }
    bool idle = lease->ground == TP_LEASE_PRESENT && (!ask || lease->count == 0);
    return lease->link == NULL || lease->asking || idle ? UINT64_MAX : lease->next_ms;
}

uint32_t tp_lease_held(const tp_lease *lease, uint64_t now_ms) {
    return now_ms < lease->until_ms ? lease->held : 0;
}

void tp_lease_resign(tp_lease *lease) {
    const char *values[] = {lease->instance};
    tp_statement statement = {
        .text = "SELECT trigperf.job_resign($1::uuid)", .count = 1, .values = values};
    if (lease->link != NULL && tp_lease_held(lease, lease->now_ms) != 0) {
        tp_connection_send(lease->link, &statement, NULL);
    }
    lease->held = 0;
}

const char *tp_lease_ground_name(const tp_lease *lease) {
    static const char *const names[] = {"unknown", "absent", "forbidden", "present"};
    return names[lease->ground];
}
