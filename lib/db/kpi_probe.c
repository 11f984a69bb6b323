/* The server has no call that tells whether an expression is immutable, or which columns it uses.
 * It does both when an index or a view is made of it: so they are made, of an empty temporary table
 * of the source's shape, looked at, and dropped. */
#include "db/kpi_probe.h"

#include <stdlib.h>
#include <string.h>

#include "db/expression.h"
#include "db/kpi_part.h"
#include "db/sqltext.h"

static const char hint[] =
    "write one immutable SQL expression over the row's columns, without names of tables; functions "
    "and types outside pg_catalog need their schema";

typedef struct probe {
    PGconn *connection;
    const trigperf_kpi *spec;
    const tp_relation *source;
    const tp_layout *layout;
    tp_kpi_probe *out;
} probe;

static int32_t not_valid(const char *name, trigperf_error *cause, trigperf_error **err) {
    int32_t status = trigperf_error_code(cause);
    if (status != TRIGPERF_E_SERVER) {
        return tp_error_move(err, cause, status);
    }
    status = tp_error_set_sql(err, TRIGPERF_E_INVALID, trigperf_error_sqlstate(cause), false, hint,
                              "the expression of \"%s\" is not valid: %s", name,
                              trigperf_error_message(cause));
    trigperf_error_free(cause);
    return status;
}

/* Runs and releases the text; a refusal of the server is the expression's fault. */
static int32_t try_sql(const probe *p, const char *name, tp_strbuf *sql, trigperf_error **err) {
    trigperf_error *cause = NULL;
    int32_t status = sql->failed
                         ? tp_error_nomem(&cause)
                         : tp_sql_run(p->connection, tp_strbuf_str(sql), "trying it", &cause);
    tp_strbuf_free(sql);
    return status == TRIGPERF_OK ? TRIGPERF_OK : not_valid(name, cause, err);
}

/* One expression in one pair of parentheses, and immutable. */
static int32_t check_expression(const probe *p, const char *name, const char *expression,
                                bool condition, trigperf_error **err) {
    tp_capture_key key = {.name = name, .expression = expression};
    int32_t status = tp_expression_check(p->connection, p->source, p->layout, &key, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_strbuf sql = TP_STRBUF_INIT;
    tp_strbuf_printf(&sql,
                     condition ? "CREATE INDEX ON pg_temp.tp_probe ((1)) WHERE (%s\n)"
                               : "CREATE INDEX ON pg_temp.tp_probe ((%s\n))",
                     expression);
    return try_sql(p, name, &sql, err);
}

static int32_t check_column(const probe *p, uint32_t group, trigperf_error **err) {
    const char *name = p->spec->groups[group].name;
    const tp_column *column = tp_layout_column(p->layout, name);
    if (column == NULL) {
        return tp_error_set(err, TRIGPERF_E_NOT_FOUND,
                            "check the spelling; a group that is an expression is written "
                            "NAME=EXPRESSION",
                            "expected a column of %s to group by, there is none named \"%s\"",
                            p->source->quoted, name);
    }
    if (column->is_virtual) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "write its own expression instead",
                            "column \"%s\" is a virtual generated column, whose value triggers do "
                            "not see",
                            name);
    }
    return TRIGPERF_OK;
}

static int32_t check_value(const probe *p, const tp_kpi_value *value, trigperf_error **err) {
    if (value->kind == TP_KPI_OTHER && !p->spec->trailing) {
        return tp_error_set(err, TRIGPERF_E_INVALID,
                            "count, sum, min and max of an expression can; or choose the mode "
                            "trailing",
                            "an immediate KPI cannot keep \"%s\" by adding and taking away: %s",
                            value->name, value->aggregate);
    }
    return value->expression == NULL ? TRIGPERF_OK
                                     : check_expression(p, value->name, value->expression,
                                                        value->kind == TP_KPI_COUNT, err);
}

static int32_t check_all(const probe *p, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < p->spec->group_count; i++) {
        const tp_kpi_group *group = &p->spec->groups[i];
        status = group->expression == NULL
                     ? check_column(p, i, err)
                     : check_expression(p, group->name, group->expression, false, err);
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < p->spec->value_count; i++) {
        status = check_value(p, &p->spec->values[i], err);
    }
    if (status == TRIGPERF_OK && p->spec->where != NULL) {
        status = check_expression(p, "where", p->spec->where, true, err);
    }
    return status;
}

/* --- shapes
 * -------------------------------------------------------------------------------------*/

/* Groups and operands, a column each, in their order. */
static int32_t make_operands(const probe *p, const tp_kpi_plan *plan, trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    tp_strbuf_puts(&sql, "CREATE TEMP VIEW tp_operands AS SELECT ");
    for (uint32_t i = 0; i < p->spec->group_count; i++) {
        tp_strbuf_puts(&sql, i == 0 ? "" : ", ");
        tp_kpi_put_group(plan, i, &sql);
        tp_strbuf_printf(&sql, " AS tp_g%u", i + 1);
    }
    for (uint32_t i = 0; i < p->spec->value_count; i++) {
        const char *expression = p->spec->values[i].expression;
        tp_strbuf_printf(&sql, ", (%s\n) AS tp_v%u", expression == NULL ? "true" : expression,
                         i + 1);
    }
    tp_strbuf_puts(&sql, " FROM pg_temp.tp_probe");
    tp_kpi_put_where(plan, &sql);
    return try_sql(p, p->spec->target, &sql, err);
}

/* The query itself; an aggregate that closes a parenthesis of ours fails within CASE. */
static int32_t make_query(const probe *p, const tp_kpi_plan *plan, trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = 0; status == TRIGPERF_OK && i < p->spec->value_count; i++) {
        const tp_kpi_value *value = &p->spec->values[i];
        if (value->kind == TP_KPI_OTHER) {
            tp_strbuf_printf(&sql, "SELECT CASE WHEN true THEN %s\nEND FROM pg_temp.tp_probe",
                             value->aggregate);
            status = try_sql(p, value->name, &sql, err);
        }
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_strbuf_puts(&sql, "CREATE TEMP VIEW tp_query AS ");
    tp_kpi_put_query(plan, &sql);
    tp_strbuf_puts(&sql, "; TABLE pg_temp.tp_query EXCEPT ALL TABLE pg_temp.tp_query");
    return try_sql(p, p->spec->target, &sql, err);
}

#define BASE_TYPE                                                                                  \
    "JOIN LATERAL ("                                                                               \
    "WITH RECURSIVE under(oid, typtype, typbasetype) AS ("                                         \
    "SELECT t.oid, t.typtype, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid UNION ALL "    \
    "SELECT t.oid, t.typtype, t.typbasetype FROM under u JOIN pg_type t ON t.oid = u.typbasetype " \
    "WHERE u.typtype = 'd') "                                                                      \
    "SELECT t.* FROM under u JOIN pg_type t ON t.oid = u.oid WHERE u.typtype <> 'd') b ON true "

/* Types whose operators are the server's own: those of others are not found under our search_path,
 * or not the same. */
static const char operands_sql[] =
    "SELECT a.attname, b.typtype IN ('e', 'r') OR b.typnamespace = 'pg_catalog'::regnamespace,"
    " b.oid = 'numeric'::regtype, b.oid = ANY ('{int2,int4,int8,numeric}'::regtype[]),"
    " format_type(a.atttypid, a.atttypmod) "
    "FROM pg_attribute a " BASE_TYPE
    "WHERE a.attrelid = 'pg_temp.tp_operands'::regclass AND a.attnum > 0 ORDER BY a.attnum";

static const char used_sql[] =
    "SELECT DISTINCT a.attname, b.typtype IN ('e', 'r') OR EXISTS (SELECT FROM pg_opclass o"
    " JOIN pg_am m ON m.oid = o.opcmethod WHERE o.opcdefault AND m.amname = 'btree'"
    " AND o.opcintype = b.oid) "
    "FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid "
    "JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid " BASE_TYPE
    "WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass"
    " AND d.refobjid = 'pg_temp.tp_probe'::regclass"
    " AND r.ev_class IN ('pg_temp.tp_operands'::regclass, 'pg_temp.tp_query'::regclass) ORDER BY 1";

static const char before_sql[] =
    "SELECT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal"
    " AND t.tgtype & 19 = 19)";

static bool is_true(const PGresult *rows, int row, int column) {
    return PQgetvalue(rows, row, column)[0] == 't';
}

static int32_t foreign_type(const probe *p, const char *name, const char *type,
                            trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                        "cast it, for instance to text: NAME=lower(column::text)",
                        "%s: \"%s\" has the type %s, whose comparison is not the server's own",
                        p->source->quoted, name, type);
}

static int32_t judge_value(const probe *p, const PGresult *rows, uint32_t value,
                           trigperf_error **err) {
    int row = (int)(p->spec->group_count + value);
    const tp_kpi_value *given = &p->spec->values[value];
    bool extreme = given->kind == TP_KPI_MIN || given->kind == TP_KPI_MAX;
    if (extreme && !is_true(rows, row, 1)) {
        return foreign_type(p, given->name, PQgetvalue(rows, row, 4), err);
    }
    if (given->kind == TP_KPI_SUM && !is_true(rows, row, 3)) {
        return tp_error_set(err, TRIGPERF_E_UNSUPPORTED,
                            "cast it to numeric, for instance sum(x::numeric)",
                            "the sum \"%s\" is over the type %s, whose sums are not exact after "
                            "taking away: expected an integer type or numeric",
                            given->name, PQgetvalue(rows, row, 4));
    }
    p->out->numeric[value] = given->kind == TP_KPI_SUM && is_true(rows, row, 2);
    return TRIGPERF_OK;
}

static int32_t judge_types(const probe *p, trigperf_error **err) {
    PGresult *rows = NULL;
    int32_t status = tp_sql_query(p->connection, operands_sql, 0, NULL,
                                  "reading the types of the expressions", &rows, err);
    for (uint32_t i = 0; status == TRIGPERF_OK && i < p->spec->group_count; i++) {
        const char *name = p->spec->groups[i].name;
        const tp_column *column = tp_layout_column(p->layout, name);
        if (!is_true(rows, (int)i, 1)) {
            status = foreign_type(p, name, PQgetvalue(rows, (int)i, 4), err);
        }
        if (p->spec->groups[i].expression == NULL && column != NULL) {
            p->out->not_null[i] = p->layout->images[column - p->layout->columns].not_null;
        }
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < p->spec->value_count; i++) {
        status = judge_value(p, rows, i, err);
    }
    PQclear(rows);
    return status;
}

static int32_t read_used(const probe *p, trigperf_error **err) {
    tp_kpi_probe *out = p->out;
    PGresult *before = NULL;
    int32_t status = tp_sql_query(p->connection, used_sql, 0, NULL,
                                  "reading the columns of the expressions", &out->rows, err);
    if (status == TRIGPERF_OK) {
        status = tp_sql_query(p->connection, before_sql, 1, (const char *const[]){p->source->oid},
                              "looking for triggers", &before, err);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    out->before = is_true(before, 0, 0);
    PQclear(before);
    out->used_count = (uint32_t)PQntuples(out->rows);
    out->used = calloc((size_t)out->used_count + 1, sizeof *out->used);
    if (out->used == NULL) {
        return tp_error_nomem(err);
    }
    for (uint32_t i = 0; i < out->used_count; i++) {
        out->used[i] =
            (tp_kpi_used){PQgetvalue(out->rows, (int)i, 0), is_true(out->rows, (int)i, 1)};
    }
    return TRIGPERF_OK;
}

static int32_t look(const probe *p, trigperf_error **err) {
    tp_kpi_plan plan = {.spec = p->spec,
                        .source = "pg_temp.tp_probe",
                        .not_null = p->out->not_null,
                        .numeric = p->out->numeric};
    int32_t status = make_operands(p, &plan, err);
    if (status == TRIGPERF_OK) {
        status = judge_types(p, err);
    }
    if (status == TRIGPERF_OK) {
        status = make_query(p, &plan, err);
    }
    return status == TRIGPERF_OK ? read_used(p, err) : status;
}

static int32_t check_names(const probe *p, trigperf_error **err) {
    for (uint32_t i = 0; i < p->layout->column_count; i++) {
        if (strncmp(p->layout->columns[i].name, "tp_", 3) == 0) {
            return tp_error_set(err, TRIGPERF_E_UNSUPPORTED, "rename the column",
                                "%s has the column \"%s\": names that begin with tp_ are those of "
                                "the KPI's own functions",
                                p->source->quoted, p->layout->columns[i].name);
        }
    }
    return TRIGPERF_OK;
}

int32_t tp_kpi_probe_run(PGconn *connection, const trigperf_kpi *spec, const tp_relation *source,
                         const tp_layout *layout, tp_kpi_probe *out, trigperf_error **err) {
    probe p = {connection, spec, source, layout, out};
    out->not_null = calloc((size_t)spec->group_count + 1, sizeof *out->not_null);
    out->numeric = calloc((size_t)spec->value_count + 2, sizeof *out->numeric);
    if (out->not_null == NULL || out->numeric == NULL) {
        return tp_error_nomem(err);
    }
    int32_t status = check_names(&p, err);
    tp_strbuf sql = TP_STRBUF_INIT;
    tp_strbuf_printf(&sql, "CREATE TEMP TABLE tp_probe (LIKE %s)", source->quoted);
    if (status == TRIGPERF_OK) {
        status = sql.failed ? tp_error_nomem(err)
                            : tp_sql_run(connection, tp_strbuf_str(&sql),
                                         "making a temporary table of the source's shape", err);
    }
    tp_strbuf_free(&sql);
    if (status == TRIGPERF_OK) {
        status = check_all(&p, err);
    }
    if (status == TRIGPERF_OK) {
        status = look(&p, err);
    }
    return status == TRIGPERF_OK ? tp_sql_run(connection, "DROP TABLE pg_temp.tp_probe CASCADE",
                                              "dropping a temporary table", err)
                                 : status;
}

void tp_kpi_probe_free(tp_kpi_probe *found) {
    PQclear(found->rows);
    free(found->used);
    free(found->not_null);
    free(found->numeric);
    *found = (tp_kpi_probe){0};
}
