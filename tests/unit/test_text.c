/* Copies of strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "oom.h"

static void test_copies(void **state) {
    (void)state;
    char *copy = tp_text_copy("abc");
    assert_string_equal(copy, "abc");
    free(copy);
    copy = tp_text_copy("");
    assert_string_equal(copy, "");
    free(copy);
    copy = tp_text_copy_bytes("a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
    copy = tp_text_copy_bytes(NULL, 0);
    assert_string_equal(copy, "");
    free(copy);
}

static void test_utf8(void **state) {
    (void)state;
    static const char *const good[] = {"", "abc", "\xC3\xB6", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    static const char *const bad[] = {"\xC3", "\x80", "\xC0\x80", "\xED\xA0\x80",
                                      "\xF4\x90\x80\x80"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(tp_text_is_utf8(good[i], strlen(good[i])));
        assert_false(tp_text_is_utf8(bad[i], strlen(bad[i])));
    }
}

/* A wrong byte is found wherever it stands, within the eight bytes that are looked at once or not.
 */
static void test_utf8_at_every_place(void **state) {
    (void)state;
    for (size_t length = 1; length < 40; length++) {
        char text[64];
        memset(text, 'a', sizeof text);
        assert_true(tp_text_is_utf8(text, length));
        for (size_t at = 0; at < length; at++) {
            text[at] = '\xDF';
            assert_false(tp_text_is_utf8(text, length));
            text[at] = 'a';
        }
        memcpy(text + length, "\xE2\x82\xAC", 3);
        assert_true(tp_text_is_utf8(text, length + 3));
        assert_false(tp_text_is_utf8(text, length + 2));
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    assert_null(tp_text_copy("abc"));
    assert_true(oom_reset());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_at_every_place),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
