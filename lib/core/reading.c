/* Growing arrays of plain rows, with text and packed histograms in pools of their own: no
 * allocation for each series, and freeing is a handful of calls. Failure is sticky, as in the
 * string buffer. Rows of a family are chained, so that a merge may add to any of them. */
#include "core/reading.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/map.h"
#include "base/strbuf.h"
#include "core/packed.h"

#define NONE UINT32_MAX

typedef struct family_row {
    size_t name; /* offsets into the text */
    size_t help;
    tp_series_type type;
    uint32_t first;
    uint32_t last;
} family_row;

typedef struct sample_row {
    uint32_t family;
    uint32_t next;
    uint32_t label_first;
    uint32_t label_count;
    double value;
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint32_t entry_first;
    uint32_t entry_count;
} sample_row;

typedef struct label_row {
    size_t name;
    size_t value;
} label_row;

struct tp_reading {
    family_row *families;
    sample_row *samples;
    label_row *labels;
    int64_t *entries;
    uint32_t family_count, family_room;
    uint32_t sample_count, sample_room;
    uint32_t label_count, label_room;
    uint32_t entry_count, entry_room;
    uint32_t family; /* that samples are put into */
    tp_strbuf text;
    bool failed;
};

tp_reading *tp_reading_new(void) {
    return calloc(1, sizeof(tp_reading));
}

void tp_reading_free(tp_reading *reading) {
    if (reading == NULL) {
        return;
    }
    free(reading->families);
    free(reading->samples);
    free(reading->labels);
    free(reading->entries);
    tp_strbuf_free(&reading->text);
    free(reading);
}

bool tp_reading_failed(const tp_reading *reading) {
    return reading->failed || reading->text.failed;
}

static size_t put_text(tp_reading *reading, const char *text) {
    size_t at = reading->text.length;
    tp_strbuf_add(&reading->text, text, strlen(text) + 1);
    return at;
}

/* The array with room for more elements; as it is, and failed, when memory is short. */
static void *room(tp_reading *reading, void *items, uint32_t *capacity, uint32_t count,
                  uint32_t more, size_t size) {
    void *grown =
        count > UINT32_MAX - more ? NULL : tp_array_reserve(items, capacity, count + more, size);
    reading->failed = reading->failed || grown == NULL;
    return grown == NULL ? items : grown;
}

void tp_reading_family(tp_reading *reading, tp_series_type type, const char *name,
                       const char *help) {
    reading->families = room(reading, reading->families, &reading->family_room,
                             reading->family_count, 1, sizeof *reading->families);
    if (reading->failed) {
        return;
    }
    reading->family = reading->family_count++;
    family_row *row = &reading->families[reading->family];
    row->name = put_text(reading, name);
    row->help = put_text(reading, help);
    row->type = type;
    row->first = NONE;
    row->last = NONE;
}

/* A new row of the present family, with its labels; NULL when memory is short. */
static sample_row *add_sample(tp_reading *reading, const tp_label *labels, uint32_t label_count) {
    reading->samples = room(reading, reading->samples, &reading->sample_room, reading->sample_count,
                            1, sizeof *reading->samples);
    reading->labels = room(reading, reading->labels, &reading->label_room, reading->label_count,
                           label_count, sizeof *reading->labels);
    if (reading->failed) {
        return NULL;
    }
    uint32_t index = reading->sample_count++;
    family_row *family = &reading->families[reading->family];
    *(family->first == NONE ? &family->first : &reading->samples[family->last].next) = index;
    family->last = index;
    sample_row *row = &reading->samples[index];
    *row = (sample_row){.family = reading->family,
                        .next = NONE,
                        .label_first = reading->label_count,
                        .label_count = label_count,
                        .entry_first = reading->entry_count};
    for (uint32_t i = 0; i < label_count; i++) {
        label_row *label = &reading->labels[reading->label_count++];
        label->name = put_text(reading, labels[i].name);
        label->value = put_text(reading, labels[i].value);
    }
    return row;
}

void tp_reading_counter(tp_reading *reading, const tp_label *labels, uint32_t label_count,
                        uint64_t value) {
    sample_row *row = add_sample(reading, labels, label_count);
    if (row != NULL) {
        row->count = value;
        row->value = (double)value;
    }
}

void tp_reading_gauge(tp_reading *reading, const tp_label *labels, uint32_t label_count,
                      double value) {
    sample_row *row = add_sample(reading, labels, label_count);
    if (row != NULL) {
        row->value = value;
    }
}

static void put_entries(tp_reading *reading, sample_row *row, const int64_t *entries,
                        uint32_t count) {
    reading->entries = room(reading, reading->entries, &reading->entry_room, reading->entry_count,
                            count, sizeof *entries);
    if (!reading->failed) {
        row->entry_first = reading->entry_count;
        row->entry_count = count;
        if (count > 0) {
            memcpy(reading->entries + row->entry_first, entries, count * sizeof *entries);
        }
        reading->entry_count += count;
    }
}

void tp_reading_histogram(tp_reading *reading, const tp_label *labels, uint32_t label_count,
                          const int64_t *entries, uint32_t entry_count, uint64_t sum,
                          uint64_t max) {
    sample_row *row = add_sample(reading, labels, label_count);
    if (row != NULL) {
        row->count = tp_packed_count(entries, entry_count);
        row->sum = sum;
        row->max = max;
        put_entries(reading, row, entries, entry_count);
    }
}

uint32_t tp_reading_count(const tp_reading *reading) {
    return reading->sample_count;
}

tp_series_view tp_reading_at(const tp_reading *reading, uint32_t index) {
    const sample_row *row = &reading->samples[index];
    const family_row *family = &reading->families[row->family];
    return (tp_series_view){.name = reading->text.data + family->name,
                            .help = reading->text.data + family->help,
                            .type = family->type,
                            .label_count = row->label_count,
                            .value = row->value,
                            .count = row->count,
                            .sum = row->sum,
                            .max = row->max,
                            .entries =
                                row->entry_count == 0 ? NULL : reading->entries + row->entry_first,
                            .entry_count = row->entry_count};
}

tp_label tp_reading_label(const tp_reading *reading, uint32_t index, uint32_t label) {
    const label_row *row = &reading->labels[reading->samples[index].label_first + label];
    return (tp_label){reading->text.data + row->name, reading->text.data + row->value};
}

const char *tp_reading_label_value(const tp_reading *reading, uint32_t index, const char *name) {
    for (uint32_t i = 0; i < reading->samples[index].label_count; i++) {
        tp_label label = tp_reading_label(reading, index, i);
        if (strcmp(label.name, name) == 0) {
            return label.value;
        }
    }
    return NULL;
}

bool tp_reading_next(const tp_reading *reading, uint32_t *index, bool *first) {
    uint32_t family = 0;
    if (*index != NONE) {
        const sample_row *row = &reading->samples[*index];
        if (row->next != NONE) {
            *index = row->next;
            *first = false;
            return true;
        }
        family = row->family + 1;
    }
    while (family < reading->family_count && reading->families[family].first == NONE) {
        family++;
    }
    if (family >= reading->family_count) {
        return false;
    }
    *index = reading->families[family].first;
    *first = true;
    return true;
}

/* Name and labels of a series, with NULs between. */
static void put_key(const tp_reading *reading, uint32_t index, tp_strbuf *key) {
    tp_series_view sample = tp_reading_at(reading, index);
    tp_strbuf_reset(key);
    tp_strbuf_add(key, sample.name, strlen(sample.name) + 1);
    for (uint32_t i = 0; i < sample.label_count; i++) {
        tp_label label = tp_reading_label(reading, index, i);
        tp_strbuf_add(key, label.name, strlen(label.name) + 1);
        tp_strbuf_add(key, label.value, strlen(label.value) + 1);
    }
}

/* Numbers in a map of pointers: from 1, as NULL means none. */
static void *boxed(uint32_t index) {
    return (void *)((uintptr_t)index + 1);
}

static uint32_t unboxed(const void *value) {
    return value == NULL ? NONE : (uint32_t)((uintptr_t)value - 1);
}

/* A merge puts both readings into a new one, and looks things up here. */
typedef struct merging {
    tp_reading *out;
    tp_map *families;
    tp_map *samples;
    tp_strbuf key;
} merging;

static int32_t other_type(const char *name, uint32_t expected, uint32_t got, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID,
                        "name series alike in all processes, or keep the readings apart",
                        "series \"%s\": expected a %s, got a %s", name,
                        tp_series_type_name(expected), tp_series_type_name(got));
}

/* Goes on in the family of that name, new or not. */
static int32_t enter_family(merging *merger, const tp_series_view *sample, trigperf_error **err) {
    tp_reading *out = merger->out;
    uint32_t known = unboxed(tp_map_get_str(merger->families, sample->name));
    if (known == NONE) {
        tp_reading_family(out, sample->type, sample->name, sample->help);
        out->failed = out->failed ||
                      !tp_map_put_str(merger->families, sample->name, boxed(out->family), NULL);
        return TRIGPERF_OK;
    }
    if (out->families[known].type != sample->type) {
        return other_type(sample->name, out->families[known].type, sample->type, err);
    }
    out->family = known;
    return TRIGPERF_OK;
}

static void take_over(merging *merger, const tp_reading *from, uint32_t index) {
    tp_reading *out = merger->out;
    tp_series_view sample = tp_reading_at(from, index);
    tp_label labels[TP_SERIES_LABELS_MAX];
    for (uint32_t i = 0; i < sample.label_count; i++) {
        labels[i] = tp_reading_label(from, index, i);
    }
    sample_row *row = add_sample(out, labels, sample.label_count);
    if (row != NULL) {
        row->value = sample.value;
        row->count = sample.count;
        row->sum = sample.sum;
        row->max = sample.max;
        put_entries(out, row, sample.entries, sample.entry_count);
        out->failed =
            out->failed || !tp_map_put(merger->samples, merger->key.data, merger->key.length,
                                       boxed(out->sample_count - 1), NULL);
    }
}

static void add_up(merging *merger, uint32_t known, const tp_series_view *sample) {
    sample_row *row = &merger->out->samples[known];
    row->value += sample->value;
    row->count = tp_sum_saturating(row->count, sample->count);
    row->sum = tp_sum_saturating(row->sum, sample->sum);
    row->max = sample->max > row->max ? sample->max : row->max;
    if (sample->entry_count > 0) {
        int64_t sum[2 * TP_HISTOGRAM_BUCKETS];
        tp_series_view own = tp_reading_at(merger->out, known);
        uint32_t count = tp_packed_merge(own.entries, own.entry_count, sample->entries,
                                         sample->entry_count, sum);
        put_entries(merger->out, row, sum, count);
    }
}

static int32_t put_all(merging *merger, const tp_reading *from, trigperf_error **err) {
    bool first;
    int32_t status = TRIGPERF_OK;
    for (uint32_t i = NONE; status == TRIGPERF_OK && tp_reading_next(from, &i, &first);) {
        tp_series_view sample = tp_reading_at(from, i);
        put_key(from, i, &merger->key);
        status = merger->key.failed ? tp_error_nomem(err) : enter_family(merger, &sample, err);
        if (status == TRIGPERF_OK && !tp_reading_failed(merger->out)) {
            const tp_strbuf *key = &merger->key;
            uint32_t known = unboxed(tp_map_get(merger->samples, key->data, key->length));
            if (known != NONE) {
                add_up(merger, known, &sample);
            } else {
                take_over(merger, from, i);
            }
        }
    }
    return status;
}

static int32_t merge_all(merging *merger, const tp_reading *into, const tp_reading *from,
                         trigperf_error **err) {
    if (merger->out == NULL || merger->families == NULL || merger->samples == NULL) {
        return tp_error_nomem(err);
    }
    int32_t status = put_all(merger, into, err);
    status = status == TRIGPERF_OK ? put_all(merger, from, err) : status;
    return status == TRIGPERF_OK && tp_reading_failed(merger->out) ? tp_error_nomem(err) : status;
}

int32_t tp_reading_merge(tp_reading *into, const tp_reading *from, trigperf_error **err) {
    merging merger = {tp_reading_new(), tp_map_new(), tp_map_new(), TP_STRBUF_INIT};
    int32_t status = merge_all(&merger, into, from, err);
    if (status == TRIGPERF_OK) {
        tp_reading merged = *merger.out;
        *merger.out = *into;
        *into = merged;
    }
    tp_reading_free(merger.out);
    tp_map_free(merger.families, NULL);
    tp_map_free(merger.samples, NULL);
    tp_strbuf_free(&merger.key);
    return status;
}
