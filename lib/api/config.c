/* Values are kept as text, checked when set, and converted when used: reading one back gives what
 * was written. */
#include "api/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/alert_rule.h"
#include "core/change.h"
#include "core/template.h"

struct trigperf_config {
    char *values[TP_OPTION_COUNT]; /* NULL: the default */
    tp_engine_rule *rules;         /* strings are owned */
    uint32_t rule_count;
    tp_config_alert *alerts; /* strings are owned */
    uint32_t alert_count;
};

static void free_const(const char *text) {
    free((void *)(uintptr_t)text);
}

int32_t trigperf_config_new(trigperf_config **config, trigperf_error **error) {
    trigperf_config *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return tp_error_nomem(error);
    }
    *config = fresh;
    return TRIGPERF_OK;
}

void trigperf_config_free(trigperf_config *config) {
    if (config == NULL) {
        return;
    }
    for (uint32_t i = 0; i < TP_OPTION_COUNT; i++) {
        free(config->values[i]);
    }
    for (uint32_t i = 0; i < config->rule_count; i++) {
        free_const(config->rules[i].table);
        free_const(config->rules[i].scope);
        free_const(config->rules[i].template_text);
    }
    for (uint32_t i = 0; i < config->alert_count; i++) {
        free_const(config->alerts[i].name);
        free_const(config->alerts[i].definition);
    }
    free(config->rules);
    free(config->alerts);
    free(config);
}

static int32_t find(const char *name, uint32_t *index, trigperf_error **error) {
    *index = tp_option_find(name, strlen(name));
    if (*index == TP_OPTION_COUNT) {
        return tp_error_set(error, TRIGPERF_E_CONFIG,
                            "'trigperf config' lists all configuration keys",
                            "unknown configuration key \"%s\"; the nearest one is \"%s\"", name,
                            tp_option_nearest(name));
    }
    return TRIGPERF_OK;
}

int32_t trigperf_config_set(trigperf_config *config, const char *name, const char *value,
                            trigperf_error **error) {
    uint32_t index;
    uint64_t number;
    int32_t status = find(name, &index, error);
    if (status == TRIGPERF_OK) {
        status = tp_option_check(tp_option_at(index), value, &number, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    char *copy = tp_text_copy(value);
    if (copy == NULL) {
        return tp_error_nomem(error);
    }
    free(config->values[index]);
    config->values[index] = copy;
    return TRIGPERF_OK;
}

const char *tp_config_text(const trigperf_config *config, tp_option_id id) {
    return config->values[id] != NULL ? config->values[id] : tp_option_at(id)->initial;
}

uint64_t tp_config_number(const trigperf_config *config, tp_option_id id) {
    uint64_t number = 0;
    tp_option_check(tp_option_at(id), tp_config_text(config, id), &number, NULL);
    return number;
}

uint32_t tp_config_u32(const trigperf_config *config, tp_option_id id) {
    uint64_t number = tp_config_number(config, id);
    return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

int32_t trigperf_config_get(const trigperf_config *config, const char *name, char **value,
                            trigperf_error **error) {
    uint32_t index;
    int32_t status = find(name, &index, error);
    if (status != TRIGPERF_OK) {
        return status;
    }
    char *copy = tp_text_copy(tp_config_text(config, (tp_option_id)index));
    if (copy == NULL) {
        return tp_error_nomem(error);
    }
    *value = copy;
    return TRIGPERF_OK;
}

static bool copy_rule(tp_engine_rule *rule, const char *table, const char *scope, uint32_t ops,
                      const char *template_text, uint32_t interval) {
    rule->table = table == NULL ? NULL : tp_text_copy(table);
    rule->scope = scope == NULL ? NULL : tp_text_copy(scope);
    rule->template_text = tp_text_copy(template_text);
    rule->ops = ops;
    rule->min_interval_ms = interval;
    if ((table != NULL && rule->table == NULL) || (scope != NULL && rule->scope == NULL) ||
        rule->template_text == NULL) {
        free_const(rule->table);
        free_const(rule->scope);
        free_const(rule->template_text);
        return false;
    }
    return true;
}

static int32_t add_rule(trigperf_config *config, const tp_engine_rule *rule,
                        trigperf_error **error) {
    tp_engine_rule *grown =
        realloc(config->rules, (config->rule_count + 1) * sizeof *config->rules);
    if (grown == NULL) {
        return tp_error_nomem(error);
    }
    config->rules = grown;
    if (!copy_rule(&grown[config->rule_count], rule->table, rule->scope, rule->ops,
                   rule->template_text, rule->min_interval_ms)) {
        return tp_error_nomem(error);
    }
    config->rule_count++;
    return TRIGPERF_OK;
}

int32_t trigperf_config_rule(trigperf_config *config, const char *table, const char *scope,
                             const char *operations, const char *key_template,
                             uint32_t min_interval_ms, trigperf_error **error) {
    if ((table == NULL) == (scope == NULL) || key_template == NULL) {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "give a table for a table rule, or a scope for a scope rule",
                            "expected exactly one of table and scope, and a template");
    }
    tp_engine_rule rule = {table, scope, 0, key_template, min_interval_ms};
    int32_t status = tp_op_parse_list(operations, &rule.ops, error);
    if (status == TRIGPERF_OK) {
        status = tp_template_check(key_template, error);
    }
    return status == TRIGPERF_OK ? add_rule(config, &rule, error) : status;
}

const tp_engine_rule *tp_config_rules(const trigperf_config *config, uint32_t *count) {
    *count = config->rule_count;
    return config->rules;
}

static tp_config_alert *find_alert(trigperf_config *config, const char *name) {
    for (uint32_t i = 0; i < config->alert_count; i++) {
        if (strcmp(config->alerts[i].name, name) == 0) {
            return &config->alerts[i];
        }
    }
    return NULL;
}

static int32_t keep_alert(trigperf_config *config, const char *name, const char *definition,
                          trigperf_error **error) {
    tp_config_alert *grown =
        realloc(config->alerts, (config->alert_count + 1) * sizeof *config->alerts);
    if (grown == NULL) {
        return tp_error_nomem(error);
    }
    config->alerts = grown;
    tp_config_alert fresh = {tp_text_copy(name), tp_text_copy(definition)};
    tp_config_alert *former = find_alert(config, name);
    if (fresh.name == NULL || fresh.definition == NULL) {
        free_const(fresh.name);
        free_const(fresh.definition);
        return tp_error_nomem(error);
    }
    if (former != NULL) {
        free_const(former->name);
        free_const(former->definition);
    } else {
        former = &grown[config->alert_count++];
    }
    *former = fresh;
    return TRIGPERF_OK;
}

int32_t trigperf_config_alert(trigperf_config *config, const char *name, const char *definition,
                              trigperf_error **error) {
    tp_alert_rule *rule = NULL;
    int32_t status = tp_alert_rule_parse(name, definition, &rule, error);
    tp_alert_rule_free(rule);
    return status == TRIGPERF_OK ? keep_alert(config, name, definition, error) : status;
}

const tp_config_alert *tp_config_alerts(const trigperf_config *config, uint32_t *count) {
    *count = config->alert_count;
    return config->alerts;
}

static int32_t copy_into(const trigperf_config *from, trigperf_config *to, trigperf_error **err) {
    for (uint32_t i = 0; i < TP_OPTION_COUNT; i++) {
        if (from->values[i] != NULL) {
            to->values[i] = tp_text_copy(from->values[i]);
            if (to->values[i] == NULL) {
                return tp_error_nomem(err);
            }
        }
    }
    for (uint32_t i = 0; i < from->rule_count; i++) {
        int32_t status = add_rule(to, &from->rules[i], err);
        if (status != TRIGPERF_OK) {
            return status;
        }
    }
    for (uint32_t i = 0; i < from->alert_count; i++) {
        int32_t status = keep_alert(to, from->alerts[i].name, from->alerts[i].definition, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
    }
    return TRIGPERF_OK;
}

int32_t tp_config_copy(const trigperf_config *config, trigperf_config **out, trigperf_error **err) {
    trigperf_config *copy = NULL;
    int32_t status = trigperf_config_new(&copy, err);
    if (status == TRIGPERF_OK) {
        status =
            config == NULL ? trigperf_config_load_env(copy, err) : copy_into(config, copy, err);
    }
    if (status != TRIGPERF_OK) {
        trigperf_config_free(copy);
        return status;
    }
    *out = copy;
    return TRIGPERF_OK;
}
