/* Failing allocations on purpose. Every unit test is linked with the linker option that sends
 * malloc, calloc and realloc through here. Typical use:
 *
 *     for (unsigned n = 1;; n++) {
 *         oom_fail_at(n);
 *         int32_t status = tp_thing_new(&thing, NULL);
 *         if (!oom_reset()) { ...it succeeded without reaching allocation n...; break; }
 *         assert_int_equal(status, TRIGPERF_E_NOMEM);
 *     }
 */
#ifndef TESTS_UNIT_OOM_H
#define TESTS_UNIT_OOM_H

#include <stdbool.h>

void oom_fail_at(unsigned n);   /* the n-th allocation from now fails (1: the next), once */
void oom_fail_from(unsigned n); /* the n-th allocation from now fails, and all after it */
bool oom_reset(void);           /* allocations work again; whether any of them had failed */

#endif
