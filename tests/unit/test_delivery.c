/* Batches ready, out, and waiting for another attempt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/delivery.h"
#include "oom.h"

static tp_batch *make(void) {
    tp_batch *batch = tp_batch_new(TP_BATCH_WINDOW);
    assert_non_null(batch);
    assert_true(tp_batch_seal(batch, ""));
    return batch;
}

static void add(tp_delivery *delivery, uint64_t arrival) {
    assert_true(tp_delivery_reserve(delivery, 1));
    tp_delivery_add(delivery, make(), arrival);
}

static tp_batch *expect(tp_delivery *delivery, uint64_t number, uint32_t attempt) {
    assert_true(tp_delivery_has_next(delivery));
    tp_batch *batch = tp_delivery_next(delivery);
    assert_int_equal(tp_batch_number(batch), number);
    assert_int_equal(tp_batch_attempt(batch), attempt);
    return batch;
}

static void test_in_order_and_acknowledged_in_any(void **state) {
    (void)state;
    tp_delivery *delivery = tp_delivery_new(100, 1000);
    assert_null(tp_delivery_next(delivery));
    add(delivery, 10);
    add(delivery, 20);
    add(delivery, 15);
    assert_int_equal(tp_delivery_pending(delivery), 3);
    tp_batch *a = expect(delivery, 1, 1);
    tp_batch *b = expect(delivery, 2, 1);
    tp_batch *c = expect(delivery, 3, 1);
    assert_false(tp_delivery_has_next(delivery));
    assert_int_equal(tp_delivery_arrival(delivery), 10);
    tp_delivery_ack(delivery, b);
    assert_int_equal(tp_delivery_arrival(delivery), 10);
    tp_delivery_ack(delivery, a);
    assert_int_equal(tp_delivery_arrival(delivery), 15);
    tp_delivery_ack(delivery, c);
    assert_int_equal(tp_delivery_arrival(delivery), UINT64_MAX);
    assert_int_equal(tp_delivery_pending(delivery), 0);
    assert_int_equal(tp_delivery_bytes(delivery), 0);
    tp_delivery_free(delivery);
}

static void test_redelivery_waits_longer_each_time(void **state) {
    (void)state;
    static const uint64_t delays[] = {100, 200, 400, 800, 1000, 1000};
    tp_delivery *delivery = tp_delivery_new(100, 1000);
    uint64_t now = 5000;
    add(delivery, 10);
    for (uint32_t i = 0; i < 6; i++) {
        tp_delivery_nack(delivery, now, expect(delivery, 1, i + 1));
        assert_int_equal(tp_delivery_deadline(delivery), now + delays[i]);
        now += delays[i];
        assert_int_equal(tp_delivery_retry(delivery, now - 1), 0);
        assert_false(tp_delivery_has_next(delivery));
        assert_int_equal(tp_delivery_arrival(delivery), 10);
        assert_int_equal(tp_delivery_pending(delivery), 1);
        assert_int_equal(tp_delivery_retry(delivery, now), 1);
        assert_int_equal(tp_delivery_deadline(delivery), UINT64_MAX);
    }
    tp_delivery_free(delivery);
}

static void test_redelivery_goes_before_younger_batches(void **state) {
    (void)state;
    tp_delivery *delivery = tp_delivery_new(100, 1000);
    for (int i = 0; i < 5; i++) {
        add(delivery, 1);
    }
    tp_batch *a = expect(delivery, 1, 1);
    tp_batch *b = expect(delivery, 2, 1);
    tp_batch *c = expect(delivery, 3, 1);
    tp_delivery_nack(delivery, 0, b);
    tp_delivery_nack(delivery, 1, a);
    tp_delivery_nack(delivery, 2, c);
    assert_int_equal(tp_delivery_retry(delivery, 500), 3);
    tp_delivery_ack(delivery, expect(delivery, 1, 2));
    tp_delivery_ack(delivery, expect(delivery, 2, 2));
    tp_delivery_ack(delivery, expect(delivery, 3, 2));
    tp_delivery_ack(delivery, expect(delivery, 4, 1));
    tp_delivery_ack(delivery, expect(delivery, 5, 1));
    tp_delivery_free(delivery);
}

static void test_attempt_shows_in_the_json(void **state) {
    (void)state;
    tp_delivery *delivery = tp_delivery_new(0, 0);
    add(delivery, 1);
    tp_batch *batch = expect(delivery, 1, 1);
    assert_non_null(strstr(tp_batch_json(batch, NULL), "\"attempt\":1,"));
    tp_delivery_nack(delivery, 7, batch);
    assert_int_equal(tp_delivery_deadline(delivery), 7);
    tp_delivery_retry(delivery, 7);
    assert_non_null(strstr(tp_batch_json(expect(delivery, 1, 2), NULL), "\"attempt\":2,"));
    tp_delivery_free(delivery);
    tp_batch_free(batch);
}

static void test_letting_go(void **state) {
    (void)state;
    tp_delivery *delivery = tp_delivery_new(100, 1000);
    add(delivery, 10);
    add(delivery, 20);
    add(delivery, 30);
    tp_batch *a = expect(delivery, 1, 1);
    tp_batch *b = expect(delivery, 2, 1);
    tp_delivery_let_go(delivery);
    assert_int_equal(tp_delivery_arrival(delivery), 30);
    assert_int_equal(tp_delivery_pending(delivery), 3);
    tp_delivery_ack(delivery, a);
    tp_delivery_nack(delivery, 0, b);
    assert_int_equal(tp_delivery_arrival(delivery), 20);
    assert_int_equal(tp_delivery_retry(delivery, 100), 1);
    tp_delivery_ack(delivery, expect(delivery, 2, 2));
    assert_int_equal(tp_delivery_arrival(delivery), 30);
    tp_delivery_free(delivery);
}

static void test_dropped_batches_hold_until_let_go(void **state) {
    (void)state;
    tp_delivery *delivery = tp_delivery_new(100, 1000);
    add(delivery, 10);
    add(delivery, 20);
    tp_delivery_drop(delivery, expect(delivery, 1, 1));
    tp_delivery_drop(delivery, expect(delivery, 2, 1));
    assert_int_equal(tp_delivery_arrival(delivery), 10);
    assert_int_equal(tp_delivery_pending(delivery), 0);
    tp_delivery_let_go(delivery);
    assert_int_equal(tp_delivery_arrival(delivery), UINT64_MAX);
    add(delivery, 30);
    tp_batch *c = expect(delivery, 3, 1);
    tp_delivery_let_go(delivery);
    tp_delivery_drop(delivery, c);
    assert_int_equal(tp_delivery_arrival(delivery), UINT64_MAX);
    tp_delivery_free(delivery);
}

static void test_batches_out_outlive_the_queue(void **state) {
    (void)state;
    tp_delivery *delivery = tp_delivery_new(100, 1000);
    for (int i = 0; i < 4; i++) {
        add(delivery, 1);
    }
    tp_batch *a = expect(delivery, 1, 1);
    tp_delivery_nack(delivery, 0, expect(delivery, 2, 1));
    tp_delivery_free(delivery);
    assert_int_equal(tp_batch_number(a), 1);
    tp_batch_free(a);
    tp_delivery_free(NULL);
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    assert_null(tp_delivery_new(1, 1));
    assert_true(oom_reset());
    tp_delivery *delivery = tp_delivery_new(1, 1);
    for (unsigned n = 1; n <= 2; n++) {
        oom_fail_at(n);
        assert_false(tp_delivery_reserve(delivery, 1));
        assert_true(oom_reset());
    }
    add(delivery, 1);
    tp_delivery_free(delivery);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_and_acknowledged_in_any),
        cmocka_unit_test(test_redelivery_waits_longer_each_time),
        cmocka_unit_test(test_redelivery_goes_before_younger_batches),
        cmocka_unit_test(test_attempt_shows_in_the_json),
        cmocka_unit_test(test_letting_go),
        cmocka_unit_test(test_dropped_batches_hold_until_let_go),
        cmocka_unit_test(test_batches_out_outlive_the_queue),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
