/* The administrator's side: a blocking connection, and lib/db behind it. */
#include <trigperf/admin.h>

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/admin.h"
#include "api/config.h"
#include "base/strbuf.h"
#include "db/advice.h"
#include "db/apply.h"
#include "db/attach.h"
#include "db/consumers.h"
#include "db/detach.h"
#include "db/doctor.h"
#include "db/grants.h"
#include "db/inspect.h"
#include "db/migrate.h"
#include "db/rules.h"
#include "db/triggers.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "pg/pgerror.h"
#include "pg/server.h"

struct trigperf_admin {
    PGconn *connection;
    int32_t max_keys;
    uint32_t retention_days;
};

PGconn *tp_admin_connection(trigperf_admin *admin) {
    return admin->connection;
}

uint32_t tp_admin_retention_days(const trigperf_admin *admin) {
    return admin->retention_days;
}

static void ignore_notice(void *user, const PGresult *result) {
    (void)user;
    (void)result;
}

static int32_t run(PGconn *connection, const char *sql, trigperf_error **err) {
    PGresult *result = PQexec(connection, sql);
    ExecStatusType state = PQresultStatus(result);
    int32_t status = state == PGRES_COMMAND_OK || state == PGRES_TUPLES_OK
                         ? TRIGPERF_OK
                         : tp_pg_error(err, connection, result, "lifting the session's limits");
    PQclear(result);
    return status;
}

/* What a role or database sets for those who work in it would end an administrator's command in the
 * middle. The first statement is as short as can be, since that limit holds for it. */
static int32_t lift_limits(PGconn *connection, trigperf_error **err) {
    int32_t status = run(connection, "SET statement_timeout = 0", err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    return run(connection,
               "SELECT pg_catalog.set_config(name, value, false) FROM (VALUES "
               "('default_transaction_read_only', 'off'), " TP_PG_NO_LIMITS
               ") AS s(name, value)" TP_PG_WHERE_KNOWN,
               err);
}

static int32_t connect_to(const trigperf_config *config, PGconn **out, trigperf_error **err) {
    tp_conninfo *info = NULL;
    tp_conninfo_options options = {
        .connection = tp_config_text(config, TP_OPTION_CONNECTION),
        .application_name = tp_config_text(config, TP_OPTION_APPLICATION_NAME),
        .connect_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_TIMEOUT_MS),
        .silence_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_SILENCE_MS)};
    int32_t status = tp_conninfo_new(&options, &info, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    PGconn *connection = PQconnectdbParams(tp_conninfo_keywords(info), tp_conninfo_values(info), 0);
    tp_conninfo_free(info);
    if (PQstatus(connection) != CONNECTION_OK) {
        status = tp_pg_error(err, connection, NULL, "connecting to PostgreSQL");
        PQfinish(connection);
        return status;
    }
    PQsetNoticeReceiver(connection, ignore_notice, NULL);
    status = lift_limits(connection, err);
    if (status != TRIGPERF_OK) {
        PQfinish(connection);
        return status;
    }
    *out = connection;
    return TRIGPERF_OK;
}

static int32_t open_admin(const trigperf_config *config, trigperf_admin **out,
                          trigperf_error **err) {
    trigperf_admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL) {
        return tp_error_nomem(err);
    }
    admin->max_keys = (int32_t)tp_config_u32(config, TP_OPTION_CAPTURE_MAX_KEYS);
    admin->retention_days = tp_config_u32(config, TP_OPTION_METRICS_RETENTION_DAYS);
    int32_t status = connect_to(config, &admin->connection, err);
    if (status == TRIGPERF_OK) {
        status = tp_server_check_version(PQserverVersion(admin->connection), err);
    }
    if (status != TRIGPERF_OK) {
        trigperf_admin_free(admin);
        return status;
    }
    *out = admin;
    return TRIGPERF_OK;
}

int32_t trigperf_admin_new(const trigperf_config *config, trigperf_admin **admin,
                           trigperf_error **error) {
    trigperf_config *own = NULL;
    int32_t status = tp_config_copy(config, &own, error);
    if (status == TRIGPERF_OK) {
        status = open_admin(own, admin, error);
    }
    trigperf_config_free(own);
    return status;
}

void trigperf_admin_free(trigperf_admin *admin) {
    if (admin != NULL) {
        PQfinish(admin->connection);
        free(admin);
    }
}

int32_t tp_admin_hand_over(tp_strbuf *text, char **out, int32_t status, trigperf_error **err) {
    if (status == TRIGPERF_OK && out != NULL) {
        char *taken = tp_strbuf_take(text);
        if (taken == NULL) {
            return tp_error_nomem(err);
        }
        *out = taken;
    }
    tp_strbuf_free(text);
    return status;
}

int32_t tp_admin_require_schema(trigperf_admin *admin, trigperf_error **err) {
    int32_t version = 0;
    return tp_migrate_check(admin->connection, true, &version, err);
}

int32_t trigperf_admin_install(trigperf_admin *admin, int32_t dry_run, char **sql,
                               trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_migrate_install(admin->connection, dry_run != 0, &text, error);
    return tp_admin_hand_over(&text, sql, status, error);
}

int32_t trigperf_admin_uninstall(trigperf_admin *admin, int32_t dry_run, char **sql,
                                 trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_strbuf detach = TP_STRBUF_INIT;
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status = tp_detach_all_sql(admin->connection, &detach, error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_migrate_uninstall(admin->connection, tp_strbuf_str(&detach), dry_run != 0,
                                      &text, error);
    }
    tp_strbuf_free(&detach);
    return tp_admin_hand_over(&text, sql, status, error);
}

int32_t trigperf_admin_attach(trigperf_admin *admin, const trigperf_attachment *attachment,
                              int32_t dry_run, char **sql, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status =
            tp_attach(admin->connection, attachment, admin->max_keys, dry_run != 0, &text, error);
    }
    return tp_admin_hand_over(&text, sql, status, error);
}

int32_t trigperf_admin_detach(trigperf_admin *admin, const char *table, int32_t dry_run, char **sql,
                              trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status = tp_detach(admin->connection, table, dry_run != 0, &text, error);
    }
    return tp_admin_hand_over(&text, sql, status, error);
}

static int32_t rule_spec(const char *table, const char *scope, const char *operations,
                         const char *key_template, uint32_t min_interval_ms, tp_rule_spec *out,
                         trigperf_error **error) {
    if ((table == NULL) == (scope == NULL) || key_template == NULL) {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "give a table for a table rule, or a scope for a scope rule",
                            "expected exactly one of table and scope, and a template");
    }
    *out = (tp_rule_spec){table, scope, 0, key_template, min_interval_ms};
    return tp_op_parse_list(operations, &out->ops, error);
}

int32_t trigperf_admin_rule_add(trigperf_admin *admin, const char *table, const char *scope,
                                const char *operations, const char *key_template,
                                uint32_t min_interval_ms, trigperf_error **error) {
    tp_rule_spec rule;
    int32_t status =
        rule_spec(table, scope, operations, key_template, min_interval_ms, &rule, error);
    if (status == TRIGPERF_OK) {
        status = tp_admin_require_schema(admin, error);
    }
    return status == TRIGPERF_OK ? tp_rules_add(admin->connection, &rule, error) : status;
}

int32_t trigperf_admin_rule_remove(trigperf_admin *admin, const char *table, const char *scope,
                                   const char *key_template, trigperf_error **error) {
    tp_rule_spec rule;
    int32_t status = rule_spec(table, scope, NULL, key_template, 0, &rule, error);
    if (status == TRIGPERF_OK) {
        status = tp_admin_require_schema(admin, error);
    }
    return status == TRIGPERF_OK ? tp_rules_remove(admin->connection, &rule, error) : status;
}

int32_t trigperf_admin_rules(trigperf_admin *admin, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status = tp_rules_list(admin->connection, &text, error);
    }
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_status(trigperf_admin *admin, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_inspect(admin->connection, &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_apply(trigperf_admin *admin, const trigperf_attachment *attachment,
                             int32_t dry_run, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status =
        tp_apply(admin->connection, attachment, admin->max_keys, dry_run != 0, &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_attachments(trigperf_admin *admin, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status = tp_inspect_attachments(admin->connection, &text, error);
    }
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_grants(trigperf_admin *admin, const char *kind, const char *role,
                              const char *const *tables, uint32_t count, int32_t revoke,
                              int32_t dry_run, char **sql, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_grants_spec spec = {kind, role, tables, count, revoke != 0};
    int32_t status = tp_grants(admin->connection, &spec, dry_run != 0, &text, error);
    return tp_admin_hand_over(&text, sql, status, error);
}

int32_t trigperf_admin_triggers(trigperf_admin *admin, const char *table, char **json,
                                trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_triggers_list(admin->connection, table, &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_advise(trigperf_admin *admin, const char *table, char **json,
                              trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_advice_write(admin->connection, table, &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_consumers(trigperf_admin *admin, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status = tp_consumers_list(admin->connection, &text, error);
    }
    return tp_admin_hand_over(&text, json, status, error);
}

int32_t trigperf_admin_consumer_reset(trigperf_admin *admin, const char *name, const char *source,
                                      int32_t dry_run, char **sql, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_consumers_which which = {name, source};
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status = tp_consumers_reset(admin->connection, &which, dry_run != 0, &text, error);
    }
    return tp_admin_hand_over(&text, sql, status, error);
}

int32_t trigperf_admin_consumer_drop(trigperf_admin *admin, const char *name, const char *source,
                                     int32_t force, int32_t dry_run, char **sql,
                                     trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_consumers_which which = {name, source};
    int32_t status = tp_admin_require_schema(admin, error);
    if (status == TRIGPERF_OK) {
        status =
            tp_consumers_drop(admin->connection, &which, force != 0, dry_run != 0, &text, error);
    }
    return tp_admin_hand_over(&text, sql, status, error);
}

int32_t trigperf_admin_doctor(trigperf_admin *admin, char **json, trigperf_error **error) {
    tp_strbuf text = TP_STRBUF_INIT;
    int32_t status = tp_doctor_run(admin->connection, &text, error);
    return tp_admin_hand_over(&text, json, status, error);
}
