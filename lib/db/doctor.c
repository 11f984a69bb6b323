/* Each check stands by itself, behind a savepoint: one that the role may not make, or that the
 * server refuses, becomes a finding of its own, and the others go on. The order is that of the
 * list, from the server as a whole to single consumers. */
#include "db/doctor.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "db/doctor_checks.h"
#include "db/sqltext.h"

struct tp_doctor {
    PGconn *connection;
    tp_strbuf *json;
    const tp_doctor_check *check;
    uint32_t found; /* by the present check */
    bool no_schema;
    bool standby;
    uint32_t counts[TP_SEVERITIES];
};

static const char *const names[TP_SEVERITIES] = {"ok", "info", "warn", "critical", "unknown"};

PGconn *tp_doctor_connection(tp_doctor *doctor) {
    return doctor->connection;
}

void tp_doctor_without_schema(tp_doctor *doctor) {
    doctor->no_schema = true;
}

void tp_doctor_find(tp_doctor *doctor, const tp_finding *finding) {
    doctor->found++;
    doctor->counts[finding->severity]++;
    tp_json_open(doctor->json, NULL, '{');
    tp_json_text(doctor->json, "severity", names[finding->severity]);
    tp_json_text(doctor->json, "area", doctor->check->area);
    tp_json_text(doctor->json, "check", doctor->check->name);
    tp_json_text(doctor->json, "subject", finding->subject);
    tp_json_text(doctor->json, "found", finding->found);
    tp_json_text(doctor->json, "why",
                 finding->severity == TP_SEVERITY_OK ? NULL : doctor->check->why);
    tp_json_text(doctor->json, "fix", finding->fix);
    tp_json_close(doctor->json, '}');
}

static tp_severity severity_of(const char *word) {
    for (int i = 0; i < TP_SEVERITIES; i++) {
        if (strcmp(names[i], word) == 0) {
            return (tp_severity)i;
        }
    }
    return TP_SEVERITY_UNKNOWN;
}

static const char *text(const PGresult *rows, int row, int column) {
    return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

int32_t tp_doctor_query(tp_doctor *doctor, const char *sql, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status = tp_sql_query(doctor->connection, sql, 0, NULL, "looking", &rows, err);
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(rows); row++) {
        tp_doctor_find(doctor,
                       &(tp_finding){severity_of(PQgetvalue(rows, row, 0)), text(rows, row, 1),
                                     text(rows, row, 2), text(rows, row, 3)});
    }
    PQclear(rows);
    return status;
}

/* A check that could not be made: what the server said, and the rights that it takes. */
static void could_not_tell(tp_doctor *doctor, const trigperf_error *error) {
    tp_strbuf fix = TP_STRBUF_INIT;
    if (trigperf_error_code(error) == TRIGPERF_E_PERMISSION ||
        strcmp(trigperf_error_sqlstate(error), "42501") == 0) {
        tp_strbuf_puts(&fix, "trigperf grants --metrics ");
        tp_sql_ident(&fix, PQuser(doctor->connection));
        tp_strbuf_puts(&fix, " --apply");
    } else {
        tp_strbuf_puts(&fix, trigperf_error_hint(error));
    }
    tp_doctor_find(doctor, &(tp_finding){TP_SEVERITY_UNKNOWN, NULL, trigperf_error_message(error),
                                         tp_strbuf_str(&fix)});
    doctor->json->failed = doctor->json->failed || fix.failed;
    tp_strbuf_free(&fix);
}

static int32_t guard(tp_doctor *doctor, const char *sql, trigperf_error **err) {
    return doctor->check->outside ? TRIGPERF_OK
                                  : tp_sql_run(doctor->connection, sql, "looking", err);
}

/* Fails when the connection, or memory, is gone. */
static int32_t make_check(tp_doctor *doctor, const tp_doctor_check *check, trigperf_error **err) {
    trigperf_error *error = NULL;
    doctor->check = check;
    doctor->found = 0;
    if ((check->schema && doctor->no_schema) || (check->primary && doctor->standby)) {
        return TRIGPERF_OK;
    }
    int32_t status = guard(doctor, "SAVEPOINT looking", err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    status = check->sql != NULL ? tp_doctor_query(doctor, check->sql, &error)
                                : check->look(doctor, &error);
    if (status == TRIGPERF_E_NOMEM || PQstatus(doctor->connection) != CONNECTION_OK) {
        return tp_error_move(err, error, status);
    }
    if (status != TRIGPERF_OK) {
        could_not_tell(doctor, error);
    } else if (doctor->found == 0) {
        tp_doctor_find(doctor, &(tp_finding){TP_SEVERITY_OK, NULL, check->fine, NULL});
    }
    trigperf_error_free(error);
    return guard(doctor, "ROLLBACK TO looking", err);
}

/* Whatever it is that could not be told may be worse than a warning. */
static tp_severity worst(const tp_doctor *doctor) {
    static const tp_severity order[] = {TP_SEVERITY_CRITICAL, TP_SEVERITY_UNKNOWN, TP_SEVERITY_WARN,
                                        TP_SEVERITY_INFO};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (doctor->counts[order[i]] > 0) {
            return order[i];
        }
    }
    return TP_SEVERITY_OK;
}

static void put_end(tp_doctor *doctor) {
    tp_json_text(doctor->json, "worst", names[worst(doctor)]);
    tp_json_open(doctor->json, "counts", '{');
    for (int i = 0; i < TP_SEVERITIES; i++) {
        tp_json_uint(doctor->json, names[i], doctor->counts[i]);
    }
    tp_json_close(doctor->json, '}');
    tp_json_text(doctor->json, "database", PQdb(doctor->connection));
    tp_json_text(doctor->json, "role", PQuser(doctor->connection));
    tp_json_text(doctor->json, "server_version",
                 PQparameterStatus(doctor->connection, "server_version"));
    tp_json_text(doctor->json, "library_version", TP_VERSION);
}

static int32_t find_role(tp_doctor *doctor, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status = tp_sql_query(doctor->connection, "SELECT pg_catalog.pg_is_in_recovery()", 0,
                                  NULL, "looking at the server", &rows, err);
    if (status == TRIGPERF_OK) {
        doctor->standby = PQgetvalue(rows, 0, 0)[0] == 't';
    }
    PQclear(rows);
    return status;
}

static int32_t begin(tp_doctor *doctor, trigperf_error **err) {
    return tp_sql_run(doctor->connection,
                      "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; "
                      "SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '2s'; "
                      "SET LOCAL client_min_messages = error",
                      "looking at the server", err);
}

static int32_t make_checks(tp_doctor *doctor, bool outside, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < tp_doctor_check_count; i++) {
        if (tp_doctor_checks[i].outside == outside) {
            status = make_check(doctor, &tp_doctor_checks[i], err);
        }
    }
    return status;
}

int32_t tp_doctor_run(PGconn *connection, tp_strbuf *json, trigperf_error **err) {
    tp_doctor doctor = {.connection = connection, .json = json};
    tp_json_open(json, NULL, '{');
    tp_json_open(json, "findings", '[');
    int32_t status = find_role(&doctor, err);
    status = status == TRIGPERF_OK ? make_checks(&doctor, true, err) : status;
    status = status == TRIGPERF_OK ? begin(&doctor, err) : status;
    status = status == TRIGPERF_OK ? make_checks(&doctor, false, err) : status;
    tp_sql_rollback(connection);
    if (status == TRIGPERF_OK) {
        tp_json_close(json, ']');
        put_end(&doctor);
        tp_json_close(json, '}');
        status = json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    return status;
}
