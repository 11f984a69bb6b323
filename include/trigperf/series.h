/**
 * @file series.h
 * @brief Counters, gauges and histograms with labels; recording from any thread; text for
 *        Prometheus. Needs no database.
 *
 *     trigperf_series *calls, *seconds;
 *     trigperf_series_resolve(context, TRIGPERF_SERIES_COUNTER, "host_calls_total",
 *                             "Calls handled.", names, values, 1, &calls, NULL);
 *     ...
 *     trigperf_series_add(calls, 1);
 *     trigperf_series_record(seconds, nanoseconds);
 *     ...
 *     trigperf_series_text(context, "prometheus", &text, NULL);
 *
 * A series is resolved once, by its name and labels, to a handle; what is recorded through it costs
 * a few nanoseconds. Each thread records into cells of its own, which only grow and which readings
 * add up: no lock, no atomic addition, no cell that two threads write. When a thread ends,
 * what it recorded stays, and its cells go to the next thread that begins.
 *
 * A thread finds its cells in one of two ways, which may be mixed:
 * - trigperf_series_add() and trigperf_series_record() find them by the address of the thread in a
 *   table of 64, and by a thread-specific key of the context (POSIX; one of the 1,024 of a process,
 *   taken at the first such call), which also tells that the thread has ended;
 * - a recorder that the thread made and hands over, trigperf_recorder_record(), which is a little
 *   quicker and takes no key.
 *
 * **Memory.** A histogram takes 3,480 bytes for each thread that recorded into it (as many threads
 * as recorded at one time), a counter 8; names and labels once. The number of series is bounded by
 * `metrics.max_series`; series are never forgotten. What is refused is counted in
 * `trigperf_series_refused_total`.
 *
 * **Names** are those of Prometheus in lower case: `host_calls_total` (counters end in `_total`,
 * nothing else does), `host_query_seconds` (histograms hold durations), no unit but base units, no
 * prefix `trigperf_`: the library's own series have it and appear in every reading. Names that
 * `promtool check metrics` complains of are refused.
 */
#ifndef TRIGPERF_SERIES_H
#define TRIGPERF_SERIES_H

#include <stdint.h>

#include <trigperf/context.h>
#include <trigperf/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** Types of series. */
enum trigperf_series_type {
    TRIGPERF_SERIES_COUNTER = 0,  /**< a whole number that only grows */
    TRIGPERF_SERIES_GAUGE = 1,    /**< a number that goes up and down */
    TRIGPERF_SERIES_HISTOGRAM = 2 /**< durations; see histogram.h for the error bound */
};

/** One series. Opaque; valid as long as its context; the same one for the same name and labels. */
typedef struct trigperf_series trigperf_series;

/** The cells of one thread. Opaque. */
typedef struct trigperf_recorder trigperf_recorder;

/** The cells of one thread for one histogram. Opaque. */
typedef struct trigperf_timer trigperf_timer;

/**
 * @brief Finds a series by name and labels, or makes it. Any thread; takes a lock: do it once and
 *        keep the handle.
 * @param context the context.
 * @param type    one of #trigperf_series_type.
 * @param name    see above; 1 to 200 bytes.
 * @param help    what it counts, in a sentence, 1 to 1024 bytes; may be NULL when the name is known
 *        already, and then the first one stays.
 * @param label_names  count names in lower case, none twice; the order does not matter.
 * @param label_values count values, UTF-8, up to 1024 bytes each; an empty one is as good as no
 * label.
 * @param label_count  0 to 16.
 * @param[out] series receives the handle, borrowed from the context.
 * @param[out] error says what is wrong with a name; may be NULL.
 * @return 0; #TRIGPERF_E_INVALID; #TRIGPERF_E_EXISTS (the name has another type already);
 *         #TRIGPERF_E_LIMIT (`metrics.max_series` is reached); #TRIGPERF_E_NOMEM;
 *         #TRIGPERF_E_FORKED.
 */
int32_t trigperf_series_resolve(trigperf_context *context, uint32_t type, const char *name,
                                const char *help, const char *const *label_names,
                                const char *const *label_values, uint32_t label_count,
                                trigperf_series **series, trigperf_error **error);

/**
 * @brief Adds to a counter. Any thread, lock-free; the first call of a thread takes a lock.
 * @param series a counter; NULL (it was refused) is an error without further effect.
 * @param amount how much; the counter stays at 2^64 - 1 rather than wrap around.
 * @return 0; #TRIGPERF_E_INVALID (NULL, or no counter); #TRIGPERF_E_LIMIT (no thread-specific key
 * is left in the process); #TRIGPERF_E_NOMEM (at the first call of a thread for this series;
 * counted in `trigperf_series_lost_total`); #TRIGPERF_E_FORKED (at the first call of a thread that
 * has not recorded before).
 */
int32_t trigperf_series_add(trigperf_series *series, uint64_t amount);

/**
 * @brief Records a duration into a histogram. Threads and results as trigperf_series_add().
 * @param series a histogram.
 * @param ns     nanoseconds; negative ones (a clock went backwards) are recorded as 0 and counted
 * in `trigperf_series_negative_total`.
 * @return as trigperf_series_add().
 */
int32_t trigperf_series_record(trigperf_series *series, int64_t ns);

/**
 * @brief Records a duration given in seconds.
 * @param series  a histogram.
 * @param seconds negative ones as above; those beyond 292 years, infinity too, count as that.
 * @return as trigperf_series_add(), and #TRIGPERF_E_INVALID for NaN, which is not recorded.
 */
int32_t trigperf_series_record_seconds(trigperf_series *series, double seconds);

/**
 * @brief Sets a gauge. Any thread, lock-free; the last one wins. A gauge is one value: threads that
 *        set the same one at the same time share its cache line.
 * @param series a gauge.
 * @param value  any number; NaN and infinities are shown as such (null in JSON).
 * @return 0, #TRIGPERF_E_INVALID.
 */
int32_t trigperf_series_set(trigperf_series *series, double value);

/**
 * @brief Adds to a gauge, or takes away. Any thread, lock-free, atomic.
 * @param series a gauge.
 * @param amount what is added; may be negative.
 * @return 0, #TRIGPERF_E_INVALID.
 */
int32_t trigperf_series_change(trigperf_series *series, double amount);

/**
 * @brief Makes a recorder for one thread: the quickest way to record.
 * @param context the context.
 * @param[out] recorder receives it; release with trigperf_recorder_free(). It may be handed from
 *        thread to thread, but used by one at a time.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED. Any thread; takes a lock.
 */
int32_t trigperf_recorder_new(trigperf_context *context, trigperf_recorder **recorder,
                              trigperf_error **error);

/**
 * @brief Gives a recorder back. What it recorded stays in its series.
 * @param recorder a recorder, before its context is freed; or NULL (no effect). Takes a lock.
 */
void trigperf_recorder_free(trigperf_recorder *recorder);

/**
 * @brief trigperf_series_add() through a recorder. Lock-free always.
 * @param recorder the calling thread's.
 * @param series   a counter of the same context.
 * @param amount   how much.
 * @return 0, #TRIGPERF_E_INVALID (also for a series of another context), #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_recorder_add(trigperf_recorder *recorder, trigperf_series *series,
                              uint64_t amount);

/**
 * @brief trigperf_series_record() through a recorder. Lock-free always; Lock-free always.
 * @param recorder the calling thread's.
 * @param series   a histogram of the same context.
 * @param ns       nanoseconds; negative ones as in trigperf_series_record().
 * @return 0, #TRIGPERF_E_INVALID (also for a series of another context), #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_recorder_record(trigperf_recorder *recorder, trigperf_series *series, int64_t ns);

/**
 * @brief The cells of one thread for one histogram: for a place that records all the time.
 * @param recorder the calling thread's.
 * @param series   a histogram of the same context.
 * @param[out] timer receives it, borrowed from the recorder: not to be used after
 *        trigperf_recorder_free(), nor by two threads at a time.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID, #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_recorder_timer(trigperf_recorder *recorder, trigperf_series *series,
                                trigperf_timer **timer, trigperf_error **error);

/**
 * @brief Records a duration: nothing is looked up. Cannot fail.
 * @param timer the calling thread's, not NULL.
 * @param ns    nanoseconds; negative ones as in trigperf_series_record().
 */
void trigperf_timer_record(trigperf_timer *timer, int64_t ns);

/**
 * @brief Lets counters and histograms begin at zero. Gauges and the library's own counters stay.
 * Any thread. What other threads record meanwhile is counted before or after, never twice or not at
 * all. After a reset the maximum of a histogram is known up to 1/32 only.
 * @param context the context.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM (nothing was reset), #TRIGPERF_E_FORKED.
 */
int32_t trigperf_series_reset(trigperf_context *context, trigperf_error **error);

/**
 * @brief All series as text, for an HTTP handler. Any thread.
 * @param context the context.
 * @param format  `prometheus` (text format 0.0.4, `Content-Type: text/plain; version=0.0.4`),
 *        `openmetrics` (1.0, `application/openmetrics-text; version=1.0.0; charset=utf-8`),
 *        `summary` (as prometheus, with quantiles 0.5, 0.95 and 0.99 instead of buckets) or `json`.
 * @param[out] text receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (format), #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED.
 */
int32_t trigperf_series_text(trigperf_context *context, const char *format, char **text,
                             trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
