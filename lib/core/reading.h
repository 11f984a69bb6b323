/* Values of many series at one moment, by themselves: they outlive what they were read from. */
#ifndef TP_CORE_READING_H
#define TP_CORE_READING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/histogram.h"
#include "core/series_name.h"

typedef struct tp_reading tp_reading;

typedef struct tp_label {
    const char *name;
    const char *value;
} tp_label;

/* One series, as a view into a reading. */
typedef struct tp_series_view {
    const char *name;
    const char *help;
    tp_series_type type;
    uint32_t label_count;
    double value;   /* of counters and gauges */
    uint64_t count; /* of counters and histograms */
    uint64_t sum;   /* of histograms, ns, as max */
    uint64_t max;
    const int64_t *entries; /* packed, see core/packed.h */
    uint32_t entry_count;
} tp_series_view;

tp_reading *tp_reading_new(void); /* NULL when memory is short */
void tp_reading_free(tp_reading *reading);
/* Something that was put in was lost: memory was short. */
bool tp_reading_failed(const tp_reading *reading);

/* Putting in: samples belong to the family named last. All strings are copied. */
void tp_reading_family(tp_reading *reading, tp_series_type type, const char *name,
                       const char *help);
void tp_reading_counter(tp_reading *reading, const tp_label *labels, uint32_t label_count,
                        uint64_t value);
void tp_reading_gauge(tp_reading *reading, const tp_label *labels, uint32_t label_count,
                      double value);
void tp_reading_histogram(tp_reading *reading, const tp_label *labels, uint32_t label_count,
                          const int64_t *entries, uint32_t entry_count, uint64_t sum, uint64_t max);

uint32_t tp_reading_count(const tp_reading *reading);
/* Views and strings are valid until something is put in. index is below the count. */
tp_series_view tp_reading_at(const tp_reading *reading, uint32_t index);
tp_label tp_reading_label(const tp_reading *reading, uint32_t index, uint32_t label);
/* Value of a label, NULL when the series has none of that name. */
const char *tp_reading_label_value(const tp_reading *reading, uint32_t index, const char *name);
/* Families one after the other, each with its samples: *index starts at UINT32_MAX; false at the
 * end. first tells that another family begins. */
bool tp_reading_next(const tp_reading *reading, uint32_t *index, bool *first);

/* Adds another reading, of another process for instance: counters, gauges and histograms of the
 * same name and labels are added up, what is new is taken over. E_INVALID when a name has another
 * type there, E_NOMEM; then nothing was added. */
int32_t tp_reading_merge(tp_reading *into, const tp_reading *from, trigperf_error **err);

#endif
