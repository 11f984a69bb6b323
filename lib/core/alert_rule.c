/* Words `key=value` in any order, separated by blanks; a value with blanks in double quotes, in
 * which a backslash keeps the next character. One table says what each key takes, so that errors
 * can list them. */
#include "core/alert_rule.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MS_MAX (7u * 24u * 3600000u)

static const char *const measures[] = {"value", "rate",  "mean", "quantile",
                                       "ratio", "share", "fed"};
#define MEASURES (sizeof measures / sizeof measures[0])

const char *tp_alert_measure_name(tp_alert_measure measure) {
    return measures[measure];
}

const char *tp_alert_level_name(tp_alert_level level) {
    static const char *const names[] = {"ok", "warning", "critical"};
    return names[level];
}

void tp_alert_rule_free(tp_alert_rule *rule) {
    if (rule == NULL) {
        return;
    }
    for (uint32_t i = 0; i < rule->label_count; i++) {
        free(rule->labels[i].name);
        free(rule->labels[i].value);
    }
    free(rule->name);
    free(rule->text);
    free(rule->series);
    free(rule->over);
    free(rule);
}

/* --- values of keys ----------------------------------------------------------------------------*/

/* What is being read. */
typedef struct parsing {
    tp_alert_rule *rule;
    const char *key;
    const char *value;
    bool has_quantile;
    bool has_measure;
    trigperf_error **err;
} parsing;

static int32_t wrong(const parsing *p, const char *expected) {
    return tp_error_set(p->err, TRIGPERF_E_INVALID,
                        "write it like: measure=mean series=host_query_seconds warn=0.1 "
                        "critical=0.5 min_samples=20",
                        "alert rule \"%s\": %s: expected %s, got \"%.100s\"", p->rule->name, p->key,
                        expected, p->value);
}

/* A number as C and JSON write it, whatever the locale's decimal point. */
static bool read_number(const char *text, double *number) {
    double value = 0;
    double unit = 1;
    bool negative = *text == '-';
    bool point = false;
    bool digits = false;
    for (text += negative ? 1 : 0; *text != '\0'; text++) {
        if (*text == '.' && !point) {
            point = true;
        } else if (*text >= '0' && *text <= '9') {
            digits = true;
            value = value * 10 + (*text - '0');
            unit *= point ? 10 : 1;
        } else {
            return false;
        }
    }
    *number = (negative ? -value : value) / unit;
    return digits && isfinite(*number) && isfinite(unit);
}

static int32_t take_number(const parsing *p, double min, double max, const char *expected,
                           double *out) {
    double number;
    if (!read_number(p->value, &number) || number < min || number > max) {
        return wrong(p, expected);
    }
    *out = number;
    return TRIGPERF_OK;
}

static int32_t take_whole(const parsing *p, double max, const char *expected, uint64_t *out) {
    double number = 0;
    int32_t status = take_number(p, 0, max, expected, &number);
    if (status == TRIGPERF_OK && strspn(p->value, "0123456789") != strlen(p->value)) {
        status = wrong(p, expected);
    }
    if (status == TRIGPERF_OK) {
        *out = (uint64_t)number;
    }
    return status;
}

static int32_t take_name(const parsing *p, char **out) {
    bool good = p->value[0] >= 'a' && p->value[0] <= 'z' &&
                p->value[strspn(p->value, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
    if (!good || *out != NULL) {
        return wrong(p, "the name of a series, once");
    }
    *out = tp_text_copy(p->value);
    return *out == NULL ? tp_error_nomem(p->err) : TRIGPERF_OK;
}

static int32_t take_measure(parsing *p) {
    for (size_t i = 0; i < MEASURES; i++) {
        if (strcmp(p->value, measures[i]) == 0) {
            p->rule->measure = (tp_alert_measure)i;
            p->has_measure = true;
            return TRIGPERF_OK;
        }
    }
    return wrong(p, "value, rate, mean, quantile, ratio, share or fed");
}

static int32_t take_word(const parsing *p, const char *no, const char *yes, const char *expected,
                         bool *out) {
    if (strcmp(p->value, no) != 0 && strcmp(p->value, yes) != 0) {
        return wrong(p, expected);
    }
    *out = strcmp(p->value, yes) == 0;
    return TRIGPERF_OK;
}

static int32_t take_label(const parsing *p) {
    tp_alert_rule *rule = p->rule;
    if (rule->label_count == TP_ALERT_LABELS_MAX || p->key[6] == '\0') {
        return wrong(p, "at most 8 labels, as label.NAME=VALUE");
    }
    tp_alert_label *label = &rule->labels[rule->label_count];
    label->name = tp_text_copy(p->key + 6);
    label->value = tp_text_copy(p->value);
    rule->label_count++;
    return label->name == NULL || label->value == NULL ? tp_error_nomem(p->err) : TRIGPERF_OK;
}

static int32_t take_patience(const parsing *p) {
    tp_alert_rule *rule = p->rule;
    if (strcmp(p->key, "min_samples") == 0) {
        return take_whole(p, 1e15, "a whole number", &rule->min_samples);
    }
    if (strcmp(p->key, "hold_ms") == 0) {
        return take_whole(p, MS_MAX, "milliseconds up to a week", &rule->hold_ms);
    }
    if (strcmp(p->key, "cooldown_ms") == 0) {
        return take_whole(p, MS_MAX, "milliseconds up to a week", &rule->cooldown_ms);
    }
    if (strcmp(p->key, "hysteresis") == 0) {
        double percent = 0;
        int32_t status = take_number(p, 0, 100, "percent of the threshold, 0 to 100", &percent);
        rule->hysteresis = status == TRIGPERF_OK ? percent / 100 : rule->hysteresis;
        return status;
    }
    return tp_error_set(p->err, TRIGPERF_E_INVALID,
                        "the keys are measure, series, over, quantile, direction, usual, warn, "
                        "critical, min_samples, hysteresis, hold_ms, cooldown_ms and label.NAME",
                        "alert rule \"%s\": unknown key \"%.100s\"", rule->name, p->key);
}

static int32_t take(parsing *p) {
    tp_alert_rule *rule = p->rule;
    if (strcmp(p->key, "measure") == 0) {
        return take_measure(p);
    }
    if (strcmp(p->key, "series") == 0) {
        return take_name(p, &rule->series);
    }
    if (strcmp(p->key, "over") == 0) {
        return take_name(p, &rule->over);
    }
    if (strcmp(p->key, "quantile") == 0) {
        p->has_quantile = true;
        return take_number(p, 0, 1, "a share from 0 to 1", &rule->quantile);
    }
    if (strcmp(p->key, "direction") == 0) {
        return take_word(p, "above", "below", "above or below", &rule->below);
    }
    if (strcmp(p->key, "usual") == 0) {
        return take_word(p, "off", "on", "on or off", &rule->usual);
    }
    if (strcmp(p->key, "warn") == 0) {
        rule->has_warn = true;
        return take_number(p, -1e300, 1e300, "a number", &rule->warn);
    }
    if (strcmp(p->key, "critical") == 0) {
        rule->has_critical = true;
        return take_number(p, -1e300, 1e300, "a number", &rule->critical);
    }
    return strncmp(p->key, "label.", 6) == 0 ? take_label(p) : take_patience(p);
}

/* --- the text ----------------------------------------------------------------------------------*/

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Cuts a value out of the text, in place; false when a quote is not closed. Returns behind it. */
static char *cut_value(char *at, bool *closed) {
    char *out = at;
    *closed = true;
    if (*at != '"') {
        while (*at != '\0' && !is_blank(*at)) {
            at++;
        }
        char *rest = *at == '\0' ? at : at + 1;
        *at = '\0';
        return rest;
    }
    for (at++; *at != '\0' && *at != '"'; at++) {
        at += *at == '\\' && at[1] != '\0' ? 1 : 0;
        *out++ = *at;
    }
    *closed = *at == '"';
    char *rest = *at == '\0' ? at : at + 1;
    *out = '\0';
    return rest;
}

static int32_t no_word(const parsing *p, const char *at) {
    return tp_error_set(p->err, TRIGPERF_E_INVALID, "quote values that have blanks in them",
                        "alert rule \"%s\": expected words like warn=0.1, got \"%.40s\"",
                        p->rule->name, at);
}

static int32_t read_words(parsing *p, char *at) {
    int32_t status = TRIGPERF_OK;
    while (status == TRIGPERF_OK) {
        while (is_blank(*at)) {
            at++;
        }
        if (*at == '\0') {
            break;
        }
        size_t length = strcspn(at, "= \t\r\n\"");
        bool closed = true;
        if (length == 0 || at[length] != '=') {
            return no_word(p, at);
        }
        p->key = at;
        at[length] = '\0';
        p->value = at + length + 1;
        at = cut_value(at + length + 1, &closed);
        status = closed ? take(p) : no_word(p, p->value);
    }
    return status;
}

static int32_t incomplete(const parsing *p, const char *expected) {
    return tp_error_set(p->err, TRIGPERF_E_INVALID,
                        "write it like: measure=mean series=host_query_seconds warn=0.1 "
                        "critical=0.5 min_samples=20",
                        "alert rule \"%s\": expected %s", p->rule->name, expected);
}

/* Whether the keys fit each other. */
static int32_t check_whole(const parsing *p) {
    const tp_alert_rule *rule = p->rule;
    bool two = rule->measure == TP_ALERT_RATIO || rule->measure == TP_ALERT_SHARE;
    if (!p->has_measure) {
        return incomplete(p, "a measure");
    }
    if ((rule->series == NULL) != (rule->measure == TP_ALERT_FED)) {
        return incomplete(p, "a series, except with measure=fed");
    }
    if ((rule->over == NULL) == two) {
        return incomplete(p, "over= with ratio and share, and only there");
    }
    if (p->has_quantile != (rule->measure == TP_ALERT_QUANTILE)) {
        return incomplete(p, "quantile= with measure=quantile, and only there");
    }
    if (!rule->has_warn && !rule->has_critical) {
        return incomplete(p, "a threshold: warn, critical or both");
    }
    if (rule->has_warn && rule->has_critical &&
        (rule->below ? rule->critical > rule->warn : rule->critical < rule->warn)) {
        return incomplete(p, rule->below ? "critical to be at most warn, as it is worse below"
                                         : "critical to be at least warn");
    }
    return TRIGPERF_OK;
}

static int32_t parse(tp_alert_rule *rule, const char *text, trigperf_error **err) {
    parsing p = {.rule = rule, .err = err};
    char *copy = tp_text_copy(text);
    rule->text = tp_text_copy(text);
    int32_t status =
        copy == NULL || rule->text == NULL ? tp_error_nomem(err) : read_words(&p, copy);
    if (status == TRIGPERF_OK) {
        status = check_whole(&p);
    }
    free(copy);
    return status;
}

int32_t tp_alert_rule_parse(const char *name, const char *text, tp_alert_rule **out,
                            trigperf_error **err) {
    size_t length = name == NULL ? 0 : strnlen(name, TP_ALERT_NAME_MAX + 1);
    if (length == 0 || length > TP_ALERT_NAME_MAX || !tp_text_is_utf8(name, length)) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "name it like slow_queries",
                            "expected the name of a rule, 1 to 100 bytes of UTF-8");
    }
    if (text == NULL || strnlen(text, TP_ALERT_TEXT_MAX + 1) > TP_ALERT_TEXT_MAX ||
        !tp_text_is_utf8(text, strlen(text))) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "write it as words like warn=0.1",
                            "alert rule \"%s\": expected up to 4096 bytes of UTF-8", name);
    }
    tp_alert_rule *rule = calloc(1, sizeof *rule);
    if (rule == NULL) {
        return tp_error_nomem(err);
    }
    rule->hysteresis = 0.1;
    rule->min_samples = 1;
    rule->cooldown_ms = 60000;
    rule->name = tp_text_copy(name);
    int32_t status = rule->name == NULL ? tp_error_nomem(err) : parse(rule, text, err);
    if (status != TRIGPERF_OK) {
        tp_alert_rule_free(rule);
        return status;
    }
    *out = rule;
    return TRIGPERF_OK;
}

/* --- judging -----------------------------------------------------------------------------------*/

bool tp_alert_rule_beyond(const tp_alert_rule *rule, double value, double threshold,
                          double margin) {
    return rule->below ? value < threshold + margin : value > threshold - margin;
}

/* Whether a level is reached, or kept within the hysteresis. */
static bool reached(const tp_alert_rule *rule, double value, double threshold, bool kept) {
    double margin = kept ? fabs(threshold) * rule->hysteresis : 0;
    return tp_alert_rule_beyond(rule, value, threshold, margin);
}

tp_alert_level tp_alert_rule_level(const tp_alert_rule *rule, double value, tp_alert_level before) {
    if (rule->has_critical && reached(rule, value, rule->critical, before == TP_ALERT_CRITICAL)) {
        return TP_ALERT_CRITICAL;
    }
    bool warned = before != TP_ALERT_OK;
    return rule->has_warn && reached(rule, value, rule->warn, warned) ? TP_ALERT_WARNING
                                                                      : TP_ALERT_OK;
}

double tp_alert_rule_threshold(const tp_alert_rule *rule, tp_alert_level level) {
    bool critical = rule->has_critical && (level == TP_ALERT_CRITICAL || !rule->has_warn);
    return critical ? rule->critical : rule->warn;
}
