/* Lists of hosts: counted, and begun elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "oom.h"
#include "pg/hosts.h"

static void counts(void **state) {
    (void)state;
    assert_int_equal(tp_hosts_count(NULL), 0);
    assert_int_equal(tp_hosts_count(""), 1);
    assert_int_equal(tp_hosts_count("a"), 1);
    assert_int_equal(tp_hosts_count("a,b,,c"), 4);
}

static void expect(const char *list, uint32_t first, const char *expected) {
    tp_strbuf out = TP_STRBUF_INIT;
    tp_hosts_rotate(list, first, &out);
    assert_string_equal(tp_strbuf_str(&out), expected);
    tp_strbuf_free(&out);
}

static void tells_sockets(void **state) {
    (void)state;
    assert_true(tp_hosts_is_local("/run/postgresql"));
    assert_true(tp_hosts_is_local("@name"));
    assert_false(tp_hosts_is_local("127.0.0.1"));
    assert_false(tp_hosts_is_local(""));
    assert_false(tp_hosts_is_local(NULL));
}

static void rotates(void **state) {
    (void)state;
    expect("a", 0, "a");
    expect("a", 7, "a");
    expect("a,bb,ccc", 0, "a,bb,ccc");
    expect("a,bb,ccc", 1, "bb,ccc,a");
    expect("a,bb,ccc", 2, "ccc,a,bb");
    expect("a,bb,ccc", 3, "a,bb,ccc");
    expect(",5433", 1, "5433,");
    expect("", 4, "");
}

static void gives_values(void **state) {
    (void)state;
    tp_hosts hosts = {.first = 1};
    assert_string_equal(tp_hosts_value(&hosts, "host", "a,b"), "b,a");
    assert_string_equal(tp_hosts_value(&hosts, "port", "1,2"), "2,1");
    assert_string_equal(tp_hosts_value(&hosts, "port", "5432"), "5432");
    assert_string_equal(tp_hosts_value(&hosts, "user", "a,b"), "a,b");
    tp_hosts_free(&hosts);
    tp_hosts untouched = {.first = 0};
    const char *list = "a,b";
    assert_ptr_equal(tp_hosts_value(&untouched, "host", list), list);
    tp_hosts_free(&untouched);
}

/* The host that comes first is a matter of time only: short of memory the list is as it was. */
static void goes_on_without_memory(void **state) {
    (void)state;
    tp_hosts hosts = {.first = 1};
    oom_fail_at(1);
    assert_string_equal(tp_hosts_value(&hosts, "host", "a,b"), "a,b");
    assert_true(oom_reset());
    tp_hosts_free(&hosts);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts), cmocka_unit_test(tells_sockets),
                                       cmocka_unit_test(rotates), cmocka_unit_test(gives_values),
                                       cmocka_unit_test(goes_on_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
