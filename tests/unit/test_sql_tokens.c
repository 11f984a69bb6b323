/* The words of an expression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sql_tokens.h"

static void assert_tokens(const char *source, const char *expected) {
    char space[256];
    char found[512] = "";
    tp_sql_tokens tokens = {source, strlen(source), 0, space, 0};
    for (;;) {
        tp_token token = tp_sql_tokens_next(&tokens);
        size_t used = strlen(found);
        found[used] = "eWNDSO!"[token.kind];
        memcpy(found + used + 1, token.text, token.length);
        found[used + 1 + token.length] = '|';
        found[used + 2 + token.length] = '\0';
        if (token.kind == TP_TOKEN_END || token.kind == TP_TOKEN_UNKNOWN) {
            break;
        }
    }
    assert_string_equal(found, expected);
}

static void test_tokens(void **state) {
    (void)state;
    assert_tokens("", "e|");
    assert_tokens("  \n", "e|");
    assert_tokens("(a >= 0)", "O(|Wa|O>=|D0|O)|e|");
    assert_tokens("x <> ALL (ARRAY[1, 2.5])", "Wx|O<>|WALL|O(|WARRAY|O[|D1|O,|D2.5|O]|O)|e|");
    assert_tokens("'it''s'::text", "Sit's|O::|Wtext|e|");
    assert_tokens("\"We\"\"ird\".\"a b\"", "NWe\"ird|O.|Na b|e|");
    assert_tokens("'a\\b'", "Sa\\b|e|");
    assert_tokens("OPERATOR(pg_catalog.=)", "WOPERATOR|O(|Wpg_catalog|O.|O=|O)|e|");
    assert_tokens("a$1 _b \xC3\xA9", "Wa$1|W_b|W\xC3\xA9|e|");
    assert_tokens("''''", "S'|e|");
    assert_tokens("''", "S|e|");
    assert_tokens("x !~ '^a'", "Wx|O!~|S^a|e|");
}

static void test_unknown(void **state) {
    (void)state;
    assert_tokens("'open", "!|");
    assert_tokens("\"open", "!|");
    assert_tokens("E'x'", "!|");
    assert_tokens("1e5", "!|");
    assert_tokens("a ; b", "Wa|!;|");
    assert_tokens("a : b", "Wa|!:|");
    assert_tokens("$1", "!$|");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
