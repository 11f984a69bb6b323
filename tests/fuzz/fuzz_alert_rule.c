/* Alert rules: whatever is accepted judges any value, and says the same when it is read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/alert_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const tp_alert_rule *rule) {
    static const double values[] = {-1e12, -1, 0, 0.5, 1, 99, 1e12};
    tp_alert_rule *again = NULL;
    if (tp_alert_rule_parse(rule->name, rule->text, &again, NULL) != TRIGPERF_OK) {
        abort();
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (int before = TP_ALERT_OK; before <= TP_ALERT_CRITICAL; before++) {
            tp_alert_level level = tp_alert_rule_level(rule, values[i], (tp_alert_level)before);
            if (level != tp_alert_rule_level(again, values[i], (tp_alert_level)before)) {
                abort();
            }
            /* What is reached from OK stands from every level. */
            if (level < tp_alert_rule_level(rule, values[i], TP_ALERT_OK)) {
                abort();
            }
        }
    }
    tp_alert_rule_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tp_alert_rule *rule = NULL;
    trigperf_error *error = NULL;
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    if (tp_alert_rule_parse("fuzzed", text, &rule, &error) == TRIGPERF_OK) {
        check(rule);
    } else if (trigperf_error_message(error)[0] == '\0') {
        abort();
    }
    tp_alert_rule_free(rule);
    trigperf_error_free(error);
    free(text);
    return 0;
}
