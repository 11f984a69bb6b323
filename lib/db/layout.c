/* Run with search_path = pg_catalog, pg_temp.
 *
 * A primary key serves to pair old and new rows when it is not deferrable (else it may hold twice
 * at the end of a statement) and its equality is the server's own, written OPERATOR(pg_catalog.=):
 * enums and built-in scalar types, also under domains. With inheriting tables it does not serve:
 * they may hold the same keys again, and every row would be paired with each of them. */
#include "db/layout.h"

#include <stdlib.h>
#include <string.h>

#include "db/image.h"
#include "db/rendering.h"
#include "db/sqltext.h"

#define BASE_TYPE                                                                                  \
    "JOIN LATERAL ("                                                                               \
    "WITH RECURSIVE under(oid, typtype, typbasetype) AS ("                                         \
    "SELECT t.oid, t.typtype, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid UNION ALL "    \
    "SELECT t.oid, t.typtype, t.typbasetype FROM under u JOIN pg_type t ON t.oid = u.typbasetype " \
    "WHERE u.typtype = 'd') "                                                                      \
    "SELECT t.* FROM under u JOIN pg_type t ON t.oid = u.oid WHERE u.typtype <> 'd') b ON true "

static const char columns_sql[] =
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), b.oid, b.typtype, b.typname,"
    " CASE WHEN b.typcategory = 'A' THEN b.typelem ELSE 0 END, a.attgenerated = 'v',"
    " a.attnotnull "
    "FROM pg_attribute a " BASE_TYPE
    "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

static const char identity_sql[] =
    "SELECT a.attname, b.typtype = 'e' OR (b.typtype = 'b' AND b.typcategory <> 'A'"
    " AND b.typnamespace = 'pg_catalog'::regnamespace) "
    "FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) "
    "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum " BASE_TYPE
    "WHERE i.indrelid = $1::oid AND i.indisprimary AND i.indisvalid AND i.indimmediate"
    " AND k.place <= i.indnkeyatts ORDER BY k.place";

static const char below_sql[] =
    "WITH RECURSIVE below(oid) AS ("
    "SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::oid UNION "
    "SELECT i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.oid) "
    "SELECT format('%I.%I', n.nspname, c.relname), c.relkind, c.relispartition "
    "FROM below b JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relpersistence <> 't' ORDER BY c.oid";

static void *list(int count, size_t size) {
    return calloc((size_t)count + 1, size);
}

static uint32_t number(const PGresult *result, int row, int column) {
    return (uint32_t)strtoul(PQgetvalue(result, row, column), NULL, 10);
}

static bool take_columns(const PGresult *rows, tp_layout *out) {
    out->columns = list(PQntuples(rows), sizeof *out->columns);
    out->images = list(PQntuples(rows), sizeof *out->images);
    if (out->columns == NULL || out->images == NULL) {
        return false;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        tp_column *column = &out->columns[row];
        column->name = PQgetvalue(rows, row, 0);
        column->type = PQgetvalue(rows, row, 1);
        column->is_virtual = PQgetvalue(rows, row, 6)[0] == 't';
        tp_rendering_of(number(rows, row, 2), PQgetvalue(rows, row, 3)[0], PQgetvalue(rows, row, 4),
                        number(rows, row, 5), &column->kind, &column->rendering);
        out->images[row] = (tp_capture_column){
            column->name, tp_image_equals(number(rows, row, 2), PQgetvalue(rows, row, 3)[0]),
            PQgetvalue(rows, row, 7)[0] == 't'};
    }
    out->column_count = (uint32_t)PQntuples(rows);
    return true;
}

static bool take_identity(const PGresult *rows, tp_layout *out) {
    out->identity = list(PQntuples(rows), sizeof *out->identity);
    if (out->identity == NULL) {
        return false;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        if (PQgetvalue(rows, row, 1)[0] != 't') {
            return true;
        }
        out->identity[row] = PQgetvalue(rows, row, 0);
    }
    out->identity_count = (uint32_t)PQntuples(rows);
    return true;
}

static bool take_below(const PGresult *rows, tp_layout *out) {
    out->below = list(PQntuples(rows), sizeof *out->below);
    if (out->below == NULL) {
        return false;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        out->below[row] = (tp_below){PQgetvalue(rows, row, 0), PQgetvalue(rows, row, 1)[0],
                                     PQgetvalue(rows, row, 2)[0] == 't'};
        out->identity_count = out->below[row].is_partition ? out->identity_count : 0;
    }
    out->below_count = (uint32_t)PQntuples(rows);
    return true;
}

int32_t tp_layout_read(PGconn *connection, const tp_relation *relation, tp_layout *out,
                       trigperf_error **err) {
    static const char *const queries[] = {columns_sql, identity_sql, below_sql};
    static bool (*const takers[])(const PGresult *, tp_layout *) = {take_columns, take_identity,
                                                                    take_below};
    tp_layout layout = {0};
    int32_t status = TRIGPERF_OK;
    for (int i = 0; status == TRIGPERF_OK && i < 3; i++) {
        status = tp_sql_query(connection, queries[i], 1, (const char *const[]){relation->oid},
                              "reading the table's columns", &layout.results[i], err);
        if (status == TRIGPERF_OK && !takers[i](layout.results[i], &layout)) {
            status = tp_error_nomem(err);
        }
    }
    if (status != TRIGPERF_OK) {
        tp_layout_free(&layout);
        return status;
    }
    *out = layout;
    return TRIGPERF_OK;
}

void tp_layout_free(tp_layout *layout) {
    free(layout->columns);
    free(layout->images);
    free(layout->identity);
    free(layout->below);
    for (int i = 0; i < 3; i++) {
        PQclear(layout->results[i]);
    }
    *layout = (tp_layout){0};
}

const tp_column *tp_layout_column(const tp_layout *layout, const char *name) {
    for (uint32_t i = 0; i < layout->column_count; i++) {
        if (strcmp(layout->columns[i].name, name) == 0) {
            return &layout->columns[i];
        }
    }
    return NULL;
}
