/* Administration while allocations fail, one at a time: each call is made with the n-th allocation
 * of the library failing, for n = 1, 2, 3 ... until it needs fewer. Then it either did all of its
 * work or says that memory was short; and after one that failed, the same call again succeeds, so
 * nothing is half done and no transaction is left open. Prints how many allocations were tried for
 * each call.
 *
 *     oom_admin CONNINFO
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trigperf.h>

#include "oom.h"

static trigperf_admin *admin;
static trigperf_attachment *table;
static trigperf_attachment *other; /* of the same table, described otherwise */
static trigperf_attachment *scope;
static trigperf_kpi *kpi;

static int32_t keep(int32_t status, char *text) {
    trigperf_string_free(text);
    return status;
}

static int32_t install(trigperf_error **error) {
    return trigperf_admin_install(admin, 0, NULL, error);
}

static int32_t uninstall(trigperf_error **error) {
    return trigperf_admin_uninstall(admin, 0, NULL, error);
}

static int32_t plan(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_apply(admin, table, 1, &text, error), text);
}

static int32_t apply(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_apply(admin, table, 0, &text, error), text);
}

static int32_t apply_other(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_apply(admin, other, 0, &text, error), text);
}

static int32_t apply_scope(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_apply(admin, scope, 0, &text, error), text);
}

static int32_t attach_dry(trigperf_error **error) {
    char *text = NULL;
    int32_t status = trigperf_admin_attach(admin, table, 1, &text, error);
    return keep(status == TRIGPERF_E_EXISTS ? TRIGPERF_OK : status, text);
}

static int32_t grants(const char *kind, int32_t revoke, trigperf_error **error) {
    static const char *const tables[] = {"calls"};
    char *text = NULL;
    uint32_t count = strcmp(kind, "installer") == 0 ? 1 : 0;
    return keep(
        trigperf_admin_grants(admin, kind, "oom_reader", tables, count, revoke, 0, &text, error),
        text);
}

static int32_t grant_consumer(trigperf_error **error) {
    return grants("consumer", 0, error);
}

static int32_t grant_metrics(trigperf_error **error) {
    return grants("metrics", 0, error);
}

static int32_t grant_installer(trigperf_error **error) {
    return grants("installer", 0, error);
}

static int32_t revoke_consumer(trigperf_error **error) {
    return grants("consumer", 1, error);
}

static int32_t rules(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_rules(admin, &text, error), text);
}

static int32_t status(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_status(admin, &text, error), text);
}

static int32_t triggers(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_triggers(admin, "calls", &text, error), text);
}

static int32_t advise(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_advise(admin, NULL, &text, error), text);
}

static int32_t judge(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_alerts_judge(admin, 1, &text, error), text);
}

static int32_t alerts(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_alerts(admin, 0, 0, &text, error), text);
}

static int32_t take(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_alerts_take(admin, &text, error), text);
}

static int32_t silence(trigperf_error **error) {
    return trigperf_admin_alerts_silence(admin, "outbox_lag_s", 1000, error);
}

static int32_t silence_unknown(trigperf_error **error) {
    int32_t status = trigperf_admin_alerts_silence(admin, "nonsense", 1000, error);
    return status == TRIGPERF_E_NOT_FOUND ? TRIGPERF_OK : status;
}

static trigperf_config *settings;

/* A consumer for the next ones: no allocation fails here. */
static int32_t claim(trigperf_error **error) {
    trigperf_context *context = NULL;
    oom_reset();
    trigperf_config_set(settings, "consumer", "oom", NULL);
    int32_t status = trigperf_context_new(settings, &context, error);
    for (int turn = 0;
         status == TRIGPERF_OK && trigperf_context_state(context) != TRIGPERF_STATE_READY; turn++) {
        int32_t waited = trigperf_wait(context, 100, NULL);
        status = waited == TRIGPERF_E_TIMEOUT && turn < 300 ? TRIGPERF_OK : waited;
    }
    if (status == TRIGPERF_OK) {
        status = trigperf_context_close(context, 10000, error);
    }
    trigperf_context_free(context);
    return status;
}

static int32_t consumers(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_consumers(admin, &text, error), text);
}

static int32_t reset_consumer(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_consumer_reset(admin, "oom", NULL, 0, &text, error), text);
}

static int32_t drop_consumer(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_consumer_drop(admin, "oom", "outbox", 1, 0, &text, error), text);
}

static int32_t doctor(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_doctor(admin, &text, error), text);
}

static int32_t collect(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_collect(admin, &text, error), text);
}

static int32_t report(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_report(admin, 86400, 0, &text, error), text);
}

static int32_t bracket(trigperf_error **error) {
    char *text = NULL;
    int32_t status = trigperf_admin_bracket(admin, "demands", 0, 0, &text, error);
    return keep(status, text);
}

static int32_t bracket_dry(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_bracket(admin, "demands", 0, 1, &text, error), text);
}

static int32_t unbracket(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_bracket(admin, "demands", 1, 0, &text, error), text);
}

static int32_t cleanup_plan(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_cleanup(admin, 0, 0, 1, &text, error), text);
}

static int32_t cleanup(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_cleanup(admin, 1, 10, 0, &text, error), text);
}

static int32_t rule_add(trigperf_error **error) {
    return trigperf_admin_rule_add(admin, "calls", NULL, "insert", "more:{id}", 5, error);
}

static int32_t rule_remove(trigperf_error **error) {
    return trigperf_admin_rule_remove(admin, "calls", NULL, "more:{id}", error);
}

static int32_t attachments(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_attachments(admin, &text, error), text);
}

static int32_t import(trigperf_error **error) {
    trigperf_validator *validator = NULL;
    char *report = NULL;
    int32_t code = trigperf_validator_import(admin, NULL, "demands", &validator, &report, error);
    trigperf_validator_free(validator);
    return keep(code, report);
}

static trigperf_validator *imported;

static int32_t recheck(trigperf_error **error) {
    return trigperf_validator_recheck(imported, admin, error);
}

static int32_t kpi_plan(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_kpi_add(admin, kpi, 1, &text, error), text);
}

static int32_t kpi_add(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_kpi_add(admin, kpi, 0, &text, error), text);
}

static int32_t kpi_list(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_kpis(admin, &text, error), text);
}

static int32_t kpi_refresh(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_kpi_refresh(admin, NULL, "rebuild", &text, error), text);
}

static int32_t kpi_drop(trigperf_error **error) {
    char *text = NULL;
    return keep(trigperf_admin_kpi_drop(admin, "oom_kpi", 0, 0, &text, error), text);
}

static int32_t detach(trigperf_error **error) {
    return trigperf_admin_detach(admin, "calls", 0, NULL, error);
}

typedef struct call {
    const char *name;
    int32_t (*run)(trigperf_error **error);
    int32_t done; /* what it says when it is made again after it was done; 0: the same as before */
} call;

static const call calls[] = {{"install", install, 0},
                             {"attach, dry", attach_dry, 0},
                             {"plan", plan, 0},
                             {"apply", apply, 0},
                             {"apply, otherwise", apply_other, 0},
                             {"apply, back", apply, 0},
                             {"plan, nothing to do", plan, 0},
                             {"apply a scope", apply_scope, 0},
                             {"grant consumer", grant_consumer, 0},
                             {"grant metrics", grant_metrics, 0},
                             {"grant installer", grant_installer, 0},
                             {"revoke consumer", revoke_consumer, 0},
                             {"rules", rules, 0},
                             {"add a rule", rule_add, TRIGPERF_E_EXISTS},
                             {"remove a rule", rule_remove, TRIGPERF_E_NOT_FOUND},
                             {"status", status, 0},
                             {"attachments", attachments, 0},
                             {"triggers", triggers, 0},
                             {"collect", collect, 0},
                             {"report", report, 0},
                             {"plan brackets", bracket_dry, 0},
                             {"put brackets", bracket, TRIGPERF_E_EXISTS},
                             {"remove brackets", unbracket, 0},
                             {"plan a cleanup", cleanup_plan, 0},
                             {"clean up", cleanup, 0},
                             {"judge", judge, 0},
                             {"alerts", alerts, 0},
                             {"take", take, 0},
                             {"silence", silence, 0},
                             {"silence, no such rule", silence_unknown, 0},
                             {"advise", advise, 0},
                             {"claim", claim, 0},
                             {"consumers", consumers, 0},
                             {"reset a consumer", reset_consumer, 0},
                             {"drop a consumer", drop_consumer, TRIGPERF_E_NOT_FOUND},
                             {"doctor", doctor, 0},
                             {"import", import, 0},
                             {"recheck", recheck, 0},
                             {"plan a KPI", kpi_plan, 0},
                             {"add a KPI", kpi_add, TRIGPERF_E_EXISTS},
                             {"list KPIs", kpi_list, 0},
                             {"refresh KPIs", kpi_refresh, 0},
                             {"drop a KPI", kpi_drop, TRIGPERF_E_NOT_FOUND},
                             {"detach", detach, TRIGPERF_E_NOT_FOUND},
                             {"uninstall", uninstall, TRIGPERF_E_NOT_FOUND}};

static int wrong(const call *one, unsigned n, int32_t code, trigperf_error *error) {
    printf("%s, allocation %u: %s: %s\n", one->name, n, trigperf_status_name(code),
           trigperf_error_message(error));
    trigperf_error_free(error);
    return 1;
}

/* Until a call came to its end without having reached allocation n. */
static int try_all(const call *one) {
    for (unsigned n = 1;; n++) {
        trigperf_error *error = NULL;
        oom_fail_at(n);
        int32_t code = one->run(&error);
        int failed = oom_reset() ? 1 : 0;
        if (code != TRIGPERF_OK && code != one->done && !(failed && code == TRIGPERF_E_NOMEM)) {
            return wrong(one, n, code, error);
        }
        trigperf_error_free(error);
        if (!failed) {
            printf("%s %u\n", one->name, n - 1);
            return 0;
        }
    }
}

/* Of calls that change nothing when they are made again: done once more without a failure. */
static int settle(const call *one) {
    trigperf_error *error = NULL;
    int32_t code = one->run(&error);
    if (code != TRIGPERF_OK && code != one->done) {
        return wrong(one, 0, code, error);
    }
    trigperf_error_free(error);
    return 0;
}

static void describe(void) {
    trigperf_attachment_new("calls", &table, NULL);
    trigperf_attachment_key(table, "id", NULL, NULL);
    trigperf_attachment_key(table, "low", "lower(note)", NULL);
    trigperf_attachment_watch(table, "note", NULL);
    trigperf_attachment_rule(table, "call:{id}", "insert", 0, NULL);
    trigperf_attachment_rule(table, "note:{low}", NULL, 500, NULL);
    trigperf_attachment_new("calls", &other, NULL);
    trigperf_attachment_key(other, "id", NULL, NULL);
    trigperf_attachment_rule(other, "call:{id}", NULL, 0, NULL);
    trigperf_attachment_set(other, "isolate", "full", NULL);
    trigperf_attachment_set(other, "granularity", "row", NULL);
    trigperf_attachment_new_scope("call", &scope, NULL);
    trigperf_attachment_rule(scope, "report:{id}", NULL, 0, NULL);
    trigperf_kpi_new("oom_kpi", "calls", &kpi, NULL);
    trigperf_kpi_group(kpi, "low", "lower(note)", NULL);
    trigperf_kpi_value(kpi, "first", "min(id) FILTER (WHERE note > 'a')", NULL);
    trigperf_kpi_value(kpi, "notes", "count(note)", NULL);
    trigperf_kpi_set(kpi, "where", "id > 0", NULL);
}

int main(int count, char **arguments) {
    trigperf_config *config = NULL;
    trigperf_error *error = NULL;
    int failed = count == 2 ? 0 : 1;
    trigperf_config_new(&config, NULL);
    trigperf_config_set(config, "connection", arguments[count - 1], NULL);
    if (trigperf_admin_new(config, &admin, &error) != TRIGPERF_OK) {
        printf("%s\n", trigperf_error_message(error));
        return 1;
    }
    settings = config;
    describe();
    if (trigperf_validator_import(admin, NULL, "demands", &imported, NULL, &error) != TRIGPERF_OK) {
        printf("%s\n", trigperf_error_message(error));
        return 1;
    }
    for (size_t i = 0; failed == 0 && i < sizeof calls / sizeof calls[0]; i++) {
        failed = try_all(&calls[i]) + settle(&calls[i]);
    }
    trigperf_validator_free(imported);
    trigperf_attachment_free(table);
    trigperf_attachment_free(other);
    trigperf_attachment_free(scope);
    trigperf_kpi_free(kpi);
    trigperf_admin_free(admin);
    trigperf_config_free(config);
    return failed;
}
