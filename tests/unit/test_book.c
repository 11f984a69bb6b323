/* The book of an hour: differences of readings add up, pages are written and turned, resets lose
 * nothing of before, and a failed allocation is made good by the next reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/book.h"
#include "core/packed.h"
#include "oom.h"

static tp_histogram recorded;

/* A counter with a label, a gauge, and the histogram of what was recorded so far. */
static tp_reading *reading_of(uint64_t count, double gauge) {
    static int64_t entries[TP_HISTOGRAM_BUCKETS];
    tp_label label = {"who", "a \"b\""};
    tp_reading *reading = tp_reading_new();
    assert_non_null(reading);
    tp_reading_family(reading, TP_SERIES_COUNTER, "c_total", "C.");
    tp_reading_counter(reading, &label, 1, count);
    tp_reading_family(reading, TP_SERIES_GAUGE, "g", "G.");
    tp_reading_gauge(reading, NULL, 0, gauge);
    tp_reading_family(reading, TP_SERIES_HISTOGRAM, "h_seconds", "H.");
    tp_reading_histogram(reading, NULL, 0, entries, tp_packed_encode(&recorded, entries),
                         recorded.sum, recorded.max);
    assert_false(tp_reading_failed(reading));
    return reading;
}

static void take(tp_book *book, uint64_t count, double gauge) {
    tp_reading *reading = reading_of(count, gauge);
    assert_int_equal(tp_book_take(book, reading, NULL), TRIGPERF_OK);
    tp_reading_free(reading);
}

static tp_book *new_book(void) {
    tp_book *book = NULL;
    memset(&recorded, 0, sizeof recorded);
    assert_int_equal(tp_book_new(&book, NULL), TRIGPERF_OK);
    return book;
}

static bool row_of(const tp_book *book, const char *name, tp_book_row *out) {
    void *cursor = NULL;
    while (tp_book_next(book, &cursor, out)) {
        if (strcmp(out->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void record(uint64_t ns) {
    tp_histogram_add(&recorded, ns, 1);
}

static void differences_add_up(void **state) {
    (void)state;
    tp_book *book = new_book();
    tp_book_row row;
    record(5000);
    take(book, 10, 1.5);
    assert_int_equal(tp_book_waiting(book), 3);
    tp_book_written(book);
    assert_int_equal(tp_book_waiting(book), 0);
    record(9000);
    record(5000);
    take(book, 12, 1.5);
    assert_int_equal(tp_book_waiting(book), 2);
    assert_true(row_of(book, "c_total", &row));
    assert_int_equal(row.count, 12);
    assert_string_equal(row.labels, "{\"who\":\"a \\\"b\\\"\"}");
    assert_true(row_of(book, "h_seconds", &row));
    assert_int_equal(row.count, 3);
    assert_int_equal(row.sum, 19000);
    assert_int_equal(row.max, 9000);
    assert_int_equal(tp_packed_count(row.entries, row.entry_count), 3);
    assert_false(row_of(book, "g", &row));
    tp_book_free(book);
}

static void a_turned_page_counts_from_there(void **state) {
    (void)state;
    tp_book *book = new_book();
    tp_book_row row;
    record(9000000);
    take(book, 10, 1.5);
    tp_book_written(book);
    tp_book_turn(book);
    assert_int_equal(tp_book_waiting(book), 1);
    assert_true(row_of(book, "g", &row));
    record(5000);
    take(book, 11, 1.5);
    assert_true(row_of(book, "c_total", &row));
    assert_int_equal(row.count, 1);
    assert_true(row_of(book, "h_seconds", &row));
    assert_int_equal(row.count, 1);
    assert_int_equal(row.sum, 5000);
    assert_in_range(row.max, 5000, 5000 + 5000 / 32);
    assert_int_equal(row.entry_count, 1);
    tp_book_free(book);
}

static void a_reset_loses_nothing_of_before(void **state) {
    (void)state;
    tp_book *book = new_book();
    tp_book_row row;
    record(5000);
    record(7000);
    take(book, 10, 1);
    memset(&recorded, 0, sizeof recorded);
    record(6000);
    take(book, 3, 1);
    assert_true(row_of(book, "c_total", &row));
    assert_int_equal(row.count, 13);
    assert_true(row_of(book, "h_seconds", &row));
    assert_int_equal(row.count, 3);
    assert_int_equal(row.sum, 18000);
    tp_book_free(book);
}

static void what_is_not_touched_does_not_wait(void **state) {
    (void)state;
    tp_book *book = new_book();
    take(book, 0, 0);
    assert_int_equal(tp_book_waiting(book), 1);
    tp_book_written(book);
    take(book, 0, 0);
    assert_int_equal(tp_book_waiting(book), 0);
    tp_book_free(book);
}

static void memory_that_was_short_costs_nothing_in_the_end(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_book *book = new_book();
        tp_book_row row;
        record(5000);
        take(book, 1, 1);
        record(9000);
        tp_reading *reading = reading_of(4, 2);
        oom_fail_at(n);
        int32_t status = tp_book_take(book, reading, NULL);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        tp_reading_free(reading);
        take(book, 4, 2);
        assert_true(row_of(book, "c_total", &row));
        assert_int_equal(row.count, 4);
        assert_true(row_of(book, "h_seconds", &row));
        assert_int_equal(row.count, 2);
        assert_int_equal(row.sum, 14000);
        tp_book_free(book);
        if (!failed) {
            break;
        }
    }
}

static void making_and_the_first_reading_survive_short_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_book *book = NULL;
        memset(&recorded, 0, sizeof recorded);
        record(5000);
        tp_reading *reading = reading_of(4, 2);
        oom_fail_at(n);
        int32_t status = tp_book_new(&book, NULL);
        status = status == TRIGPERF_OK ? tp_book_take(book, reading, NULL) : status;
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        if (book != NULL) {
            assert_int_equal(tp_book_take(book, reading, NULL), TRIGPERF_OK);
            assert_int_equal(tp_book_waiting(book), 3);
        }
        tp_book_free(book);
        tp_reading_free(reading);
        if (!failed) {
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_add_up),
        cmocka_unit_test(a_turned_page_counts_from_there),
        cmocka_unit_test(a_reset_loses_nothing_of_before),
        cmocka_unit_test(what_is_not_touched_does_not_wait),
        cmocka_unit_test(memory_that_was_short_costs_nothing_in_the_end),
        cmocka_unit_test(making_and_the_first_reading_survive_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
