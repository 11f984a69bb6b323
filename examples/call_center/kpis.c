/* Three comparisons on the tables of the example:
 *   single rows   seven updates of ten change nothing that is counted: how many executions are
 * saved one statement hundreds of rows: how many writes to the KPI, and how long it takes a burst
 * many changes of few users within a minute: which dashboards are right at the end */
#include "kpis.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <trigperf.h>

#include "common/db.h"
#include "samples.h"
#include "setup.h"

enum { SINGLE_WRITES = 600, BULK_ROWS = 500, BURST_ROUNDS = 40, BURST_USERS = 50 };

static const char single_writes[] =
    "do $$ begin for i in 1..600 loop"
    " if i % 10 < 4 then update call_center.calls set heartbeat_at = now() where id = i;"
    " elsif i % 10 < 7 then update call_center.calls set heartbeat_at = now(), phone = phone"
    "  where id = i;"
    " else update call_center.calls set duration_s = duration_s + 1, status = 'answered'"
    "  where id = i; end if; end loop; end $$";

static const char bulk_write[] =
    "insert into call_center.calls (user_id, phone, status, duration_s, started_at)"
    " select 1 + n % 50, '+49 50 ' || n, 'answered', n, now() from generate_series(1, 500) n";

static const char burst_write[] = "update call_center.agents set label = 'burst ' || %d, status ="
                                  " case when id %% 2 = %d then 'active' else 'paused' end"
                                  " where user_id <= 50";

static const char payload[] = "jsonb_build_object('agents', count(*), 'active', count(*) FILTER "
                              "(WHERE status = 'active'), 'label', max(label))";

static bool timed(PGconn *conn, const char *sql, double *ms) {
    uint64_t begin = now_ns();
    bool fine = db_run(conn, sql);
    *ms = ms_between(begin, now_ns());
    return fine;
}

/* --- KPIs of the library
 * ------------------------------------------------------------------------*/

typedef struct cc_description {
    const char *target;
    const char *source;
    const char *const (*values)[2]; /* name, aggregate; NULL ends */
    const char *setting;
    const char *value;
} cc_description;

static bool add(trigperf_admin *admin, const cc_description *description) {
    trigperf_kpi *kpi = NULL;
    trigperf_error *error = NULL;
    int32_t status = trigperf_kpi_new(description->target, description->source, &kpi, &error);
    if (status == 0) {
        status = trigperf_kpi_group(kpi, "user_id", NULL, &error);
    }
    for (int i = 0; status == 0 && description->values[i][0] != NULL; i++) {
        status =
            trigperf_kpi_value(kpi, description->values[i][0], description->values[i][1], &error);
    }
    if (status == 0) {
        status = trigperf_kpi_set(kpi, description->setting, description->value, &error);
    }
    if (status == 0) {
        status = trigperf_admin_kpi_add(admin, kpi, 0, NULL, &error);
    }
    if (status != 0) {
        setup_complain(description->target, error);
    }
    trigperf_kpi_free(kpi);
    return status == 0;
}

static bool add_counts(trigperf_admin *admin, const char *granularity) {
    static const char *const values[][2] = {
        {"calls", "count(*)"},
        {"answered", "count(*) FILTER (WHERE status = 'answered')"},
        {"talk_s", "sum(duration_s)"},
        {"cost", "sum(cost)"},
        {NULL, NULL}};
    cc_description counts = {"call_center.user_kpi", "call_center.calls", values, "granularity",
                             granularity};
    return add(admin, &counts);
}

static bool add_dashboard(trigperf_admin *admin) {
    static const char *const values[][2] = {{"payload", payload}, {NULL, NULL}};
    cc_description dashboard = {"call_center.dashboard", "call_center.agents", values, "mode",
                                "trailing"};
    return add(admin, &dashboard);
}

static bool drop(trigperf_admin *admin, const char *target) {
    trigperf_error *error = NULL;
    if (trigperf_admin_kpi_drop(admin, target, 0, 0, NULL, &error) == 0) {
        return true;
    }
    setup_complain(target, error);
    return false;
}

static bool refresh(trigperf_admin *admin, const char *what, const char *target, char **json) {
    trigperf_error *error = NULL;
    if (trigperf_admin_kpi_refresh(admin, target, what, json, &error) == 0) {
        return true;
    }
    setup_complain("refreshing", error);
    return false;
}

static int64_t member(const char *json, const char *name) {
    char pattern[40];
    long long value = -1;
    snprintf(pattern, sizeof pattern, "\"%s\":", name);
    const char *at = strstr(json, pattern);
    if (at != NULL) {
        sscanf(at + strlen(pattern), "%lld", &value);
    }
    return value;
}

/* Rows that differ from a recomputation, added to *wrong. */
static bool check(trigperf_admin *admin, const char *target, int64_t *wrong) {
    char *json = NULL;
    bool fine = refresh(admin, "check", target, &json);
    if (fine) {
        *wrong += member(json, "rows");
    }
    trigperf_string_free(json);
    return fine;
}

/* --- comparisons
 * --------------------------------------------------------------------------------*/

/* The server counts calls of functions when a role may tell it to. */
static bool count_calls(PGconn *conn) {
    int64_t may = 0;
    return db_value(conn, "select has_parameter_privilege('track_functions', 'SET')::int", &may) &&
           (may == 0 || db_run(conn, "set track_functions = 'pl'"));
}

/* How often the trigger's function was called; 0 where it is not counted. */
static bool our_executions(PGconn *conn, int64_t *count) {
    return db_value(conn,
                    "select coalesce(sum(pg_stat_get_xact_function_calls(oid)), 0)::bigint"
                    " from pg_proc where pronamespace = 'trigperf'::regnamespace"
                    " and proname ~ '^kpi_[0-9]+$'",
                    count);
}

static bool compare_single(PGconn *conn, trigperf_admin *admin, cc_kpis *kpis) {
    bool fine = db_run(conn, "create trigger naive after insert or update on call_center.calls"
                             " for each row execute function call_center.naive_kpi()") &&
                timed(conn, single_writes, &kpis->single.naive_ms) &&
                db_value(conn, "select last_value from call_center.naive_executions",
                         &kpis->single.naive) &&
                db_run(conn, "drop trigger naive on call_center.calls");
    fine = fine && add_counts(admin, "row") && db_run(conn, "begin") &&
           timed(conn, single_writes, &kpis->single.ours_ms) &&
           our_executions(conn, &kpis->single.ours) && db_run(conn, "commit");
    return fine && check(admin, "call_center.user_kpi", &kpis->wrong) &&
           drop(admin, "call_center.user_kpi");
}

static bool compare_bulk(PGconn *conn, trigperf_admin *admin, cc_kpis *kpis) {
    int64_t before = 0;
    int64_t after = 0;
    bool fine = db_run(conn, "create trigger naive after insert on call_center.calls"
                             " for each row execute function call_center.naive_kpi()") &&
                db_value(conn, "select last_value from call_center.naive_executions", &before) &&
                timed(conn, bulk_write, &kpis->many.naive_ms) &&
                db_value(conn, "select last_value from call_center.naive_executions", &after) &&
                db_run(conn, "drop trigger naive on call_center.calls");
    kpis->many.naive = after - before;
    fine = fine && add_counts(admin, "statement") && db_run(conn, "begin") &&
           timed(conn, bulk_write, &kpis->many.ours_ms) &&
           db_value(conn,
                    "select pg_stat_get_xact_tuples_inserted(c.oid)"
                    " + pg_stat_get_xact_tuples_updated(c.oid) from pg_class c"
                    " where c.oid = 'call_center.user_kpi'::regclass",
                    &kpis->many.ours) &&
           db_run(conn, "commit");
    return fine && check(admin, "call_center.user_kpi", &kpis->wrong);
}

static bool burst(PGconn *conn, int rounds, double *ms) {
    char sql[300];
    uint64_t begin = now_ns();
    bool fine = true;
    for (int i = 0; fine && i < rounds; i++) {
        snprintf(sql, sizeof sql, burst_write, i, i % 2);
        fine = db_run(conn, sql);
    }
    *ms = ms_between(begin, now_ns());
    return fine;
}

static bool count_stale(PGconn *conn, const char *table, int64_t *stale) {
    char sql[700];
    snprintf(sql, sizeof sql,
             "select count(*) from (select user_id, %s as payload from call_center.agents"
             " where user_id <= 50 group by 1) t left join call_center.%s d using (user_id)"
             " where d.payload is distinct from t.payload",
             payload, table);
    return db_value(conn, sql, stale);
}

static bool naive_burst(PGconn *conn, cc_kpis *kpis) {
    return db_run(conn, "create trigger naive after update on call_center.agents"
                        " for each row execute function call_center.naive_dashboard()") &&
           burst(conn, BURST_ROUNDS, &kpis->refreshes.naive_ms) &&
           db_value(conn, "select last_value from call_center.naive_refreshes",
                    &kpis->refreshes.naive) &&
           count_stale(conn, "naive_dashboard", &kpis->naive_stale) &&
           db_run(conn, "drop trigger naive on call_center.agents");
}

/* The interval of a minute begins with the first refresh; the one at its end is called for here
 * without waiting for it. */
static bool our_burst(PGconn *conn, trigperf_admin *admin, cc_kpis *kpis) {
    double ignored = 0;
    char *first = NULL;
    char *during = NULL;
    char *last = NULL;
    bool fine = add_dashboard(admin) &&
                db_run(conn, "update call_center.dashboard"
                             " set refreshed_at = refreshed_at - interval '2 minutes'") &&
                burst(conn, 1, &ignored) &&
                refresh(admin, "due", "call_center.dashboard", &first) &&
                burst(conn, BURST_ROUNDS - 1, &kpis->refreshes.ours_ms) &&
                refresh(admin, "due", "call_center.dashboard", &during) &&
                db_run(conn, "update call_center.dashboard"
                             " set refreshed_at = refreshed_at - interval '2 minutes'") &&
                refresh(admin, "due", "call_center.dashboard", &last) &&
                count_stale(conn, "dashboard", &kpis->stale) &&
                check(admin, "call_center.dashboard", &kpis->wrong);
    if (fine) {
        kpis->refreshes.ours =
            member(first, "rows") + member(during, "rows") + member(last, "rows");
        kpis->waiting = member(during, "waiting");
    }
    trigperf_string_free(first);
    trigperf_string_free(during);
    trigperf_string_free(last);
    return fine;
}

static bool compare(PGconn *conn, trigperf_admin *admin, cc_kpis *kpis) {
    kpis->writes = SINGLE_WRITES;
    kpis->bulk = BULK_ROWS;
    kpis->users = BURST_USERS;
    return db_run_file(conn, CALL_CENTER_FOLDER "/kpis.sql") && compare_single(conn, admin, kpis) &&
           compare_bulk(conn, admin, kpis) &&
           db_value(conn, "select 40 * count(*) from call_center.agents where user_id <= 50",
                    &kpis->burst) &&
           naive_burst(conn, kpis) && our_burst(conn, admin, kpis);
}

bool kpis_run(const cc_options *options, cc_kpis *kpis) {
    trigperf_config *config = setup_config(options);
    trigperf_admin *admin = NULL;
    trigperf_error *error = NULL;
    PGconn *conn = db_connect(options->conninfo, "call_center kpis");
    bool fine = conn != NULL && config != NULL && count_calls(conn);
    if (fine && trigperf_admin_new(config, &admin, &error) != 0) {
        setup_complain("connecting", error);
        fine = false;
    }
    fine = fine && compare(conn, admin, kpis);
    trigperf_admin_free(admin);
    trigperf_config_free(config);
    PQfinish(conn);
    return fine;
}
