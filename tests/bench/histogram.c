/* Recording durations with the library, with shared atomics, and not at all. Prints lines of
 * `name threads ns`; the suite histogram reads them.
 *
 *     bench_histogram [ROUNDS] */
#include <stdatomic.h>
#include <string.h>

#include <trigperf.h>

#include "recording/recording.h"

#define BUCKETS 866u

static trigperf_context *context;
static trigperf_series *histogram;
static trigperf_series *counter;
static trigperf_histogram *one;
static trigperf_histogram *two;
static _Atomic uint32_t shared_buckets[BUCKETS];
static _Atomic uint64_t shared_sum;
static _Atomic uint64_t shared_counter;
static volatile int64_t sink;

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
    for (uint32_t i = 0; i < CLOCKED; i++) {
        sum += clock_ns();
    }
    sink = sum;
}

static void run_clock_and_recorder(void) {
    trigperf_recorder *recorder = NULL;
    int64_t before = clock_ns();
    trigperf_recorder_new(context, &recorder, NULL);
    for (uint32_t i = 0; i < CLOCKED; i++) {
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
    for (uint32_t i = 0; i < CLOCKED; i++) {
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

static void call_merge(void) {
    trigperf_histogram_merge(one, two);
}

static void call_quantile(void) {
    uint64_t ns = 0;
    trigperf_histogram_quantile(one, 0.99, &ns, NULL);
    sink = (int64_t)ns;
}

static void call_read(void) {
    trigperf_reading *reading = NULL;
    trigperf_series_read(context, 0, &reading, NULL);
    trigperf_reading_free(reading);
}

static trigperf_series *resolve(uint32_t type, const char *name, const char *value) {
    const char *label = "number";
    trigperf_series *series = NULL;
    if (trigperf_series_resolve(context, type, name, "Bench.", &label, &value, 1, &series, NULL) !=
        TRIGPERF_OK) {
        exit(1);
    }
    return series;
}

static void make_context(void) {
    trigperf_config *config = NULL;
    trigperf_config_new(&config, NULL);
    trigperf_config_set(config, "source", "none", NULL);
    if (trigperf_context_new(config, &context, NULL) != TRIGPERF_OK) {
        exit(1);
    }
    trigperf_config_free(config);
    histogram = resolve(TRIGPERF_SERIES_HISTOGRAM, "bench_seconds", "");
    counter = resolve(TRIGPERF_SERIES_COUNTER, "bench_total", "");
}

/* Bytes for each histogram that a thread records into, and a reading of them all. */
static void measure_memory(unsigned rounds) {
    static trigperf_series *many[SERIES];
    char value[16];
    trigperf_recorder *recorder = NULL;
    for (uint32_t i = 0; i < SERIES; i++) {
        snprintf(value, sizeof value, "%u", i);
        many[i] = resolve(TRIGPERF_SERIES_HISTOGRAM, "bench_seconds", value);
    }
    trigperf_recorder_new(context, &recorder, NULL);
    double before = allocated();
    for (uint32_t i = 0; i < SERIES; i++) {
        trigperf_recorder_record(recorder, many[i], values[i]);
    }
    printf("cells 1 3480\nbytes 1 %.1f\n", (allocated() - before) / SERIES);
    for (uint32_t i = 0; i < SERIES * 100; i++) {
        trigperf_recorder_record(recorder, many[i % SERIES], values[i % VALUES]);
    }
    printf("read 1 %.1f\n", measure_calls(call_read, rounds, 1) / SERIES);
    trigperf_recorder_free(recorder);
}

static void measure_merge(unsigned rounds) {
    trigperf_histogram_new(&one, NULL);
    trigperf_histogram_new(&two, NULL);
    for (uint32_t i = 0; i < VALUES; i++) {
        trigperf_histogram_record(one, values[i], 1);
        trigperf_histogram_record(two, values[i] * 3, 1);
    }
    printf("merge 1 %.1f\nquantile 1 %.1f\n", measure_calls(call_merge, rounds, 100),
           measure_calls(call_quantile, rounds, 100));
    trigperf_histogram_free(one);
    trigperf_histogram_free(two);
}

int main(int argc, char **argv) {
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    make_values();
    make_context();
    report("baseline", run_baseline, rounds, RECORDS);
    report("timer", run_timer, rounds, RECORDS);
    report("recorder", run_recorder, rounds, RECORDS);
    report("series", run_series, rounds, RECORDS);
    report("counter", run_counter, rounds, RECORDS);
    report("atomics", run_atomics, rounds, RECORDS);
    report("atomic_counter", run_atomic_counter, rounds, RECORDS);
    report("clock", run_clock, rounds, CLOCKED);
    report("clock_and_timer", run_clock_and_timer, rounds, CLOCKED);
    report("clock_and_recorder", run_clock_and_recorder, rounds, CLOCKED);
    measure_merge(rounds);
    measure_memory(rounds);
    trigperf_context_free(context);
    return 0;
}
