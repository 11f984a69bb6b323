/* LSN text, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lsn.h"

static void test_round_trip(void **state) {
    (void)state;
    static const char *const texts[] = {"0/0", "0/1A2B3C", "16/B374D848", "FFFFFFFF/FFFFFFFF"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t lsn = 1;
        tp_strbuf out = TP_STRBUF_INIT;
        assert_true(tp_lsn_parse(texts[i], &lsn));
        tp_lsn_format(lsn, &out);
        assert_string_equal(tp_strbuf_str(&out), texts[i]);
        tp_strbuf_free(&out);
    }
    uint64_t lsn = 0;
    assert_true(tp_lsn_parse("16/b374d848", &lsn));
    assert_true(lsn == UINT64_C(0x16B374D848));
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",      "/",           "1/",  "/1",  "12",
                                      "1/2/3", "123456789/0", "g/1", "1/ 2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t lsn = 7;
        assert_false(tp_lsn_parse(bad[i], &lsn));
        assert_true(lsn == 7);
    }
}

static void test_json(void **state) {
    (void)state;
    tp_strbuf out = TP_STRBUF_INIT;
    tp_lsn_json(&out, "none", 0);
    tp_lsn_json(&out, "some", UINT64_C(0x16B374D848));
    assert_string_equal(tp_strbuf_str(&out), "\"none\":null,\"some\":\"16/B374D848\"");
    tp_strbuf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_json),
                                       cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
