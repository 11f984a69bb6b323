/* Payloads of notifying triggers: what is read, what is refused, nothing read past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/notice.h"
#include "oom.h"
#include "prng.h"

static const char *const names[] = {"user_id", "record_id", "agent_id"};

static tp_notice_reader reader_new(void) {
    return (tp_notice_reader){.names = names, .count = 3};
}

static void assert_value(const tp_notice *notice, uint32_t i, const char *expected) {
    if (expected == NULL) {
        assert_null(notice->values[i].data);
        return;
    }
    assert_non_null(notice->values[i].data);
    assert_int_equal(notice->values[i].length, strlen(expected));
    assert_memory_equal(notice->values[i].data, expected, strlen(expected));
}

static void test_whole(void **state) {
    (void)state;
    static const char payload[] =
        "{\"table\": \"calls\", \"operation\": \"INSERT\",\n"
        " \"user_id\": \"3f2504e0-4f89-41d3-9a0c-0305e82c3301\", \"record_id\": 42,"
        " \"agent_id\": null, \"timestamp\": 1234567890.5, \"batch_id\": \"755\"}";
    tp_notice_reader reader = reader_new();
    tp_notice notice;
    const char *why = NULL;
    assert_int_equal(tp_notice_read(&reader, payload, strlen(payload), &notice, &why), 0);
    assert_string_equal(notice.table, "calls");
    assert_int_equal(notice.op, TP_OP_INSERT);
    assert_false(notice.resync);
    assert_value(&notice, 0, "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
    assert_value(&notice, 1, "42");
    assert_value(&notice, 2, NULL);
    tp_notice_reader_free(&reader);
}

static void assert_read(const char *payload, const char *table, uint32_t op, const char *user) {
    tp_notice_reader reader = reader_new();
    tp_notice notice;
    const char *why = "";
    if (tp_notice_read(&reader, payload, strlen(payload), &notice, &why) != 0) {
        fail_msg("%s: %s", payload, why);
    }
    assert_string_equal(notice.table, table);
    assert_int_equal(notice.op, op);
    assert_value(&notice, 0, user);
    tp_notice_reader_free(&reader);
}

static void test_forms(void **state) {
    (void)state;
    assert_read("{\"operation\":\"delete\",\"table\":\"t\"}", "t", TP_OP_DELETE, NULL);
    assert_read(" {\"table\":\"a.b\",\"operation\":\"Update\",\"user_id\":-1.50e+3} ", "a.b",
                TP_OP_UPDATE, "-1.50e+3");
    assert_read("{\"table\":\"t\",\"operation\":\"TRUNCATE\",\"user_id\":true}", "t",
                TP_OP_TRUNCATE, "true");
    assert_read("{\"table\":\"t\\u00e9\",\"operation\":\"INSERT\",\"user\\u005fid\":\"a\\\"\\n\\/"
                "\\ud83d\\ude00\"}",
                "t\xC3\xA9", TP_OP_INSERT, "a\"\n/\xF0\x9F\x98\x80");
    assert_read("{\"old\":{\"a\":[1,{},[],\"x\\u0041\"],\"b\":null},\"table\":\"t\","
                "\"operation\":\"INSERT\",\"user_id\":\"\"}",
                "t", TP_OP_INSERT, "");
}

static void test_resync(void **state) {
    (void)state;
    static const char *const payloads[] = {
        "{\"table\":\"t\",\"operation\":\"UPDATE\",\"resync\":true}",
        "{\"table\":\"t\",\"operation\":\"UPDATE\",\"resync\":false}"};
    tp_notice_reader reader = reader_new();
    for (int i = 0; i < 2; i++) {
        tp_notice notice;
        const char *why = NULL;
        assert_int_equal(tp_notice_read(&reader, payloads[i], strlen(payloads[i]), &notice, &why),
                         0);
        assert_int_equal(notice.resync, i == 0);
    }
    tp_notice_reader_free(&reader);
}

static void assert_refused(const char *payload, const char *reason) {
    tp_notice_reader reader = reader_new();
    tp_notice notice;
    const char *why = "";
    int32_t status = tp_notice_read(&reader, payload, strlen(payload), &notice, &why);
    if (status != TRIGPERF_E_INVALID || strstr(why, reason) == NULL) {
        fail_msg("%s: expected '%s', got %d '%s'", payload, reason, status, why);
    }
    tp_notice_reader_free(&reader);
}

#define REST "\"operation\":\"INSERT\"}"

static void test_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "not a JSON object"},
        {"calls,7", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{}", "no \"table\""},
        {"{" REST, "no \"table\""},
        {"{\"table\":\"t\"}", "no \"operation\""},
        {"{\"table\":7," REST, "not the name of a table"},
        {"{\"table\":\"\"," REST, "not the name of a table"},
        {"{\"table\":\"t\",\"table\":\"u\"," REST, "stands twice"},
        {"{\"table\":\"t\",\"operation\":\"MERGE\"}", "none of INSERT"},
        {"{\"table\":\"t\",\"operation\":1}", "none of INSERT"},
        {"{\"table\":\"t\",\"user_id\":{\"a\":1}," REST, "an object or an array"},
        {"{\"table\":\"t\",\"user_id\":[1]," REST, "an object or an array"},
        {"{\"table\":\"t\",\"user_id\":01," REST, "a number that is none"},
        {"{\"table\":\"t\",\"user_id\":1.," REST, "a number that is none"},
        {"{\"table\":\"t\",\"user_id\":-," REST, "a number that is none"},
        {"{\"table\":\"t\",\"user_id\":1e," REST, "a number that is none"},
        {"{\"table\":\"t\",\"user_id\":nul," REST, "no JSON"},
        {"{\"table\":\"t\",\"user_id\":," REST, "no JSON"},
        {"{\"table\":\"t\",\"user_id\":\"\\u0000\"," REST, "the character zero"},
        {"{\"table\":\"t\",\"user_id\":\"\\ud800\"," REST, "surrogate"},
        {"{\"table\":\"t\",\"user_id\":\"\\ud800\\u0041\"," REST, "surrogate"},
        {"{\"table\":\"t\",\"user_id\":\"\\udc00\"," REST, "surrogate"},
        {"{\"table\":\"t\",\"user_id\":\"\\u12g4\"," REST, "hexadecimal"},
        {"{\"table\":\"t\",\"user_id\":\"\\x\"," REST, "an escape"},
        {"{\"table\":\"t\",\"user_id\":\"a\nb\"," REST, "a control character"},
        {"{\"table\":\"t", "closing quote"},
        {"{\"table\":\"t\\", "within an escape"},
        {"{\"table\":\"t\\u12", "within an escape"},
        {"{\"table\":\"t\",", "a member without a name"},
        {"{\"table\":\"t\"", "not closed"},
        {"{\"table\":\"t\",\"x\":[1,2," REST, "not closed"},
        {"{\"table\":\"t\",\"x\":{\"a\" 1}," REST, "a member without a name"},
        {"{\"table\":\"t\"," REST " {}", "something after"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(cases[i][0], cases[i][1]);
    }
}

static void test_depth(void **state) {
    (void)state;
    char payload[200] = "{\"x\":";
    memset(payload + strlen(payload), '[', 100);
    assert_refused(payload, "nested too deep");
}

static void test_long_table(void **state) {
    (void)state;
    char payload[700] = "{\"table\":\"";
    memset(payload + strlen(payload), 'x', 513);
    strcat(payload, "\"," REST);
    assert_refused(payload, "not the name of a table");
}

/* Every beginning of a payload, and every single byte changed, is read or refused; the payload
 * stands at the end of its own block, so that a sanitizer sees a read past it. */
static void test_mutations(void **state) {
    (void)state;
    static const char whole[] =
        "{\"table\":\"c\\u00e9\",\"operation\":\"INSERT\",\"user_id\":\"\\ud83d\\ude00x\","
        "\"record_id\":-12.5e3,\"x\":[true,{\"a\":null}]}";
    size_t length = strlen(whole);
    tp_notice_reader reader = reader_new();
    uint64_t seed = 7;
    for (size_t end = 0; end < length; end++) {
        for (int change = 0; change < 40; change++) {
            char *block = malloc(end + 1);
            memcpy(block, whole, end);
            if (change > 0 && end > 0) {
                uint64_t number = prng_next(&seed);
                block[number % end] = (char)(number >> 32);
            }
            char *exact = realloc(block, end == 0 ? 1 : end);
            tp_notice notice;
            const char *why = NULL;
            int32_t status = tp_notice_read(&reader, exact, end, &notice, &why);
            assert_true(status == TRIGPERF_OK || (status == TRIGPERF_E_INVALID && why != NULL));
            free(exact);
        }
    }
    tp_notice_reader_free(&reader);
}

static void test_oom(void **state) {
    (void)state;
    static const char payload[] = "{\"table\":\"t\",\"operation\":\"INSERT\",\"user_id\":\"7\"}";
    tp_notice_reader reader = reader_new();
    tp_notice notice;
    const char *why = NULL;
    oom_fail_at(1);
    assert_int_equal(tp_notice_read(&reader, payload, strlen(payload), &notice, &why),
                     TRIGPERF_E_NOMEM);
    assert_true(oom_reset());
    assert_int_equal(tp_notice_read(&reader, payload, strlen(payload), &notice, &why), 0);
    oom_fail_at(1);
    assert_int_equal(tp_notice_read(&reader, payload, strlen(payload), &notice, &why), 0);
    assert_false(oom_reset());
    tp_notice_reader_free(&reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),     cmocka_unit_test(test_forms),
        cmocka_unit_test(test_resync),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_long_table),
        cmocka_unit_test(test_mutations), cmocka_unit_test(test_oom)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
