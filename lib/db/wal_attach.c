/* What a publication may hold is decided by the replica identity, the part of an old row that the
 * server writes into the log. A table whose identity is missing, or not covered by a list of
 * columns or a row filter, cannot be updated any more once it is published: the user's own
 * statement fails. So everything is checked before, and again in the same transaction afterwards.
 *
 * The list of columns is the identity, which holds the keys; with REPLICA IDENTITY FULL there can
 * be none. */
#include "db/wal_attach.h"

#include <string.h>

#include "db/sqltext.h"

/* Columns with: whether it belongs to the identity, is generated, or has a cast to text of its
 * own. */
static const char columns_sql[] =
    "SELECT a.attname, a.attname = ANY (trigperf.wal_identity(a.attrelid)), a.attgenerated <> '', "
    "EXISTS (SELECT FROM pg_cast c WHERE c.castsource = a.atttypid AND c.oid >= 16384"
    " AND c.casttarget = 'text'::regtype AND c.castfunc <> 0), r.relreplident "
    "FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid "
    "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

enum { NAME, IN_IDENTITY, GENERATED, OWN_CAST, IDENTITY };

static bool is_true(const PGresult *rows, int row, int column) {
    return PQgetvalue(rows, row, column)[0] == 't';
}

static int32_t refuse_full(const tp_wal_attach *attach, const char *why, const char *column,
                           trigperf_error **err) {
    tp_strbuf hint = TP_STRBUF_INIT;
    tp_strbuf_printf(
        &hint,
        "ALTER TABLE %s REPLICA IDENTITY FULL (old rows are then written to the log as "
        "a whole); or choose another granularity",
        attach->relation->quoted);
    int32_t status =
        tp_error_set(err, TRIGPERF_E_UNSUPPORTED, tp_strbuf_str(&hint), "granularity wal: %s%s%s",
                     why, column == NULL ? "" : column,
                     column == NULL ? "" : "\" is not part of the table's replica identity");
    tp_strbuf_free(&hint);
    return status;
}

/* What is published is the table itself: partitions have replica identities and TRUNCATEs of
 * their own. */
static int32_t refuse_family(const tp_relation *relation, trigperf_error **err) {
    tp_strbuf hint = TP_STRBUF_INIT;
    tp_strbuf_puts(&hint, "choose another granularity, or attach each of them with the same rules: "
                          "SELECT ");
    tp_strbuf_puts(&hint, relation->kind == 'p' ? "relid FROM pg_partition_tree("
                                                : "inhrelid::regclass FROM pg_inherits WHERE "
                                                  "inhparent = ");
    tp_sql_literal(&hint, relation->quoted);
    tp_strbuf_puts(&hint, relation->kind == 'p' ? ") WHERE isleaf" : "::regclass");
    int32_t status = hint.failed
                         ? tp_error_nomem(err)
                         : tp_error_set(err, TRIGPERF_E_UNSUPPORTED, tp_strbuf_str(&hint),
                                        "granularity wal: expected a table without partitions and "
                                        "inheriting tables, %s has some: TRUNCATE and the replica "
                                        "identity are theirs",
                                        relation->quoted);
    tp_strbuf_free(&hint);
    return status;
}

static int32_t check_kind(const tp_wal_attach *attach, trigperf_error **err) {
    const tp_relation *relation = attach->relation;
    if (relation->kind == 'p' || attach->layout->below_count > 0) {
        return refuse_family(relation, err);
    }
    if (relation->persistence != 'p') {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "choose another granularity",
                            "granularity wal: expected a logged table, changes of %s are not "
                            "written to the log",
                            relation->quoted);
    }
    if (attach->spec->isolate_full || attach->spec->replicated) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "leave isolate and replicated out",
                            "granularity wal has no triggers to isolate, and tells replicated rows "
                            "in any case");
    }
    return TRIGPERF_OK;
}

static int find(const PGresult *rows, const char *column) {
    for (int row = 0; row < PQntuples(rows); row++) {
        if (strcmp(PQgetvalue(rows, row, NAME), column) == 0) {
            return row;
        }
    }
    return 0; /* was looked up before */
}

static int32_t check_generated(const PGresult *rows, int row, trigperf_error **err) {
    if (!is_true(rows, row, GENERATED)) {
        return TRIGPERF_OK;
    }
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                        "name the columns that it is computed from, or choose another granularity",
                        "granularity wal: column \"%s\" is generated, and the log does not tell it",
                        PQgetvalue(rows, row, NAME));
}

static int32_t check_key(const tp_wal_attach *attach, const PGresult *rows,
                         const tp_attachment_key *key, trigperf_error **err) {
    if (key->expression != NULL) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                            "name columns as keys, or choose another granularity",
                            "granularity wal: key \"%s\" is an expression: the log tells values of "
                            "columns, and nobody computes others from them",
                            key->name);
    }
    int row = find(rows, key->name);
    int32_t status = check_generated(rows, row, err);
    if (status == TRIGPERF_OK && is_true(rows, row, OWN_CAST)) {
        status = tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "choose another granularity",
                              "granularity wal: key \"%s\" is of a type with a cast to text of its "
                              "own, which the log does not use",
                              key->name);
    }
    if (status == TRIGPERF_OK && !is_true(rows, row, IN_IDENTITY)) {
        status = refuse_full(attach, "key \"", key->name, err);
    }
    return status;
}

static int32_t check_identity(const tp_wal_attach *attach, const PGresult *rows,
                              trigperf_error **err) {
    bool some = false;
    for (int row = 0; row < PQntuples(rows); row++) {
        some = some || is_true(rows, row, IN_IDENTITY);
    }
    if (!some) {
        return refuse_full(attach,
                           "the table has no replica identity, or one with a generated column that "
                           "cannot be published: the server would refuse its UPDATE and DELETE "
                           "statements",
                           NULL, err);
    }
    bool full = PQgetvalue(rows, 0, IDENTITY)[0] == 'f';
    if (attach->spec->watch_count > 0 && !full) {
        return refuse_full(attach,
                           "comparing watched columns takes the whole old row, which the log does "
                           "not hold",
                           NULL, err);
    }
    return TRIGPERF_OK;
}

static void put_columns(const PGresult *rows, tp_strbuf *out) {
    tp_strbuf_reset(out);
    if (PQgetvalue(rows, 0, IDENTITY)[0] == 'f') {
        return;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        if (is_true(rows, row, IN_IDENTITY)) {
            tp_strbuf_puts(out, out->length == 0 ? " (" : ", ");
            tp_sql_ident(out, PQgetvalue(rows, row, NAME));
        }
    }
    tp_strbuf_putc(out, ')');
}

static int32_t check_columns(tp_wal_attach *attach, const PGresult *rows, trigperf_error **err) {
    int32_t status = check_identity(attach, rows, err);
    for (uint32_t i = 0; status == TRIGPERF_OK && i < attach->spec->key_count; i++) {
        status = check_key(attach, rows, &attach->spec->keys[i], err);
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < attach->spec->watch_count; i++) {
        status = check_generated(rows, find(rows, attach->spec->watch[i]), err);
    }
    if (status == TRIGPERF_OK) {
        put_columns(rows, &attach->columns);
        status = attach->columns.failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    return status;
}

int32_t tp_wal_attach_check(PGconn *connection, tp_wal_attach *attach, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status = check_kind(attach, err);
    if (status == TRIGPERF_OK) {
        status =
            tp_sql_query(connection, columns_sql, 1, (const char *const[]){attach->relation->oid},
                         "reading the table's replica identity", &rows, err);
    }
    if (status == TRIGPERF_OK && PQntuples(rows) == 0) {
        status = tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "choose another granularity",
                              "granularity wal: expected a table with columns, %s has none",
                              attach->relation->quoted);
    } else if (status == TRIGPERF_OK) {
        status = check_columns(attach, rows, err);
    }
    PQclear(rows);
    return status;
}

void tp_wal_attach_lock(const tp_wal_attach *attach, tp_strbuf *sql) {
    tp_strbuf_printf(sql, "LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE;\n",
                     attach->relation->quoted);
}

void tp_wal_attach_publish(const tp_wal_attach *attach, int32_t id, tp_strbuf *sql) {
    tp_strbuf_printf(sql, "ALTER PUBLICATION trigperf ADD TABLE ONLY %s%s",
                     attach->relation->quoted, tp_strbuf_str(&attach->columns));
    if (attach->spec->where != NULL) {
        tp_strbuf_printf(sql, " WHERE (%s)", attach->spec->where);
    }
    tp_strbuf_printf(sql, ";\nSELECT trigperf.wal_assert(%d);\n", id);
}
