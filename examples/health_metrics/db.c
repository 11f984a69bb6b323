/* One statement at a time on one connection; batches go by COPY, which is what bulk is for. */
#include "db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(PGconn *conn, const char *what) {
    fprintf(stderr, "health_metrics: %s: %s", what, PQerrorMessage(conn));
}

PGconn *db_connect(const char *conninfo) {
    const char *const names[] = {"dbname", "client_encoding", NULL};
    const char *const values[] = {conninfo, "UTF8", NULL};
    PGconn *conn = PQconnectdbParams(names, values, 1);
    if (PQstatus(conn) != CONNECTION_OK) {
        complain(conn, "cannot connect");
        PQfinish(conn);
        return NULL;
    }
    return conn;
}

bool db_run(PGconn *conn, const char *sql) {
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    bool fine = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!fine) {
        complain(conn, "the server refused a statement");
    }
    PQclear(result);
    return fine;
}

bool db_run_file(PGconn *conn, const char *path) {
    static char text[65536];
    FILE *file = fopen(path, "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL) {
        fclose(file);
    }
    if (length == 0 || length == sizeof text - 1) {
        fprintf(stderr, "health_metrics: cannot read %s\n", path);
        return false;
    }
    text[length] = '\0';
    return db_run(conn, text);
}

/* Appends "table (columns)". */
static int put_target(char *out, size_t size, const hm_kind *kind) {
    int length = snprintf(out, size, "%s (", kind->table);
    for (uint32_t i = 0; i < kind->count; i++) {
        length += snprintf(out + length, size - (size_t)length, "%s%s", i == 0 ? "" : ", ",
                           kind->columns[i]);
    }
    return length + snprintf(out + length, size - (size_t)length, ")");
}

bool db_takes(PGconn *conn, const hm_batch *batch, uint32_t row) {
    const hm_kind *kind = &kinds[batch->kind];
    char sql[2048] = "insert into ";
    int length = 12 + put_target(sql + 12, sizeof sql - 12, kind);
    for (uint32_t i = 0; i < kind->count; i++) {
        length += snprintf(sql + length, sizeof sql - (size_t)length, "%s$%u",
                           i == 0 ? " values (" : ", ", i + 1);
    }
    snprintf(sql + length, sizeof sql - (size_t)length, ")");
    PGresult *result = PQexecParams(conn, sql, (int)kind->count, NULL,
                                    batch->values + (size_t)row * kind->count, NULL, NULL, 0);
    bool taken = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return taken;
}

/* A record in COPY's text format; none of the generator's values needs escaping. */
static bool copy_row(PGconn *conn, const hm_batch *batch, uint32_t row) {
    char line[4096];
    uint32_t count = kinds[batch->kind].count;
    const char **values = batch->values + (size_t)row * count;
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *value = values[i] == NULL ? "\\N" : values[i];
        used +=
            (size_t)snprintf(line + used, sizeof line - used, "%s%s", i == 0 ? "" : "\t", value);
    }
    line[used++] = '\n';
    return PQputCopyData(conn, line, (int)used) == 1;
}

bool db_copy(PGconn *conn, const hm_batch *batch, const bool *wanted) {
    char sql[2048] = "copy ";
    int length = 5 + put_target(sql + 5, sizeof sql - 5, &kinds[batch->kind]);
    snprintf(sql + length, sizeof sql - (size_t)length, " from stdin");
    PGresult *result = PQexec(conn, sql);
    bool fine = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    for (uint32_t row = 0; fine && row < batch->rows; row++) {
        fine = !wanted[row] || copy_row(conn, batch, row);
    }
    fine = fine && PQputCopyEnd(conn, NULL) == 1;
    while ((result = PQgetResult(conn)) != NULL) {
        fine = fine && PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
    }
    if (!fine) {
        complain(conn, "the server refused a batch whose records were found valid");
    }
    return fine;
}
