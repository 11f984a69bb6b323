/**
 * @file reading.h
 * @brief A reading: the values of all series at one moment, to look at, to merge, to print.
 *
 * A reading belongs to its caller, lives by itself (also after its context), and is used by one
 * thread at a time. Indexes run from 0 to trigperf_reading_count() - 1; strings are borrowed, valid
 * until the reading is merged into or freed.
 *
 * Values are read while threads record: each is a value that was there during the call, and a value
 * is never smaller than in an earlier reading. Sum and count of a histogram may differ by what is
 * being recorded at that moment.
 */
#ifndef TRIGPERF_READING_H
#define TRIGPERF_READING_H

#include <stdint.h>

#include <trigperf/context.h>
#include <trigperf/error.h>
#include <trigperf/histogram.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** A reading. Opaque. */
typedef struct trigperf_reading trigperf_reading;

/**
 * @brief Reads all series of a context, the library's own included. Any thread.
 * @param context the context.
 * @param reset   1: counters and histograms begin at zero with these very values, as in
 *        trigperf_series_reset(); 0: they go on.
 * @param[out] reading receives the reading; release with trigperf_reading_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOMEM, #TRIGPERF_E_FORKED. 1 to 2 us for each histogram and thread.
 */
int32_t trigperf_series_read(trigperf_context *context, int32_t reset, trigperf_reading **reading,
                             trigperf_error **error);

/**
 * @brief Releases a reading.
 * @param reading a reading, or NULL (no effect).
 */
void trigperf_reading_free(trigperf_reading *reading);

/**
 * @brief Adds another reading, of another context or process: what has the same name and labels is
 *        added up (gauges too), what is new is taken over.
 * @param into receives the sum.
 * @param from stays as it is.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (a name has another type there), #TRIGPERF_E_NOMEM; on failure
 *         nothing was added. O(size of both).
 */
int32_t trigperf_reading_merge(trigperf_reading *into, const trigperf_reading *from,
                               trigperf_error **error);

/**
 * @brief How many series there are.
 * @param reading a reading.
 * @return the count.
 */
uint32_t trigperf_reading_count(const trigperf_reading *reading);

/**
 * @brief Finds a series.
 * @param reading a reading.
 * @param name    its name.
 * @param label_names  names of labels that it must have.
 * @param label_values their values.
 * @param label_count  how many; 0: any labels.
 * @param[out] index receives the first that fits.
 * @return 0, #TRIGPERF_E_NOT_FOUND. O(count).
 */
int32_t trigperf_reading_find(const trigperf_reading *reading, const char *name,
                              const char *const *label_names, const char *const *label_values,
                              uint32_t label_count, uint32_t *index);

/**
 * @brief Name of a series.
 * @param reading a reading.
 * @param index   which.
 * @return the name; NULL when out of range.
 */
const char *trigperf_reading_name(const trigperf_reading *reading, uint32_t index);

/**
 * @brief Help text of a series.
 * @param reading a reading.
 * @param index   which.
 * @return the text; NULL when out of range.
 */
const char *trigperf_reading_help(const trigperf_reading *reading, uint32_t index);

/**
 * @brief Type of a series.
 * @param reading a reading.
 * @param index   which.
 * @return one of #trigperf_series_type; -1 when out of range.
 */
int32_t trigperf_reading_type(const trigperf_reading *reading, uint32_t index);

/**
 * @brief How many labels a series has.
 * @param reading a reading.
 * @param index   which.
 * @return the count; 0 when out of range.
 */
uint32_t trigperf_reading_label_count(const trigperf_reading *reading, uint32_t index);

/**
 * @brief Name of a label; labels are sorted by name.
 * @param reading a reading.
 * @param index   which series.
 * @param label   which label.
 * @return the name; NULL when out of range.
 */
const char *trigperf_reading_label_name(const trigperf_reading *reading, uint32_t index,
                                        uint32_t label);

/**
 * @brief Value of a label.
 * @param reading a reading.
 * @param index   which series.
 * @param label   which label.
 * @return the value; NULL when out of range.
 */
const char *trigperf_reading_label_value(const trigperf_reading *reading, uint32_t index,
                                         uint32_t label);

/**
 * @brief Value of a counter or gauge; of a histogram the mean in seconds.
 * @param reading a reading.
 * @param index   which.
 * @return the value; NaN when out of range, or for an empty histogram.
 */
double trigperf_reading_value(const trigperf_reading *reading, uint32_t index);

/**
 * @brief Exact value of a counter, or number of durations of a histogram.
 * @param reading a reading.
 * @param index   which.
 * @return the count; 0 for a gauge or when out of range.
 */
uint64_t trigperf_reading_total(const trigperf_reading *reading, uint32_t index);

/**
 * @brief Adds a histogram of a reading to one that can be asked for quantiles.
 * @param reading a reading.
 * @param index   which.
 * @param histogram receives its counts, sum and maximum.
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_NOT_FOUND (out of range, or no histogram).
 */
int32_t trigperf_reading_histogram(const trigperf_reading *reading, uint32_t index,
                                   trigperf_histogram *histogram, trigperf_error **error);

/**
 * @brief The reading as text; see trigperf_series_text().
 * @param reading a reading.
 * @param format  `prometheus`, `openmetrics`, `summary` or `json`.
 * @param[out] text receives the text; release with trigperf_string_free().
 * @param[out] error see error.h; may be NULL.
 * @return 0, #TRIGPERF_E_INVALID (format), #TRIGPERF_E_NOMEM.
 */
int32_t trigperf_reading_text(const trigperf_reading *reading, const char *format, char **text,
                              trigperf_error **error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
