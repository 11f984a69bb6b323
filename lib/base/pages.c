/* madvise: a table of some megabytes that is read at random costs a miss of the address cache for
 * nearly every access with pages of 4 KB. */
#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE (UINT64_C(2) << 20)

static void advise(void *block, size_t size, size_t page, int advice) {
    uintptr_t from = ((uintptr_t)block + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)block + size) / page * page;
    if (to > from) {
        madvise((void *)from, to - from, advice);
    }
}

void tp_pages_prefer_large(void *block, size_t size) {
    advise(block, size, LARGE, MADV_HUGEPAGE);
}

void tp_pages_discard(void *block, size_t size) {
    advise(block, size, (size_t)sysconf(_SC_PAGESIZE), MADV_DONTNEED);
}
