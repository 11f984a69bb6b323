/* Connections, whole statements and files; nothing here is particular to one example. */
#include "common/db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void db_complain(PGconn *conn, const char *what) {
    fprintf(stderr, "%s: %s: %s", program_invocation_short_name, what, PQerrorMessage(conn));
}

static void ignore_notice(void *user, const PGresult *result) {
    (void)user;
    (void)result;
}

PGconn *db_connect(const char *conninfo, const char *application) {
    const char *const names[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
    const char *const values[] = {conninfo, application, "UTF8", NULL};
    PGconn *conn = PQconnectdbParams(names, values, 1);
    if (PQstatus(conn) != CONNECTION_OK) {
        db_complain(conn, "cannot connect");
        PQfinish(conn);
        return NULL;
    }
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    return conn;
}

static bool succeeded(const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

bool db_run(PGconn *conn, const char *sql) {
    PGresult *result = PQexec(conn, sql);
    bool fine = succeeded(result);
    if (!fine) {
        db_complain(conn, "the server refused a statement");
    }
    PQclear(result);
    return fine;
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return NULL;
    }
    enum { LIMIT = 65536 };
    char *text = calloc(1, LIMIT);
    bool fits = text != NULL && fread(text, 1, LIMIT - 1, file) < LIMIT - 1 && !ferror(file);
    fclose(file);
    if (!fits) {
        free(text);
        return NULL;
    }
    return text;
}

bool db_run_file(PGconn *conn, const char *path) {
    char *text = read_file(path);
    if (text == NULL) {
        fprintf(stderr, "%s: cannot read %s\n", program_invocation_short_name, path);
        return false;
    }
    bool fine = db_run(conn, text);
    free(text);
    return fine;
}

bool db_value(PGconn *conn, const char *sql, int64_t *value) {
    PGresult *result = PQexec(conn, sql);
    bool fine = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
    if (fine) {
        *value = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    } else {
        db_complain(conn, "the server refused a query");
    }
    PQclear(result);
    return fine;
}

bool db_prepare(PGconn *conn, const char *name, const char *sql) {
    PGresult *result = PQprepare(conn, name, sql, 0, NULL);
    bool fine = succeeded(result);
    if (!fine) {
        db_complain(conn, "the server refused to prepare a statement");
    }
    PQclear(result);
    return fine;
}
