/* All texts of the findings lie in one buffer, by offset, so that an object that is used again and
 * again stops allocating. What belongs to a rule is copied too: findings may outlive the validator.
 */
#include "api/findings.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/json.h"
#include "core/utf8.h"

#define FINDINGS_MAX 100000u
#define SHOWN_BYTES 200u

typedef struct finding {
    uint32_t row;
    size_t column; /* offsets into texts */
    size_t rule;
    size_t expected;
    size_t actual;
} finding;

struct trigperf_findings {
    finding *items;
    uint32_t count;
    uint32_t room;
    tp_strbuf texts;
    tp_tally tally;
    int32_t outcome;
};

int32_t trigperf_findings_new(trigperf_findings **findings, trigperf_error **error) {
    trigperf_findings *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return tp_error_nomem(error);
    }
    *findings = fresh;
    return TRIGPERF_OK;
}

void trigperf_findings_free(trigperf_findings *findings) {
    if (findings != NULL) {
        free(findings->items);
        tp_strbuf_free(&findings->texts);
        free(findings);
    }
}

void tp_findings_begin(trigperf_findings *findings) {
    if (findings != NULL) {
        findings->count = 0;
        findings->tally = (tp_tally){0};
        findings->outcome = TRIGPERF_OUTCOME_VALID;
        tp_strbuf_reset(&findings->texts);
    }
}

/* What is not valid UTF-8 becomes '?', byte by byte; a character is not cut in two. */
static void put_value(tp_strbuf *out, tp_value value) {
    if (value.data == NULL) {
        tp_strbuf_puts(out, "NULL");
        return;
    }
    uint32_t shown = value.length < SHOWN_BYTES ? value.length : SHOWN_BYTES;
    for (uint32_t at = 0; at < shown;) {
        uint32_t step = 1;
        while (step < 4 && at + step < value.length &&
               ((unsigned char)value.data[at + step] & 0xC0) == 0x80) {
            step++;
        }
        if (tp_utf8_check(value.data + at, step, NULL)) {
            tp_strbuf_add(out, value.data + at, step);
            at += step;
        } else {
            tp_strbuf_putc(out, '?');
            at++;
        }
    }
}

static void put_actual(tp_strbuf *out, const tp_validator *validator, const tp_rule_group *group,
                       const tp_value *values) {
    for (uint32_t i = 0; i < group->column_count; i++) {
        if (group->column_count > 1) {
            tp_strbuf_printf(out, "%s%s = ", i == 0 ? "" : ", ",
                             tp_validator_column_name(validator, group->columns[i]));
        }
        put_value(out, values[i]);
    }
}

static void put_columns(tp_strbuf *out, const tp_validator *validator, const tp_rule_group *group) {
    for (uint32_t i = 0; i < group->column_count; i++) {
        tp_strbuf_puts(out, i == 0 ? "" : ", ");
        tp_strbuf_puts(out, tp_validator_column_name(validator, group->columns[i]));
    }
}

/* Ends a text with a zero byte; returns where the next one begins. */
static size_t end_text(tp_strbuf *texts) {
    tp_strbuf_putc(texts, '\0');
    return texts->length;
}

int32_t tp_findings_add(trigperf_findings *findings, const tp_validator *validator, uint32_t number,
                        uint32_t rule, uint32_t row, const tp_value *values, trigperf_error **err) {
    if (findings == NULL || findings->count == FINDINGS_MAX) {
        return TRIGPERF_OK;
    }
    finding *items =
        tp_array_reserve(findings->items, &findings->room, findings->count + 1, sizeof *items);
    if (items == NULL) {
        return tp_error_nomem(err);
    }
    findings->items = items;
    tp_rule_group group = tp_validator_group(validator, number);
    const tp_check_rule *broken = tp_validator_rule(validator, number, rule);
    tp_strbuf *texts = &findings->texts;
    finding *fresh = &items[findings->count];
    fresh->row = row;
    fresh->column = texts->length;
    put_columns(texts, validator, &group);
    fresh->rule = end_text(texts);
    tp_strbuf_puts(texts, tp_check_rule_name(broken));
    fresh->expected = end_text(texts);
    tp_strbuf_puts(texts, tp_check_rule_expected(broken));
    fresh->actual = end_text(texts);
    put_actual(texts, validator, &group, values);
    end_text(texts);
    if (texts->failed) {
        return tp_error_nomem(err);
    }
    findings->count++;
    return TRIGPERF_OK;
}

void tp_findings_end(trigperf_findings *findings, const tp_tally *tally, int32_t outcome) {
    if (findings != NULL) {
        findings->tally = *tally;
        findings->outcome = outcome;
    }
}

uint32_t trigperf_findings_count(const trigperf_findings *findings) {
    return findings == NULL ? 0 : findings->count;
}

static const finding *at(const trigperf_findings *findings, uint32_t index) {
    return index < trigperf_findings_count(findings) ? &findings->items[index] : NULL;
}

uint32_t trigperf_findings_row(const trigperf_findings *findings, uint32_t index) {
    const finding *found = at(findings, index);
    return found == NULL ? 0 : found->row;
}

const char *trigperf_findings_column(const trigperf_findings *findings, uint32_t index) {
    const finding *found = at(findings, index);
    return found == NULL ? NULL : findings->texts.data + found->column;
}

const char *trigperf_findings_rule(const trigperf_findings *findings, uint32_t index) {
    const finding *found = at(findings, index);
    return found == NULL ? NULL : findings->texts.data + found->rule;
}

const char *trigperf_findings_expected(const trigperf_findings *findings, uint32_t index) {
    const finding *found = at(findings, index);
    return found == NULL ? NULL : findings->texts.data + found->expected;
}

const char *trigperf_findings_actual(const trigperf_findings *findings, uint32_t index) {
    const finding *found = at(findings, index);
    return found == NULL ? NULL : findings->texts.data + found->actual;
}

uint64_t trigperf_findings_tally(const trigperf_findings *findings, uint32_t what) {
    if (findings == NULL) {
        return 0;
    }
    const tp_tally *tally = &findings->tally;
    const uint64_t counts[] = {tally->judged,    tally->cached,  tally->repeated, tally->skipped,
                               tally->undecided, tally->invalid, tally->missed};
    return what < sizeof counts / sizeof counts[0] ? counts[what] : 0;
}

static void put_tally(const tp_tally *tally, tp_strbuf *out) {
    tp_json_uint(out, "judged", tally->judged);
    tp_json_uint(out, "cached", tally->cached);
    tp_json_uint(out, "repeated", tally->repeated);
    tp_json_uint(out, "skipped", tally->skipped);
    tp_json_uint(out, "undecided", tally->undecided);
    tp_json_uint(out, "invalid", tally->invalid);
    tp_json_uint(out, "missed", tally->missed);
}

int32_t trigperf_findings_json(const trigperf_findings *findings, char **json,
                               trigperf_error **error) {
    static const char *const outcomes[] = {"valid", "invalid", "undecided"};
    if (findings == NULL) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "make some with trigperf_findings_new()",
                            "expected findings, got NULL");
    }
    tp_strbuf out = TP_STRBUF_INIT;
    tp_json_open(&out, NULL, '{');
    tp_json_text(&out, "outcome", outcomes[findings->outcome]);
    put_tally(&findings->tally, &out);
    tp_json_open(&out, "findings", '[');
    for (uint32_t i = 0; i < findings->count; i++) {
        tp_json_open(&out, NULL, '{');
        tp_json_uint(&out, "row", findings->items[i].row);
        tp_json_text(&out, "column", trigperf_findings_column(findings, i));
        tp_json_text(&out, "rule", trigperf_findings_rule(findings, i));
        tp_json_text(&out, "expected", trigperf_findings_expected(findings, i));
        tp_json_text(&out, "actual", trigperf_findings_actual(findings, i));
        tp_json_close(&out, '}');
    }
    tp_json_close(&out, ']');
    tp_json_close(&out, '}');
    char *taken = tp_strbuf_take(&out);
    if (taken == NULL) {
        return tp_error_nomem(error);
    }
    *json = taken;
    return TRIGPERF_OK;
}
