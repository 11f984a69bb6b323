/* Patterns: syntax, answers like those of libc, bounded cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <regex.h>

#include "core/pattern.h"
#include "oom.h"
#include "prng.h"

static tp_pattern_answer find(const char *pattern, const char *text) {
    tp_pattern *compiled = NULL;
    assert_int_equal(tp_pattern_new(pattern, strlen(pattern), TP_PATTERN_OWN, &compiled, NULL),
                     TRIGPERF_OK);
    tp_pattern_answer answer = tp_pattern_find(compiled, text, strlen(text));
    tp_pattern_free(compiled);
    return answer;
}

static void test_matches(void **state) {
    (void)state;
    static const char *const yes[][2] = {
        {"", ""},
        {"", "x"},
        {"a", "bab"},
        {"^a", "ab"},
        {"a$", "ba"},
        {"^$", ""},
        {"^a.c$", "abc"},
        {"a.c", "a\nc"},
        {"[a-c]+", "xxb"},
        {"[^a]", "ab"},
        {"^[-a]$", "-"},
        {"^[a-]$", "-"},
        {"^\\d{3}$", "123"},
        {"^\\w+$", "aZ_9"},
        {"\\s", "a\tb"},
        {"^\\S+$", "ab"},
        {"^\\D$", "a"},
        {"\\W", "a b"},
        {"^(ab|cd)*$", "abcdab"},
        {"^(?:a|b|cc)$", "cc"},
        {"^a{2,3}$", "aaa"},
        {"^a{2,}$", "aaaaa"},
        {"^a{0}$", ""},
        {"a*?b", "aab"},
        {"^.$", "\xF0\x9F\x98\x80"},
        {"^[\xC3\xA9-\xC3\xBC]$", "\xC3\xAA"},
        {"^\\.\\[$", ".["},
        {"a|", "zzz"},
        {"(|a)b", "b"},
        {"^()$", ""},
        {"^[\\]\\\\]+$", "]\\"},
        {"^[\\d.]+$", "1.2"},
        {"^a\\nb\\tc$", "a\nb\tc"},
        {"^(a*)*$", "aaa"},
        {"^((a|b)?c){2}$", "acc"},
    };
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (find(yes[i][0], yes[i][1]) != TP_PATTERN_YES) {
            fail_msg("'%s' should be found in '%s'", yes[i][0], yes[i][1]);
        }
    }
    static const char *const no[][2] = {
        {"a", ""},         {"^a", "ba"},          {"a$", "ab"},  {"^a$", "a\n"},
        {"[^a]", "aaa"},   {"a^b", "ab"},         {"a$b", "ab"}, {"^\\d$", "\xD9\xA1"},
        {"^a{2,3}$", "a"}, {"^a{2,3}$", "aaaa"},  {"^.$", "ab"}, {"^.$", ""},
        {"[a-c]", "d"},    {"^(ab|cd)+$", "abc"}, {"\\.", "a"},  {"^[^\xC3\xA9]$", "\xC3\xA9"},
        {"A", "a"},        {"^(?:a|b|cc)$", "c"},
    };
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        if (find(no[i][0], no[i][1]) != TP_PATTERN_NO) {
            fail_msg("'%s' should not be found in '%s'", no[i][0], no[i][1]);
        }
    }
}

static void assert_refused(const char *pattern, tp_pattern_syntax syntax, const char *part) {
    tp_pattern *compiled = NULL;
    trigperf_error *error = NULL;
    assert_int_equal(tp_pattern_new(pattern, strlen(pattern), syntax, &compiled, &error),
                     TRIGPERF_E_INVALID);
    assert_null(compiled);
    if (strstr(trigperf_error_message(error), part) == NULL) {
        fail_msg("'%s' is missing in: %s", part, trigperf_error_message(error));
    }
    assert_true(trigperf_error_hint(error)[0] != '\0');
    trigperf_error_free(error);
}

static void test_refuses(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"(", "'(' without ')'"},
        {")", "')' without '('"},
        {"a)b", "at byte 2"},
        {"[", "'[' without ']'"},
        {"[]", "without a character"},
        {"[a", "'[' without ']'"},
        {"[b-a]", "before its beginning"},
        {"[a-\\d]", "before its beginning"},
        {"[[:alpha:]]", "within brackets"},
        {"*a", "repetition of nothing"},
        {"a**", "repetition of a repetition"},
        {"^*", "repetition of '^'"},
        {"a{", "without a number"},
        {"a{2", "'{' without '}'"},
        {"a{3,2}", "before its beginning"},
        {"a{256}", "more than 255"},
        {"(?=a)", "look-around"},
        {"(?i)a", "options"},
        {"\\1", "back reference"},
        {"\\", "backslash without"},
        {"\\q", "unknown escape"},
        {"]", "closing bracket"},
        {"}", "closing bracket"},
        {"\xFF", "UTF-8"},
        {"a|*", "repetition of nothing"},
        {"\\\xC3\xA9", "something else than punctuation"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(bad[i][0], TP_PATTERN_OWN, bad[i][1]);
    }
    static const char *const shared[] = {
        "\\d", "[\\w]", "\\n", "a*?", "[\xC3\xA9-\xC3\xBC]", "[[:alpha:]]", "(?i)a"};
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        assert_refused(shared[i], TP_PATTERN_SHARED, "at byte");
    }
}

static void test_limits(void **state) {
    (void)state;
    char deep[80];
    memset(deep, '(', 33);
    deep[33] = 'a';
    memset(deep + 34, ')', 33);
    deep[67] = '\0';
    assert_refused(deep, TP_PATTERN_OWN, "more than 32");
    char *text = malloc(5000);
    memset(text, 'a', 5000);
    tp_pattern *compiled = NULL;
    assert_int_equal(tp_pattern_new(text, 4097, TP_PATTERN_OWN, &compiled, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(tp_pattern_new(text, 1900, TP_PATTERN_OWN, &compiled, NULL), TRIGPERF_OK);
    tp_pattern_free(compiled);
    free(text);
    static const char *const huge[] = {"((a{255}){255}){255}", "(((){255}){255}){255}",
                                       "((((a?){9}){9}){9}){9}", "(a|b|c|d|e|f|g|h){255}"};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        trigperf_error *error = NULL;
        assert_int_equal(
            tp_pattern_new(huge[i], strlen(huge[i]), TP_PATTERN_OWN, &compiled, &error),
            TRIGPERF_E_LIMIT);
        trigperf_error_free(error);
    }
}

/* What ruins backtracking matchers. Cost is counted, not timed. */
static void test_hostile_patterns_end(void **state) {
    (void)state;
    size_t length = 1000000;
    char *text = malloc(length + 1);
    memset(text, 'a', length);
    text[length] = '\0';
    assert_int_equal(find("^(a*)*b", text), TP_PATTERN_TOO_COSTLY);
    assert_int_equal(find("(a|a|a)*(b|c)", text), TP_PATTERN_TOO_COSTLY);
    assert_int_equal(find("(a?){200}a{200}b", text), TP_PATTERN_TOO_COSTLY);
    assert_int_equal(find("^b", text), TP_PATTERN_NO);
    text[10000] = '\0';
    assert_int_equal(find("(a+)+$", text), TP_PATTERN_YES);
    assert_int_equal(find("^(a+)+$", text), TP_PATTERN_YES);
    assert_int_equal(find("^(([a-z])+.)+[A-Z]([a-z])+$", text), TP_PATTERN_NO);
    free(text);
}

typedef struct maker {
    uint64_t seed;
    char text[256];
    size_t length;
} maker;

static void put(maker *make, const char *text) {
    size_t length = strlen(text);
    if (make->length + length < sizeof make->text - 8) {
        memcpy(make->text + make->length, text, length + 1);
        make->length += length;
    }
}

static void put_pattern(maker *make, uint32_t depth) {
    static const char *const atoms[] = {"a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", "\\."};
    static const char *const repeats[] = {"*", "+", "?", "{2}", "{1,3}", "{2,}"};
    uint32_t parts = 1 + prng_below(&make->seed, 3);
    for (uint32_t i = 0; i < parts; i++) {
        if (depth > 0 && prng_below(&make->seed, 3) == 0) {
            put(make, "(");
            put_pattern(make, depth - 1);
            if (prng_below(&make->seed, 2) == 0) {
                put(make, "|");
                put_pattern(make, depth - 1);
            }
            put(make, ")");
        } else {
            put(make, atoms[prng_below(&make->seed, 8)]);
        }
        if (prng_below(&make->seed, 2) == 0) {
            put(make, repeats[prng_below(&make->seed, 6)]);
        }
    }
}

static void test_like_libc(void **state) {
    (void)state;
    maker make = {.seed = 42};
    uint32_t found = 0;
    for (int round = 0; round < 3000; round++) {
        make.length = 0;
        make.text[0] = '\0';
        bool begin = prng_below(&make.seed, 3) == 0;
        bool end = prng_below(&make.seed, 3) == 0;
        put(&make, begin ? "^" : "");
        put_pattern(&make, 2);
        put(&make, end ? "$" : "");
        regex_t model;
        tp_pattern *ours = NULL;
        if (tp_pattern_new(make.text, make.length, TP_PATTERN_SHARED, &ours, NULL) != TRIGPERF_OK) {
            continue;
        }
        assert_int_equal(regcomp(&model, make.text, REG_EXTENDED | REG_NOSUB), 0);
        for (int i = 0; i < 20; i++) {
            char text[12];
            uint32_t length = prng_below(&make.seed, 10);
            for (uint32_t j = 0; j < length; j++) {
                text[j] = "abc.d"[prng_below(&make.seed, 5)];
            }
            text[length] = '\0';
            bool expected = regexec(&model, text, 0, NULL, 0) == 0;
            found += expected;
            if ((tp_pattern_find(ours, text, length) == TP_PATTERN_YES) != expected) {
                fail_msg("'%s' in '%s': libc says %d", make.text, text, expected);
            }
        }
        regfree(&model);
        tp_pattern_free(ours);
    }
    assert_true(found > 10000);
}

static void test_out_of_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_pattern *compiled = NULL;
        trigperf_error *error = NULL;
        const char *pattern = "^([a-z]+|\\d{2,3}|x)(a|b|c|d|e)?[^q]$";
        oom_fail_at(n);
        int32_t status =
            tp_pattern_new(pattern, strlen(pattern), TP_PATTERN_OWN, &compiled, &error);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        assert_int_equal(trigperf_error_code(error), status);
        trigperf_error_free(error);
        tp_pattern_free(compiled);
        if (!failed) {
            assert_true(n > 5);
            break;
        }
        assert_null(compiled);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),   cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_hostile_patterns_end),
        cmocka_unit_test(test_like_libc), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
