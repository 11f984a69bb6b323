/* One table of rights, each with the kinds of role that need it. Revoking a kind leaves what the
 * role holds for another reason: as another kind, or because capture functions run with its rights
 * (without USAGE on our schema, the statements of its tables would fail). The owner of an object is
 * never named in either: what a REVOKE takes from an owner, our functions miss as well.
 *
 * Rights on tables cannot be granted to an installer: a trigger needs the table's owner, so
 * membership in that role is what it takes, and only for owners of tables that were named. */
#include "db/grants.h"

#include <string.h>

#include "db/migrate.h"
#include "db/relation.h"
#include "db/retry.h"
#include "db/sqltext.h"

static const char doing[] = "granting rights";

enum kind { INSTALLER = 1, WRITER = 2, CONSUMER = 4, METRICS = 8, OWNER = 16 };

typedef struct right {
    unsigned kinds;
    const char *what;
} right;

static const right rights[] = {
    {CONSUMER | METRICS | OWNER, "USAGE ON SCHEMA trigperf"},
    {CONSUMER | METRICS, "SELECT ON trigperf.migration"},
    {CONSUMER | METRICS, "SELECT ON trigperf.captured_table"},
    {CONSUMER | METRICS, "SELECT ON trigperf.cascade_rule"},
    {CONSUMER | METRICS, "SELECT ON trigperf.member"},
    {CONSUMER | METRICS, "SELECT ON trigperf.setting"},
    {CONSUMER, "SELECT (channel) ON trigperf.notifier"},
    {CONSUMER, "SELECT ON trigperf.outbox"},
    {CONSUMER, "SELECT ON trigperf.outbox_0"},
    {CONSUMER, "SELECT ON trigperf.outbox_1"},
    {CONSUMER, "SELECT ON trigperf.outbox_2"},
    {CONSUMER, "SELECT ON trigperf.outbox_3"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.incarnation_get"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.reader_gap"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.consumer_claim"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.consumer_store"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.member_seen"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.member_gone"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.notifier_elect"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.notifier_resign"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.outbox_rotate"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.table_check_all"},
    {CONSUMER | METRICS, "SELECT ON trigperf.wal_consumer"},
    {CONSUMER | METRICS, "EXECUTE ON FUNCTION trigperf.wal_slots"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.wal_specs"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.wal_claim"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.wal_store"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.wal_watch"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.member_follow"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.consumer_watch"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.outbox_lag"},
    {METRICS, "SELECT ON trigperf.consumer"},
    {METRICS, "SELECT ON trigperf.outbox_slot"},
    {METRICS, "SELECT (instance, claim, beat) ON trigperf.notifier"},
    {METRICS, "SELECT (table_name, operation, error_message, occurred_at) "
              "ON trigperf.trigger_error_log"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.status"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.consumers"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.consumer_list"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.status_tables"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.status_strays"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.wal_tables"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.wal_identity"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.wal_strangers"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.table_subscribed"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.series_flush"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.job_lead"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.job_resign"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.job_begin"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.job_end"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.metrics_cleanup"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.series_merge"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.series_sweep"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.days_merge"},
    {METRICS, "SELECT ON trigperf.job"},
    {METRICS, "SELECT ON trigperf.job_lease"},
    {METRICS, "SELECT ON trigperf.job_run"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.jobs"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.job_failures"},
    {CONSUMER | METRICS, "INSERT ON trigperf.alert_history"},
    {METRICS, "SELECT ON trigperf.alert_history"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.alerts"},
    {CONSUMER | METRICS, "EXECUTE ON FUNCTION trigperf.alerts_judge"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.alerts_take"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.alert_silence"},
    {METRICS, "SELECT ON trigperf.trigger_performance_metrics"},
    {METRICS, "SELECT ON trigperf.trigger_execution_log"},
    {METRICS, "SELECT ON trigperf.host_series_name"},
    {METRICS, "SELECT ON trigperf.host_series"},
    {METRICS, "SELECT ON trigperf.host_process"},
    {METRICS, "SELECT ON trigperf.collect_state"},
    {METRICS, "SELECT ON trigperf.collect_run"},
    {CONSUMER | METRICS, "EXECUTE ON FUNCTION trigperf.collect"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.update_trigger_performance_metrics()"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.report"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.get_cache_trigger_health"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.triggers"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.track_functions_hint"},
    {CONSUMER | METRICS, "EXECUTE ON FUNCTION trigperf.cleanup_plan"},
    {CONSUMER, "EXECUTE ON FUNCTION trigperf.cleanup_step"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_bucket"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_lower"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_middle"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_value"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_of"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_checked"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_merge"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_sum"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_count"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_quantile"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.histogram_quantiles"},
    {METRICS, "EXECUTE ON FUNCTION trigperf.sorted_quantiles"},
};

/* What is known of the role, and of the schema if there is one. */
typedef struct facts {
    bool superuser;
    bool owns_database;
    bool owns_schema;
    unsigned held; /* kinds that it has been granted */
} facts;

typedef struct work {
    const tp_grants_spec *spec;
    enum kind kind;
    bool dry_run;
    tp_strbuf *sql;
    tp_strbuf role;   /* quoted */
    tp_strbuf tables; /* those named: an array of oids */
    facts facts;
    bool any; /* something beside comments */
} work;

#define HELD(catalog, acl, schema, name, object, privilege)                                        \
    " EXISTS (SELECT FROM " catalog " o CROSS JOIN LATERAL aclexplode(o." acl ") a"                \
    " WHERE o." schema " = n.oid AND o." name " = '" object "' AND a.grantee = r.oid"              \
    " AND a.privilege_type = '" privilege "')"

static const char facts_sql[] =
    "SELECT r.rolsuper, d.datdba = r.oid, COALESCE(n.nspowner = r.oid, false)," HELD(
        "pg_proc", "proacl", "pronamespace", "proname", "consumer_claim",
        "EXECUTE") "," HELD("pg_proc", "proacl", "pronamespace", "proname", "status",
                            "EXECUTE") "," HELD("pg_class", "relacl", "relnamespace", "relname",
                                                "outbox_0",
                                                "INSERT") " FROM pg_roles r JOIN pg_database d ON "
                                                          "d.datname = current_database()"
                                                          " LEFT JOIN pg_namespace n ON n.nspname "
                                                          "= 'trigperf'"
                                                          " WHERE r.rolname = $1";

/* Owners of the named tables, and of the schema, with what stands between the role and them. */
static const char owners_sql[] =
    "SELECT quote_ident(o.rolname), o.rolsuper, pg_has_role(r.oid, o.oid, 'MEMBER')"
    " FROM pg_roles r, pg_roles o WHERE r.rolname = $1"
    " AND o.oid IN (SELECT c.relowner FROM pg_class c WHERE c.oid = ANY ($2::oid[])"
    " UNION ALL SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'trigperf')"
    " AND o.oid <> r.oid ORDER BY 1";

static int32_t find_kind(const char *name, enum kind *kind, trigperf_error **err) {
    static const char *const names[] = {"installer", "writer", "consumer", "metrics"};
    for (unsigned i = 0; i < 4; i++) {
        if (name != NULL && strcmp(name, names[i]) == 0) {
            *kind = (enum kind)(1u << i);
            return TRIGPERF_OK;
        }
    }
    return tp_error_set(err, TRIGPERF_E_INVALID, "doc/sql.md says what each may do",
                        "expected a kind of role among installer, writer, consumer, metrics; got "
                        "\"%s\"",
                        name == NULL ? "" : name);
}

static bool is_true(const PGresult *result, int row, int column) {
    return PQgetvalue(result, row, column)[0] == 't';
}

static int32_t read_facts(work *w, PGconn *connection, trigperf_error **err) {
    PGresult *found = NULL;
    int32_t status = tp_sql_query(connection, facts_sql, 1, (const char *const[]){w->spec->role},
                                  "looking for the role", &found, err);
    if (status == TRIGPERF_OK && PQntuples(found) == 0) {
        status = tp_error_set(err, TRIGPERF_E_NOT_FOUND,
                              "names are taken as they are written; make it with CREATE ROLE",
                              "expected a role of this server, there is none named \"%s\"",
                              w->spec->role);
    } else if (status == TRIGPERF_OK) {
        w->facts = (facts){.superuser = is_true(found, 0, 0),
                           .owns_database = is_true(found, 0, 1),
                           .owns_schema = is_true(found, 0, 2),
                           .held = (is_true(found, 0, 3) ? CONSUMER : 0u) |
                                   (is_true(found, 0, 4) ? METRICS : 0u) |
                                   (is_true(found, 0, 5) ? OWNER : 0u)};
    }
    PQclear(found);
    return status;
}

static void put(work *w, const char *what) {
    bool revoke = w->spec->revoke;
    w->any = true;
    tp_strbuf_printf(w->sql, "%s %s %s %s;\n", revoke ? "REVOKE" : "GRANT", what,
                     revoke ? "FROM" : "TO", tp_strbuf_str(&w->role));
}

static void put_rights(work *w) {
    unsigned kept = w->spec->revoke ? w->facts.held & ~(unsigned)w->kind : 0;
    size_t begin = w->sql->length;
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        if ((rights[i].kinds & w->kind) != 0 && (rights[i].kinds & kept) == 0) {
            put(w, rights[i].what);
        }
    }
    if (kept != 0 && w->sql->length > begin) {
        tp_strbuf_puts(w->sql, "-- What the role needs for another purpose stays.\n");
    }
}

/* One role after the other: those that the role is a member of already need nothing. */
static void put_membership(work *w, const PGresult *owners, int row) {
    bool member = is_true(owners, row, 2);
    if (is_true(owners, row, 1)) {
        tp_strbuf_puts(w->sql, "-- ");
        tp_sql_comment(w->sql, PQgetvalue(owners, row, 0));
        tp_strbuf_puts(w->sql, " is a superuser, whose rights are not lent: what belongs to it is "
                               "attached by\n-- itself, or after ALTER .. OWNER TO.\n");
    } else if (member == w->spec->revoke) {
        put(w, PQgetvalue(owners, row, 0));
    }
}

static int32_t put_installer(work *w, PGconn *connection, trigperf_error **err) {
    PGresult *owners = NULL;
    const char *values[] = {w->spec->role, tp_strbuf_str(&w->tables)};
    if (!w->facts.owns_database) {
        tp_strbuf create = TP_STRBUF_INIT;
        tp_strbuf_puts(&create, "CREATE ON DATABASE ");
        tp_sql_ident(&create, PQdb(connection));
        put(w, tp_strbuf_str(&create));
        w->sql->failed = w->sql->failed || create.failed;
        tp_strbuf_free(&create);
    } else {
        tp_strbuf_puts(w->sql, "-- It owns the database, and so may create the schema.\n");
    }
    int32_t status =
        tp_sql_query(connection, owners_sql, 2, values, "looking for owners", &owners, err);
    for (int row = 0; status == TRIGPERF_OK && row < PQntuples(owners); row++) {
        put_membership(w, owners, row);
    }
    PQclear(owners);
    return status;
}

static int32_t put_all(work *w, PGconn *connection, trigperf_error **err) {
    static const char *const purpose[] = {
        "-- Installs the schema; attaches its own tables, and those of the owners named below.\n",
        ("-- Writers need no right on the schema trigperf: capture runs with the rights of the\n"
         "-- table's owner.\n"),
        "-- Follows changes, as a context does. Sees the key values of all attached tables.\n",
        "-- Reads the status, and no key values but those in messages of capture errors.\n"};
    unsigned index = w->kind == INSTALLER ? 0 : w->kind == WRITER ? 1 : w->kind == CONSUMER ? 2 : 3;
    tp_strbuf_puts(w->sql, purpose[index]);
    if (w->kind == WRITER) {
        return TRIGPERF_OK;
    }
    if (w->facts.superuser) {
        tp_strbuf_puts(w->sql, "-- The role is a superuser, which needs no grants.\n");
        return TRIGPERF_OK;
    }
    if (w->kind == INSTALLER) {
        return put_installer(w, connection, err);
    }
    if (w->facts.owns_schema) {
        tp_strbuf_puts(w->sql, "-- The role owns the schema, which needs no grants.\n");
    } else {
        put_rights(w);
    }
    return TRIGPERF_OK;
}

/* Names of tables are looked up under the session's own search_path. */
static int32_t find_tables(work *w, PGconn *connection, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    tp_strbuf_reset(&w->tables);
    tp_strbuf_putc(&w->tables, '{');
    for (uint32_t i = 0; status == TRIGPERF_OK && i < w->spec->table_count; i++) {
        tp_relation relation = {0};
        status = tp_relation_find(connection, w->spec->tables[i], &relation, err);
        if (status == TRIGPERF_OK) {
            tp_strbuf_printf(&w->tables, "%s%s", i == 0 ? "" : ",", relation.oid);
            status = tp_relation_check(&relation, err);
        }
        tp_relation_free(&relation);
    }
    tp_strbuf_putc(&w->tables, '}');
    return status == TRIGPERF_OK && w->tables.failed ? tp_error_nomem(err) : status;
}

static int32_t grant(PGconn *connection, void *user, trigperf_error **err) {
    work *w = user;
    int32_t version = 0;
    w->any = false;
    tp_strbuf_reset(w->sql);
    int32_t status =
        tp_migrate_peek(connection, w->kind == CONSUMER || w->kind == METRICS, &version, err);
    if (status == TRIGPERF_OK) {
        status = find_tables(w, connection, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_sql_run(connection, "SET LOCAL search_path = pg_catalog, pg_temp", doing, err);
    }
    if (status == TRIGPERF_OK) {
        status = read_facts(w, connection, err);
    }
    if (status == TRIGPERF_OK) {
        status = put_all(w, connection, err);
    }
    if (status == TRIGPERF_OK && (w->sql->failed || w->role.failed || w->tables.failed)) {
        status = tp_error_nomem(err);
    }
    if (status == TRIGPERF_OK && w->any && !w->dry_run) {
        status = tp_sql_run(connection, tp_strbuf_str(w->sql), doing, err);
    }
    return status;
}

int32_t tp_grants(PGconn *connection, const tp_grants_spec *spec, bool dry_run, tp_strbuf *sql,
                  trigperf_error **err) {
    work w = {.spec = spec, .dry_run = dry_run, .sql = sql};
    if (spec->role == NULL || spec->role[0] == '\0') {
        return tp_error_set(err, TRIGPERF_E_INVALID, "name the role that logs in",
                            "expected the name of a role, got nothing");
    }
    int32_t status = find_kind(spec->kind, &w.kind, err);
    if (status == TRIGPERF_OK && spec->table_count > 0 && w.kind != INSTALLER) {
        status =
            tp_error_set(err, TRIGPERF_E_INVALID, "leave the tables out",
                         "expected tables for an installer only, got some for a %s", spec->kind);
    }
    if (status == TRIGPERF_OK) {
        tp_sql_ident(&w.role, spec->role);
        status = tp_retry(connection, grant, &w, !dry_run, doing, err);
    }
    tp_strbuf_free(&w.role);
    tp_strbuf_free(&w.tables);
    if (status != TRIGPERF_OK) {
        tp_strbuf_reset(sql);
    }
    return status;
}

/* One right as (privilege, column, kind of object, its name). */
static void put_wanted(tp_strbuf *sql, const char *what) {
    static const char function[] = "EXECUTE ON FUNCTION trigperf.";
    static const char table[] = " ON trigperf.";
    const char *name = strstr(what, table);
    if (strncmp(what, function, sizeof function - 1) == 0) {
        tp_strbuf_printf(sql, "('EXECUTE', NULL, 'function', '%s')", what + sizeof function - 1);
    } else if (name == NULL) {
        tp_strbuf_puts(sql, "('USAGE', NULL, 'schema', 'trigperf')");
    } else {
        const char *column = strchr(what, '(');
        size_t length = column == NULL ? 0 : strcspn(column + 1, ")");
        tp_strbuf_printf(sql, "('%.*s', NULLIF('%.*s', ''), 'table', '%s')",
                         (int)strcspn(what, " "), what, (int)length,
                         column == NULL ? "" : column + 1, name + sizeof table - 1);
    }
}

/* The names come from the table above: nothing needs to be quoted. */
void tp_grants_put_missing(tp_strbuf *sql) {
    const char *separator = "";
    tp_strbuf_puts(sql, "WITH wanted (privilege, field, kind, name) AS (VALUES ");
    for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
        if ((rights[i].kinds & CONSUMER) != 0) {
            tp_strbuf_puts(sql, separator);
            put_wanted(sql, rights[i].what);
            separator = ", ";
        }
    }
    tp_strbuf_puts(
        sql,
        "), held AS (SELECT w.*, CASE w.kind"
        " WHEN 'schema' THEN has_schema_privilege(n.oid, 'USAGE')"
        " WHEN 'function' THEN (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE'))"
        " FROM pg_proc p WHERE p.pronamespace = n.oid AND p.proname = w.name)"
        " ELSE (SELECT bool_and(CASE WHEN w.field IS NULL"
        " THEN has_table_privilege(c.oid, w.privilege)"
        " ELSE has_column_privilege(c.oid, w.field, w.privilege) END)"
        " FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = w.name) END AS has"
        " FROM wanted w, pg_namespace n WHERE n.nspname = 'trigperf'),"
        " lacking AS (SELECT count(*) AS count, string_agg(h.privilege || ' on ' || h.kind || ' '"
        " || h.name, ', ' ORDER BY h.kind DESC, h.name) AS list, (SELECT count(*) FROM held) AS "
        "total"
        " FROM held h WHERE h.has IS NOT TRUE)"
        " SELECT CASE WHEN l.count = l.total THEN 'warn' ELSE 'critical' END, CURRENT_USER,"
        " CASE WHEN l.count = l.total THEN 'the role has no rights of a consumer: programs that"
        " connect under another one are not concerned'"
        " ELSE 'the role lacks ' || l.count || ' of ' || l.total || ' rights of a consumer: '"
        " || l.list END,"
        " 'trigperf grants --consumer ' || quote_ident(CURRENT_USER) || ' --apply'"
        " FROM lacking l WHERE l.count > 0");
}
