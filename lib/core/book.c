/* Readings count since the process began; the book holds what came since the page was turned. So a
 * page can be written again and again over its own row: what was written twice, or whose answer was
 * lost, counts once. For each series it keeps where the last reading stood and the sum of the
 * differences since, which is why a reset in between costs nothing but what was recorded between
 * the last reading and the reset.
 *
 * The largest duration of an hour is exact when it is the largest since the process began, and else
 * known up to the width of a bucket (1/32).
 *
 * Taking is linear in the number of series and of buckets in use. */
#include "core/book.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "core/packed.h"

typedef struct packed {
    int64_t *entries;
    uint32_t count;
} packed;

typedef struct page {
    char *name;
    char *help;
    char *labels;
    tp_series_type type;
    bool waiting;
    bool read; /* at least once */
    uint64_t seen_count;
    uint64_t seen_sum;
    uint64_t seen_max;
    packed seen;
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    double value;
    packed total;
} page;

struct tp_book {
    tp_map *pages;
    uint32_t waiting;
    tp_strbuf key;
    int64_t since[TP_HISTOGRAM_BUCKETS];
    int64_t merged[2 * TP_HISTOGRAM_BUCKETS];
};

int32_t tp_book_new(tp_book **out, trigperf_error **err) {
    tp_book *book = calloc(1, sizeof *book);
    if (book == NULL || (book->pages = tp_map_new()) == NULL) {
        free(book);
        return tp_error_nomem(err);
    }
    *out = book;
    return TRIGPERF_OK;
}

static void free_page(void *value) {
    page *one = value;
    free(one->name);
    free(one->help);
    free(one->labels);
    free(one->seen.entries);
    free(one->total.entries);
    free(one);
}

void tp_book_free(tp_book *book) {
    if (book != NULL) {
        tp_map_free(book->pages, free_page);
        tp_strbuf_free(&book->key);
        free(book);
    }
}

static char *labels_text(const tp_reading *reading, uint32_t index, uint32_t count) {
    tp_strbuf json = TP_STRBUF_INIT;
    tp_json_open(&json, NULL, '{');
    for (uint32_t i = 0; i < count; i++) {
        tp_label label = tp_reading_label(reading, index, i);
        tp_json_text(&json, label.name, label.value);
    }
    tp_json_close(&json, '}');
    char *text = json.failed ? NULL : tp_strbuf_take(&json);
    tp_strbuf_free(&json);
    return text;
}

static page *add_page(tp_book *book, const tp_series_view *view, char *labels) {
    page *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        free(labels);
        return NULL;
    }
    fresh->labels = labels;
    fresh->name = tp_text_copy(view->name);
    fresh->help = tp_text_copy(view->help);
    fresh->type = view->type;
    if (fresh->name == NULL || fresh->help == NULL ||
        !tp_map_put(book->pages, book->key.data, book->key.length, fresh, NULL)) {
        free_page(fresh);
        return NULL;
    }
    return fresh;
}

static page *find_page(tp_book *book, const tp_reading *reading, uint32_t index,
                       const tp_series_view *view) {
    char *labels = labels_text(reading, index, view->label_count);
    if (labels == NULL) {
        return NULL;
    }
    tp_strbuf_reset(&book->key);
    tp_strbuf_add(&book->key, view->name, strlen(view->name) + 1);
    tp_strbuf_puts(&book->key, labels);
    if (book->key.failed) {
        free(labels);
        tp_strbuf_free(&book->key);
        return NULL;
    }
    page *known = tp_map_get(book->pages, book->key.data, book->key.length);
    if (known == NULL) {
        return add_page(book, view, labels);
    }
    free(labels);
    return known;
}

static void wait(tp_book *book, page *one) {
    book->waiting += one->waiting ? 0 : 1;
    one->waiting = true;
}

/* A copy of entries; false when memory is short. */
static bool copy(packed *out, const int64_t *entries, uint32_t count) {
    out->entries = malloc((count + 1) * sizeof *entries);
    if (out->entries == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(out->entries, entries, count * sizeof *entries);
    }
    out->count = count;
    return true;
}

static void replace(packed *old, packed fresh) {
    free(old->entries);
    *old = fresh;
}

static bool went_back(const page *one, const tp_series_view *view) {
    return view->count < one->seen_count || view->sum < one->seen_sum;
}

static uint64_t max_of(const page *one, const tp_series_view *view, const int64_t *since,
                       uint32_t count, bool anew) {
    if (anew || view->max > one->seen_max || view->max == 0) {
        return view->max;
    }
    uint32_t highest = tp_packed_bucket(since[count - 1]);
    uint64_t edge =
        highest < TP_HISTOGRAM_LAST ? tp_histogram_lower(highest + 1) - 1 : TP_HISTOGRAM_CEILING;
    return view->max < edge ? view->max : edge;
}

static bool take_histogram(tp_book *book, page *one, const tp_series_view *view) {
    bool anew = !one->read || went_back(one, view);
    uint32_t count = tp_packed_subtract(view->entries, view->entry_count, one->seen.entries,
                                        anew ? 0 : one->seen.count, book->since);
    if (count == 0) {
        one->read = true;
        one->seen_sum = view->sum;
        return true;
    }
    uint32_t merged =
        tp_packed_merge(one->total.entries, one->total.count, book->since, count, book->merged);
    packed seen = {NULL, 0};
    packed total = {NULL, 0};
    if (!copy(&seen, view->entries, view->entry_count) || !copy(&total, book->merged, merged)) {
        free(seen.entries);
        return false;
    }
    uint64_t max = max_of(one, view, book->since, count, anew);
    replace(&one->seen, seen);
    replace(&one->total, total);
    one->count = tp_sum_saturating(one->count, tp_packed_count(book->since, count));
    one->sum = tp_sum_saturating(one->sum, view->sum - (anew ? 0 : one->seen_sum));
    one->max = max > one->max ? max : one->max;
    one->seen_count = view->count;
    one->seen_sum = view->sum;
    one->seen_max = view->max;
    one->read = true;
    wait(book, one);
    return true;
}

static void take_counter(tp_book *book, page *one, const tp_series_view *view) {
    uint64_t since =
        !one->read || view->count < one->seen_count ? view->count : view->count - one->seen_count;
    if (since > 0) {
        one->count = tp_sum_saturating(one->count, since);
        wait(book, one);
    }
    one->seen_count = view->count;
    one->read = true;
}

static void take_gauge(tp_book *book, page *one, const tp_series_view *view) {
    if (!one->read || memcmp(&one->value, &view->value, sizeof one->value) != 0) {
        one->value = view->value;
        one->read = true;
        wait(book, one);
    }
}

static bool take(tp_book *book, const tp_reading *reading, uint32_t index) {
    tp_series_view view = tp_reading_at(reading, index);
    page *one = find_page(book, reading, index, &view);
    if (one == NULL) {
        return false;
    }
    switch (one->type) {
    case TP_SERIES_COUNTER:
        take_counter(book, one, &view);
        return true;
    case TP_SERIES_HISTOGRAM:
        return take_histogram(book, one, &view);
    case TP_SERIES_GAUGE:
        take_gauge(book, one, &view);
        return true;
    }
    return true;
}

int32_t tp_book_take(tp_book *book, const tp_reading *reading, trigperf_error **err) {
    bool good = true;
    for (uint32_t i = 0; i < tp_reading_count(reading); i++) {
        good = take(book, reading, i) && good;
    }
    return good ? TRIGPERF_OK : tp_error_nomem(err);
}

bool tp_book_next(const tp_book *book, void **cursor, tp_book_row *row) {
    void *value;
    while (tp_map_next(book->pages, cursor, NULL, &value)) {
        const page *one = value;
        if (one->waiting) {
            *row = (tp_book_row){.name = one->name,
                                 .help = one->help,
                                 .labels = one->labels,
                                 .type = one->type,
                                 .count = one->count,
                                 .sum = one->sum,
                                 .max = one->max,
                                 .value = one->value,
                                 .entries = one->total.entries,
                                 .entry_count = one->total.count};
            return true;
        }
    }
    return false;
}

uint32_t tp_book_waiting(const tp_book *book) {
    return book->waiting;
}

void tp_book_written(tp_book *book) {
    void *cursor = NULL;
    void *value;
    while (tp_map_next(book->pages, &cursor, NULL, &value)) {
        ((page *)value)->waiting = false;
    }
    book->waiting = 0;
}

void tp_book_turn(tp_book *book) {
    void *cursor = NULL;
    void *value;
    book->waiting = 0;
    while (tp_map_next(book->pages, &cursor, NULL, &value)) {
        page *one = value;
        one->count = 0;
        one->sum = 0;
        one->max = 0;
        one->total.count = 0;
        one->waiting = one->type == TP_SERIES_GAUGE;
        book->waiting += one->waiting ? 1 : 0;
    }
}
