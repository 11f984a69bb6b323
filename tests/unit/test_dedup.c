/* Families, totals over threads, and the public calls. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <trigperf.h>

#include "core/dedup.h"
#include "oom.h"

static const char *const names[] = {"nutrition", "symptoms", "activity \"v2\""};

static void test_names(void **state) {
    (void)state;
    static const char *const twice[] = {"a", "b", "a"};
    static const char *const empty[] = {"a", ""};
    static const char *const nothing[] = {NULL};
    static const char *const thirteen[13] = {"a", "b", "c", "d", "e", "f", "g",
                                             "h", "i", "j", "k", "l", "m"};
    char longest[TP_DEDUP_NAME_MAX + 2];
    const char *const too_long[] = {longest};
    tp_hash_key key;
    tp_dedup *dedup = NULL;
    tp_hash_key_seed(&key, 1);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(tp_dedup_new(&key, NULL, 1, &dedup, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_dedup_new(&key, names, 0, &dedup, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_dedup_new(&key, thirteen, 13, &dedup, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_dedup_new(&key, twice, 3, &dedup, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_dedup_new(&key, empty, 2, &dedup, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_dedup_new(&key, nothing, 1, &dedup, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(tp_dedup_new(&key, too_long, 1, &dedup, NULL), TRIGPERF_E_INVALID);
    longest[TP_DEDUP_NAME_MAX] = '\0';
    assert_int_equal(tp_dedup_new(&key, too_long, 1, &dedup, NULL), TRIGPERF_OK);
    assert_string_equal(tp_dedup_family_name(dedup, 0), longest);
    assert_null(tp_dedup_family_name(dedup, 1));
    assert_int_equal(tp_dedup_family_find(dedup, longest), 0);
    assert_int_equal(tp_dedup_family_find(dedup, "x"), UINT32_MAX);
    tp_dedup_unref(dedup);
}

static trigperf_context *context(void) {
    trigperf_config *config = NULL;
    trigperf_context *made = NULL;
    assert_int_equal(trigperf_config_new(&config, NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_config_set(config, "source", "none", NULL), TRIGPERF_OK);
    assert_int_equal(trigperf_context_new(config, &made, NULL), TRIGPERF_OK);
    trigperf_config_free(config);
    return made;
}

static trigperf_dedup *families(void) {
    trigperf_context *owner = context();
    trigperf_dedup *dedup = NULL;
    assert_int_equal(trigperf_dedup_new(owner, names, 3, &dedup, NULL), TRIGPERF_OK);
    trigperf_context_free(owner);
    return dedup;
}

static trigperf_dedup_stats *statistics(void) {
    trigperf_dedup_stats *stats = NULL;
    assert_int_equal(trigperf_dedup_stats_new(&stats, NULL), TRIGPERF_OK);
    return stats;
}

/* ---- threads ---- */

#define THREADS 4u
#define BATCHES 200u
#define RECORDS 300u /* of a batch: two thirds of them twice */

static atomic_bool finished;

static void *end_batches(void *user) {
    trigperf_dedup *dedup = user;
    trigperf_dedup_tracker *tracker = NULL;
    assert_int_equal(trigperf_dedup_tracker_new(dedup, 0, 0, &tracker, NULL), TRIGPERF_OK);
    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        for (uint32_t i = 0; i < RECORDS; i++) {
            uint32_t id = i % (RECORDS / 3);
            trigperf_dedup_seen(tracker, batch % 3, (const char *)&id, sizeof id, NULL);
        }
        assert_int_equal(trigperf_dedup_batch_end(tracker, NULL, NULL, NULL), TRIGPERF_OK);
    }
    trigperf_dedup_tracker_free(tracker);
    return NULL;
}

static void *watch_totals(void *user) {
    const trigperf_dedup *dedup = user;
    trigperf_dedup_stats *records = statistics();
    trigperf_dedup_stats *duplicates = statistics();
    while (!atomic_load(&finished)) {
        assert_int_equal(trigperf_dedup_totals(dedup, NULL, records, duplicates, NULL), 0);
        for (uint32_t i = 0; i < 3; i++) {
            assert_true(trigperf_dedup_stats_get(duplicates, i) <=
                        trigperf_dedup_stats_get(records, i));
        }
    }
    trigperf_dedup_stats_free(records);
    trigperf_dedup_stats_free(duplicates);
    return NULL;
}

static void test_totals_of_many_threads(void **state) {
    (void)state;
    trigperf_dedup *dedup = families();
    pthread_t threads[THREADS];
    pthread_t watcher;
    atomic_store(&finished, false);
    assert_int_equal(pthread_create(&watcher, NULL, watch_totals, dedup), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, end_batches, dedup), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&finished, true);
    pthread_join(watcher, NULL);
    uint64_t batches = 0;
    trigperf_dedup_stats *records = statistics();
    trigperf_dedup_stats *duplicates = statistics();
    assert_int_equal(trigperf_dedup_totals(dedup, &batches, records, duplicates, NULL), 0);
    assert_int_equal(batches, THREADS * BATCHES);
    assert_int_equal(trigperf_dedup_stats_total(records), THREADS * BATCHES * RECORDS);
    assert_int_equal(trigperf_dedup_stats_total(duplicates), THREADS * BATCHES * (RECORDS / 3 * 2));
    trigperf_dedup_stats_free(records);
    trigperf_dedup_stats_free(duplicates);
    trigperf_dedup_free(dedup);
}

/* ---- text ---- */

static void assert_json(int32_t status, char *json, const char *expected) {
    assert_int_equal(status, TRIGPERF_OK);
    assert_string_equal(json, expected);
    trigperf_string_free(json);
}

static void test_json(void **state) {
    (void)state;
    char *json = NULL;
    trigperf_dedup *dedup = families();
    trigperf_dedup_tracker *tracker = NULL;
    trigperf_dedup_stats *duplicates = statistics();
    int32_t status = trigperf_dedup_json(dedup, &json, NULL);
    assert_json(status, json,
                "{\"batches\":0,\"records\":0,\"duplicates\":0,\"ratio\":0,\"families\":{"
                "\"nutrition\":{\"records\":0,\"duplicates\":0,\"ratio\":0},"
                "\"symptoms\":{\"records\":0,\"duplicates\":0,\"ratio\":0},"
                "\"activity \\\"v2\\\"\":{\"records\":0,\"duplicates\":0,\"ratio\":0}}}");
    assert_int_equal(trigperf_dedup_tracker_new(dedup, TRIGPERF_DEDUP_EXACT, 10, &tracker, NULL),
                     0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(trigperf_dedup_seen(tracker, 2, "a", 1, NULL), i > 0);
    }
    assert_int_equal(trigperf_dedup_seen(tracker, 0, NULL, 0, NULL), 0);
    status = trigperf_dedup_batch_json(tracker, &json, NULL);
    assert_json(status, json,
                "{\"batches\":1,\"records\":5,\"duplicates\":3,\"ratio\":0.6,\"families\":{"
                "\"nutrition\":{\"records\":1,\"duplicates\":0,\"ratio\":0},"
                "\"symptoms\":{\"records\":0,\"duplicates\":0,\"ratio\":0},"
                "\"activity \\\"v2\\\"\":{\"records\":4,\"duplicates\":3,\"ratio\":0.75}}}");
    assert_int_equal(trigperf_dedup_batch_end(tracker, NULL, duplicates, NULL), 0);
    status = trigperf_dedup_stats_json(duplicates, dedup, &json, NULL);
    assert_json(status, json, "{\"nutrition\":0,\"symptoms\":0,\"activity \\\"v2\\\"\":3}");
    trigperf_dedup_stats_free(duplicates);
    trigperf_dedup_tracker_free(tracker);
    trigperf_dedup_free(dedup);
}

/* ---- statistics ---- */

static void test_plain_form(void **state) {
    (void)state;
    trigperf_dedup_stats *stats = statistics();
    uint64_t plain[12] = {1, 2, 3, [11] = 32767};
    uint64_t back[12] = {0};
    assert_int_equal(trigperf_dedup_stats_from_plain(stats, plain, 12, NULL), 0);
    assert_int_equal(trigperf_dedup_stats_bytes(stats), 24);
    assert_int_equal(trigperf_dedup_stats_to_plain(stats, back, 12, NULL), 0);
    assert_memory_equal(plain, back, sizeof plain);
    assert_int_equal(trigperf_dedup_stats_to_plain(stats, back, 11, NULL), TRIGPERF_E_LIMIT);
    assert_int_equal(trigperf_dedup_stats_to_plain(stats, back, 13, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_from_plain(stats, plain, 13, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_merge(stats, stats, NULL), 0);
    assert_int_equal(trigperf_dedup_stats_get(stats, 11), 65534);
    assert_int_equal(trigperf_dedup_stats_bytes(stats), 120);
    assert_int_equal(trigperf_dedup_stats_from_plain(stats, NULL, 0, NULL), 0);
    assert_int_equal(trigperf_dedup_stats_total(stats), 0);
    assert_int_equal(trigperf_dedup_stats_bytes(stats), 24);
    trigperf_dedup_stats_free(stats);
}

static void test_encoding(void **state) {
    (void)state;
    trigperf_dedup_stats *stats = statistics();
    trigperf_dedup_stats *other = statistics();
    uint8_t code[TRIGPERF_DEDUP_ENCODED_MAX];
    uint64_t length = 7;
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t expected = round == 0 ? TRIGPERF_DEDUP_ENCODED_PACKED : TRIGPERF_DEDUP_ENCODED_MAX;
        assert_int_equal(trigperf_dedup_stats_add(stats, 4, 20000, NULL), 0);
        assert_int_equal(trigperf_dedup_stats_encode(stats, code, expected - 1, &length, NULL),
                         TRIGPERF_E_LIMIT);
        assert_int_equal(trigperf_dedup_stats_encode(stats, code, sizeof code, &length, NULL), 0);
        assert_int_equal(length, expected);
        assert_int_equal(trigperf_dedup_stats_decode(other, code, length, NULL), 0);
        assert_int_equal(trigperf_dedup_stats_get(other, 4), 20000 * (round + 1));
        assert_int_equal(trigperf_dedup_stats_decode(other, code, length - 1, NULL),
                         TRIGPERF_E_INVALID);
        assert_int_equal(trigperf_dedup_stats_get(other, 4), 20000 * (round + 1));
    }
    trigperf_dedup_stats_clear(other);
    assert_int_equal(trigperf_dedup_stats_get(other, 4), 0);
    trigperf_dedup_stats_free(stats);
    trigperf_dedup_stats_free(other);
}

/* ---- bad input ---- */

static void test_arguments(void **state) {
    (void)state;
    trigperf_context *owner = context();
    trigperf_dedup *dedup = NULL;
    trigperf_dedup_tracker *tracker = NULL;
    trigperf_dedup_stats *stats = statistics();
    const char *const keys[] = {"a", NULL};
    const uint64_t lengths[] = {1, 1};
    uint8_t seen[2] = {9, 9};
    uint32_t family = 9;
    char *json = NULL;
    assert_int_equal(trigperf_dedup_new(NULL, names, 3, &dedup, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_new(owner, names, 3, NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_new(owner, names, 3, &dedup, NULL), 0);
    trigperf_context_free(owner);
    assert_int_equal(trigperf_dedup_family_find(dedup, "none", &family, NULL),
                     TRIGPERF_E_NOT_FOUND);
    assert_int_equal(trigperf_dedup_family_find(dedup, NULL, &family, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_tracker_new(dedup, 2, 0, &tracker, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_tracker_new(NULL, 0, 0, &tracker, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_tracker_new(dedup, 0, UINT64_MAX, &tracker, NULL),
                     TRIGPERF_E_NOMEM);
    assert_int_equal(trigperf_dedup_tracker_new(dedup, 0, 0, &tracker, NULL), 0);
    assert_int_equal(trigperf_dedup_seen(tracker, 3, "a", 1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_seen(tracker, 0, NULL, 1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_seen(tracker, 0, "a", UINT64_MAX, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_seen(NULL, 0, "a", 1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_seen_many(tracker, 0, keys, lengths, 2, seen, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_seen_many(tracker, 0, NULL, lengths, 1, seen, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_seen_many(tracker, 0, keys, lengths, UINT32_MAX, seen, NULL),
                     TRIGPERF_E_INVALID);
    assert_int_equal(seen[0], 9);
    assert_int_equal(trigperf_dedup_seen_many(tracker, 0, keys, lengths, 1, seen, NULL), 1);
    assert_int_equal(seen[0], 0); /* the refused call has taken nothing */
    assert_int_equal(trigperf_dedup_seen_many(tracker, 0, NULL, NULL, 0, NULL, NULL), 0);
    assert_int_equal(trigperf_dedup_batch_end(NULL, NULL, NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_batch_end(tracker, stats, stats, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_totals(dedup, NULL, stats, stats, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_totals(NULL, NULL, stats, NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_json(NULL, &json, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_batch_json(NULL, &json, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_json(stats, NULL, &json, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_new(NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_add(stats, 12, 1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_add(NULL, 0, 1, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_merge(stats, NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_decode(stats, NULL, 0, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_encode(stats, NULL, 0, NULL, NULL), TRIGPERF_E_INVALID);
    assert_int_equal(trigperf_dedup_stats_get(stats, 12), 0);
    trigperf_dedup_stats_free(stats);
    trigperf_dedup_tracker_free(tracker);
    trigperf_dedup_free(dedup);
}

static void test_null_handles_do_nothing(void **state) {
    (void)state;
    trigperf_dedup_free(NULL);
    trigperf_dedup_tracker_free(NULL);
    trigperf_dedup_batch_abandon(NULL);
    trigperf_dedup_stats_free(NULL);
    trigperf_dedup_stats_clear(NULL);
    assert_int_equal(trigperf_dedup_family_count(NULL), 0);
    assert_null(trigperf_dedup_family_name(NULL, 0));
    assert_int_equal(trigperf_dedup_tracker_bytes(NULL), 0);
    assert_int_equal(trigperf_dedup_stats_get(NULL, 0), 0);
    assert_int_equal(trigperf_dedup_stats_total(NULL), 0);
    assert_int_equal(trigperf_dedup_stats_bytes(NULL), 0);
}

/* ---- memory ---- */

static int32_t use_all(trigperf_context *owner) {
    trigperf_dedup *dedup = NULL;
    trigperf_dedup_tracker *tracker = NULL;
    trigperf_dedup_stats *records = NULL;
    trigperf_dedup_stats *duplicates = NULL;
    char *json = NULL;
    int32_t status = trigperf_dedup_new(owner, names, 3, &dedup, NULL);
    status = status < 0 ? status : trigperf_dedup_stats_new(&records, NULL);
    status = status < 0 ? status : trigperf_dedup_stats_new(&duplicates, NULL);
    status = status < 0 ? status : trigperf_dedup_tracker_new(dedup, 0, 100, &tracker, NULL);
    status = status < 0 ? status : trigperf_dedup_stats_add(records, 0, 40000, NULL);
    status = status < 0 ? status : trigperf_dedup_stats_add(duplicates, 0, 32767, NULL);
    status = status < 0 ? status : trigperf_dedup_seen(tracker, 0, "a", 1, NULL);
    status = status < 0 ? status : trigperf_dedup_seen(tracker, 0, "a", 1, NULL);
    status = status < 0 ? status : trigperf_dedup_batch_json(tracker, &json, NULL);
    trigperf_string_free(json);
    json = NULL;
    status = status < 0 ? status : trigperf_dedup_batch_end(tracker, records, duplicates, NULL);
    status = status < 0 ? status : trigperf_dedup_json(dedup, &json, NULL);
    trigperf_string_free(json);
    json = NULL;
    status = status < 0 ? status : trigperf_dedup_stats_json(records, dedup, &json, NULL);
    trigperf_string_free(json);
    status = status < 0 ? status : trigperf_dedup_totals(dedup, NULL, records, duplicates, NULL);
    trigperf_dedup_stats_free(records);
    trigperf_dedup_stats_free(duplicates);
    trigperf_dedup_tracker_free(tracker);
    trigperf_dedup_free(dedup);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    trigperf_context *owner = context();
    unsigned n = 1;
    for (;; n++) {
        oom_fail_at(n);
        int32_t status = use_all(owner);
        if (!oom_reset()) {
            assert_int_equal(status, TRIGPERF_OK);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
    }
    assert_true(n > 20);
    trigperf_context_free(owner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_totals_of_many_threads),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_plain_form),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_null_handles_do_nothing),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
