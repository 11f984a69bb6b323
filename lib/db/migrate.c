/* One transaction under an advisory lock: whoever comes second waits, finds the work done, and does
 * nothing. The lock wait is cut into short pieces by lock_timeout, so that a stuck installer does
 * not hang others without a word. A migration that stands in the database with another checksum
 * than ours was changed by hand or comes from another library: that is said, and nothing is
 * touched. */
#include "db/migrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "db/migrations.h"
#include "db/sqltext.h"

#define ADVISORY_KEY "7460391845612002"
#define LOCK_TIMEOUT_MS "2000"
#define ATTEMPTS 15

static void checksum_of(const tp_migration *migration, char out[17]) {
    snprintf(out, 17, "%016" PRIx64, tp_hash_stable(migration->up, strlen(migration->up)));
}

static void put_migration(tp_strbuf *sql, const tp_migration *migration) {
    char checksum[17];
    checksum_of(migration, checksum);
    tp_strbuf_puts(sql, migration->up);
    tp_strbuf_printf(sql,
                     "\nINSERT INTO trigperf.migration (version, name, checksum, compatible_from, "
                     "library)\nVALUES (%d, '%s', '%s', %d, '%s');\n",
                     migration->version, migration->name, checksum, TP_SCHEMA_COMPATIBLE_FROM,
                     TP_VERSION);
}

static int32_t schema_exists(PGconn *connection, bool *exists, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status = tp_sql_query(connection,
                                  "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c"
                                  " JOIN pg_catalog.pg_namespace n"
                                  " ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
                                  " WHERE n.nspname OPERATOR(pg_catalog.=) 'trigperf'"
                                  " AND c.relname OPERATOR(pg_catalog.=) 'migration'"
                                  " AND c.relkind OPERATOR(pg_catalog.=) 'r'),"
                                  " pg_catalog.to_regnamespace('trigperf') IS NOT NULL",
                                  0, NULL, "looking for the schema trigperf", &result, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    *exists = PQgetvalue(result, 0, 0)[0] == 't';
    if (!*exists && PQgetvalue(result, 0, 1)[0] == 't') {
        status = tp_error_set(err, TRIGPERF_E_EXISTS, "rename or drop it, then install",
                              "database \"%s\" has a schema trigperf that is not libtrigperf's: it "
                              "has no table trigperf.migration",
                              PQdb(connection));
    }
    PQclear(result);
    return status;
}

static int32_t check_checksums(const PGresult *rows, trigperf_error **err) {
    for (int row = 0; row < PQntuples(rows); row++) {
        int32_t version = (int32_t)strtol(PQgetvalue(rows, row, 0), NULL, 10);
        char expected[17];
        if (version < 1 || version > tp_migration_count) {
            continue;
        }
        checksum_of(&tp_migrations[version - 1], expected);
        if (strcmp(expected, PQgetvalue(rows, row, 1)) != 0) {
            return tp_error_set(err, TRIGPERF_E_VERSION,
                                "use the library that installed it, or uninstall and install anew",
                                "migration %d of the schema trigperf: expected checksum %s, found "
                                "%s: it was installed by another build of the library",
                                version, expected, PQgetvalue(rows, row, 1));
        }
    }
    return TRIGPERF_OK;
}

static int32_t check_newer(const PGresult *rows, int32_t *version, trigperf_error **err) {
    int32_t needed = 0;
    *version = 0;
    for (int row = 0; row < PQntuples(rows); row++) {
        int32_t found = (int32_t)strtol(PQgetvalue(rows, row, 0), NULL, 10);
        int32_t from = (int32_t)strtol(PQgetvalue(rows, row, 2), NULL, 10);
        *version = found > *version ? found : *version;
        needed = from > needed ? from : needed;
    }
    if (needed > TP_SCHEMA_VERSION) {
        return tp_error_set(
            err, TRIGPERF_E_VERSION, "upgrade libtrigperf on this host",
            "the database's schema trigperf has version %d and needs a library that "
            "knows version %d; this one knows %d: nothing was changed",
            *version, needed, TP_SCHEMA_VERSION);
    }
    return TRIGPERF_OK;
}

/* Whoever may create a schema could have made this one before us, with functions of its own, which
 * a superuser would run with its rights. */
static int32_t check_owner(PGconn *connection, trigperf_error **err) {
    PGresult *result = NULL;
    int32_t status = tp_sql_query(
        connection,
        "SELECT o.rolname FROM pg_catalog.pg_namespace n"
        " JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) n.nspowner"
        " JOIN pg_catalog.pg_roles u ON u.rolname OPERATOR(pg_catalog.=) CURRENT_USER"
        " WHERE n.nspname OPERATOR(pg_catalog.=) 'trigperf' AND u.rolsuper AND NOT o.rolsuper"
        " AND NOT EXISTS (SELECT FROM pg_catalog.pg_database d"
        "  WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"
        "  AND d.datdba OPERATOR(pg_catalog.=) n.nspowner)",
        0, NULL, "looking for the schema's owner", &result, err);
    if (status == TRIGPERF_OK && PQntuples(result) > 0) {
        status =
            tp_error_set(err, TRIGPERF_E_PERMISSION,
                         "connect as that role (or with PGOPTIONS='-c role=..'); if it shall not "
                         "have installed the schema, drop it",
                         "the schema trigperf belongs to role \"%s\", which neither is a "
                         "superuser nor owns the database: a superuser does not run its functions",
                         PQgetvalue(result, 0, 0));
    }
    PQclear(result);
    return status;
}

/* Version in the database (0: none), with checksums and compatibility checked. */
static int32_t read_version(PGconn *connection, bool trust, int32_t *version,
                            trigperf_error **err) {
    bool exists = false;
    *version = 0;
    int32_t status = schema_exists(connection, &exists, err);
    if (status == TRIGPERF_OK && exists && !trust) {
        status = check_owner(connection, err);
    }
    if (status != TRIGPERF_OK || !exists) {
        return status;
    }
    PGresult *rows = NULL;
    status = tp_sql_query(connection,
                          "SELECT version, checksum, compatible_from FROM trigperf.migration", 0,
                          NULL, "reading the version of the schema trigperf", &rows, err);
    if (status == TRIGPERF_OK) {
        status = check_newer(rows, version, err);
    }
    if (status == TRIGPERF_OK) {
        status = check_checksums(rows, err);
    }
    PQclear(rows);
    return status;
}

static int32_t check_version(PGconn *connection, bool trust, bool require, int32_t *version,
                             trigperf_error **err) {
    int32_t found = 0;
    int32_t status = read_version(connection, trust, &found, err);
    if (status == TRIGPERF_OK && require && found < TP_SCHEMA_VERSION) {
        status = found == 0
                     ? tp_error_set(err, TRIGPERF_E_NOT_FOUND, "run 'trigperf install' first",
                                    "expected the schema trigperf in database \"%s\", it is not "
                                    "installed",
                                    PQdb(connection))
                     : tp_error_set(err, TRIGPERF_E_VERSION, "run 'trigperf install'",
                                    "the database's schema trigperf has version %d; this library "
                                    "expects %d",
                                    found, TP_SCHEMA_VERSION);
    }
    if (status == TRIGPERF_OK) {
        *version = found;
    }
    return status;
}

int32_t tp_migrate_check(PGconn *connection, bool require, int32_t *version, trigperf_error **err) {
    return check_version(connection, false, require, version, err);
}

int32_t tp_migrate_peek(PGconn *connection, bool require, int32_t *version, trigperf_error **err) {
    return check_version(connection, true, require, version, err);
}

static int32_t missing_sql(PGconn *connection, tp_strbuf *sql, trigperf_error **err) {
    int32_t version = 0;
    int32_t status = read_version(connection, false, &version, err);
    for (int32_t i = version; status == TRIGPERF_OK && i < tp_migration_count; i++) {
        put_migration(sql, &tp_migrations[i]);
    }
    return status == TRIGPERF_OK && sql->failed ? tp_error_nomem(err) : status;
}

static int32_t begin_locked(PGconn *connection, trigperf_error **err) {
    return tp_sql_run(connection,
                      "BEGIN; SET LOCAL lock_timeout = " LOCK_TIMEOUT_MS
                      "; SET LOCAL client_min_messages = warning"
                      "; SET LOCAL search_path = pg_catalog, pg_temp"
                      "; SELECT pg_catalog.pg_advisory_xact_lock(" ADVISORY_KEY ")",
                      "waiting for another installer", err);
}

static int32_t try_install(PGconn *connection, tp_strbuf *sql, trigperf_error **err) {
    int32_t status = begin_locked(connection, err);
    if (status == TRIGPERF_OK) {
        status = missing_sql(connection, sql, err);
    }
    if (status == TRIGPERF_OK && sql->length > 0) {
        status = tp_sql_run(connection, tp_strbuf_str(sql), "installing the schema trigperf", err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_sql_run(connection, "COMMIT", "installing the schema trigperf", err);
    }
    if (status != TRIGPERF_OK) {
        tp_sql_rollback(connection);
    }
    return status;
}

/* Again while only a lock was in the way. */
static bool again(const trigperf_error *error, int attempt) {
    return strcmp(trigperf_error_sqlstate(error), "55P03") == 0 && attempt < ATTEMPTS;
}

int32_t tp_migrate_install(PGconn *connection, bool dry_run, tp_strbuf *sql, trigperf_error **err) {
    tp_strbuf own = TP_STRBUF_INIT;
    tp_strbuf *text = sql == NULL ? &own : sql;
    trigperf_error *error = NULL;
    int32_t status;
    int attempt = 0;
    do {
        tp_strbuf_reset(text);
        trigperf_error_free(error);
        error = NULL;
        status =
            dry_run ? missing_sql(connection, text, &error) : try_install(connection, text, &error);
    } while (status != TRIGPERF_OK && again(error, ++attempt));
    tp_strbuf_free(&own);
    return status == TRIGPERF_OK ? TRIGPERF_OK : tp_error_move(err, error, status);
}

static void put_down(tp_strbuf *sql, const char *detach_sql, int32_t version) {
    tp_strbuf_puts(sql, detach_sql);
    for (int32_t i = version; i > 0; i--) {
        tp_strbuf_puts(sql, tp_migrations[i - 1].down);
    }
}

static int32_t refuse_foreign(trigperf_error **err, trigperf_error *cause) {
    int32_t status = tp_error_set(
        err, TRIGPERF_E_EXISTS, "drop or move them, then uninstall again",
        "the schema trigperf holds objects that this library did not make, nothing was changed: %s",
        trigperf_error_message(cause));
    trigperf_error_free(cause);
    return status;
}

int32_t tp_migrate_uninstall(PGconn *connection, const char *detach_sql, bool dry_run,
                             tp_strbuf *sql, trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t version = 0;
    int32_t status = tp_migrate_check(connection, true, &version, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (version > tp_migration_count) {
        return tp_error_set(err, TRIGPERF_E_VERSION, "uninstall with the library that installed it",
                            "the database's schema trigperf has version %d; this library knows the "
                            "way back from version %d: nothing was changed",
                            version, tp_migration_count);
    }
    put_down(&text, detach_sql, version);
    trigperf_error *error = NULL;
    for (int attempt = 0; !dry_run && !text.failed;) {
        status = begin_locked(connection, &error);
        if (status == TRIGPERF_OK) {
            status = tp_sql_run(connection, tp_strbuf_str(&text), "removing the schema trigperf",
                                &error);
        }
        if (status == TRIGPERF_OK) {
            status = tp_sql_run(connection, "COMMIT", "removing the schema trigperf", &error);
        }
        if (status == TRIGPERF_OK) {
            break;
        }
        tp_sql_rollback(connection);
        if (!again(error, ++attempt)) {
            break;
        }
        trigperf_error_free(error);
        error = NULL;
    }
    if (status == TRIGPERF_OK && sql != NULL) {
        tp_strbuf_add(sql, tp_strbuf_str(&text), text.length);
    }
    bool failed = text.failed;
    tp_strbuf_free(&text);
    if (status != TRIGPERF_OK && strcmp(trigperf_error_sqlstate(error), "2BP01") == 0) {
        return refuse_foreign(err, error);
    }
    return status != TRIGPERF_OK ? tp_error_move(err, error, status)
           : failed              ? tp_error_nomem(err)
                                 : TRIGPERF_OK;
}
