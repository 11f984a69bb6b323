/* A page that the kernel zeroes in a forked child (MADV_WIPEONFORK, Linux 4.14): one load instead
 * of a getpid() system call on paths as hot as a cache lookup, and no process-wide atfork handler.
 * Where the advice is refused, getpid() is compared. */
#include "base/fork_guard.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct tp_fork_guard {
    volatile const unsigned char *page; /* NULL: compare pid */
    size_t size;
    pid_t pid;
};

static unsigned char *wiped_page(size_t size) {
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    if (madvise(page, size, MADV_WIPEONFORK) != 0) {
        munmap(page, size);
        return NULL;
    }
    *(unsigned char *)page = 1;
    return page;
}

tp_fork_guard *tp_fork_guard_new(void) {
    tp_fork_guard *guard = calloc(1, sizeof *guard);
    if (guard != NULL) {
        guard->size = (size_t)sysconf(_SC_PAGESIZE);
        guard->page = wiped_page(guard->size);
        guard->pid = getpid();
    }
    return guard;
}

void tp_fork_guard_free(tp_fork_guard *guard) {
    if (guard == NULL) {
        return;
    }
    if (guard->page != NULL) {
        munmap((void *)(uintptr_t)guard->page, guard->size);
    }
    free(guard);
}

bool tp_fork_guard_is_child(const tp_fork_guard *guard) {
    return guard->page != NULL ? *guard->page == 0 : guard->pid != getpid();
}

const volatile unsigned char *tp_fork_guard_byte(const tp_fork_guard *guard) {
    static const unsigned char unknown = 0;
    return guard->page != NULL ? guard->page : &unknown;
}
