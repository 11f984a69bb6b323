/* A plan starts with the table's own rules in the order they were added, and grows at its end while
 * it is read: every step whose template belongs to a scope brings in the rules of that scope, for
 * the operations that the plan does not cover yet. The operations of a template only ever grow, so
 * this ends, even on a cycle.
 *
 * A template that the table cannot fill in still passes its scope on before it is dropped: what
 * depends on it depends on the change, and one key too many is harmless where one too few is not.
 */
#include "core/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void tp_plan_free(tp_plan *plan) {
    for (uint32_t i = 0; i < plan->count; i++) {
        tp_template_free(plan->steps[i].bound);
    }
    free(plan->steps);
    free(plan->templates);
    *plan = (tp_plan){NULL, 0, 0, NULL, 0};
}

static uint32_t covered_ops(const tp_plan *p, uint32_t template) {
    uint32_t ops = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        ops |= p->steps[i].template == template ? p->steps[i].ops : 0;
    }
    return ops;
}

static bool plan_add(tp_plan *p, const tp_rule *r, uint32_t ops) {
    ops &= ~covered_ops(p, r->template);
    if (ops == 0) {
        return true;
    }
    tp_step *steps = tp_array_reserve(p->steps, &p->capacity, p->count + 1, sizeof *steps);
    if (steps == NULL) {
        return false;
    }
    p->steps = steps;
    steps[p->count++] = (tp_step){NULL, r->template, ops, r->min_interval_ms};
    return true;
}

static bool in_scope(const tp_template *tmpl, const char *scope) {
    size_t length = tp_template_scope_length(tmpl);
    return strncmp(tp_template_prefix(tmpl), scope, length) == 0 && scope[length] == '\0';
}

static bool plan_collect(const tp_ruleset *set, const char *table, tp_plan *p) {
    for (uint32_t i = 0; i < tp_ruleset_count(set); i++) {
        const tp_rule *r = tp_ruleset_at(set, i);
        if (r->table != NULL && strcmp(r->table, table) == 0 && !plan_add(p, r, r->ops)) {
            return false;
        }
    }
    for (uint32_t at = 0; at < p->count; at++) {
        const tp_template *tmpl = tp_ruleset_template(set, p->steps[at].template);
        for (uint32_t i = 0; i < tp_ruleset_count(set); i++) {
            const tp_rule *r = tp_ruleset_at(set, i);
            if (r->scope != NULL && in_scope(tmpl, r->scope) &&
                !plan_add(p, r, r->ops & p->steps[at].ops)) {
                return false;
            }
        }
    }
    return true;
}

static bool plan_bind(const tp_ruleset *set, const tp_table *table, tp_plan *p) {
    for (uint32_t i = 0; i < p->count; i++) {
        tp_step *step = &p->steps[i];
        const char *text = tp_template_text(tp_ruleset_template(set, step->template));
        if (tp_template_parse(text, table->key_names, table->key_count, &step->bound, NULL) ==
            TRIGPERF_E_NOMEM) {
            return false;
        }
    }
    return true;
}

/* Distinct templates, then steps that cannot be rendered are dropped. */
static bool plan_finish(tp_plan *p) {
    p->templates = calloc((size_t)p->count + 1, sizeof *p->templates);
    if (p->templates == NULL) {
        return false;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->steps[i].bound == NULL) {
            continue;
        }
        tp_step item = p->steps[i];
        bool known = false;
        for (uint32_t j = 0; j < p->template_count && !known; j++) {
            known = p->templates[j] == item.template;
        }
        if (!known) {
            p->templates[p->template_count++] = item.template;
        }
        p->steps[kept++] = item;
    }
    p->count = kept;
    return true;
}

int32_t tp_plan_make(const tp_ruleset *set, const tp_table *table, tp_plan *out,
                     trigperf_error **err) {
    tp_plan made = {NULL, 0, 0, NULL, 0};
    if (!plan_collect(set, table->name, &made) || !plan_bind(set, table, &made) ||
        !plan_finish(&made)) {
        tp_plan_free(&made);
        return tp_error_nomem(err);
    }
    *out = made;
    return TRIGPERF_OK;
}
