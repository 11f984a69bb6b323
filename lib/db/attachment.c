/* Lists grow one element at a time: a table has a handful of keys, and a few rules. */
#include "db/attachment.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "core/change.h"
#include "core/template.h"

#define MAX_KEYS_MAX 1000000

/* One of table and scope. */
static int32_t begin(const char *table, const char *scope, trigperf_attachment **out,
                     trigperf_error **error) {
    trigperf_attachment *fresh = calloc(1, sizeof *fresh);
    char *copy = tp_text_copy(table != NULL ? table : scope);
    if (fresh == NULL || copy == NULL) {
        free(fresh);
        free(copy);
        return tp_error_nomem(error);
    }
    *(table != NULL ? &fresh->table : &fresh->scope) = copy;
    *out = fresh;
    return TRIGPERF_OK;
}

int32_t trigperf_attachment_new(const char *table, trigperf_attachment **attachment,
                                trigperf_error **error) {
    if (table == NULL || table[0] == '\0') {
        return tp_error_set(error, TRIGPERF_E_INVALID, "name it as schema.table",
                            "expected the name of a table, got nothing");
    }
    return begin(table, NULL, attachment, error);
}

int32_t trigperf_attachment_new_scope(const char *scope, trigperf_attachment **attachment,
                                      trigperf_error **error) {
    if (scope == NULL || scope[0] == '\0') {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "the scope of a key is what stands before its first colon",
                            "expected the name of a scope, got nothing");
    }
    return begin(NULL, scope, attachment, error);
}

void trigperf_attachment_free(trigperf_attachment *attachment) {
    if (attachment == NULL) {
        return;
    }
    for (uint32_t i = 0; i < attachment->key_count; i++) {
        free(attachment->keys[i].name);
        free(attachment->keys[i].expression);
    }
    for (uint32_t i = 0; i < attachment->watch_count; i++) {
        free(attachment->watch[i]);
    }
    for (uint32_t i = 0; i < attachment->rule_count; i++) {
        free(attachment->rules[i].key_template);
    }
    free(attachment->keys);
    free(attachment->watch);
    free(attachment->rules);
    free(attachment->where);
    free(attachment->table);
    free(attachment->scope);
    free(attachment);
}

static int32_t check_name(const char *what, const char *name, trigperf_error **error) {
    if (name == NULL || name[0] == '\0') {
        return tp_error_set(error, TRIGPERF_E_INVALID, "give it a name",
                            "expected a %s, got nothing", what);
    }
    return TRIGPERF_OK;
}

static bool grow(void **list, uint32_t count, size_t size) {
    void *grown = realloc(*list, (count + 1) * size);
    if (grown == NULL) {
        return false;
    }
    *list = grown;
    return true;
}

int32_t trigperf_attachment_key(trigperf_attachment *attachment, const char *name,
                                const char *expression, trigperf_error **error) {
    int32_t status = check_name("key name", name, error);
    if (status == TRIGPERF_OK && expression != NULL) {
        status = check_name("key expression", expression, error);
    }
    for (uint32_t i = 0; status == TRIGPERF_OK && i < attachment->key_count; i++) {
        if (strcmp(attachment->keys[i].name, name) == 0) {
            status = tp_error_set(error, TRIGPERF_E_EXISTS, "name each key once",
                                  "key \"%s\" is given twice", name);
        }
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_attachment_key key = {tp_text_copy(name),
                             expression == NULL ? NULL : tp_text_copy(expression)};
    if (key.name == NULL || (expression != NULL && key.expression == NULL) ||
        !grow((void **)&attachment->keys, attachment->key_count, sizeof key)) {
        free(key.name);
        free(key.expression);
        return tp_error_nomem(error);
    }
    attachment->keys[attachment->key_count++] = key;
    return TRIGPERF_OK;
}

int32_t trigperf_attachment_watch(trigperf_attachment *attachment, const char *column,
                                  trigperf_error **error) {
    int32_t status = check_name("column to watch", column, error);
    for (uint32_t i = 0; status == TRIGPERF_OK && i < attachment->watch_count; i++) {
        if (strcmp(attachment->watch[i], column) == 0) {
            status = tp_error_set(error, TRIGPERF_E_EXISTS, "name each watched column once",
                                  "column \"%s\" is watched twice", column);
        }
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    char *copy = tp_text_copy(column);
    if (copy == NULL || !grow((void **)&attachment->watch, attachment->watch_count, sizeof copy)) {
        free(copy);
        return tp_error_nomem(error);
    }
    attachment->watch[attachment->watch_count++] = copy;
    return TRIGPERF_OK;
}

int32_t trigperf_attachment_rule(trigperf_attachment *attachment, const char *key_template,
                                 const char *operations, uint32_t min_interval_ms,
                                 trigperf_error **error) {
    tp_attachment_rule rule = {NULL, 0, min_interval_ms};
    int32_t status = check_name("key template", key_template, error);
    if (status == TRIGPERF_OK) {
        status = tp_template_check(key_template, error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_op_parse_list(operations, &rule.ops, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    rule.key_template = tp_text_copy(key_template);
    if (rule.key_template == NULL ||
        !grow((void **)&attachment->rules, attachment->rule_count, sizeof rule)) {
        free(rule.key_template);
        return tp_error_nomem(error);
    }
    attachment->rules[attachment->rule_count++] = rule;
    return TRIGPERF_OK;
}

/* Index of a word in a list that NULL ends, -1 when it is not there. */
static int find_word(const char *const *words, const char *text) {
    for (int i = 0; words[i] != NULL; i++) {
        if (text != NULL && strcasecmp(text, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

int32_t trigperf_attachment_granularity(trigperf_attachment *attachment, const char *granularity,
                                        trigperf_error **error) {
    static const char *const names[] = {"auto", "statement", "row", "wal", NULL};
    int found = find_word(names, granularity);
    if (found < 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "auto looks at the table's statistics",
                            "expected a granularity among auto, statement, row, wal; got \"%s\"",
                            granularity == NULL ? "" : granularity);
    }
    attachment->granularity = (tp_granularity)found;
    return TRIGPERF_OK;
}

static int32_t set_isolate(trigperf_attachment *attachment, const char *value,
                           trigperf_error **error) {
    static const char *const names[] = {"keys", "full", NULL};
    int found = find_word(names, value);
    if (found < 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "keys: a statement fails when its change cannot be written; full: it "
                            "succeeds, and the table is resynced",
                            "expected an isolation among keys, full; got \"%s\"", value);
    }
    attachment->isolate_full = found == 1;
    return TRIGPERF_OK;
}

static int32_t set_replicated(trigperf_attachment *attachment, const char *value,
                              trigperf_error **error) {
    static const char *const names[] = {"auto", "on", NULL};
    int found = find_word(names, value);
    if (found < 0) {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "auto looks whether a subscription writes to the table",
                            "expected auto or on for replicated; got \"%s\"", value);
    }
    attachment->replicated = found == 1;
    return TRIGPERF_OK;
}

static int32_t set_max_keys(trigperf_attachment *attachment, const char *value,
                            trigperf_error **error) {
    char *end = NULL;
    unsigned long number = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || number < 1 || number > MAX_KEYS_MAX) {
        return tp_error_set(error, TRIGPERF_E_INVALID,
                            "a statement that touches more distinct key tuples is one resync",
                            "expected a number from 1 to %d for max_keys; got \"%s\"", MAX_KEYS_MAX,
                            value);
    }
    attachment->max_keys = (int32_t)number;
    return TRIGPERF_OK;
}

/* Digits with a point, whatever point the process's locale has. */
static bool read_share(const char *text, double *share) {
    double unit = 1;
    const char *at = text;
    *share = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        *share = *share * 10 + (*at - '0');
    }
    if (at == text) {
        return false;
    }
    for (at += *at == '.' ? 1 : 0; *at >= '0' && *at <= '9'; at++) {
        unit /= 10;
        *share += (*at - '0') * unit;
    }
    return *at == '\0' && *share <= 1;
}

int32_t tp_attachment_sample_rate(const char *text, double *rate, trigperf_error **err) {
    double share = 0;
    if (!read_share(text, &share)) {
        return tp_error_set(err, TRIGPERF_E_INVALID,
                            "0.01 times one execution in a hundred, 0 none",
                            "expected a number from 0 to 1 for sample_rate; got \"%s\"", text);
    }
    *rate = share < 1e-6 ? 0 : share;
    return TRIGPERF_OK;
}

static int32_t set_sample_rate(trigperf_attachment *attachment, const char *value,
                               trigperf_error **error) {
    int32_t status = tp_attachment_sample_rate(value, &attachment->sample_rate, error);
    attachment->sample_rate_set = attachment->sample_rate_set || status == TRIGPERF_OK;
    return status;
}

static int32_t set_where(trigperf_attachment *attachment, const char *value,
                         trigperf_error **error) {
    char *copy = value[0] == '\0' ? NULL : tp_text_copy(value);
    if (value[0] != '\0' && copy == NULL) {
        return tp_error_nomem(error);
    }
    free(attachment->where);
    attachment->where = copy;
    return TRIGPERF_OK;
}

typedef struct setting {
    const char *name;
    int32_t (*set)(trigperf_attachment *attachment, const char *value, trigperf_error **error);
} setting;

static const setting settings[] = {{"granularity", trigperf_attachment_granularity},
                                   {"isolate", set_isolate},
                                   {"max_keys", set_max_keys},
                                   {"replicated", set_replicated},
                                   {"sample_rate", set_sample_rate},
                                   {"where", set_where}};

int32_t trigperf_attachment_set(trigperf_attachment *attachment, const char *name,
                                const char *value, trigperf_error **error) {
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (name != NULL && strcmp(name, settings[i].name) == 0) {
            return settings[i].set(attachment, value == NULL ? "" : value, error);
        }
    }
    return tp_error_set(
        error, TRIGPERF_E_INVALID,
        "granularity, isolate, max_keys, replicated, sample_rate and where can be set",
        "expected a setting of an attached table, got \"%s\"", name == NULL ? "" : name);
}
