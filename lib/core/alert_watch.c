/* Means, quantiles and ratios are of what came since the last value, and wait until that is enough
 * (min_samples), so a series that is used rarely is judged rarely, but not on less. A count that
 * went down (a reset, a process that began anew) starts over. Rates are of the time between two
 * readings; min_samples then counts readings, as it does for present values. */
#include "core/alert_watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/packed.h"

#define NS_PER_SECOND 1e9

void tp_alert_watch_free(tp_alert_watch *watch) {
    free(watch->entries);
    watch->entries = NULL;
}

static bool fits(const tp_alert_rule *rule, const tp_series_view *series,
                 const tp_series_view *over) {
    switch (rule->measure) {
    case TP_ALERT_VALUE:
        return series->type != TP_SERIES_HISTOGRAM;
    case TP_ALERT_RATE:
        return series->type != TP_SERIES_GAUGE;
    case TP_ALERT_MEAN:
    case TP_ALERT_QUANTILE:
        return series->type == TP_SERIES_HISTOGRAM;
    case TP_ALERT_RATIO:
    case TP_ALERT_SHARE:
        return series->type != TP_SERIES_GAUGE && over->type != TP_SERIES_GAUGE;
    case TP_ALERT_FED:
        break;
    }
    return false;
}

/* Notes what was read; false when memory is short, and then nothing was noted. */
static bool note(tp_alert_watch *watch, const tp_alert_rule *rule, const tp_series_view *series,
                 uint64_t other, uint64_t now_ms) {
    if (rule->measure == TP_ALERT_QUANTILE) {
        size_t size = series->entry_count * sizeof *series->entries;
        int64_t *copy = malloc(size + sizeof *copy);
        if (copy == NULL) {
            return false;
        }
        if (size > 0) {
            memcpy(copy, series->entries, size);
        }
        free(watch->entries);
        watch->entries = copy;
        watch->entry_count = series->entry_count;
    }
    watch->begun = true;
    watch->count = series->count;
    watch->other = other;
    watch->sum = series->sum;
    watch->at_ms = now_ms;
    return true;
}

static double quantile_since(const tp_alert_watch *watch, const tp_alert_rule *rule,
                             const tp_series_view *series) {
    int64_t since[TP_HISTOGRAM_BUCKETS];
    uint32_t count = tp_packed_subtract(series->entries, series->entry_count, watch->entries,
                                        watch->entry_count, since);
    return (double)tp_packed_quantile(since, count, series->max, rule->quantile) / NS_PER_SECOND;
}

/* Value and samples of what came since the last time; false: there is none. */
static bool measure(const tp_alert_watch *watch, const tp_alert_rule *rule,
                    const tp_series_view *series, uint64_t other, uint64_t now_ms, double *value,
                    uint64_t *samples) {
    uint64_t count = series->count - watch->count;
    uint64_t others = other - watch->other;
    switch (rule->measure) {
    case TP_ALERT_RATE:
        *samples = watch->judgements + 1;
        *value = (double)count * 1000 / (double)(now_ms - watch->at_ms);
        return now_ms > watch->at_ms;
    case TP_ALERT_MEAN:
        *samples = count;
        *value = (double)(series->sum - watch->sum) / (double)count / NS_PER_SECOND;
        return count > 0;
    case TP_ALERT_QUANTILE:
        *samples = count;
        *value = count == 0 ? 0 : quantile_since(watch, rule, series);
        return count > 0;
    case TP_ALERT_RATIO:
        *samples = others;
        *value = (double)count / (double)others;
        return others > 0;
    case TP_ALERT_SHARE:
        *samples = count + others;
        *value = (double)count / ((double)count + (double)others);
        return count + others > 0;
    case TP_ALERT_VALUE:
    case TP_ALERT_FED:
        break;
    }
    return false;
}

static tp_alert_watched read_present(tp_alert_watch *watch, const tp_alert_rule *rule,
                                     const tp_series_view *series, double *value,
                                     uint64_t *samples) {
    if (isnan(series->value)) {
        return TP_WATCH_NOT_YET;
    }
    watch->judgements++;
    *value = series->value;
    *samples = watch->judgements;
    return watch->judgements >= rule->min_samples ? TP_WATCH_VALUE : TP_WATCH_NOT_YET;
}

tp_alert_watched tp_alert_watch_read(tp_alert_watch *watch, const tp_alert_rule *rule,
                                     const tp_series_view *series, const tp_series_view *over,
                                     uint64_t now_ms, bool fresh, double *value,
                                     uint64_t *samples) {
    uint64_t other = over == NULL ? 0 : over->count;
    if (!fits(rule, series, over)) {
        return TP_WATCH_UNFIT;
    }
    if (rule->measure == TP_ALERT_VALUE) {
        return read_present(watch, rule, series, value, samples);
    }
    bool rate = rule->measure == TP_ALERT_RATE;
    bool restarted = series->count < watch->count || other < watch->other ||
                     series->sum < watch->sum || now_ms < watch->at_ms;
    if ((!watch->begun && (!fresh || rate)) || restarted) {
        return note(watch, rule, series, other, now_ms) ? TP_WATCH_NOT_YET : TP_WATCH_NOMEM;
    }
    if (!measure(watch, rule, series, other, now_ms, value, samples)) {
        return TP_WATCH_NOT_YET;
    }
    watch->judgements += rate ? 1 : 0;
    if (!rate && *samples < rule->min_samples) {
        return TP_WATCH_NOT_YET;
    }
    if (!note(watch, rule, series, other, now_ms)) {
        return TP_WATCH_NOMEM;
    }
    return *samples < rule->min_samples ? TP_WATCH_NOT_YET : TP_WATCH_VALUE;
}
