/* Knowing that one is a forked child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fork_guard.h"
#include "oom.h"

static int in_child(const tp_fork_guard *guard) {
    pid_t pid = fork();
    if (pid == 0) {
        _exit(tp_fork_guard_is_child(guard) && *tp_fork_guard_byte(guard) == 0 ? 42 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_parent_and_child(void **state) {
    (void)state;
    tp_fork_guard *guard = tp_fork_guard_new();
    assert_false(tp_fork_guard_is_child(guard));
    assert_int_equal(in_child(guard), 42);
    assert_false(tp_fork_guard_is_child(guard));
    tp_fork_guard_free(guard);
    tp_fork_guard_free(NULL);
}

static void test_made_in_the_child(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        tp_fork_guard *guard = tp_fork_guard_new();
        _exit(guard != NULL && !tp_fork_guard_is_child(guard) && in_child(guard) == 42 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_out_of_memory(void **state) {
    (void)state;
    oom_fail_at(1);
    assert_null(tp_fork_guard_new());
    assert_true(oom_reset());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parent_and_child),
        cmocka_unit_test(test_made_in_the_child),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
