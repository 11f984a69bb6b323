/* Wrappers that the linker puts in front of the allocator (--wrap). One countdown for the whole
 * process: tests that fail allocations do so on one thread. */
#include "oom.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static atomic_uint countdown; /* 0: nothing is planned */
static atomic_bool keep_failing;
static atomic_bool failed;

void oom_fail_at(unsigned n) {
    atomic_store(&failed, false);
    atomic_store(&keep_failing, false);
    atomic_store(&countdown, n);
}

void oom_fail_from(unsigned n) {
    oom_fail_at(n);
    atomic_store(&keep_failing, true);
}

bool oom_reset(void) {
    bool happened = atomic_load(&failed);
    oom_fail_at(0);
    return happened;
}

static bool fails_now(void) {
    unsigned left = atomic_load(&countdown);
    if (left == 0) {
        return false;
    }
    if (left > 1) {
        atomic_store(&countdown, left - 1);
        return false;
    }
    if (!atomic_load(&keep_failing)) {
        atomic_store(&countdown, 0);
    }
    atomic_store(&failed, true);
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size) {
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size) {
    return fails_now() ? NULL : __real_realloc(memory, size);
}
