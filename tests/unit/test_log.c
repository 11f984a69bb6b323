/* Messages for the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"

typedef struct heard {
    int32_t level;
    char message[2048];
    int count;
} heard;

static void hear(void *user, int32_t level, const char *message) {
    heard *h = user;
    h->level = level;
    h->count++;
    strncpy(h->message, message, sizeof h->message - 1);
}

static void test_levels(void **state) {
    (void)state;
    heard h = {.count = 0};
    tp_log log = {hear, &h, TP_LOG_WARNING};
    tp_log_write(&log, TP_LOG_INFO, "no");
    assert_int_equal(h.count, 0);
    tp_log_write(&log, TP_LOG_WARNING, "%s %d", "yes", 1);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.level, TP_LOG_WARNING);
    assert_string_equal(h.message, "yes 1");
    tp_log_write(&log, TP_LOG_ERROR, "worse");
    assert_int_equal(h.count, 2);
}

static void test_silence(void **state) {
    (void)state;
    tp_log log = {NULL, NULL, TP_LOG_DEBUG};
    tp_log_write(&log, TP_LOG_ERROR, "nobody");
    tp_log_write(NULL, TP_LOG_ERROR, "nobody");
}

static void test_long_messages_are_cut(void **state) {
    (void)state;
    heard h = {.count = 0};
    tp_log log = {hear, &h, TP_LOG_DEBUG};
    tp_log_write(&log, TP_LOG_DEBUG, "%3000d", 1);
    assert_int_equal(strlen(h.message), 1023);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_long_messages_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
