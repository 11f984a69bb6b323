/* Checks through the public calls: the cache, batches, findings, threads, bad input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <trigperf.h>

#include "oom.h"
#include "prng.h"

static trigperf_context *context_new(const char *capacity) {
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    assert_int_equal(trigperf_config_new(&config, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "source", "none", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "cache.capacity", capacity, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_context_new(config, &context, NULL), TRIGPERF_OK);
    trigperf_config_free(config);
    return context;
}

static trigperf_validator *made(const char *rules) {
    trigperf_validator *validator = NULL;
    assert_int_equal(trigperf_validator_new("v", rules, &validator, NULL), TRIGPERF_OK);
    return validator;
}

static int32_t check_text(trigperf_validator *validator, uint32_t column, const char *text) {
    int32_t outcome = -1;
    uint64_t length = text == NULL ? 0 : strlen(text);
    assert_int_equal(trigperf_validator_check_text(validator, TRIGPERF_OCCASION_NORMAL, column,
                                                   text, length, NULL, &outcome, NULL),
                     TRIGPERF_OK);
    return outcome;
}

static uint64_t tally(const trigperf_findings *findings, const char *name) {
    char *json = NULL;
    char key[40];
    assert_int_equal(trigperf_findings_json(findings, &json, NULL), TRIGPERF_OK);
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *found = strstr(json, key);
    assert_non_null(found);
    uint64_t number = strtoull(found + strlen(key), NULL, 10);
    trigperf_string_free(json);
    return number;
}

typedef struct counter {
    atomic_uint calls;
    int32_t answer;
} counter;

static int32_t count_call(void *user, const char *const *values, const uint64_t *lengths,
                          uint32_t count) {
    counter *into = user;
    (void)values;
    (void)lengths;
    (void)count;
    atomic_fetch_add(&into->calls, 1);
    return into->answer;
}

static void add_counter(trigperf_validator *validator, uint32_t column, counter *into,
                        uint32_t flags) {
    assert_int_equal(trigperf_validator_function(validator, &column, 1, "count", "to be counted",
                                                 count_call, into, NULL, flags, 0, NULL),
                     TRIGPERF_OK);
}

static void test_nothing_is_validated_twice(void **state) {
    (void)state;
    trigperf_context *context = context_new("1000");
    trigperf_validator *validator = made("x: text");
    counter into = {0, 0};
    add_counter(validator, 0, &into, 0);
    assert_int_equal(trigperf_validator_use(validator, context, 7, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    char large[2000];
    memset(large, 'a', sizeof large);
    large[1999] = '\0';
    const char *const values[] = {"a", "b", "", NULL, large};
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 5; i++) {
            assert_int_equal(check_text(validator, 0, values[i]), TRIGPERF_OUTCOME_VALID);
        }
    }
    assert_int_equal(into.calls, 5);
    assert_int_equal(trigperf_cache_invalidate_validator(context, 7, NULL), TRIGPERF_OK);
    check_text(validator, 0, "a");
    assert_int_equal(into.calls, 6);
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

/* A verdict that depends on a table goes with the table's change, and with nothing else. */
static void test_verdicts_go_with_their_table(void **state) {
    (void)state;
    trigperf_context *context = context_new("1000");
    trigperf_validator *validator = made("a: text");
    counter into = {0, 0};
    const uint32_t column = 0;
    const char *name = "id";
    const char *number = "1";
    const char *values[] = {"x", "x"};
    int32_t outcome = -1;
    assert_int_equal(trigperf_validator_function(validator, &column, 1, "f", "f", count_call, &into,
                                                 "public.t", 0, 0, NULL),
                     TRIGPERF_OK);
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_COSTLY, NULL),
                     TRIGPERF_OK);
    assert_int_equal(
        trigperf_push(context, "public.t", TRIGPERF_OP_UPDATE, &name, &number, 1, NULL),
        TRIGPERF_OK);
    for (int batch = 0; batch < 2; batch++) {
        for (uint32_t round = 0; round < 3; round++) {
            for (int i = 0; i < 20; i++) { /* the first one or two may not be kept yet */
                if (batch == 0) {
                    check_text(validator, 0, "x");
                } else {
                    trigperf_validator_check_batch(validator, 0, NULL, values, NULL, 1, 2, NULL,
                                                   &outcome, NULL);
                }
            }
            uint32_t calls = atomic_load(&into.calls);
            check_text(validator, 0, "x");
            assert_int_equal(into.calls, calls);
            assert_int_equal(
                trigperf_push(context, "public.other", TRIGPERF_OP_UPDATE, &name, &number, 1, NULL),
                TRIGPERF_OK);
            check_text(validator, 0, "x");
            assert_int_equal(into.calls, calls);
            assert_int_equal(
                trigperf_push(context, "public.t", TRIGPERF_OP_UPDATE, &name, &number, 1, NULL),
                TRIGPERF_OK);
            check_text(validator, 0, "x");
            assert_int_equal(into.calls, calls + 1);
        }
    }
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

/* By default only what is dear is kept. */
static void test_cheap_rules_are_judged_each_time(void **state) {
    (void)state;
    trigperf_context *context = context_new("1000");
    trigperf_validator *validator = made("a: integer, 0..10\nb: pattern 'x'\nc: length ..3");
    trigperf_findings *findings = NULL;
    const char *values[] = {"5", "x", "abc"};
    int32_t outcome = -1;
    assert_int_equal(trigperf_findings_new(&findings, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, 2, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_COSTLY, NULL),
                     TRIGPERF_OK);
    for (uint64_t round = 0; round < 3; round++) {
        assert_int_equal(trigperf_validator_check_row(validator, 0, NULL, values, NULL, 3, findings,
                                                      &outcome, NULL),
                         TRIGPERF_OK);
        assert_int_equal(trigperf_findings_tally(findings, TRIGPERF_TALLY_CACHED),
                         round > 0 ? 1 : 0);
        assert_int_equal(trigperf_findings_tally(findings, TRIGPERF_TALLY_JUDGED),
                         round > 0 ? 2 : 3);
        assert_int_equal(trigperf_validator_check_batch(validator, 0, NULL, values, NULL, 3, 1,
                                                        findings, &outcome, NULL),
                         TRIGPERF_OK);
        assert_int_equal(trigperf_findings_tally(findings, TRIGPERF_TALLY_CACHED), 1);
    }
    trigperf_findings_free(findings);
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

static void test_other_rules_have_other_verdicts(void **state) {
    (void)state;
    trigperf_context *context = context_new("1000");
    trigperf_validator *first = made("x: length ..3");
    trigperf_validator *second = made("x: length ..5");
    assert_int_equal(trigperf_validator_use(first, context, 7, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    assert_int_equal(check_text(first, 0, "abcd"), TRIGPERF_OUTCOME_INVALID);
    assert_int_equal(trigperf_validator_use(second, context, 7, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    assert_int_equal(check_text(second, 0, "abcd"), TRIGPERF_OUTCOME_VALID);
    trigperf_validator_free(first);
    trigperf_validator_free(second);
    trigperf_context_free(context);
}

static void test_what_is_not_kept(void **state) {
    (void)state;
    trigperf_context *context = context_new("1000");
    trigperf_validator *validator = made("a: text\nb: text\nc: text");
    counter changing = {0, 0};
    counter unsure = {0, 2};
    counter failing = {0, TRIGPERF_E_TIMEOUT};
    add_counter(validator, 0, &changing, TRIGPERF_RULE_VOLATILE);
    add_counter(validator, 1, &unsure, 0);
    add_counter(validator, 2, &failing, 0);
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    int32_t outcome = 77;
    trigperf_error *error = NULL;
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(check_text(validator, 0, "x"), TRIGPERF_OUTCOME_VALID);
        assert_int_equal(check_text(validator, 1, "x"), TRIGPERF_OUTCOME_UNDECIDED);
        assert_int_equal(
            trigperf_validator_check_text(validator, 0, 2, "x", 1, NULL, &outcome, &error),
            TRIGPERF_E_TIMEOUT);
        assert_int_equal(trigperf_error_code(error), TRIGPERF_E_TIMEOUT);
        trigperf_error_free(error);
        error = NULL;
        assert_int_equal(changing.calls, i);
        assert_int_equal(unsure.calls, i);
        assert_int_equal(failing.calls, i);
    }
    assert_int_equal(outcome, 77);
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

/* Verdicts of an occasion that skips rules are not those of another. */
static void test_occasions_do_not_share_verdicts(void **state) {
    (void)state;
    trigperf_context *context = context_new("1000");
    trigperf_validator *validator = made("a: length ..3 unless bulk\nb: length ..3");
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    static const struct {
        uint32_t occasion;
        int32_t expected;
    } cases[] = {{TRIGPERF_OCCASION_BULK, TRIGPERF_OUTCOME_VALID},
                 {TRIGPERF_OCCASION_NORMAL, TRIGPERF_OUTCOME_INVALID},
                 {TRIGPERF_OCCASION_MIGRATION, TRIGPERF_OUTCOME_INVALID},
                 {TRIGPERF_OCCASION_BULK | TRIGPERF_OCCASION_MIGRATION, TRIGPERF_OUTCOME_VALID}};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 4; i++) {
            int32_t outcome = -1;
            assert_int_equal(trigperf_validator_check_text(validator, cases[i].occasion, 0, "long",
                                                           4, NULL, &outcome, NULL),
                             TRIGPERF_OK);
            assert_int_equal(outcome, cases[i].expected);
            assert_int_equal(trigperf_validator_check_text(validator, cases[i].occasion, 1, "long",
                                                           4, NULL, &outcome, NULL),
                             TRIGPERF_OK);
            assert_int_equal(outcome, TRIGPERF_OUTCOME_INVALID);
        }
    }
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

static void test_null_is_not_the_empty_text(void **state) {
    (void)state;
    trigperf_context *context = context_new("1000");
    trigperf_validator *validator = made("a: not null, length ..0");
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(check_text(validator, 0, ""), TRIGPERF_OUTCOME_VALID);
        assert_int_equal(check_text(validator, 0, NULL), TRIGPERF_OUTCOME_INVALID);
        assert_int_equal(check_text(validator, 0, "x"), TRIGPERF_OUTCOME_INVALID);
    }
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

/* Rows, batches, with a cache that is large, tiny or none: the same answers. */
static void test_batches_are_like_rows(void **state) {
    (void)state;
    static const char *const pool[] = {NULL, "", "1", "5", "11", "abc", "abcd", "x", "\xC3\xA9"};
    static const char *const capacities[] = {"1000", "16", "0"};
    enum { COUNT = 3, ROWS = 200 };
    uint64_t seed = 4;
    for (int round = 0; round < 12; round++) {
        trigperf_context *context = context_new(capacities[round % 3]);
        trigperf_validator *plain =
            made("a: integer, 0..10\nb: not null, length ..3\nc: one of ('x', '1')");
        trigperf_validator *kept =
            made("a: integer, 0..10\nb: not null, length ..3\nc: one of ('x', '1')");
        trigperf_findings *findings = NULL;
        assert_int_equal(trigperf_findings_new(&findings, NULL), TRIGPERF_OK);
        assert_int_equal(trigperf_validator_use(kept, context, 1, 0, TRIGPERF_KEEP_ALL, NULL),
                         TRIGPERF_OK);
        const char *values[ROWS * COUNT];
        uint32_t expected = 0;
        int32_t outcome = -1;
        for (int i = 0; i < ROWS * COUNT; i++) {
            values[i] = pool[prng_below(&seed, 9)];
        }
        for (int row = 0; row < ROWS; row++) {
            assert_int_equal(trigperf_validator_check_row(plain, 0, NULL, values + row * COUNT,
                                                          NULL, COUNT, findings, &outcome, NULL),
                             TRIGPERF_OK);
            uint32_t wrong = trigperf_findings_count(findings);
            assert_int_equal(outcome,
                             wrong > 0 ? TRIGPERF_OUTCOME_INVALID : TRIGPERF_OUTCOME_VALID);
            assert_int_equal(trigperf_validator_check_row(kept, 0, NULL, values + row * COUNT, NULL,
                                                          COUNT, findings, &outcome, NULL),
                             TRIGPERF_OK);
            assert_int_equal(trigperf_findings_count(findings), wrong);
            expected += wrong;
        }
        for (int again = 0; again < 2; again++) {
            trigperf_validator *which = again == 0 ? plain : kept;
            assert_int_equal(trigperf_validator_check_batch(which, 0, NULL, values, NULL, COUNT,
                                                            ROWS, findings, &outcome, NULL),
                             TRIGPERF_OK);
            assert_int_equal(outcome, TRIGPERF_OUTCOME_INVALID);
            assert_int_equal(trigperf_findings_count(findings), expected);
            for (uint32_t i = 0; i < expected; i++) {
                const char *column = trigperf_findings_column(findings, i);
                uint32_t place =
                    trigperf_findings_row(findings, i) * COUNT + (uint32_t)(column[0] - 'a');
                const char *shown = values[place] == NULL ? "NULL" : values[place];
                assert_string_equal(trigperf_findings_actual(findings, i), shown);
            }
        }
        trigperf_findings_free(findings);
        trigperf_validator_free(plain);
        trigperf_validator_free(kept);
        trigperf_context_free(context);
    }
}

static void test_a_batch_checks_equal_values_once(void **state) {
    (void)state;
    trigperf_validator *validator = made("x: text\ny: text");
    trigperf_findings *findings = NULL;
    counter into = {0, 0};
    add_counter(validator, 0, &into, 0);
    assert_int_equal(trigperf_findings_new(&findings, NULL), TRIGPERF_OK);
    const char *values[1000];
    for (int i = 0; i < 1000; i++) {
        values[i] = i % 7 < 3 ? "a" : i % 7 < 5 ? "b" : i % 7 < 6 ? NULL : "";
    }
    const uint32_t column = 0;
    int32_t outcome = -1;
    assert_int_equal(trigperf_validator_check_batch(validator, 0, &column, values, NULL, 1, 1000,
                                                    findings, &outcome, NULL),
                     TRIGPERF_OK);
    assert_int_equal(into.calls, 4);
    assert_int_equal(tally(findings, "repeated"), 996);
    assert_int_equal(tally(findings, "judged"), 4);
    assert_int_equal(trigperf_validator_check_batch(validator, 0, &column, values, NULL, 1, 0,
                                                    findings, &outcome, NULL),
                     TRIGPERF_OK);
    assert_int_equal(outcome, TRIGPERF_OUTCOME_VALID);
    trigperf_findings_free(findings);
    trigperf_validator_free(validator);
}

static void test_rules_over_columns_that_are_missing(void **state) {
    (void)state;
    trigperf_validator *validator = made("a: text\nb: text");
    counter into = {0, 1};
    const uint32_t both[] = {0, 1};
    int32_t outcome = -1;
    trigperf_findings *findings = NULL;
    assert_int_equal(trigperf_findings_new(&findings, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_validator_function(validator, both, 2, "both", "something",
                                                 count_call, &into, NULL, 0, 0, NULL),
                     TRIGPERF_OK);
    const char *values[] = {"x", "y", "z", "w"};
    assert_int_equal(
        trigperf_validator_check_row(validator, 0, NULL, values, NULL, 1, NULL, &outcome, NULL),
        TRIGPERF_OK);
    assert_int_equal(outcome, TRIGPERF_OUTCOME_UNDECIDED);
    const uint32_t turned[] = {1, 0};
    assert_int_equal(trigperf_validator_check_batch(validator, 0, turned, values, NULL, 2, 2,
                                                    findings, &outcome, NULL),
                     TRIGPERF_OK);
    assert_int_equal(outcome, TRIGPERF_OUTCOME_INVALID);
    assert_string_equal(trigperf_findings_column(findings, 0), "a, b");
    assert_string_equal(trigperf_findings_actual(findings, 0), "a = y, b = x");
    assert_string_equal(trigperf_findings_expected(findings, 0), "something");
    trigperf_findings_free(findings);
    trigperf_validator_free(validator);
}

static void test_what_is_shown_of_bad_values(void **state) {
    (void)state;
    trigperf_validator *validator = made("a: length ..1");
    trigperf_findings *findings = NULL;
    int32_t outcome = -1;
    char text[1000];
    assert_int_equal(trigperf_findings_new(&findings, NULL), TRIGPERF_OK);
    for (int i = 0; i < 999; i += 3) {
        memcpy(text + i, "\xE2\x82\xAC", 3);
    }
    assert_int_equal(
        trigperf_validator_check_text(validator, 0, 0, text, 999, findings, &outcome, NULL),
        TRIGPERF_OK);
    assert_int_equal(strlen(trigperf_findings_actual(findings, 0)), 201);
    assert_int_equal(trigperf_validator_check_text(validator, 0, 0, "a\0\xFF z\xC3", 6, findings,
                                                   &outcome, NULL),
                     TRIGPERF_OK);
    assert_string_equal(trigperf_findings_actual(findings, 0), "a?? z?");
    assert_string_equal(trigperf_findings_rule(findings, 0), "type");
    trigperf_findings_free(findings);
    trigperf_validator_free(validator);
}

static void test_reals(void **state) {
    (void)state;
    trigperf_context *context = context_new("100");
    trigperf_validator *validator = made("r: real, finite, 0..1");
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    const struct {
        double number;
        int32_t expected;
    } cases[] = {
        {0, 0}, {-0.0, 0}, {1, 0}, {nextafter(1, 2), 1}, {(double)NAN, 1}, {(double)INFINITY, 1}};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            int32_t outcome = -1;
            assert_int_equal(trigperf_validator_check_real(validator, 0, 0, cases[i].number, NULL,
                                                           &outcome, NULL),
                             TRIGPERF_OK);
            assert_int_equal(outcome, cases[i].expected);
        }
    }
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

static void test_bad_arguments(void **state) {
    (void)state;
    trigperf_validator *validator = made("a: integer\nb: text");
    const uint32_t twice[] = {0, 0};
    const uint32_t beyond[] = {5};
    const uint32_t falling[] = {1, 0};
    const char *values[] = {"1", "2", "3"};
    const uint64_t huge[] = {UINT64_MAX};
    counter into = {0, 0};
    int32_t outcome = 77;
    trigperf_error *error = NULL;
#define FAILS(status, call)                                                                        \
    do {                                                                                           \
        assert_int_equal(call, status);                                                            \
        assert_int_equal(trigperf_error_code(error), status);                                      \
        trigperf_error_free(error);                                                                \
        error = NULL;                                                                              \
    } while (0)
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_function(validator, falling, 2, "f", "f",
                                                          count_call, &into, NULL, 0, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_function(validator, twice, 2, "f", "f", count_call,
                                                          &into, NULL, 0, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_function(validator, twice, 1, "f", "f", NULL,
                                                          &into, NULL, 0, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_function(validator, twice, 1, "f", "f", count_call,
                                                          &into, NULL, 1, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_not_null(validator, 0, 4, &error));
    FAILS(TRIGPERF_E_NOT_FOUND, trigperf_validator_not_null(validator, 9, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_not_null(NULL, 0, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_range(validator, 0, "1", "2", 4, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_length(validator, 1, 0, 1, 1, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_one_of(validator, 1, NULL, 1, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_one_of(validator, 1, values, 0, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_one_of(validator, 1, values, 70000, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_pattern(validator, 1, NULL, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_column(validator, "c", 4, NULL, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_column(validator, "\xFF", 0, NULL, &error));
    FAILS(TRIGPERF_E_INVALID,
          trigperf_validator_check_text(NULL, 0, 0, "1", 1, NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID,
          trigperf_validator_check_text(validator, 4, 0, "1", 1, NULL, &outcome, &error));
    FAILS(TRIGPERF_E_NOT_FOUND,
          trigperf_validator_check_text(validator, 0, 2, "1", 1, NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID,
          trigperf_validator_check_text(validator, 0, 0, "1", UINT32_MAX, NULL, &outcome, &error));
    FAILS(TRIGPERF_E_NOT_FOUND,
          trigperf_validator_check_integer(validator, 0, 2, 1, NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID,
          trigperf_validator_check_real(validator, 0, 0, 1, NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_check_row(validator, 0, twice, values, NULL, 2,
                                                           NULL, &outcome, &error));
    FAILS(TRIGPERF_E_NOT_FOUND, trigperf_validator_check_row(validator, 0, beyond, values, NULL, 1,
                                                             NULL, &outcome, &error));
    FAILS(TRIGPERF_E_NOT_FOUND, trigperf_validator_check_row(validator, 0, NULL, values, NULL, 3,
                                                             NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID,
          trigperf_validator_check_row(validator, 0, NULL, NULL, NULL, 1, NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_check_row(validator, 0, NULL, values, huge, 1,
                                                           NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_check_batch(validator, 0, NULL, values, huge, 1, 1,
                                                             NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_check_batch(validator, 0, NULL, NULL, NULL, 1, 1,
                                                             NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_check_batch(validator, 0, NULL, values, NULL, 2,
                                                             INT32_MAX, NULL, &outcome, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_use(NULL, NULL, 0, 0, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_use(validator, NULL, 0, 0, 0, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_import(NULL, NULL, "t", &validator, NULL, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_validator_recheck(validator, NULL, &error));
    FAILS(TRIGPERF_E_INVALID, trigperf_findings_json(NULL, NULL, &error));
    assert_int_equal(outcome, 77);
    assert_int_equal(trigperf_findings_count(NULL), 0);
    assert_null(trigperf_findings_actual(NULL, 0));
    trigperf_findings_free(NULL);
    trigperf_validator_free(NULL);
    trigperf_validator_free(validator);
}

static void test_without_rules(void **state) {
    (void)state;
    trigperf_validator *validator = made(NULL);
    int32_t outcome = -1;
    assert_int_equal(
        trigperf_validator_check_row(validator, 0, NULL, NULL, NULL, 0, NULL, &outcome, NULL),
        TRIGPERF_OK);
    assert_int_equal(outcome, TRIGPERF_OUTCOME_VALID);
    assert_int_equal(
        trigperf_validator_check_batch(validator, 0, NULL, NULL, NULL, 0, 5, NULL, &outcome, NULL),
        TRIGPERF_OK);
    assert_int_equal(outcome, TRIGPERF_OUTCOME_VALID);
    trigperf_validator_free(validator);
}

static void test_huge_values(void **state) {
    (void)state;
    trigperf_context *context = context_new("100");
    trigperf_validator *validator = made("a: bytes ..3000000, pattern '^a'");
    trigperf_findings *findings = NULL;
    size_t length = 2000000;
    char *text = malloc(length);
    memset(text, 'a', length);
    int32_t outcome = -1;
    assert_int_equal(trigperf_findings_new(&findings, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    for (int i = 0; i < 2; i++) { /* longer than a key of the cache: judged each time */
        assert_int_equal(
            trigperf_validator_check_text(validator, 0, 0, text, length, findings, &outcome, NULL),
            TRIGPERF_OK);
        assert_int_equal(outcome, TRIGPERF_OUTCOME_VALID);
        assert_int_equal(tally(findings, "judged"), 1);
    }
    const char *values[] = {text, "a", text};
    const uint64_t lengths[] = {length, 1, length};
    assert_int_equal(trigperf_validator_check_batch(validator, 0, NULL, values, lengths, 1, 3,
                                                    findings, &outcome, NULL),
                     TRIGPERF_OK);
    assert_int_equal(outcome, TRIGPERF_OUTCOME_VALID);
    assert_int_equal(tally(findings, "repeated"), 1);
    free(text);
    trigperf_findings_free(findings);
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

typedef struct worker {
    trigperf_validator *validator;
    uint64_t seed;
    uint32_t wrong;
} worker;

static void *work(void *user) {
    worker *own = user;
    trigperf_findings *findings = NULL;
    if (trigperf_findings_new(&findings, NULL) != TRIGPERF_OK) {
        own->wrong++;
        return NULL;
    }
    for (int i = 0; i < 20000; i++) {
        int32_t number = (int32_t)prng_below(&own->seed, 300);
        char text[16];
        int32_t outcome = -1;
        snprintf(text, sizeof text, "%d", number);
        const char *values[] = {text, text};
        int32_t status = i % 2 == 0
                             ? trigperf_validator_check_row(own->validator, 0, NULL, values, NULL,
                                                            2, findings, &outcome, NULL)
                             : trigperf_validator_check_batch(own->validator, 0, NULL, values, NULL,
                                                              1, 2, findings, &outcome, NULL);
        own->wrong += status != TRIGPERF_OK || outcome != (number > 100 ? 1 : 0);
    }
    trigperf_findings_free(findings);
    return NULL;
}

static void test_shared_by_threads(void **state) {
    (void)state;
    trigperf_context *context = context_new("200");
    trigperf_validator *validator = made("a: integer, 0..100\nb: length ..3, pattern '^[0-9]+$'");
    counter into = {0, 0};
    add_counter(validator, 1, &into, 0);
    assert_int_equal(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    pthread_t threads[4];
    worker workers[4];
    for (uint64_t i = 0; i < 4; i++) {
        workers[i] = (worker){validator, i + 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 300; i++) {
        trigperf_cache_invalidate_validator(context, 1, NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].wrong, 0);
    }
    trigperf_validator_free(validator);
    trigperf_context_free(context);
}

typedef int32_t (*attempt)(trigperf_context *context, trigperf_error **error);

static int32_t attempt_building(trigperf_context *context, trigperf_error **error) {
    trigperf_validator *validator = NULL;
    const char *words[] = {"x", "y"};
    const uint32_t columns[] = {0, 1};
    counter into = {0, 0};
    uint32_t column = 0;
    char *json = NULL;
    (void)context;
    int32_t status = trigperf_validator_new("v", "a: text", &validator, error);
    status = status
                 ? status
                 : trigperf_validator_column(validator, "b", TRIGPERF_COLUMN_TEXT, &column, error);
    status = status ? status : trigperf_validator_one_of(validator, 0, words, 2, 0, error);
    status = status ? status : trigperf_validator_pattern(validator, 0, "x", 0, error);
    status = status ? status : trigperf_validator_length(validator, 0, 0, 5, 0, 0, error);
    status = status ? status : trigperf_validator_not_null(validator, 0, 0, error);
    status = status ? status
                    : trigperf_validator_function(validator, columns, 2, "f", "f", count_call,
                                                  &into, "public.t", 0, 0, error);
    status = status ? status : trigperf_validator_describe(validator, &json, error);
    trigperf_string_free(json);
    trigperf_validator_free(validator);
    return status;
}

static trigperf_validator *shared;

/* A check that is out of memory fails, or succeeds with the right answer: it may do without the
 * cache. */
static int32_t attempt_checks(trigperf_context *context, trigperf_error **error) {
    trigperf_findings *findings = NULL;
    char *json = NULL;
    int32_t outcome = -1;
    const char *values[] = {"1", "11", "x", NULL, "1", "11"};
    (void)context;
    int32_t status = trigperf_findings_new(&findings, error);
    status = status ? status
                    : trigperf_validator_check_row(shared, 0, NULL, values + 2, NULL, 1, findings,
                                                   &outcome, error);
    if (status == TRIGPERF_OK) {
        assert_int_equal(outcome, TRIGPERF_OUTCOME_INVALID);
    }
    status = status ? status
                    : trigperf_validator_check_batch(shared, 0, NULL, values, NULL, 2, 3, findings,
                                                     &outcome, error);
    if (status == TRIGPERF_OK) {
        assert_int_equal(outcome, TRIGPERF_OUTCOME_INVALID);
        assert_int_equal(trigperf_findings_count(findings), 3);
    }
    status = status ? status : trigperf_findings_json(findings, &json, error);
    trigperf_string_free(json);
    trigperf_findings_free(findings);
    return status;
}

static void fail_each_allocation(attempt attempted, trigperf_context *context, unsigned least) {
    for (unsigned n = 1;; n++) {
        trigperf_error *error = NULL;
        oom_fail_at(n);
        int32_t status = attempted(context, &error);
        bool failed = oom_reset();
        assert_true(status == TRIGPERF_OK || (failed && status == TRIGPERF_E_NOMEM));
        assert_int_equal(trigperf_error_code(error), status);
        trigperf_error_free(error);
        if (!failed) {
            assert_true(n > least);
            break;
        }
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    trigperf_context *context = context_new("100");
    shared = made("a: integer, 0..10\nb: integer, 0..10");
    fail_each_allocation(attempt_building, context, 30);
    fail_each_allocation(attempt_checks, context, 10);
    assert_int_equal(trigperf_validator_use(shared, context, 1, 0, TRIGPERF_KEEP_ALL, NULL),
                     TRIGPERF_OK);
    fail_each_allocation(attempt_checks, context, 10);
    trigperf_validator_free(shared);
    trigperf_context_free(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_validated_twice),
        cmocka_unit_test(test_verdicts_go_with_their_table),
        cmocka_unit_test(test_cheap_rules_are_judged_each_time),
        cmocka_unit_test(test_other_rules_have_other_verdicts),
        cmocka_unit_test(test_what_is_not_kept),
        cmocka_unit_test(test_occasions_do_not_share_verdicts),
        cmocka_unit_test(test_null_is_not_the_empty_text),
        cmocka_unit_test(test_batches_are_like_rows),
        cmocka_unit_test(test_a_batch_checks_equal_values_once),
        cmocka_unit_test(test_rules_over_columns_that_are_missing),
        cmocka_unit_test(test_what_is_shown_of_bad_values),
        cmocka_unit_test(test_reals),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_without_rules),
        cmocka_unit_test(test_huge_values),
        cmocka_unit_test(test_shared_by_threads),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
