/* Recording durations: ns of processor time per record, each thread by its own clock, the best of
 * several rounds. Prints lines of `name threads ns`; the suite histogram reads them.
 *
 *     bench_histogram [ROUNDS]
 *
 * The durations are lognormal around 1 ms, made before. What is called "baseline" walks over them
 * and does nothing else. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <trigperf.h>

#define VALUES 4096u
#define RECORDS (1u << 22)
#define BUCKETS 866u

static int64_t values[VALUES];
static trigperf_context *context;
static trigperf_series *histogram;
static trigperf_series *counter;
static _Atomic uint32_t shared_buckets[BUCKETS];
static _Atomic uint64_t shared_sum;
static _Atomic uint64_t shared_counter;
static volatile int64_t sink;

static uint64_t thread_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec;
}

static void make_values(void) {
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

/* --- what is measured: each does RECORDS records
 * --------------------------------------------------*/

static void run_baseline(void) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < RECORDS; i++) {
        sum += values[i % VALUES];
        __asm__ volatile("" : "+r"(sum));
    }
    sink = sum;
}

static void run_recorder(void) {
    trigperf_recorder *recorder = NULL;
    trigperf_recorder_new(context, &recorder, NULL);
    for (uint32_t i = 0; i < RECORDS; i++) {
        trigperf_recorder_record(recorder, histogram, values[i % VALUES]);
    }
    trigperf_recorder_free(recorder);
}

static trigperf_timer *timer_of(trigperf_recorder **recorder) {
    trigperf_timer *timer = NULL;
    trigperf_recorder_new(context, recorder, NULL);
    trigperf_recorder_timer(*recorder, histogram, &timer, NULL);
    return timer;
}

static void run_timer(void) {
    trigperf_recorder *recorder = NULL;
    trigperf_timer *timer = timer_of(&recorder);
    for (uint32_t i = 0; i < RECORDS; i++) {
        trigperf_timer_record(timer, values[i % VALUES]);
    }
    trigperf_recorder_free(recorder);
}

static void run_series(void) {
    for (uint32_t i = 0; i < RECORDS; i++) {
        trigperf_series_record(histogram, values[i % VALUES]);
    }
}

static void run_counter(void) {
    trigperf_recorder *recorder = NULL;
    trigperf_recorder_new(context, &recorder, NULL);
    for (uint32_t i = 0; i < RECORDS; i++) {
        trigperf_recorder_add(recorder, counter, 1);
    }
    trigperf_recorder_free(recorder);
}

static void run_clock(void) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < RECORDS / 8; i++) {
        sum += clock_ns();
    }
    sink = sum;
}

static void run_clock_and_recorder(void) {
    trigperf_recorder *recorder = NULL;
    int64_t before = clock_ns();
    trigperf_recorder_new(context, &recorder, NULL);
    for (uint32_t i = 0; i < RECORDS / 8; i++) {
        int64_t now = clock_ns();
        trigperf_recorder_record(recorder, histogram, now - before + values[i % VALUES]);
        before = now;
    }
    trigperf_recorder_free(recorder);
}

static void run_clock_and_timer(void) {
    trigperf_recorder *recorder = NULL;
    trigperf_timer *timer = timer_of(&recorder);
    int64_t before = clock_ns();
    for (uint32_t i = 0; i < RECORDS / 8; i++) {
        int64_t now = clock_ns();
        trigperf_timer_record(timer, now - before + values[i % VALUES]);
        before = now;
    }
    trigperf_recorder_free(recorder);
}

static uint32_t bucket_of(uint64_t ns) {
    uint32_t exponent = 63u - (uint32_t)__builtin_clzll(ns | 1);
    return ns < 1024 ? 0 : (exponent - 10) * 32 + (uint32_t)((ns >> (exponent - 5)) & 31) + 1;
}

static void run_atomics(void) {
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint64_t ns = (uint64_t)values[i % VALUES];
        atomic_fetch_add_explicit(&shared_buckets[bucket_of(ns) % BUCKETS], 1,
                                  memory_order_relaxed);
        atomic_fetch_add_explicit(&shared_sum, ns, memory_order_relaxed);
    }
}

static void run_atomic_counter(void) {
    for (uint32_t i = 0; i < RECORDS; i++) {
        atomic_fetch_add_explicit(&shared_counter, 1, memory_order_relaxed);
    }
}

/* --- measuring
 * ----------------------------------------------------------------------------------*/

typedef struct lane {
    void (*run)(void);
    pthread_barrier_t *start;
    uint64_t ns;
} lane;

static void *run_lane(void *argument) {
    lane *one = argument;
    one->run(); /* warm */
    pthread_barrier_wait(one->start);
    uint64_t began = thread_ns();
    one->run();
    one->ns = thread_ns() - began;
    return NULL;
}

/* The mean of the threads, of the round in which it was least. */
static double measure(void (*run)(void), unsigned threads, unsigned rounds, double records) {
    double best = 1e30;
    for (unsigned round = 0; round < rounds; round++) {
        pthread_barrier_t start;
        pthread_t ids[2];
        lane lanes[2];
        double sum = 0;
        pthread_barrier_init(&start, NULL, threads);
        for (unsigned i = 0; i < threads; i++) {
            lanes[i] = (lane){run, &start, 0};
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

static double now_us(void) {
    return (double)clock_ns() / 1e3;
}

/* Merging two full histograms, and a quantile. */
static void measure_merge(unsigned rounds) {
    trigperf_histogram *one = NULL;
    trigperf_histogram *two = NULL;
    uint64_t ns = 0;
    double merge = 1e30;
    double quantile = 1e30;
    trigperf_histogram_new(&one, NULL);
    trigperf_histogram_new(&two, NULL);
    for (uint32_t i = 0; i < VALUES; i++) {
        trigperf_histogram_record(one, values[i], 1);
        trigperf_histogram_record(two, values[i] * 3, 1);
    }
    for (unsigned round = 0; round < rounds * 20; round++) {
        double began = now_us();
        for (int i = 0; i < 200; i++) {
            trigperf_histogram_merge(one, two);
        }
        double between = now_us();
        for (int i = 0; i < 200; i++) {
            trigperf_histogram_quantile(one, 0.99, &ns, NULL);
        }
        double ended = now_us();
        merge = between - began < merge * 200 ? (between - began) / 200 : merge;
        quantile = ended - between < quantile * 200 ? (ended - between) / 200 : quantile;
    }
    printf("merge 1 %.4f\nquantile 1 %.4f\n", merge * 1e3, quantile * 1e3);
    trigperf_histogram_free(one);
    trigperf_histogram_free(two);
}

static void make_context(void) {
    trigperf_config *config = NULL;
    trigperf_config_new(&config, NULL);
    trigperf_config_set(config, "source", "none", NULL);
    if (trigperf_context_new(config, &context, NULL) != TRIGPERF_OK) {
        exit(1);
    }
    trigperf_config_free(config);
    trigperf_series_resolve(context, TRIGPERF_SERIES_HISTOGRAM, "bench_seconds", "Bench.", NULL,
                            NULL, 0, &histogram, NULL);
    trigperf_series_resolve(context, TRIGPERF_SERIES_COUNTER, "bench_total", "Bench.", NULL, NULL,
                            0, &counter, NULL);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
        double records;
    } runs[] = {{"baseline", run_baseline, RECORDS},
                {"timer", run_timer, RECORDS},
                {"recorder", run_recorder, RECORDS},
                {"series", run_series, RECORDS},
                {"counter", run_counter, RECORDS},
                {"atomics", run_atomics, RECORDS},
                {"atomic_counter", run_atomic_counter, RECORDS},
                {"clock", run_clock, RECORDS / 8},
                {"clock_and_timer", run_clock_and_timer, RECORDS / 8},
                {"clock_and_recorder", run_clock_and_recorder, RECORDS / 8}};
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    make_values();
    make_context();
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        for (unsigned threads = 1; threads <= 2; threads++) {
            printf("%s %u %.4f\n", runs[i].name, threads,
                   measure(runs[i].run, threads, rounds, runs[i].records));
            fflush(stdout);
        }
    }
    measure_merge(rounds);
    trigperf_context_free(context);
    return 0;
}
