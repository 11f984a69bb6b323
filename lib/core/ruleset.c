/* A list in the order of writing. Templates are numbered by their text, because generations and
 * resyncs speak of templates, and several rules may share one. */
#include "core/ruleset.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/map.h"
#include "base/text.h"
#include "core/scopes.h"

struct tp_ruleset {
    tp_rule *rules;
    uint32_t rule_count;
    uint32_t rule_capacity;
    tp_template **templates;
    uint32_t template_count;
    uint32_t template_capacity;
    tp_map *by_text; /* template text -> (index + 1) as a pointer */
};

tp_ruleset *tp_ruleset_new(void) {
    tp_ruleset *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    set->by_text = tp_map_new();
    if (set->by_text == NULL) {
        free(set);
        return NULL;
    }
    return set;
}

void tp_ruleset_free(tp_ruleset *set) {
    if (set == NULL) {
        return;
    }
    for (uint32_t i = 0; i < set->rule_count; i++) {
        free(set->rules[i].table);
        free(set->rules[i].scope);
    }
    for (uint32_t i = 0; i < set->template_count; i++) {
        tp_template_free(set->templates[i]);
    }
    free(set->rules);
    free(set->templates);
    tp_map_free(set->by_text, NULL);
    free(set);
}

static int32_t add_template(tp_ruleset *set, const char *text, uint32_t *out,
                            trigperf_error **err) {
    uintptr_t known = (uintptr_t)tp_map_get_str(set->by_text, text);
    if (known != 0) {
        *out = (uint32_t)(known - 1);
        return TRIGPERF_OK;
    }
    tp_template **templates = tp_array_reserve(set->templates, &set->template_capacity,
                                               set->template_count + 1, sizeof *templates);
    if (templates == NULL) {
        return tp_error_nomem(err);
    }
    set->templates = templates;
    tp_template *tmpl = NULL;
    int32_t status = tp_template_scan(text, &tmpl, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    void *number = (void *)((uintptr_t)set->template_count + 1);
    if (!tp_map_put_str(set->by_text, text, number, NULL)) {
        tp_template_free(tmpl);
        return tp_error_nomem(err);
    }
    *out = set->template_count;
    templates[set->template_count++] = tmpl;
    return TRIGPERF_OK;
}

static int32_t check_arguments(const char *table, const char *scope, uint32_t ops, const char *text,
                               trigperf_error **err) {
    if ((table == NULL) == (scope == NULL)) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "name a table or a scope, not both",
                            "rule '%s': exactly one of table and scope was expected, got %s", text,
                            table == NULL ? "neither" : "both");
    }
    if ((table != NULL ? table : scope)[0] == '\0') {
        return tp_error_set(err, TRIGPERF_E_INVALID, "a scope is what stands before the first ':'",
                            "rule '%s': a table or scope name was expected, got ''", text);
    }
    if ((ops & ~TP_OP_ALL) != 0) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "combine delete, insert, truncate and update",
                            "rule '%s': operations were expected, got the bits %u", text, ops);
    }
    return TRIGPERF_OK;
}

int32_t tp_ruleset_add(tp_ruleset *set, const char *table, const char *scope, uint32_t ops,
                       const char *template_text, uint32_t min_interval_ms, trigperf_error **err) {
    int32_t status = check_arguments(table, scope, ops, template_text, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_rule *rules =
        tp_array_reserve(set->rules, &set->rule_capacity, set->rule_count + 1, sizeof *rules);
    if (rules == NULL) {
        return tp_error_nomem(err);
    }
    set->rules = rules;
    tp_rule added = {NULL, NULL, ops == 0 ? TP_OP_ALL : ops, min_interval_ms, 0};
    status = add_template(set, template_text, &added.template, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    char *name = tp_text_copy(table != NULL ? table : scope);
    if (name == NULL) {
        return tp_error_nomem(err);
    }
    *(table != NULL ? &added.table : &added.scope) = name;
    rules[set->rule_count++] = added;
    return TRIGPERF_OK;
}

uint32_t tp_ruleset_count(const tp_ruleset *set) {
    return set->rule_count;
}

const tp_rule *tp_ruleset_at(const tp_ruleset *set, uint32_t i) {
    return &set->rules[i];
}

uint32_t tp_ruleset_template_count(const tp_ruleset *set) {
    return set->template_count;
}

const tp_template *tp_ruleset_template(const tp_ruleset *set, uint32_t index) {
    return set->templates[index];
}

int32_t tp_ruleset_check(const tp_ruleset *set, trigperf_error **err) {
    tp_scopes *scopes = tp_scopes_new();
    int32_t status = scopes == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    for (uint32_t i = 0; i < set->rule_count && status == TRIGPERF_OK; i++) {
        const tp_rule *rule = &set->rules[i];
        const tp_template *tmpl = set->templates[rule->template];
        if (rule->scope != NULL) {
            status = tp_scopes_add(scopes, rule->scope, strlen(rule->scope),
                                   tp_template_prefix(tmpl), tp_template_scope_length(tmpl), err);
        }
    }
    if (status == TRIGPERF_OK) {
        status = tp_scopes_check(scopes, err);
    }
    tp_scopes_free(scopes);
    return status;
}
