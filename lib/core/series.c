/* A series is found by its canonical key, name and sorted labels, once; from then on its handle has
 * all that recording needs. Each has a slot number, which every recorder turns into a cell.
 *
 * Nothing is ever taken out: a handle is valid as long as the registry, and a bound on the number
 * of series bounds the memory, whatever a host puts into labels. What does not fit is refused with
 * an error, and counted.
 *
 * Cells of other threads cannot be cleared, so a reset notes where they stand and later readings
 * subtract it; nothing recorded meanwhile is lost or counted twice. Only the maximum cannot be
 * subtracted: after a reset it is exact up to the width of a bucket (1/32), and never too small.
 *
 * Resolving: one hash lookup. Reading: the number of series times that of recorders that touched
 * them, about a microsecond for a histogram each. */
#include "core/series.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "core/packed.h"

#define LINE 64u

typedef struct family {
    char *name;
    char *help;
    tp_series_type type;
    tp_series *first;
    tp_series *last;
} family;

struct tp_metrics {
    uint32_t max_series;
    void *host;
    tp_map *by_key;
    tp_map *families;
    tp_recorder *recorders;
    tp_recorder *free_recorders;
    tp_metrics_counters counters;
    tp_histogram scratch;
    int64_t entries[TP_HISTOGRAM_BUCKETS];
    int64_t since[TP_HISTOGRAM_BUCKETS];
};

int32_t tp_metrics_new(uint32_t max_series, void *host, tp_metrics **out, trigperf_error **err) {
    tp_metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL) {
        return tp_error_nomem(err);
    }
    metrics->max_series = max_series;
    metrics->host = host;
    metrics->by_key = tp_map_new();
    metrics->families = tp_map_new();
    if (metrics->by_key == NULL || metrics->families == NULL) {
        tp_metrics_free(metrics);
        return tp_error_nomem(err);
    }
    *out = metrics;
    return TRIGPERF_OK;
}

static void free_series(void *value) {
    tp_series *series = value;
    free(series->base_entries);
    free(series->next_entries);
    free(series->memory);
}

static void free_family(void *value) {
    family *one = value;
    free(one->name);
    free(one->help);
    free(one);
}

void tp_metrics_free(tp_metrics *metrics) {
    if (metrics == NULL) {
        return;
    }
    while (metrics->recorders != NULL) {
        tp_recorder *recorder = metrics->recorders;
        metrics->recorders = recorder->next;
        tp_recorder_free(recorder);
    }
    tp_map_free(metrics->by_key, free_series);
    tp_map_free(metrics->families, free_family);
    free(metrics);
}

/* --- resolving ---------------------------------------------------------------------------------*/

static int compare_labels(const void *a, const void *b) {
    const tp_label *left = a;
    const tp_label *right = b;
    return strcmp(left->name, right->name);
}

/* NULLs where something is missing. */
static tp_label label_at(const tp_series_definition *definition, uint32_t i) {
    bool given = definition->label_names != NULL && definition->label_values != NULL;
    return given ? (tp_label){definition->label_names[i], definition->label_values[i]}
                 : (tp_label){NULL, NULL};
}

/* Checks labels, leaves out empty ones and sorts the rest. */
static int32_t collect_labels(const tp_series_definition *definition, tp_label *labels,
                              uint32_t *count, trigperf_error **err) {
    *count = 0;
    if (definition->label_count > TP_SERIES_LABELS_MAX) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "use fewer labels",
                            "series \"%s\": expected at most %u labels, got %u", definition->name,
                            TP_SERIES_LABELS_MAX, definition->label_count);
    }
    for (uint32_t i = 0; i < definition->label_count; i++) {
        tp_label label = label_at(definition, i);
        int32_t status = tp_series_check_label(label.name, label.value, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
        if (label.value[0] != '\0') {
            labels[(*count)++] = label;
        }
    }
    qsort(labels, *count, sizeof *labels, compare_labels);
    for (uint32_t i = 1; i < *count; i++) {
        if (strcmp(labels[i - 1].name, labels[i].name) == 0) {
            return tp_error_set(err, TRIGPERF_E_INVALID, "name each label once",
                                "series \"%s\": expected different labels, got \"%s\" twice",
                                definition->name, labels[i].name);
        }
    }
    return TRIGPERF_OK;
}

static void put_key(const char *name, const tp_label *labels, uint32_t count, tp_strbuf *key) {
    tp_strbuf_add(key, name, strlen(name) + 1);
    for (uint32_t i = 0; i < count; i++) {
        tp_strbuf_add(key, labels[i].name, strlen(labels[i].name) + 1);
        tp_strbuf_add(key, labels[i].value, strlen(labels[i].value) + 1);
    }
}

static int32_t add_family(tp_metrics *metrics, const tp_series_definition *definition, family **out,
                          trigperf_error **err) {
    int32_t status = tp_series_check_help(definition->name, definition->help, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    family *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return tp_error_nomem(err);
    }
    fresh->type = (tp_series_type)definition->type;
    fresh->name = tp_text_copy(definition->name);
    fresh->help = tp_text_copy(definition->help);
    if (fresh->name == NULL || fresh->help == NULL ||
        !tp_map_put_str(metrics->families, definition->name, fresh, NULL)) {
        free_family(fresh);
        return tp_error_nomem(err);
    }
    *out = fresh;
    return TRIGPERF_OK;
}

static int32_t find_family(tp_metrics *metrics, const tp_series_definition *definition,
                           family **out, trigperf_error **err) {
    *out = tp_map_get_str(metrics->families, definition->name);
    if (*out == NULL) {
        return add_family(metrics, definition, out, err);
    }
    if ((*out)->type != definition->type) {
        return tp_error_set(err, TRIGPERF_E_EXISTS, "choose another name",
                            "series \"%s\": expected a %s, as before, got a %s", definition->name,
                            tp_series_type_name((*out)->type),
                            tp_series_type_name(definition->type));
    }
    return TRIGPERF_OK;
}

/* On cache lines of its own: a gauge that is set must not slow down whoever looks at a neighbour.
 */
static tp_series *allocate_series(uint32_t label_count, size_t text) {
    size_t size = sizeof(tp_series) + label_count * sizeof(tp_label) + text;
    char *memory = calloc(1, size + 2 * LINE);
    if (memory == NULL) {
        return NULL;
    }
    tp_series *series = (tp_series *)(void *)(memory + (LINE - (uintptr_t)memory % LINE) % LINE);
    series->memory = memory;
    series->label_count = label_count;
    return series;
}

/* The key's copy holds the texts of the labels. */
static tp_series *make_series(tp_metrics *metrics, const tp_strbuf *key, uint32_t type,
                              uint32_t label_count) {
    tp_series *series = allocate_series(label_count, key->length);
    if (series == NULL) {
        return NULL;
    }
    char *text = (char *)&series->labels[label_count];
    memcpy(text, key->data, key->length);
    text += strlen(text) + 1;
    for (uint32_t i = 0; i < label_count; i++) {
        series->labels[i].name = text;
        text += strlen(text) + 1;
        series->labels[i].value = text;
        text += strlen(text) + 1;
    }
    series->owner = tp_series_owner((uintptr_t)metrics, (tp_series_type)type);
    series->type = type;
    series->host = metrics->host;
    series->slot = (uint32_t)metrics->counters.series;
    return series;
}

static int32_t add_series(tp_metrics *metrics, const tp_series_definition *definition,
                          const tp_strbuf *key, uint32_t label_count, tp_series **out,
                          trigperf_error **err) {
    family *of = NULL;
    if (metrics->counters.series >= metrics->max_series) {
        metrics->counters.refused++;
        return tp_error_set(err, TRIGPERF_E_LIMIT,
                            "raise metrics.max_series, or use labels with fewer values",
                            "series \"%s\": the limit of %u series is reached", definition->name,
                            metrics->max_series);
    }
    int32_t status = find_family(metrics, definition, &of, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_series *series = make_series(metrics, key, definition->type, label_count);
    if (series == NULL || !tp_map_put(metrics->by_key, key->data, key->length, series, NULL)) {
        free(series == NULL ? NULL : series->memory);
        return tp_error_nomem(err);
    }
    *(of->first == NULL ? &of->first : &of->last->next) = series;
    of->last = series;
    metrics->counters.series++;
    *out = series;
    return TRIGPERF_OK;
}

static int32_t resolve(tp_metrics *metrics, const tp_series_definition *definition,
                       const tp_label *labels, uint32_t count, tp_series **out,
                       trigperf_error **err) {
    tp_strbuf key = TP_STRBUF_INIT;
    int32_t status = TRIGPERF_OK;
    put_key(definition->name, labels, count, &key);
    tp_series *known = key.failed ? NULL : tp_map_get(metrics->by_key, key.data, key.length);
    if (key.failed) {
        status = tp_error_nomem(err);
    } else if (known == NULL) {
        status = add_series(metrics, definition, &key, count, out, err);
    } else if (known->type != definition->type) {
        family *of = NULL;
        status = find_family(metrics, definition, &of, err);
    } else {
        *out = known;
    }
    tp_strbuf_free(&key);
    return status;
}

int32_t tp_metrics_resolve(tp_metrics *metrics, const tp_series_definition *definition,
                           tp_series **out, trigperf_error **err) {
    tp_label labels[TP_SERIES_LABELS_MAX];
    uint32_t count = 0;
    int32_t status = tp_series_check_name(definition->type, definition->name, err);
    if (status == TRIGPERF_OK) {
        status = collect_labels(definition, labels, &count, err);
    }
    return status == TRIGPERF_OK ? resolve(metrics, definition, labels, count, out, err) : status;
}

/* --- recording ---------------------------------------------------------------------------------*/

tp_recorder *tp_metrics_recorder(tp_metrics *metrics) {
    tp_recorder *recorder = metrics->free_recorders;
    if (recorder != NULL) {
        metrics->free_recorders = recorder->next_free;
        return recorder;
    }
    recorder = tp_recorder_new((uintptr_t)metrics, metrics->max_series);
    if (recorder != NULL) {
        recorder->host = metrics->host;
        recorder->next = metrics->recorders;
        metrics->recorders = recorder;
        metrics->counters.recorders++;
    }
    return recorder;
}

void tp_metrics_give_back(tp_metrics *metrics, tp_recorder *recorder) {
    recorder->next_free = metrics->free_recorders;
    metrics->free_recorders = recorder;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void tp_series_set(tp_series *series, double value) {
    atomic_store_explicit(&series->gauge, bits_of(value), memory_order_relaxed);
}

void tp_series_change(tp_series *series, double amount) {
    uint64_t before = atomic_load_explicit(&series->gauge, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&series->gauge, &before,
                                                  bits_of(double_of(before) + amount),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static double value_of(const tp_series *series) {
    return double_of(atomic_load_explicit(&series->gauge, memory_order_relaxed));
}

/* --- reading -----------------------------------------------------------------------------------*/

static void read_counter(tp_metrics *metrics, tp_series *series, tp_reading *into) {
    uint64_t total = 0;
    for (tp_recorder *one = metrics->recorders; one != NULL; one = one->next) {
        total = tp_sum_saturating(total, tp_recorder_tally(one, series->slot));
    }
    tp_reading_counter(into, series->labels, series->label_count, total - series->base);
    series->next_sum = total;
}

/* Largest duration since the reset, as far as it can be told. */
static uint64_t max_since(const tp_metrics *metrics, const tp_series *series, uint32_t count) {
    uint64_t max = metrics->scratch.max;
    if (series->base_entries == NULL) {
        return max;
    }
    uint32_t highest = count == 0 ? 0 : tp_packed_bucket(metrics->since[count - 1]);
    uint64_t edge = count == 0                    ? 0
                    : highest < TP_HISTOGRAM_LAST ? tp_histogram_lower(highest + 1) - 1
                                                  : UINT64_MAX;
    return max < edge ? max : edge;
}

/* Notes where a histogram stands, for a reset that is under way. */
static bool note_entries(tp_metrics *metrics, tp_series *series, uint32_t count) {
    series->next_entries = malloc((count + 1) * sizeof *series->next_entries);
    if (series->next_entries == NULL) {
        return false;
    }
    memcpy(series->next_entries, metrics->entries, count * sizeof *series->next_entries);
    series->next_count = count;
    series->next_sum = metrics->scratch.sum;
    return true;
}

static bool read_histogram(tp_metrics *metrics, tp_series *series, bool reset, tp_reading *into) {
    tp_histogram *sum = &metrics->scratch;
    memset(sum, 0, sizeof *sum);
    for (tp_recorder *one = metrics->recorders; one != NULL; one = one->next) {
        tp_recorder_sum(one, series->slot, sum);
    }
    uint32_t count = tp_packed_encode(sum, metrics->entries);
    uint32_t since = tp_packed_subtract(metrics->entries, count, series->base_entries,
                                        series->base_count, metrics->since);
    tp_reading_histogram(into, series->labels, series->label_count, metrics->since, since,
                         sum->sum - series->base_sum, max_since(metrics, series, since));
    return !reset || note_entries(metrics, series, count);
}

static bool read_series(tp_metrics *metrics, tp_series *series, bool reset, tp_reading *into) {
    switch ((tp_series_type)series->type) {
    case TP_SERIES_COUNTER:
        read_counter(metrics, series, into);
        return true;
    case TP_SERIES_GAUGE:
        tp_reading_gauge(into, series->labels, series->label_count, value_of(series));
        return true;
    case TP_SERIES_HISTOGRAM:
        return read_histogram(metrics, series, reset, into);
    }
    return true;
}

/* What was noted becomes the base (done), or is forgotten. */
static void end_reset(tp_series *series, bool done) {
    if (series->type == TP_SERIES_COUNTER) {
        series->base = done ? series->next_sum : series->base;
    } else if (series->type == TP_SERIES_HISTOGRAM && series->next_entries != NULL) {
        free(done ? series->base_entries : series->next_entries);
        series->base_entries = done ? series->next_entries : series->base_entries;
        series->base_count = done ? series->next_count : series->base_count;
        series->base_sum = done ? series->next_sum : series->base_sum;
        series->next_entries = NULL;
    }
}

static void end_resets(tp_metrics *metrics, bool done) {
    void *cursor = NULL;
    void *value;
    while (tp_map_next(metrics->by_key, &cursor, NULL, &value)) {
        end_reset(value, done);
    }
}

int32_t tp_metrics_read(tp_metrics *metrics, bool (*wanted)(void *user, const char *name),
                        void *user, bool reset, tp_reading *into, trigperf_error **err) {
    void *cursor = NULL;
    void *value;
    bool good = true;
    while (tp_map_next(metrics->families, &cursor, NULL, &value)) {
        family *one = value;
        if (wanted != NULL && !wanted(user, one->name)) {
            continue;
        }
        tp_reading_family(into, one->type, one->name, one->help);
        for (tp_series *series = one->first; good && series != NULL; series = series->next) {
            good = read_series(metrics, series, reset, into);
        }
    }
    good = good && !tp_reading_failed(into);
    if (reset) {
        end_resets(metrics, good);
    }
    return good ? TRIGPERF_OK : tp_error_nomem(err);
}

void tp_metrics_counters_get(const tp_metrics *metrics, tp_metrics_counters *out) {
    *out = metrics->counters;
    for (tp_recorder *one = metrics->recorders; one != NULL; one = one->next) {
        out->negative += atomic_load_explicit(&one->negative, memory_order_relaxed);
        out->lost += atomic_load_explicit(&one->lost, memory_order_relaxed);
    }
}
