/* Health records are checked against what their tables demand, deduplicated, and stored:
 *   set up    tables with a constraint for every bound; the host imports them
 *   checks    the same records row by row and in batches, without the cache and with it
 *   intake    check, deduplicate, store; the server is asked whether the checks were right
 *   change    a constraint is added, noticed, and imported
 * Then the figures are set beside what had been claimed of such a design. */
#include <stdio.h>

#include "common/db.h"
#include "report.h"

static bool set_up(PGconn *conn) {
    PGresult *result = PQexec(conn, "select to_regnamespace('health_metrics') is null");
    bool empty = PQresultStatus(result) == PGRES_TUPLES_OK && PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    if (!empty) {
        fputs("health_metrics: expected an empty database, there is a schema health_metrics\n",
              stderr);
        return false;
    }
    return db_run_file(conn, HEALTH_METRICS_FOLDER "/schema.sql");
}

static void print_intake(const hm_intake *intake) {
    printf(
        "intake: %llu records, %llu invalid, %llu duplicates, %llu stored; the tracker used %llu "
        "bytes\n",
        (unsigned long long)intake->records, (unsigned long long)intake->invalid,
        (unsigned long long)intake->duplicates, (unsigned long long)intake->stored,
        (unsigned long long)intake->tracker_bytes);
}

static bool phases(hm_host *host, PGconn *conn, const hm_options *options, hm_report *report) {
    printf("imported from the tables\n");
    if (!report_imports(host) || !study_run(host, options, false, &report->imported)) {
        return false;
    }
    report_study("checks of the tables' own rules", &report->imported);
    if (!study_run(host, options, true, &report->checked)) {
        return false;
    }
    report_study("the same, and the spelling of foods by a function of the host", &report->checked);
    if (!intake_run(host, conn, options, &report->intake)) {
        return false;
    }
    print_intake(&report->intake);
    if (!report_durations(host) ||
        !intake_constraint_added(host, conn, &report->noticed, &report->holds)) {
        return false;
    }
    printf("claims\n");
    report_claims(host, report);
    printf("promises\n");
    return report_promises(report);
}

int main(int argc, char **argv) {
    hm_options options;
    int exit_code = 0;
    if (!options_parse(argc, argv, &options, &exit_code)) {
        return exit_code;
    }
    PGconn *conn = db_connect(options.conninfo, "health_metrics");
    if (conn == NULL) {
        return 1;
    }
    static hm_report report;
    hm_host host;
    bool fine = set_up(conn);
    if (fine) {
        fine = host_open(&host, &options) && phases(&host, conn, &options, &report);
        host_close(&host);
    }
    PQfinish(conn);
    return fine ? 0 : 1;
}
