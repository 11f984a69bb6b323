/* One statement at a time on one connection; batches go by COPY, which is what bulk is for. */
#include "store.h"

#include <stdio.h>

#include "common/db.h"

/* Appends "table (columns)". */
static int put_target(char *out, size_t size, const hm_kind *kind) {
    int length = snprintf(out, size, "%s (", kind->table);
    for (uint32_t i = 0; i < kind->count; i++) {
        length += snprintf(out + length, size - (size_t)length, "%s%s", i == 0 ? "" : ", ",
                           kind->columns[i]);
    }
    return length + snprintf(out + length, size - (size_t)length, ")");
}

bool store_takes(PGconn *conn, const hm_batch *batch, uint32_t row) {
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

bool store_copy(PGconn *conn, const hm_batch *batch, const bool *wanted) {
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
        db_complain(conn, "the server refused a batch whose records were found valid");
    }
    return fine;
}
