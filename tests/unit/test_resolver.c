/* Looking up names off-thread: the answer, the failure, and giving up before it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <semaphore.h>

#include "pg/resolver.h"

static void post(void *semaphore) {
    sem_post(semaphore);
}

static tp_resolver_answer look_up(tp_resolver **resolver, const char *hosts, const char *ports) {
    sem_t done;
    tp_resolver_answer answer = {NULL, NULL, NULL, NULL};
    sem_init(&done, 0, 0);
    assert_int_equal(tp_resolver_start(hosts, ports, post, &done, resolver, NULL), TRIGPERF_OK);
    sem_wait(&done);
    assert_true(tp_resolver_done(*resolver, &answer));
    sem_destroy(&done);
    return answer;
}

static void test_addresses(void **state) {
    (void)state;
    tp_resolver *resolver = NULL;
    tp_resolver_answer answer = look_up(&resolver, "127.0.0.1,/tmp,::1", "1,2,3");
    assert_null(answer.failure);
    assert_string_equal(answer.hosts, "127.0.0.1,/tmp,::1");
    assert_string_equal(answer.addresses, "127.0.0.1,,::1");
    assert_string_equal(answer.ports, "1,2,3");
    tp_resolver_free(resolver);
}

static void test_one_port_for_all(void **state) {
    (void)state;
    tp_resolver *resolver = NULL;
    tp_resolver_answer answer = look_up(&resolver, "127.0.0.1,127.0.0.2", "5433");
    assert_string_equal(answer.ports, "5433,5433");
    tp_resolver_free(resolver);
}

static void test_failure(void **state) {
    (void)state;
    tp_resolver *resolver = NULL;
    tp_resolver_answer answer = look_up(&resolver, "no-such-host.invalid", NULL);
    assert_non_null(answer.failure);
    assert_non_null(strstr(answer.failure, "no-such-host.invalid"));
    tp_resolver_free(resolver);
}

static void never(void *user) {
    (void)user;
}

static void test_abandoned(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        tp_resolver *resolver = NULL;
        assert_int_equal(tp_resolver_start("127.0.0.1", "1", never, NULL, &resolver, NULL),
                         TRIGPERF_OK);
        tp_resolver_free(resolver);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_one_port_for_all),
        cmocka_unit_test(test_failure), cmocka_unit_test(test_abandoned)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
