/* One writer a cell makes recording an ordinary load, add and store: on this kind of machine an
 * uncontended atomic addition costs three times as much, and one on a line that two cores share
 * thirty times. Cells only grow; a reader takes them as they are, each value by itself, and two
 * readings differ by what was recorded in between.
 *
 * Counts have 32 bits so that a shard fits into 3.5 KB. It is allocated by itself, since with glibc
 * its size is one that is given out without a byte left over; in its first and last cache line, the
 * ones that it may share with a neighbour, are the sum, and the counts of durations above two
 * minutes, so that two threads hardly ever write to the same line. A timer is a cell's place in its
 * page, from which the end of the page, and with it the recorder, is found by walking: that is
 * needed for negative durations and full counts only, and spares each shard a pointer.
 *
 * A count that is full wraps around to 0 and is noted in a second array, which few shards ever
 * need. While that happens `carrying` is odd, and a
 * reader that met it, or sees another number afterwards, reads the shard again: it never sees the
 * count of before with the note of after. Where there is no memory for the note the count stays
 * full, and what it misses counts as lost.
 *
 * Pages and cells are published with release and found with acquire, and freed with the recorder
 * only, so that a reader needs no lock against the recording thread either. */
#include "core/recorder.h"

#include <stdlib.h>

#define LINE 64u
#define TALLIES_PER_BLOCK 512u

struct tp_slab_block {
    struct tp_slab_block *next;
};

/* Stands for every page that was not needed yet: constant, all cells NULL. */
static const tp_recorder_page no_page;

static tp_recorder_page *nothing(void) {
    return (tp_recorder_page *)(uintptr_t)&no_page;
}

static char *aligned(char *memory) {
    return memory + (LINE - (uintptr_t)memory % LINE) % LINE;
}

tp_recorder *tp_recorder_new(uintptr_t owner, uint32_t max_slots) {
    uint32_t pages = (max_slots + TP_RECORDER_PAGE - 1) / TP_RECORDER_PAGE;
    char *memory = calloc(1, sizeof(tp_recorder) + pages * sizeof(tp_recorder_page *) + 2 * LINE);
    if (memory == NULL) {
        return NULL;
    }
    tp_recorder *recorder = (tp_recorder *)(void *)aligned(memory);
    recorder->memory = memory;
    recorder->owner = owner;
    recorder->tallies.growth = LINE / sizeof(tp_tally);
    recorder->page_count = pages;
    for (uint32_t i = 0; i < pages; i++) {
        atomic_init(&recorder->pages[i], nothing());
    }
    return recorder;
}

static void free_blocks(tp_slab *slab) {
    while (slab->blocks != NULL) {
        struct tp_slab_block *block = slab->blocks;
        slab->blocks = block->next;
        free(block);
    }
}

static void free_page(tp_recorder *recorder, uint32_t index) {
    tp_recorder_page *page = atomic_load_explicit(&recorder->pages[index], memory_order_acquire);
    if (page == nothing()) {
        return;
    }
    for (uint32_t i = 0; i < TP_RECORDER_PAGE; i++) {
        if ((page->shards >> i & 1) != 0) {
            free(atomic_load_explicit(&page->cells[i], memory_order_relaxed));
        }
    }
    free(page);
}

static void free_wraps(tp_recorder *recorder) {
    tp_wraps *wraps = atomic_load_explicit(&recorder->wraps, memory_order_relaxed);
    while (wraps != NULL) {
        tp_wraps *next = wraps->next;
        free(wraps);
        wraps = next;
    }
}

void tp_recorder_free(tp_recorder *recorder) {
    if (recorder == NULL) {
        return;
    }
    for (uint32_t i = 0; i < recorder->page_count; i++) {
        free_page(recorder, i);
    }
    free_wraps(recorder);
    free_blocks(&recorder->tallies);
    free(recorder->memory);
}

/* Zeroed memory behind a list node, beginning on a cache line; NULL when memory is short. */
static char *add_block(tp_slab *slab, size_t bytes) {
    struct tp_slab_block *block = calloc(1, sizeof *block + LINE + bytes);
    if (block == NULL) {
        return NULL;
    }
    block->next = slab->blocks;
    slab->blocks = block;
    return aligned((char *)(block + 1));
}

static void *cut(tp_slab *slab, size_t size, uint32_t most) {
    if (slab->left == 0) {
        slab->next = add_block(slab, slab->growth * size);
        if (slab->next == NULL) {
            return NULL;
        }
        slab->left = slab->growth;
        slab->growth = slab->growth * 2 > most ? most : slab->growth * 2;
    }
    char *cell = slab->next;
    slab->next += size;
    slab->left--;
    return cell;
}

static tp_recorder_page *page_for(tp_recorder *recorder, uint32_t slot) {
    _Atomic(tp_recorder_page *) *place = &recorder->pages[slot / TP_RECORDER_PAGE];
    tp_recorder_page *page = atomic_load_explicit(place, memory_order_relaxed);
    if (page == nothing()) {
        page = calloc(1, sizeof *page);
        if (page != NULL) {
            atomic_init(&page->cells[TP_RECORDER_PAGE], (char *)recorder + 1);
            atomic_store_explicit(place, page, memory_order_release);
        }
    }
    return page;
}

/* NULL, and counted, when there is no cell to publish. */
static void *publish(tp_recorder *recorder, tp_recorder_page *page, uint32_t slot, void *cell) {
    if (cell == NULL) {
        tp_tally_add(&recorder->lost, 1);
    } else {
        atomic_store_explicit(&page->cells[slot % TP_RECORDER_PAGE], cell, memory_order_release);
    }
    return cell;
}

tp_shard *tp_recorder_add_shard(tp_recorder *recorder, uint32_t slot) {
    tp_recorder_page *page = page_for(recorder, slot);
    tp_shard *shard = page == NULL ? NULL : calloc(1, sizeof *shard);
    if (shard != NULL) {
        page->shards |= UINT64_C(1) << slot % TP_RECORDER_PAGE;
    }
    return publish(recorder, page, slot, shard);
}

tp_tally *tp_recorder_add_tally(tp_recorder *recorder, uint32_t slot) {
    tp_recorder_page *page = page_for(recorder, slot);
    tp_tally *tally =
        page == NULL ? NULL : cut(&recorder->tallies, sizeof *tally, TALLIES_PER_BLOCK);
    return publish(recorder, page, slot, tally);
}

tp_place *tp_recorder_place(tp_recorder *recorder, uint32_t slot) {
    tp_recorder_page *page =
        atomic_load_explicit(&recorder->pages[slot / TP_RECORDER_PAGE], memory_order_relaxed);
    return &page->cells[slot % TP_RECORDER_PAGE];
}

tp_recorder *tp_recorder_of(const tp_place *place) {
    char *cell = NULL;
    do {
        cell = atomic_load_explicit(place++, memory_order_relaxed);
    } while ((uintptr_t)cell % 2 == 0);
    return (tp_recorder *)(void *)(cell - 1);
}

static tp_wraps *find_wraps(const tp_recorder *recorder, const tp_shard *shard) {
    tp_wraps *wraps = atomic_load_explicit(&recorder->wraps, memory_order_acquire);
    while (wraps != NULL && wraps->shard != shard) {
        wraps = wraps->next;
    }
    return wraps;
}

static tp_wraps *wraps_for(tp_recorder *recorder, const tp_shard *shard) {
    tp_wraps *wraps = find_wraps(recorder, shard);
    if (wraps == NULL) {
        wraps = calloc(1, sizeof *wraps);
        if (wraps != NULL) {
            wraps->shard = shard;
            wraps->next = atomic_load_explicit(&recorder->wraps, memory_order_relaxed);
            atomic_store_explicit(&recorder->wraps, wraps, memory_order_release);
        }
    }
    return wraps;
}

static bool carry(tp_recorder *recorder, tp_shard *shard, uint32_t bucket) {
    tp_wraps *wraps = wraps_for(recorder, shard);
    if (wraps == NULL) {
        tp_tally_add(&recorder->lost, 1);
        return false;
    }
    uint32_t turn = atomic_load_explicit(&recorder->carrying, memory_order_relaxed);
    uint32_t before = atomic_load_explicit(&wraps->counts[bucket], memory_order_relaxed);
    atomic_store_explicit(&recorder->carrying, turn + 1, memory_order_relaxed);
    atomic_store_explicit(&wraps->counts[bucket], before + 1, memory_order_release);
    atomic_store_explicit(&shard->counts[bucket], 0, memory_order_release);
    atomic_store_explicit(&recorder->carrying, turn + 2, memory_order_release);
    return true;
}

void tp_recorder_carry(tp_recorder *recorder, tp_shard *shard, uint64_t ns) {
    uint64_t sum = atomic_load_explicit(&shard->sum, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&shard->max, memory_order_relaxed);
    if (carry(recorder, shard, tp_histogram_bucket(ns))) {
        atomic_store_explicit(&shard->sum, tp_sum_saturating(sum, ns), memory_order_relaxed);
        atomic_store_explicit(&shard->max, ns > max ? ns : max, memory_order_relaxed);
    }
}

static const void *cell_of(const tp_recorder *recorder, uint32_t slot) {
    const tp_recorder_page *page =
        atomic_load_explicit(&recorder->pages[slot / TP_RECORDER_PAGE], memory_order_acquire);
    return atomic_load_explicit(&page->cells[slot % TP_RECORDER_PAGE], memory_order_acquire);
}

/* One attempt; false when a count wrapped around meanwhile. */
static bool copy_counts(const tp_recorder *recorder, const tp_shard *shard, uint32_t *counts,
                        uint32_t *wrapped, const tp_wraps **wraps) {
    uint32_t turn = atomic_load_explicit(&recorder->carrying, memory_order_acquire);
    *wraps = find_wraps(recorder, shard);
    for (uint32_t i = 0; i < TP_HISTOGRAM_BUCKETS; i++) {
        counts[i] = atomic_load_explicit(&shard->counts[i], memory_order_acquire);
    }
    for (uint32_t i = 0; *wraps != NULL && i < TP_HISTOGRAM_BUCKETS; i++) {
        wrapped[i] = atomic_load_explicit(&(*wraps)->counts[i], memory_order_acquire);
    }
    return turn % 2 == 0 && atomic_load_explicit(&recorder->carrying, memory_order_relaxed) == turn;
}

void tp_recorder_sum(const tp_recorder *recorder, uint32_t slot, tp_histogram *into) {
    uint32_t counts[TP_HISTOGRAM_BUCKETS];
    uint32_t wrapped[TP_HISTOGRAM_BUCKETS];
    const tp_wraps *wraps = NULL;
    const tp_shard *shard = cell_of(recorder, slot);
    if (shard == NULL) {
        return;
    }
    while (!copy_counts(recorder, shard, counts, wrapped, &wraps)) {
    }
    for (uint32_t i = 0; i < TP_HISTOGRAM_BUCKETS; i++) {
        into->counts[i] += counts[i];
    }
    for (uint32_t i = 0; wraps != NULL && i < TP_HISTOGRAM_BUCKETS; i++) {
        into->counts[i] += (uint64_t)wrapped[i] << 32;
    }
    uint64_t sum = atomic_load_explicit(&shard->sum, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&shard->max, memory_order_relaxed);
    into->sum = tp_sum_saturating(into->sum, sum);
    into->max = max > into->max ? max : into->max;
}

uint64_t tp_recorder_tally(const tp_recorder *recorder, uint32_t slot) {
    const tp_tally *tally = cell_of(recorder, slot);
    return tally == NULL ? 0 : atomic_load_explicit(tally, memory_order_relaxed);
}
