/* What a publication may hold is decided by the replica identity, the part of an old row that the
 * server writes into the log. A table whose identity is missing, or not covered by a list of
 * columns or a row filter, cannot be updated any more once it is published: the user's own
 * statement fails. So everything is checked before, and again in the same transaction afterwards.
 *
 * The list of columns is the identity, which holds the keys; with REPLICA IDENTITY FULL there can
 * be none. Partitions, and tables that inherit, have identities of their own: each of them is
 * checked and published by itself, and a partitioned table, which holds no rows, is not. */
#include "db/wal_attach.h"

#include <string.h>

#include "db/sqltext.h"

#define NAMED_MAX 8 /* tables in a hint, before it says how to list them */

/* Columns of the table, and of all beneath it that holds rows, with: whether it belongs to the
 * identity, is generated, or has a cast to text of its own; then what its table is. */
static const char columns_sql[] =
    "SELECT a.attname, a.attname = ANY (i.columns), a.attgenerated <> '', "
    "EXISTS (SELECT FROM pg_cast c WHERE c.castsource = a.atttypid AND c.oid >= 16384"
    " AND c.casttarget = 'text'::regtype AND c.castfunc <> 0), r.relreplident, r.relkind, "
    "r.relpersistence, format('%I.%I', n.nspname, r.relname), "
    "EXISTS (SELECT FROM pg_publication_rel p JOIN pg_publication b ON b.oid = p.prpubid "
    " WHERE p.prrelid = r.oid AND b.pubname = 'trigperf') "
    "FROM trigperf.table_family($1::oid) f JOIN pg_class r ON r.oid = f.relid "
    "JOIN pg_namespace n ON n.oid = r.relnamespace "
    "CROSS JOIN LATERAL (SELECT trigperf.wal_identity(r.oid) OFFSET 0) AS i(columns) "
    "JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "WHERE f.is_root OR (r.relkind = 'r' AND r.relpersistence <> 't') "
    "ORDER BY f.is_root DESC, r.oid, a.attnum";

enum { NAME, IN_IDENTITY, GENERATED, OWN_CAST, IDENTITY, KIND, PERSISTENCE, PLACE, PUBLISHED };

static const char overlap_sql[] =
    "SELECT format('%I.%I', c.schema_name, c.table_name) FROM trigperf.captured_table c "
    "WHERE c.granularity = 'wal' AND c.relid <> $1::oid AND ("
    "EXISTS (SELECT FROM trigperf.table_family(c.relid) f WHERE f.relid = $1::oid) "
    "OR EXISTS (SELECT FROM trigperf.table_family($1::oid) f WHERE f.relid = c.relid)) "
    "ORDER BY 1 LIMIT 1";

/* The rows of the result that tell of one table. */
typedef struct part {
    const PGresult *rows;
    int from;
    int to;
} part;

typedef enum lack { LACKS_NOTHING, LACKS_IDENTITY, LACKS_FULL, LACKS_KEY, LACKS_OLD_ROW } lack;

static bool is_true(const PGresult *rows, int row, int column) {
    return PQgetvalue(rows, row, column)[0] == 't';
}

static char fact_of(const part *p, int column) {
    return PQgetvalue(p->rows, p->from, column)[0];
}

static const char *place_of(const part *p) {
    return PQgetvalue(p->rows, p->from, PLACE);
}

/* False: there is none after it. A part of zeroes but for its rows begins. */
static bool next_part(part *p) {
    int count = PQntuples(p->rows);
    p->from = p->to;
    while (p->to < count &&
           strcmp(PQgetvalue(p->rows, p->to, PLACE), PQgetvalue(p->rows, p->from, PLACE)) == 0) {
        p->to++;
    }
    return p->from < count;
}

/* As next_part(), without the partitioned table that heads its partitions. */
static bool next_with_rows(part *p) {
    bool found = next_part(p);
    return found && fact_of(p, KIND) == 'p' ? next_part(p) : found;
}

static int find(const part *p, const char *column) {
    for (int row = p->from; row < p->to; row++) {
        if (strcmp(PQgetvalue(p->rows, row, NAME), column) == 0) {
            return row;
        }
    }
    return p->from; /* was looked up before */
}

/* ---- the table ---- */

static int32_t check_kind(const tp_wal_attach *attach, trigperf_error **err) {
    if (attach->spec->isolate_full || attach->spec->replicated) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "leave isolate and replicated out",
                            "granularity wal has no triggers to isolate, and tells replicated rows "
                            "in any case");
    }
    return TRIGPERF_OK;
}

static int32_t check_overlap(PGconn *connection, const tp_wal_attach *attach,
                             trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status =
        tp_sql_query(connection, overlap_sql, 1, (const char *const[]){attach->relation->oid},
                     "reading the registry", &rows, err);
    if (status == TRIGPERF_OK && PQntuples(rows) > 0) {
        status = tp_error_set(
            err, TRIGPERF_E_EXISTS, "detach that one first, or choose another granularity",
            "granularity wal: %s is attached already, and is above or beneath %s: "
            "changes are told under one name",
            PQgetvalue(rows, 0, 0), attach->relation->quoted);
    }
    PQclear(rows);
    return status;
}

static int32_t check_generated(const part *p, const char *column, trigperf_error **err) {
    if (!is_true(p->rows, find(p, column), GENERATED)) {
        return TRIGPERF_OK;
    }
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                        "name the columns that it is computed from, or choose another granularity",
                        "granularity wal: column \"%s\" is generated, and the log does not tell it",
                        column);
}

static int32_t check_key(const part *p, const tp_attachment_key *key, trigperf_error **err) {
    if (key->expression != NULL) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                            "name columns as keys, or choose another granularity",
                            "granularity wal: key \"%s\" is an expression: the log tells values of "
                            "columns, and nobody computes others from them",
                            key->name);
    }
    int32_t status = check_generated(p, key->name, err);
    if (status == TRIGPERF_OK && is_true(p->rows, find(p, key->name), OWN_CAST)) {
        status = tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "choose another granularity",
                              "granularity wal: key \"%s\" is of a type with a cast to text of its "
                              "own, which the log does not use",
                              key->name);
    }
    return status;
}

static int32_t check_columns(const trigperf_attachment *spec, const part *p, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < spec->key_count; i++) {
        status = check_key(p, &spec->keys[i], err);
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < spec->watch_count; i++) {
        status = check_generated(p, spec->watch[i], err);
    }
    return status;
}

/* ---- what holds its rows ---- */

static int32_t check_logged(const part *p, trigperf_error **err) {
    if (fact_of(p, PERSISTENCE) == 'p') {
        return TRIGPERF_OK;
    }
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "choose another granularity",
                        "granularity wal: expected a logged table, changes of %s are not "
                        "written to the log",
                        place_of(p));
}

/* Sets *key to the key that is meant. */
static lack lack_of(const trigperf_attachment *spec, const part *p, const char **key) {
    bool some = false;
    for (int row = p->from; row < p->to; row++) {
        some = some || is_true(p->rows, row, IN_IDENTITY);
    }
    if (!some) {
        return fact_of(p, IDENTITY) == 'f' ? LACKS_FULL : LACKS_IDENTITY;
    }
    for (uint32_t i = 0; i < spec->key_count; i++) {
        *key = spec->keys[i].name;
        if (!is_true(p->rows, find(p, *key), IN_IDENTITY)) {
            return LACKS_KEY;
        }
    }
    return spec->watch_count > 0 && fact_of(p, IDENTITY) != 'f' ? LACKS_OLD_ROW : LACKS_NOTHING;
}

static int32_t set_lack(const part *p, lack which, const char *key, const tp_strbuf *hint,
                        trigperf_error **err) {
    const char *text = tp_strbuf_str(hint);
    switch (which) {
    case LACKS_IDENTITY:
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, text,
                            "granularity wal: %s has no replica identity, or one with a "
                            "generated column that cannot be published: the server would refuse "
                            "its UPDATE and DELETE statements",
                            place_of(p));
    case LACKS_FULL:
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, text,
                            "granularity wal: %s has REPLICA IDENTITY FULL and a generated column "
                            "that cannot be published: the server would refuse its UPDATE and "
                            "DELETE statements",
                            place_of(p));
    case LACKS_KEY:
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, text,
                            "granularity wal: key \"%s\" is not part of the table's replica "
                            "identity (%s)",
                            key, place_of(p));
    default:
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, text,
                            "granularity wal: comparing watched columns takes the whole old row, "
                            "which the log does not hold of %s",
                            place_of(p));
    }
}

static void put_full(tp_strbuf *hint, const char *place) {
    tp_strbuf_printf(hint, "%sALTER TABLE %s REPLICA IDENTITY FULL", hint->length == 0 ? "" : "; ",
                     place);
}

/* The statements that every part needs; those of many are listed by another one. The partitioned
 * table is named as well: partitions that come later shall have what it has. */
static void put_fixes(const tp_wal_attach *attach, const PGresult *rows, tp_strbuf *hint) {
    part p = {.rows = rows};
    const char *key = NULL;
    uint32_t count = 0;
    if (attach->relation->kind == 'p') {
        put_full(hint, attach->relation->quoted);
    }
    while (next_with_rows(&p)) {
        if (lack_of(attach->spec, &p, &key) != LACKS_NOTHING && ++count <= NAMED_MAX) {
            put_full(hint, place_of(&p));
        }
    }
    if (count > NAMED_MAX) {
        tp_strbuf_reset(hint);
        tp_strbuf_puts(hint, "run what this yields: SELECT format('ALTER TABLE %s REPLICA IDENTITY "
                             "FULL', relid::regclass) FROM trigperf.table_family(");
        tp_sql_literal(hint, attach->relation->quoted);
        tp_strbuf_puts(hint, "::regclass)");
    }
    tp_strbuf_puts(hint, " (old rows are then written to the log as a whole); or choose another "
                         "granularity");
}

static int32_t refuse(const tp_wal_attach *attach, const part *p, lack which, const char *key,
                      trigperf_error **err) {
    tp_strbuf hint = TP_STRBUF_INIT;
    if (which == LACKS_FULL) {
        tp_strbuf_printf(&hint,
                         "ALTER TABLE %s REPLICA IDENTITY DEFAULT; or choose another granularity",
                         place_of(p));
    } else {
        put_fixes(attach, p->rows, &hint);
    }
    int32_t status = hint.failed ? tp_error_nomem(err) : set_lack(p, which, key, &hint, err);
    tp_strbuf_free(&hint);
    return status;
}

static void put_columns(const part *p, tp_strbuf *sql) {
    const char *between = " (";
    for (int row = p->from; row < p->to; row++) {
        if (is_true(p->rows, row, IN_IDENTITY)) {
            tp_strbuf_puts(sql, between);
            tp_sql_ident(sql, PQgetvalue(p->rows, row, NAME));
            between = ", ";
        }
    }
    tp_strbuf_putc(sql, ')');
}

/* One that was detached from another table may still be there, with other columns. */
static void put_publish(const trigperf_attachment *spec, const part *p, tp_strbuf *sql) {
    if (is_true(p->rows, p->from, PUBLISHED)) {
        tp_strbuf_printf(sql, "ALTER PUBLICATION trigperf DROP TABLE ONLY %s;\n", place_of(p));
    }
    tp_strbuf_printf(sql, "ALTER PUBLICATION trigperf ADD TABLE ONLY %s", place_of(p));
    if (fact_of(p, IDENTITY) != 'f') {
        put_columns(p, sql);
    }
    if (spec->where != NULL) {
        tp_strbuf_printf(sql, " WHERE (%s)", spec->where);
    }
    tp_strbuf_puts(sql, ";\n");
}

static int32_t check_part(tp_wal_attach *attach, const part *p, trigperf_error **err) {
    const char *key = NULL;
    int32_t status = check_logged(p, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    lack which = lack_of(attach->spec, p, &key);
    if (which != LACKS_NOTHING) {
        return refuse(attach, p, which, key, err);
    }
    put_publish(attach->spec, p, &attach->publish);
    return TRIGPERF_OK;
}

static int32_t check_parts(tp_wal_attach *attach, const PGresult *rows, trigperf_error **err) {
    part p = {.rows = rows};
    int32_t status = TRIGPERF_OK;
    tp_strbuf_reset(&attach->publish);
    while (status == TRIGPERF_OK && next_with_rows(&p)) {
        status = check_part(attach, &p, err);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    if (attach->publish.failed) {
        return tp_error_nomem(err);
    }
    if (attach->publish.length == 0 && attach->spec->where != NULL) {
        return tp_error_set(
            err, TRIGPERF_E_UNSUPPORTED, "make the first partition before",
            "granularity wal: a row filter is checked with a partition, %s has none",
            attach->relation->quoted);
    }
    return TRIGPERF_OK;
}

/* ---- all of it ---- */

static int32_t check_rows(tp_wal_attach *attach, const PGresult *rows, trigperf_error **err) {
    part root = {.rows = rows};
    if (!next_part(&root)) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "choose another granularity",
                            "granularity wal: expected a table with columns, %s has none",
                            attach->relation->quoted);
    }
    int32_t status = check_columns(attach->spec, &root, err);
    return status == TRIGPERF_OK ? check_parts(attach, rows, err) : status;
}

int32_t tp_wal_attach_check(PGconn *connection, tp_wal_attach *attach, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status = check_kind(attach, err);
    if (status == TRIGPERF_OK) {
        status = check_overlap(connection, attach, err);
    }
    if (status == TRIGPERF_OK) {
        status =
            tp_sql_query(connection, columns_sql, 1, (const char *const[]){attach->relation->oid},
                         "reading the replica identities", &rows, err);
    }
    if (status == TRIGPERF_OK) {
        status = check_rows(attach, rows, err);
    }
    PQclear(rows);
    return status;
}

void tp_wal_attach_lock(const tp_wal_attach *attach, tp_strbuf *sql) {
    bool alone = attach->relation->kind != 'p' && attach->layout->below_count == 0;
    tp_strbuf_printf(sql, "LOCK TABLE %s%s IN SHARE ROW EXCLUSIVE MODE;\n", alone ? "ONLY " : "",
                     attach->relation->quoted);
}

void tp_wal_attach_publish(const tp_wal_attach *attach, int32_t id, tp_strbuf *sql) {
    tp_strbuf_puts(sql, tp_strbuf_str(&attach->publish));
    tp_strbuf_printf(sql, "SELECT trigperf.wal_enrol(%d);\n", id);
}
