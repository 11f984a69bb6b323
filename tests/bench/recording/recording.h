/* What the programs that record durations share: the durations, and measuring.
 *
 * Processor time of each thread by its own clock, the best of several rounds: neighbours can only
 * make it longer. The durations are lognormal around 1 ms, made before. C and C++. */
#ifndef TESTS_BENCH_RECORDING_RECORDING_H
#define TESTS_BENCH_RECORDING_RECORDING_H

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define VALUES 4096u
#define RECORDS (1u << 21)
/* With a clock that is read each time. */
#define CLOCKED (RECORDS / 8)
#define SERIES 1000u

static int64_t values[VALUES];

static inline uint64_t thread_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec;
}

static inline void make_values(void) {
    uint64_t random = 1;
    for (uint32_t i = 0; i < VALUES; i++) {
        double sum = 0;
        for (int j = 0; j < 12; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(random >> 11) / 9007199254740992.0;
        }
        values[i] = (int64_t)(1e6 * exp(sum - 6));
    }
}

typedef struct lane {
    void (*run)(void);
    pthread_barrier_t *start;
    unsigned number;
    uint64_t ns;
} lane;

/* Each thread to a core of its own, where there are so many. */
static inline void keep_to_core(unsigned number) {
    cpu_set_t allowed;
    cpu_set_t one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && number-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof one, &one);
        }
    }
}

static inline void *run_lane(void *argument) {
    lane *one = (lane *)argument;
    keep_to_core(one->number);
    one->run(); /* warm */
    pthread_barrier_wait(one->start);
    uint64_t began = thread_ns();
    one->run();
    one->ns = thread_ns() - began;
    return NULL;
}

/* ns a record: the mean of the threads, of the round in which it was least. */
static inline double measure(void (*run)(void), unsigned threads, unsigned rounds, double records) {
    double best = 1e30;
    for (unsigned round = 0; round < rounds; round++) {
        pthread_barrier_t start;
        pthread_t ids[2];
        lane lanes[2];
        double sum = 0;
        pthread_barrier_init(&start, NULL, threads);
        for (unsigned i = 0; i < threads; i++) {
            lanes[i].run = run;
            lanes[i].start = &start;
            lanes[i].number = i;
            pthread_create(&ids[i], NULL, run_lane, &lanes[i]);
        }
        for (unsigned i = 0; i < threads; i++) {
            pthread_join(ids[i], NULL);
            sum += (double)lanes[i].ns / records / threads;
        }
        pthread_barrier_destroy(&start);
        best = sum < best ? sum : best;
    }
    return best;
}

/* Prints `name threads ns` for one and two threads. */
static inline void report(const char *name, void (*run)(void), unsigned rounds, double records) {
    for (unsigned threads = 1; threads <= 2; threads++) {
        printf("%s %u %.4f\n", name, threads, measure(run, threads, rounds, records));
        fflush(stdout);
    }
}

/* What the allocator has handed out. */
static inline double allocated(void) {
    struct mallinfo2 info = mallinfo2();
    return (double)info.uordblks + (double)info.hblkhd;
}

/* ns of one call, the best of many rounds of so many. */
static inline double measure_calls(void (*call)(void), unsigned rounds, unsigned calls) {
    double best = 1e30;
    for (unsigned round = 0; round < rounds * 20; round++) {
        uint64_t began = thread_ns();
        for (unsigned i = 0; i < calls; i++) {
            call();
        }
        double ns = (double)(thread_ns() - began) / calls;
        best = ns < best ? ns : best;
    }
    return best;
}

#endif
