/* Tells threads apart without a call. */
#ifndef TP_BASE_THREAD_MARK_H
#define TP_BASE_THREAD_MARK_H

#include <pthread.h>
#include <stdint.h>

/* The address of the calling thread's control block, which is what pthread_self() gives; never 0,
 * and another thread's once this one has ended. */
static inline uintptr_t tp_thread_mark(void) {
#if defined(__x86_64__) && defined(__linux__) && defined(__LP64__)
    uintptr_t self;
    __asm__("mov %%fs:0, %0" : "=r"(self));
    return self;
#else
    return (uintptr_t)pthread_self();
#endif
}

#endif
