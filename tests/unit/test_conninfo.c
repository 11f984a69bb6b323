/* Connection parameters: what libpq would use, expanded without touching the network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg/conninfo.h"

static int32_t make(const char *connection, tp_conninfo **info, trigperf_error **error) {
    tp_conninfo_options options = {connection, "tester", 5000, 15000};
    return tp_conninfo_new(&options, info, error);
}

static void assert_value(const char *connection, const char *keyword, const char *expected) {
    tp_conninfo *info = NULL;
    assert_int_equal(make(connection, &info, NULL), TRIGPERF_OK);
    const char *value = tp_conninfo_get(info, keyword);
    if (expected == NULL) {
        assert_null(value);
    } else {
        assert_non_null(value);
        assert_string_equal(value, expected);
    }
    tp_conninfo_free(info);
}

static void test_conninfo_and_uri(void **state) {
    (void)state;
    assert_value("host=db port=6000 dbname=app", "port", "6000");
    assert_value("postgresql://me@db:6001/app", "user", "me");
    assert_value("postgresql://me@db:6001/app", "port", "6001");
    assert_value("host=db hostaddr=127.0.0.1", "hostaddr", "127.0.0.1");
    assert_value("sslmode=disable", "sslmode", "disable");
    assert_value("ssl_min_protocol_version=TLSv1.3", "ssl_min_protocol_version", "TLSv1.3");
    assert_value("connect_timeout=3", "connect_timeout", "3");
    assert_value("", "client_encoding", "UTF8");
    assert_value("client_encoding=LATIN1", "client_encoding", "UTF8");
    assert_value("", "fallback_application_name", "tester");
}

static void test_environment(void **state) {
    (void)state;
    setenv("PGHOST", "/somewhere", 1);
    setenv("PGAPPNAME", "mine", 1);
    assert_value("", "host", "/somewhere");
    assert_value("host=other", "host", "other");
    assert_value("", "application_name", "mine");
    unsetenv("PGHOST");
    unsetenv("PGAPPNAME");
}

static void test_service(void **state) {
    (void)state;
    char path[] = "/tmp/trigperf-service-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("[mine]\nhost=db1,db2\nport=7000\nsslmode=require\n", file);
    fclose(file);
    setenv("PGSERVICEFILE", path, 1);
    assert_value("service=mine", "host", "db1,db2");
    assert_value("service=mine port=7001", "port", "7001");
    assert_value("service=mine", "sslmode", "require");
    unsetenv("PGSERVICEFILE");
    remove(path);
}

static void assert_lookup(const char *connection, int expected) {
    tp_conninfo *info = NULL;
    assert_int_equal(make(connection, &info, NULL), TRIGPERF_OK);
    assert_int_equal(tp_conninfo_needs_lookup(info), expected);
    tp_conninfo_free(info);
}

static void test_lookup(void **state) {
    (void)state;
    assert_lookup("host=/tmp", 0);
    assert_lookup("host=127.0.0.1", 0);
    assert_lookup("host=::1", 0);
    assert_lookup("host=127.0.0.1,::1", 0);
    assert_lookup("host=db", 1);
    assert_lookup("host=/tmp,db", 1);
    assert_lookup("host=db hostaddr=127.0.0.1", 0);
}

static const char *value_of(const char *const *keywords, const char *const *values,
                            const char *keyword) {
    const char *found = NULL;
    for (uint32_t i = 0; keywords[i] != NULL; i++) {
        if (strcmp(keywords[i], keyword) == 0) {
            assert_null(found);
            found = values[i];
        }
    }
    return found;
}

static void test_place(void **state) {
    (void)state;
    const char *keywords[TP_CONNINFO_MAX];
    const char *values[TP_CONNINFO_MAX];
    tp_conninfo_place place = {"db,db", "10.0.0.1,10.0.0.2", "6000,6000"};
    tp_conninfo *info = NULL;
    assert_int_equal(make("host=db port=6000 dbname=app", &info, NULL), TRIGPERF_OK);
    tp_conninfo_at(info, &place, keywords, values);
    assert_string_equal(value_of(keywords, values, "host"), "db,db");
    assert_string_equal(value_of(keywords, values, "hostaddr"), "10.0.0.1,10.0.0.2");
    assert_string_equal(value_of(keywords, values, "port"), "6000,6000");
    assert_string_equal(value_of(keywords, values, "dbname"), "app");
    tp_conninfo_free(info);
}

static void test_malformed(void **state) {
    (void)state;
    tp_conninfo *info = NULL;
    trigperf_error *error = NULL;
    assert_int_equal(make("nonsense=1", &info, &error), TRIGPERF_E_CONFIG);
    assert_non_null(strstr(trigperf_error_message(error), "nonsense"));
    assert_true(strlen(trigperf_error_hint(error)) > 0);
    trigperf_error_free(error);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conninfo_and_uri),
                                       cmocka_unit_test(test_environment),
                                       cmocka_unit_test(test_service),
                                       cmocka_unit_test(test_lookup),
                                       cmocka_unit_test(test_place),
                                       cmocka_unit_test(test_malformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
