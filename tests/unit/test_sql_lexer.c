/* The words of SQL as people write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sql_lexer.h"
#include "oom.h"

static void assert_lexemes(const char *source, const char *expected) {
    tp_lexemes lexemes;
    char found[512] = "";
    assert_int_equal(tp_sql_lex(source, strlen(source), &lexemes, NULL), TRIGPERF_OK);
    for (uint32_t i = 0; i < lexemes.count; i++) {
        size_t used = strlen(found);
        found[used] = "WNSDO"[lexemes.items[i].kind];
        memcpy(found + used + 1, lexemes.items[i].text, lexemes.items[i].length);
        memcpy(found + used + 1 + lexemes.items[i].length, "|", 2);
    }
    assert_string_equal(found, expected);
    tp_lexemes_free(&lexemes);
}

static void test_words(void **state) {
    (void)state;
    assert_lexemes("", "");
    assert_lexemes("SELECT a.b", "WSELECT|Wa|O.|Wb|");
    assert_lexemes("x := 1.5e3;y::int", "Wx|O:=|D1.5e3|O;|Wy|O::|Wint|");
    assert_lexemes("1..10", "D1|O..|D10|");
    assert_lexemes("a<>b||c", "Wa|O<>|Wb|O|||Wc|");
    assert_lexemes("\xc3\xa4$1 _x", "W\xc3\xa4$1|W_x|");
    assert_lexemes("{", "O{|");
}

static void test_comments(void **state) {
    (void)state;
    assert_lexemes("a -- b\nc", "Wa|Wc|");
    assert_lexemes("a /* b /* c */ d */ e", "Wa|We|");
    assert_lexemes("a+--b\n-c", "Wa|O+|O-|Wc|");
    assert_lexemes("a /* open", "Wa|");
    assert_lexemes("a --", "Wa|");
    assert_lexemes("'-- no' /*'*/ x", "S-- no|Wx|");
}

static void test_quotes(void **state) {
    (void)state;
    assert_lexemes("'it''s' \"A \"\"b\"", "Sit''s|NA \"\"b|");
    assert_lexemes("'a\\' E'b\\'c' x", "Sa\\|Sb\\'c|Wx|");
    assert_lexemes("$$a 'b$$ $x$ $$ $x$ $1", "Sa 'b|S $$ |O$|D1|");
    assert_lexemes("u&'x' U&\"y\" b'01' nx", "Sx|Ny|S01|Wnx|");
    assert_lexemes("'open", "Sopen|");
    assert_lexemes("$x$open", "Sopen|");
    assert_lexemes("E'open\\", "Sopen\\|");
}

static void test_questions(void **state) {
    const char *source = "BEGIN Update \"We\"\"ird\" ; x";
    tp_lexemes l;
    (void)state;
    assert_int_equal(tp_sql_lex(source, strlen(source), &l, NULL), TRIGPERF_OK);
    assert_true(tp_lex_word(&l, 1, "update"));
    assert_false(tp_lex_word(&l, 2, "weird"));
    assert_false(tp_lex_word(&l, 99, "update"));
    assert_true(tp_lex_sign(&l, 3, ";"));
    assert_false(tp_lex_sign(&l, 99, ";"));
    assert_true(tp_lex_names(&l.items[2], "We\"ird"));
    assert_false(tp_lex_names(&l.items[2], "We\"irdo"));
    assert_false(tp_lex_names(&l.items[2], "We\""));
    assert_true(tp_lex_names(&l.items[1], "update"));
    assert_false(tp_lex_names(&l.items[3], ";"));
    assert_true(tp_lex_is_name(&l, 2) && tp_lex_is_name(&l, 1) && !tp_lex_is_name(&l, 3));
    assert_true(tp_lex_begins_statement(&l, 0) && tp_lex_begins_statement(&l, 1));
    assert_true(tp_lex_begins_statement(&l, 4) && !tp_lex_begins_statement(&l, 2));
    char *name = tp_lex_name(&l.items[2]);
    assert_string_equal(name, "We\"ird");
    free(name);
    name = tp_lex_name(&l.items[1]);
    assert_string_equal(name, "update");
    free(name);
    tp_lexemes_free(&l);
}

static void test_memory(void **state) {
    (void)state;
    for (unsigned n = 1;; n++) {
        tp_lexemes l = {NULL, 7, 7};
        oom_fail_at(n);
        int32_t status = tp_sql_lex("a b c d e f g h i j k l m n o p q r s t u", 41, &l, NULL);
        if (!oom_reset()) {
            assert_int_equal(l.count, 21);
            tp_lexemes_free(&l);
            break;
        }
        assert_int_equal(status, TRIGPERF_E_NOMEM);
        assert_int_equal(l.count, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),  cmocka_unit_test(test_comments),
        cmocka_unit_test(test_quotes), cmocka_unit_test(test_questions),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
