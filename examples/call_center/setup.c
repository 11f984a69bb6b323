/* The rules say on what each cached answer depends; compare them with the queries in model.c. A
 * column that no answer shows is not watched: writing it costs no invalidation. */
#include "setup.h"

#include <stdio.h>
#include <string.h>

#include "common/db.h"

enum { MOST = 6 };

typedef struct cc_rule {
    const char *key;
    const char *template;
    const char *operations; /* NULL: all */
} cc_rule;

typedef struct cc_table {
    const char *name;
    const char *keys[MOST];
    const char *watch[MOST]; /* none: every column */
    cc_rule rules[MOST];
} cc_table;

static const cc_table tables[] = {
    {"call_center.users",
     {"id"},
     {"name", "plan", "credit_balance"},
     {{"id", "dashboard:{id}", NULL},
      {"id", "credits:{id}", NULL},
      {"id", "agents:{id}", "insert,delete"}}},
    {"call_center.agents",
     {"id", "user_id"},
     {NULL},
     {{"id", "agent:{id}", NULL},
      {"user_id", "agents:{user_id}", NULL},
      {"user_id", "dashboard:{user_id}", NULL}}},
    {"call_center.calls",
     {"id", "user_id", "agent_id"},
     {"phone", "status", "duration_s", "cost"},
     {{"id", "call:{id}", NULL},
      {"user_id", "dashboard:{user_id}", NULL},
      {"agent_id", "agent:{agent_id}", NULL}}},
    {"call_center.lead_analytics",
     {"call_id", "user_id"},
     {"score", "stage"},
     {{"call_id", "call:{call_id}", NULL}, {"user_id", "dashboard:{user_id}", NULL}}},
    {"call_center.agent_analytics", {"agent_id"}, {NULL}, {{"agent_id", "agent:{agent_id}", NULL}}},
    {"call_center.credit_transactions",
     {"user_id"},
     {"amount", "kind"},
     {{"user_id", "credits:{user_id}", NULL}}},
};

enum { TABLES = sizeof tables / sizeof tables[0] };

void setup_complain(const char *what, trigperf_error *error) {
    const char *hint = trigperf_error_hint(error);
    fprintf(stderr, "call_center: %s: %s%s%s%s\n", what, trigperf_error_message(error),
            *hint != '\0' ? " (" : "", hint, *hint != '\0' ? ")" : "");
    trigperf_error_free(error);
}

uint32_t setup_rules_over(const char *table, const char *key_name) {
    uint32_t count = 0;
    for (int i = 0; i < TABLES; i++) {
        for (int j = 0; strcmp(tables[i].name, table) == 0 && j < MOST; j++) {
            const cc_rule *rule = &tables[i].rules[j];
            count += rule->key != NULL && rule->operations == NULL && !strcmp(rule->key, key_name);
        }
    }
    return count;
}

trigperf_config *setup_config(const cc_options *options) {
    trigperf_config *config = NULL;
    trigperf_error *error = NULL;
    if (trigperf_config_new(&config, &error) == 0 &&
        trigperf_config_load_env(config, &error) == 0 &&
        (*options->conninfo == '\0' ||
         trigperf_config_set(config, "connection", options->conninfo, &error) == 0)) {
        return config;
    }
    setup_complain("configuration", error);
    trigperf_config_free(config);
    return NULL;
}

static bool load(PGconn *conn, const cc_options *options) {
    char settings[300];
    snprintf(settings, sizeof settings,
             "set synchronous_commit = off; select set_config('call_center.seed', '%f', false),"
             " set_config('call_center.users', '%u', false),"
             " set_config('call_center.agents', '%u', false),"
             " set_config('call_center.calls', '%u', false)",
             (options->seed % 1000) / 1000.0, options->users, options->agents, options->calls);
    return db_run(conn, settings) && db_run_file(conn, CALL_CENTER_FOLDER "/schema.sql") &&
           db_run_file(conn, CALL_CENTER_FOLDER "/data.sql");
}

bool setup_tables(const cc_options *options) {
    PGconn *conn = db_connect(options->conninfo, "call_center setup");
    if (conn == NULL) {
        return false;
    }
    int64_t present = 0;
    bool fine =
        db_value(conn, "select count(*) from pg_namespace where nspname = 'call_center'", &present);
    if (present != 0) {
        fputs("call_center: expected an empty database, found a schema call_center in it;"
              " name another database or drop that schema\n",
              stderr);
        fine = false;
    }
    fine = fine && load(conn, options);
    PQfinish(conn);
    return fine;
}

static int32_t describe(const cc_table *table, trigperf_attachment **out, trigperf_error **error) {
    int32_t status = trigperf_attachment_new(table->name, out, error);
    for (int i = 0; status == 0 && i < MOST && table->keys[i] != NULL; i++) {
        status = trigperf_attachment_key(*out, table->keys[i], NULL, error);
    }
    for (int i = 0; status == 0 && i < MOST && table->watch[i] != NULL; i++) {
        status = trigperf_attachment_watch(*out, table->watch[i], error);
    }
    for (int i = 0; status == 0 && i < MOST && table->rules[i].key != NULL; i++) {
        const cc_rule *rule = &table->rules[i];
        status = trigperf_attachment_rule(*out, rule->template, rule->operations, 0, error);
    }
    return status;
}

static bool attach(trigperf_admin *admin, const cc_table *table) {
    trigperf_attachment *attachment = NULL;
    trigperf_error *error = NULL;
    int32_t status = describe(table, &attachment, &error);
    if (status == 0) {
        status = trigperf_admin_attach(admin, attachment, 0, NULL, &error);
    }
    if (status != 0) {
        setup_complain(table->name, error);
    }
    trigperf_attachment_free(attachment);
    return status == 0;
}

bool setup_attach(const cc_options *options) {
    trigperf_config *config = setup_config(options);
    trigperf_admin *admin = NULL;
    trigperf_error *error = NULL;
    bool fine = config != NULL;
    if (fine && (trigperf_admin_new(config, &admin, &error) != 0 ||
                 trigperf_admin_install(admin, 0, NULL, &error) != 0)) {
        setup_complain("installing the schema", error);
        fine = false;
    }
    for (int i = 0; fine && i < TABLES; i++) {
        fine = attach(admin, &tables[i]);
    }
    trigperf_admin_free(admin);
    trigperf_config_free(config);
    return fine;
}
