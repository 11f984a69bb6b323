/* The public side of lib/core/series.h. What records is short and takes no lock; everything else
 * that can happen there is in functions of its own, out of the way. */
#include <trigperf/series.h>

#include <math.h>
#include <string.h>

#include "api/context.h"
#include "api/meter.h"
#include "api/text_format.h"

static tp_series *inner(trigperf_series *series) {
    return (tp_series *)(void *)series;
}

static tp_recorder *cells(trigperf_recorder *recorder) {
    return (tp_recorder *)(void *)recorder;
}

int32_t trigperf_series_resolve(trigperf_context *context, uint32_t type, const char *name,
                                const char *help, const char *const *label_names,
                                const char *const *label_values, uint32_t label_count,
                                trigperf_series **series, trigperf_error **error) {
    tp_series *found = NULL;
    tp_series_definition definition = {type, name, help, label_names, label_values, label_count};
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK && name != NULL && strncmp(name, "trigperf_", 9) == 0) {
        status = tp_error_set(error, TRIGPERF_E_INVALID, "begin with the name of your program",
                              "series \"%.200s\": expected another beginning than trigperf_, "
                              "which is the library's own",
                              name);
    }
    if (status == TRIGPERF_OK) {
        status = tp_meter_resolve(tp_context_meter(context), &definition, &found, error);
    }
    if (status == TRIGPERF_OK) {
        *series = (trigperf_series *)(void *)found;
    }
    return status;
}

/* --- recording ---------------------------------------------------------------------------------*/

static __attribute__((noinline)) int32_t add_first(tp_recorder *recorder, uint32_t slot,
                                                   uint64_t amount) {
    tp_tally *tally = tp_recorder_add_tally(recorder, slot);
    if (tally == NULL) {
        return TRIGPERF_E_NOMEM;
    }
    tp_tally_add(tally, amount);
    return TRIGPERF_OK;
}

/* A thread's first record into a series, negative durations, and counts that are full. */
static __attribute__((noinline)) int32_t record_rest(tp_recorder *recorder, uint32_t slot,
                                                     int64_t ns) {
    tp_shard *shard = tp_recorder_cell(recorder, slot);
    shard = shard == NULL ? tp_recorder_add_shard(recorder, slot) : shard;
    if (shard == NULL) {
        return TRIGPERF_E_NOMEM;
    }
    if (ns < 0) {
        tp_tally_add(&recorder->negative, 1);
    }
    tp_recorder_record(recorder, shard, ns < 0 ? 0 : (uint64_t)ns);
    return TRIGPERF_OK;
}

static inline int32_t add(tp_recorder *recorder, uint32_t slot, uint64_t amount) {
    tp_tally *tally = tp_recorder_cell(recorder, slot);
    if (__builtin_expect(tally == NULL, 0)) {
        return add_first(recorder, slot, amount);
    }
    tp_tally_add(tally, amount);
    return TRIGPERF_OK;
}

static inline int32_t record(tp_recorder *recorder, uint32_t slot, int64_t ns) {
    tp_shard *shard = tp_recorder_cell(recorder, slot);
    if (__builtin_expect(shard == NULL || ns < 0 || !tp_shard_record(shard, (uint64_t)ns), 0)) {
        return record_rest(recorder, slot, ns);
    }
    return TRIGPERF_OK;
}

int32_t trigperf_recorder_add(trigperf_recorder *recorder, trigperf_series *series,
                              uint64_t amount) {
    if (recorder == NULL ||
        !tp_series_is(inner(series), cells(recorder)->owner, TP_SERIES_COUNTER)) {
        return TRIGPERF_E_INVALID;
    }
    return add(cells(recorder), inner(series)->slot, amount);
}

int32_t trigperf_recorder_record(trigperf_recorder *recorder, trigperf_series *series, int64_t ns) {
    if (recorder == NULL ||
        !tp_series_is(inner(series), cells(recorder)->owner, TP_SERIES_HISTOGRAM)) {
        return TRIGPERF_E_INVALID;
    }
    return record(cells(recorder), inner(series)->slot, ns);
}

int32_t trigperf_recorder_timer(trigperf_recorder *recorder, trigperf_series *series,
                                trigperf_timer **timer, trigperf_error **error) {
    if (recorder == NULL ||
        !tp_series_is(inner(series), cells(recorder)->owner, TP_SERIES_HISTOGRAM)) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "pass a series that was resolved as one",
                            "expected a recorder and a histogram of the same context");
    }
    tp_shard *shard = tp_recorder_cell(cells(recorder), inner(series)->slot);
    shard = shard == NULL ? tp_recorder_add_shard(cells(recorder), inner(series)->slot) : shard;
    if (shard == NULL) {
        return tp_error_nomem(error);
    }
    tp_place *place = tp_recorder_place(cells(recorder), inner(series)->slot);
    *timer = (trigperf_timer *)(uintptr_t)place;
    return TRIGPERF_OK;
}

static __attribute__((noinline)) void record_odd(tp_place *place, tp_shard *shard, int64_t ns) {
    tp_recorder *recorder = tp_recorder_of(place);
    if (ns < 0) {
        tp_tally_add(&recorder->negative, 1);
    }
    tp_recorder_record(recorder, shard, ns < 0 ? 0 : (uint64_t)ns);
}

void trigperf_timer_record(trigperf_timer *timer, int64_t ns) {
    tp_place *place = (tp_place *)(void *)timer;
    tp_shard *shard = atomic_load_explicit(place, memory_order_relaxed);
    if (__builtin_expect(ns < 0 || !tp_shard_record(shard, (uint64_t)ns), 0)) {
        record_odd(place, shard, ns);
    }
}

static bool has_type(trigperf_series *series, tp_series_type type) {
    return series != NULL && inner(series)->type == type;
}

static __attribute__((noinline)) int32_t add_by_key(trigperf_series *series, uint64_t amount) {
    tp_recorder *recorder = NULL;
    if (!has_type(series, TP_SERIES_COUNTER)) {
        return TRIGPERF_E_INVALID;
    }
    int32_t status = tp_meter_find(inner(series)->host, &recorder);
    return status == TRIGPERF_OK ? add(recorder, inner(series)->slot, amount) : status;
}

int32_t trigperf_series_add(trigperf_series *series, uint64_t amount) {
    const tp_meter_seat *seat = NULL;
    if (has_type(series, TP_SERIES_COUNTER)) {
        seat = tp_meter_seated(inner(series)->host);
    }
    return __builtin_expect(seat != NULL, 1) ? add(seat->recorder, inner(series)->slot, amount)
                                             : add_by_key(series, amount);
}

static __attribute__((noinline)) int32_t record_by_key(trigperf_series *series, int64_t ns) {
    tp_recorder *recorder = NULL;
    if (!has_type(series, TP_SERIES_HISTOGRAM)) {
        return TRIGPERF_E_INVALID;
    }
    int32_t status = tp_meter_find(inner(series)->host, &recorder);
    return status == TRIGPERF_OK ? record(recorder, inner(series)->slot, ns) : status;
}

int32_t trigperf_series_record(trigperf_series *series, int64_t ns) {
    const tp_meter_seat *seat = NULL;
    if (has_type(series, TP_SERIES_HISTOGRAM)) {
        seat = tp_meter_seated(inner(series)->host);
    }
    return __builtin_expect(seat != NULL, 1) ? record(seat->recorder, inner(series)->slot, ns)
                                             : record_by_key(series, ns);
}

int32_t trigperf_series_record_seconds(trigperf_series *series, double seconds) {
    if (isnan(seconds)) {
        return TRIGPERF_E_INVALID;
    }
    double ns = seconds * 1e9;
    return trigperf_series_record(series, ns >= 9.2e18 ? INT64_MAX
                                          : ns < 0     ? -1
                                                       : (int64_t)(ns + 0.5));
}

int32_t trigperf_series_set(trigperf_series *series, double value) {
    if (!has_type(series, TP_SERIES_GAUGE)) {
        return TRIGPERF_E_INVALID;
    }
    tp_series_set(inner(series), value);
    return TRIGPERF_OK;
}

int32_t trigperf_series_change(trigperf_series *series, double amount) {
    if (!has_type(series, TP_SERIES_GAUGE)) {
        return TRIGPERF_E_INVALID;
    }
    tp_series_change(inner(series), amount);
    return TRIGPERF_OK;
}

int32_t trigperf_recorder_new(trigperf_context *context, trigperf_recorder **recorder,
                              trigperf_error **error) {
    tp_recorder *taken = NULL;
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        status = tp_meter_recorder(tp_context_meter(context), &taken, error);
    }
    if (status == TRIGPERF_OK) {
        *recorder = (trigperf_recorder *)(void *)taken;
    }
    return status;
}

void trigperf_recorder_free(trigperf_recorder *recorder) {
    if (recorder != NULL) {
        tp_meter_give_back(cells(recorder));
    }
}

/* --- reading -----------------------------------------------------------------------------------*/

int32_t trigperf_series_reset(trigperf_context *context, trigperf_error **error) {
    tp_reading *reading = NULL;
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        status = tp_meter_read(tp_context_meter(context), NULL, NULL, true, &reading, error);
    }
    tp_reading_free(reading);
    return status;
}

int32_t trigperf_series_text(trigperf_context *context, const char *format, char **text,
                             trigperf_error **error) {
    tp_reading *reading = NULL;
    int32_t status = tp_context_check(context, error);
    if (status == TRIGPERF_OK) {
        status = tp_text_format_check(format, error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_meter_read(tp_context_meter(context), NULL, NULL, false, &reading, error);
    }
    if (status == TRIGPERF_OK) {
        status = tp_text_format_write(reading, format, text, error);
    }
    tp_reading_free(reading);
    return status;
}
