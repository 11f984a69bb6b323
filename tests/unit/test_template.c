/* Parsing, binding and rendering of cache-key templates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/template.h"
#include "oom.h"

static const char *const names[] = {"user_id", "id", "agent id"};

static tp_value text(const char *bytes) {
    return (tp_value){bytes, bytes == NULL ? 0 : (uint32_t)strlen(bytes)};
}

static void assert_renders(const char *pattern, const char *expected) {
    const tp_value values[] = {text("7"), text("9"), text("a{b}c")};
    tp_template *tmpl = NULL;
    assert_int_equal(tp_template_parse(pattern, names, 3, &tmpl, NULL), TRIGPERF_OK);
    tp_strbuf out = TP_STRBUF_INIT;
    tp_strbuf_puts(&out, "before|");
    assert_true(tp_template_render(tmpl, values, &out));
    assert_memory_equal(tp_strbuf_str(&out), "before|", 7);
    assert_string_equal(tp_strbuf_str(&out) + 7, expected);
    tp_strbuf_free(&out);
    tp_template_free(tmpl);
}

static void test_renders(void **state) {
    (void)state;
    assert_renders("dashboard:{user_id}", "dashboard:7");
    assert_renders("{user_id}", "7");
    assert_renders("{user_id}{id}", "79");
    assert_renders("a:{id}:b:{id}", "a:9:b:9");
    assert_renders("stats:global", "stats:global");
    assert_renders("x{agent id}y", "xa{b}cy");
    assert_renders("{{{id}}}", "{9}");
    assert_renders("{{id}}", "{id}");
    assert_renders("a}}{{b", "a}{b");
    assert_renders("\xF0\x9F\x98\x80:{id}", "\xF0\x9F\x98\x80:9");
}

static void test_null_part_yields_nothing(void **state) {
    (void)state;
    const tp_value values[] = {text("7"), text(NULL), text("")};
    tp_template *tmpl = NULL;
    tp_strbuf out = TP_STRBUF_INIT;
    tp_strbuf_puts(&out, "kept");
    assert_int_equal(tp_template_parse("a:{user_id}:{id}", names, 3, &tmpl, NULL), TRIGPERF_OK);
    assert_false(tp_template_render(tmpl, values, &out));
    assert_string_equal(tp_strbuf_str(&out), "kept");
    tp_template_free(tmpl);
    assert_int_equal(tp_template_parse("[{agent id}]", names, 3, &tmpl, NULL), TRIGPERF_OK);
    assert_true(tp_template_render(tmpl, values, &out));
    assert_string_equal(tp_strbuf_str(&out), "kept[]");
    tp_template_free(tmpl);
    tp_strbuf_free(&out);
}

static void test_values_may_hold_any_byte(void **state) {
    (void)state;
    const tp_value values[] = {{"a\0b", 3}, text("1"), text("2")};
    tp_template *tmpl = NULL;
    tp_strbuf out = TP_STRBUF_INIT;
    assert_int_equal(tp_template_parse("k:{user_id}", names, 3, &tmpl, NULL), TRIGPERF_OK);
    assert_true(tp_template_render(tmpl, values, &out));
    assert_int_equal(out.length, 5);
    assert_memory_equal(out.data, "k:a\0b", 5);
    tp_template_free(tmpl);
    tp_strbuf_free(&out);
}

static void assert_refused(const char *pattern, const char *part_of_message) {
    trigperf_error *err = NULL;
    tp_template *tmpl = (tp_template *)&err;
    assert_int_equal(tp_template_parse(pattern, names, 3, &tmpl, &err), TRIGPERF_E_INVALID);
    assert_ptr_equal(tmpl, &err);
    assert_non_null(strstr(trigperf_error_message(err), part_of_message));
    assert_true(trigperf_error_hint(err)[0] != '\0');
    trigperf_error_free(err);
}

static void assert_group(const char *pattern, const char *expected) {
    const tp_value values[] = {text("7"), text("9"), text("")};
    tp_template *tmpl = NULL;
    assert_int_equal(tp_template_parse(pattern, names, 3, &tmpl, NULL), TRIGPERF_OK);
    tp_strbuf out = TP_STRBUF_INIT;
    assert_true(tp_template_render(tmpl, values, &out));
    size_t length = tp_template_group_length(tmpl, values);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(out.data, expected, length);
    tp_strbuf_free(&out);
    tp_template_free(tmpl);
}

static void test_group_ends_before_the_second_part(void **state) {
    (void)state;
    assert_group("call:{user_id}:{id}", "call:7:");
    assert_group("call:{user_id}:{id}:{user_id}", "call:7:");
    assert_group("{user_id}{id}", "7");
    assert_group("{user_id}:{{}}{id}:end", "7:{}");
    assert_group("a:{agent id}:{id}", "a::");
    assert_group("dashboard:{user_id}", "dashboard:7"); /* the whole key */
    assert_group("user:{user_id}:all", "user:7:all");
    assert_group("stats:global", "stats:global");
}

static void test_refuses(void **state) {
    (void)state;
    assert_refused("", "1 to");
    assert_refused("a:{}", "empty name at position 3");
    assert_refused("a:{id", "'{' without '}' at position 3");
    assert_refused("a:{id{x}", "'{' without '}' at position 3");
    assert_refused("a:id}", "'}' without '{' at position 5");
    assert_refused("{", "at position 1");
    assert_refused("}", "at position 1");
    assert_refused("{{}", "at position 3");
    assert_refused("a:{id}}", "at position 7");
    assert_refused("a:{agent}", "'user_id', 'id', 'agent id'");
    assert_refused("a:{ID}", "names the key 'ID'");
}

static void test_without_names(void **state) {
    (void)state;
    tp_template *tmpl = NULL;
    trigperf_error *err = NULL;
    assert_int_equal(tp_template_parse("a:{id}", NULL, 0, &tmpl, &err), TRIGPERF_E_INVALID);
    assert_non_null(strstr(trigperf_error_message(err), "none"));
    trigperf_error_free(err);
    assert_int_equal(tp_template_parse("a", NULL, 0, &tmpl, NULL), TRIGPERF_OK);
    tp_template_free(tmpl);
}

static void test_check_knows_syntax_only(void **state) {
    (void)state;
    assert_int_equal(tp_template_check("a:{anything at all}", NULL), TRIGPERF_OK);
    assert_int_equal(tp_template_check("a:{", NULL), TRIGPERF_E_INVALID);
}

static void assert_scope(const char *pattern, const char *prefix, const char *scope) {
    tp_template *tmpl = NULL;
    char buffer[32];
    assert_int_equal(tp_template_scan(pattern, &tmpl, NULL), TRIGPERF_OK);
    assert_string_equal(tp_template_text(tmpl), pattern);
    assert_string_equal(tp_template_prefix(tmpl), prefix);
    tp_template_scope(tmpl, buffer, sizeof buffer);
    assert_string_equal(buffer, scope);
    tp_template_free(tmpl);
}

static void test_prefix_and_scope(void **state) {
    (void)state;
    assert_scope("dashboard:{user_id}", "dashboard:", "dashboard");
    assert_scope("user:{user_id}:calls", "user:", "user");
    assert_scope("a:b:{id}", "a:b:", "a");
    assert_scope("{id}:a", "", "");
    assert_scope("plain", "plain", "plain");
    assert_scope("{{x}}:{id}", "{x}:", "{x}");
    assert_scope("list{id}", "list", "list");
}

static void test_scope_is_cut_to_size(void **state) {
    (void)state;
    tp_template *tmpl = NULL;
    char buffer[5] = "####";
    assert_int_equal(tp_template_scan("dashboard:{x}", &tmpl, NULL), TRIGPERF_OK);
    tp_template_scope(tmpl, buffer, 0);
    assert_string_equal(buffer, "####");
    tp_template_scope(tmpl, buffer, sizeof buffer);
    assert_string_equal(buffer, "dash");
    assert_int_equal(tp_template_scope_length(tmpl), 9);
    tp_template_free(tmpl);
}

static void test_out_of_memory(void **state) {
    (void)state;
    unsigned n = 1;
    for (;; n++) {
        tp_template *tmpl = NULL;
        trigperf_error *err = NULL;
        oom_fail_at(n);
        int32_t status = tp_template_parse("{id}a{id}b{id}c{id}d{id}e{id}f", names, 3, &tmpl, &err);
        bool failed = oom_reset();
        assert_int_equal(status, failed ? TRIGPERF_E_NOMEM : TRIGPERF_OK);
        assert_int_equal(trigperf_error_code(err), status);
        trigperf_error_free(err);
        tp_template_free(tmpl);
        if (!failed) {
            break;
        }
        assert_null(tmpl);
    }
    assert_true(n > 5);
}

static void test_render_out_of_memory(void **state) {
    (void)state;
    const tp_value values[] = {text("7"), text("9"), text("8")};
    tp_template *tmpl = NULL;
    tp_strbuf out = TP_STRBUF_INIT;
    assert_int_equal(tp_template_parse("a:{id}", names, 3, &tmpl, NULL), TRIGPERF_OK);
    oom_fail_at(1);
    assert_true(tp_template_render(tmpl, values, &out));
    assert_true(oom_reset());
    assert_true(out.failed);
    tp_strbuf_free(&out);
    tp_template_free(tmpl);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renders),
        cmocka_unit_test(test_null_part_yields_nothing),
        cmocka_unit_test(test_values_may_hold_any_byte),
        cmocka_unit_test(test_group_ends_before_the_second_part),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_without_names),
        cmocka_unit_test(test_check_knows_syntax_only),
        cmocka_unit_test(test_prefix_and_scope),
        cmocka_unit_test(test_scope_is_cut_to_size),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_render_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
