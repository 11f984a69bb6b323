/* The JSON line of a batch. */
#include <jansson.h>

#include "batch_bench.h"

static void assert_json(tp_batch *batch, const char *expected) {
    size_t length = 0;
    const char *json = tp_batch_json(batch, &length);
    assert_string_equal(json, expected);
    assert_int_equal(length, strlen(expected));
    json_t *parsed = json_loadb(json, length, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
}

static void test_window(void **state) {
    (void)state;
    tp_coalescer from = {0};
    tp_batch *batch = tp_batch_new(TP_BATCH_WINDOW);
    tp_batch_link_of(batch)->number = 1;
    tp_batch_add_key(batch, "dashboard:7", 11);
    tp_batch_add_key(batch, "call:9", 6);
    tp_addition addition = {3, 1, UINT64_C(0x1A2B3C), TP_OP_UPDATE | TP_OP_DELETE};
    tp_batch_add_delta(batch, make_delta(&from, &calls, "7", NULL, addition));
    assert_true(tp_batch_seal(batch, "10:20:11"));
    assert_json(batch,
                "{\"batch\":1,\"attempt\":1,\"reason\":\"window\",\"keys\":[\"call:9\","
                "\"dashboard:7\"],\"changes\":[{\"table\":\"public.calls\",\"ops\":[\"delete\","
                "\"update\"],\"keys\":{\"user_id\":\"7\",\"id\":null},\"count\":3}],\"resync\":[],"
                "\"lsn\":\"0/1A2B3C\",\"position\":\"10:20:11\"}");
    tp_coalescer_free(&from);
    tp_batch_free(batch);
}

static void test_resync(void **state) {
    (void)state;
    static const char *const templates[] = {"dashboard:{user_id}", "call:{id}"};
    static const char *const prefixes[] = {"dashboard:", "call:"};
    tp_batch *batch = tp_batch_new(TP_BATCH_RESYNC);
    tp_batch_link_of(batch)->number = 12;
    tp_batch_link_of(batch)->attempt = 2;
    tp_batch_add_resync(
        batch, &(tp_batch_entry){"public.calls", TP_RESYNC_GROUP, templates, 2, prefixes, 2});
    tp_batch_raise(batch, TP_LSN_UNKNOWN, 0);
    assert_true(tp_batch_seal(batch, ""));
    assert_json(batch, "{\"batch\":12,\"attempt\":2,\"reason\":\"resync\",\"keys\":[],"
                       "\"changes\":[],\"resync\":[{\"table\":\"public.calls\",\"templates\":"
                       "[\"dashboard:{user_id}\",\"call:{id}\"],\"prefixes\":[\"call:\","
                       "\"dashboard:\"],\"level\":\"group\"}],\"lsn\":null,\"position\":\"\"}");
    tp_batch_free(batch);
}

static void test_other_reasons_and_a_large_lsn(void **state) {
    (void)state;
    tp_batch *batch = tp_batch_new(TP_BATCH_SIZE);
    tp_batch_raise(batch, UINT64_C(0x16B374D848), 0);
    assert_true(tp_batch_seal(batch, ""));
    assert_json(batch, "{\"batch\":0,\"attempt\":1,\"reason\":\"size\",\"keys\":[],\"changes\":[],"
                       "\"resync\":[],\"lsn\":\"16/B374D848\",\"position\":\"\"}");
    tp_batch_free(batch);
    batch = tp_batch_new(TP_BATCH_FLUSH);
    assert_true(tp_batch_seal(batch, ""));
    assert_non_null(strstr(tp_batch_json(batch, NULL), "\"reason\":\"flush\""));
    tp_batch_free(batch);
}

static void test_any_bytes_give_valid_json(void **state) {
    (void)state;
    char bytes[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
    }
    tp_coalescer from = {0};
    tp_batch *batch = tp_batch_new(TP_BATCH_WINDOW);
    for (size_t i = 0; i < 256; i++) {
        tp_batch_add_key(batch, bytes + i, 256 - i);
    }
    tp_batch_add_delta(batch, make_delta(&from, &plain, "\xFF\xC3\x28\"\\\n", "\xED\xA0\x80",
                                         (tp_addition){1, 1, 1, 1}));
    assert_true(tp_batch_seal(batch, "\x80"));
    size_t length = 0;
    const char *json = tp_batch_json(batch, &length);
    assert_null(memchr(json, '\n', length));
    json_t *parsed = json_loadb(json, length, JSON_ALLOW_NUL, NULL);
    assert_non_null(parsed);
    assert_int_equal(json_array_size(json_object_get(parsed, "keys")), 256);
    json_decref(parsed);
    tp_coalescer_free(&from);
    tp_batch_free(batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_resync),
        cmocka_unit_test(test_other_reasons_and_a_large_lsn),
        cmocka_unit_test(test_any_bytes_give_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
