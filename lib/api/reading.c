/* The public side of lib/core/reading.h. */
#include <trigperf/reading.h>

#include <math.h>
#include <string.h>

#include "api/context.h"
#include "api/meter.h"
#include "api/text_format.h"
#include "core/packed.h"

static const tp_reading *inner(const trigperf_reading *reading) {
    return (const tp_reading *)(const void *)reading;
}

int32_t trigperf_series_read(trigperf_context *context, int32_t reset, trigperf_reading **reading,
                             trigperf_error **error) {
    tp_reading *made = NULL;
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        status = tp_meter_read(tp_context_meter(context), NULL, NULL, reset != 0, &made, error);
    }
    if (status == TRIGPERF_OK) {
        *reading = (trigperf_reading *)(void *)made;
    }
    return status;
}

void trigperf_reading_free(trigperf_reading *reading) {
    tp_reading_free((tp_reading *)(void *)reading);
}

int32_t trigperf_reading_merge(trigperf_reading *into, const trigperf_reading *from,
                               trigperf_error **error) {
    return tp_reading_merge((tp_reading *)(void *)into, inner(from), error);
}

uint32_t trigperf_reading_count(const trigperf_reading *reading) {
    return tp_reading_count(inner(reading));
}

static bool has(const trigperf_reading *reading, uint32_t index) {
    return index < tp_reading_count(inner(reading));
}

static bool fits(const tp_reading *reading, uint32_t index, const char *name,
                 const char *const *label_names, const char *const *label_values,
                 uint32_t label_count) {
    bool same = strcmp(tp_reading_at(reading, index).name, name) == 0;
    for (uint32_t i = 0; same && i < label_count; i++) {
        const char *value = tp_reading_label_value(reading, index, label_names[i]);
        same = value != NULL && strcmp(value, label_values[i]) == 0;
    }
    return same;
}

int32_t trigperf_reading_find(const trigperf_reading *reading, const char *name,
                              const char *const *label_names, const char *const *label_values,
                              uint32_t label_count, uint32_t *index) {
    for (uint32_t i = 0; has(reading, i); i++) {
        if (fits(inner(reading), i, name, label_names, label_values, label_count)) {
            *index = i;
            return TRIGPERF_OK;
        }
    }
    return TRIGPERF_E_NOT_FOUND;
}

const char *trigperf_reading_name(const trigperf_reading *reading, uint32_t index) {
    return has(reading, index) ? tp_reading_at(inner(reading), index).name : NULL;
}

const char *trigperf_reading_help(const trigperf_reading *reading, uint32_t index) {
    return has(reading, index) ? tp_reading_at(inner(reading), index).help : NULL;
}

int32_t trigperf_reading_type(const trigperf_reading *reading, uint32_t index) {
    return has(reading, index) ? (int32_t)tp_reading_at(inner(reading), index).type : -1;
}

uint32_t trigperf_reading_label_count(const trigperf_reading *reading, uint32_t index) {
    return has(reading, index) ? tp_reading_at(inner(reading), index).label_count : 0;
}

const char *trigperf_reading_label_name(const trigperf_reading *reading, uint32_t index,
                                        uint32_t label) {
    return label < trigperf_reading_label_count(reading, index)
               ? tp_reading_label(inner(reading), index, label).name
               : NULL;
}

const char *trigperf_reading_label_value(const trigperf_reading *reading, uint32_t index,
                                         uint32_t label) {
    return label < trigperf_reading_label_count(reading, index)
               ? tp_reading_label(inner(reading), index, label).value
               : NULL;
}

double trigperf_reading_value(const trigperf_reading *reading, uint32_t index) {
    if (!has(reading, index)) {
        return NAN;
    }
    tp_series_view sample = tp_reading_at(inner(reading), index);
    if (sample.type != TP_SERIES_HISTOGRAM) {
        return sample.value;
    }
    return sample.count == 0 ? NAN : (double)sample.sum / (double)sample.count / 1e9;
}

uint64_t trigperf_reading_total(const trigperf_reading *reading, uint32_t index) {
    return has(reading, index) ? tp_reading_at(inner(reading), index).count : 0;
}

int32_t trigperf_reading_histogram(const trigperf_reading *reading, uint32_t index,
                                   trigperf_histogram *histogram, trigperf_error **error) {
    if (trigperf_reading_type(reading, index) != TP_SERIES_HISTOGRAM) {
        return tp_error_set(error, TRIGPERF_E_NOT_FOUND, "look with trigperf_reading_type()",
                            "series %u of this reading is no histogram", index);
    }
    tp_series_view sample = tp_reading_at(inner(reading), index);
    return trigperf_histogram_decode(histogram, TP_PACKED_VERSION, sample.entries,
                                     sample.entry_count, sample.sum, sample.max, error);
}

int32_t trigperf_reading_text(const trigperf_reading *reading, const char *format, char **text,
                              trigperf_error **error) {
    return tp_text_format_write(inner(reading), format, text, error);
}
