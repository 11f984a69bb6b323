/* Rules of validators as text: whatever is accepted can be described, and judges any value. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/rule_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge_all(const tp_validator *validator) {
    static const char *const texts[] = {NULL, "", "0", "-1.50", "NaN", "abc", "\xC3\xA9", "\xFF"};
    for (uint32_t i = 0; i < tp_validator_group_count(validator); i++) {
        for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++) {
            tp_value value = {texts[j], texts[j] == NULL ? 0 : (uint32_t)strlen(texts[j])};
            uint32_t verdict = TP_VERDICT_HOLDS;
            bool keep = false;
            if (tp_validator_judge(validator, i, 0, &value, &verdict, &keep) != TRIGPERF_OK) {
                abort();
            }
            if (verdict >= TP_VERDICT_FIRST_RULE + tp_validator_group(validator, i).rule_count) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    tp_validator *validator = NULL;
    trigperf_error *error = NULL;
    if (text == NULL || tp_validator_new("fuzz", &validator, NULL) != TRIGPERF_OK) {
        free(text);
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    tp_strbuf json = TP_STRBUF_INIT;
    if (tp_rule_text_parse(text, validator, &error) != TRIGPERF_OK) {
        if (trigperf_error_message(error)[0] == '\0') {
            abort();
        }
    } else {
        judge_all(validator);
        tp_validator_json(validator, &json);
    }
    tp_strbuf_free(&json);
    trigperf_error_free(error);
    tp_validator_free(validator);
    free(text);
    return 0;
}
