/* A half that comes back full ends in a transaction that may be cut, so the rows of that one are
 * left for the next page. If it is the only transaction of the half, a page can never pass it. */
#include "pg/page.h"

#include <stdlib.h>

#include "pg/outbox_query.h"
#include "pg/outbox_row.h"

#define AHEAD ((int)TP_PIPELINE_AHEAD)

/* One half of a page. */
typedef struct half {
    int first;
    int end;          /* one past the last row to use */
    int rows;         /* that came */
    uint64_t last;    /* the last whole transaction when cut, else 0 */
    uint64_t too_big; /* the transaction that fills the whole half, else 0 */
} half;

struct tp_page {
    PGresult *result;
    half old;
    half new;
    int next; /* row to apply */
};

static uint64_t number_at(const PGresult *result, int row, int column) {
    return strtoull(PQgetvalue(result, row, column), NULL, 10);
}

static half measure(const PGresult *result, int number, int first, uint32_t limit) {
    half h = {first, first, 0, 0, 0};
    while (first + h.rows < PQntuples(result) &&
           PQgetvalue(result, first + h.rows, 0)[0] == '0' + number) {
        h.rows++;
    }
    h.end = first + h.rows;
    if ((uint32_t)h.rows < limit) {
        return h;
    }
    uint64_t cut = number_at(result, h.end - 1, 1);
    while (h.end > first && number_at(result, h.end - 1, 1) == cut) {
        h.end--;
    }
    if (h.end == first) {
        h.too_big = cut;
    } else {
        h.last = number_at(result, h.end - 1, 1);
    }
    return h;
}

tp_page *tp_page_new(PGresult *result, uint32_t limit) {
    tp_page *page = calloc(1, sizeof *page);
    if (page == NULL) {
        PQclear(result);
        return NULL;
    }
    page->result = result;
    page->old = measure(result, 0, 0, limit);
    page->new = measure(result, 1, page->old.rows, limit);
    return page;
}

void tp_page_free(tp_page *page) {
    if (page != NULL) {
        PQclear(page->result);
        free(page);
    }
}

PGresult *tp_page_result(const tp_page *page) {
    return page->result;
}

uint32_t tp_page_rows(const tp_page *page) {
    return (uint32_t)(page->old.rows + page->new.rows);
}

size_t tp_page_bytes(const tp_page *page) {
    return PQresultMemorySize(page->result);
}

bool tp_page_has_gap(const tp_page *page) {
    return page->old.rows + page->new.rows < PQntuples(page->result);
}

uint64_t tp_page_too_big(const tp_page *page) {
    return page->old.too_big != 0 ? page->old.too_big : page->new.too_big;
}

uint64_t tp_page_old_last(const tp_page *page) {
    return page->old.last;
}

uint64_t tp_page_new_last(const tp_page *page) {
    return page->new.last;
}

bool tp_page_is_whole(const tp_page *page) {
    return page->old.last == 0 && page->new.last == 0 && tp_page_too_big(page) == 0;
}

/* columns has room for all that there may be; the row points to it. */
static tp_outbox_row row_at(const PGresult *result, int row, const tp_registry *registry,
                            const char **columns) {
    uint32_t count = tp_registry_column_count(registry);
    for (uint32_t i = 0; i < count; i++) {
        int column = TP_OUTBOX_FIXED_COLUMNS + (int)i;
        columns[i] = PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
    }
    return (tp_outbox_row){.xid = number_at(result, row, 1),
                           .table_id = (int32_t)number_at(result, row, 2),
                           .op = PQgetvalue(result, row, 3)[0],
                           .columns = columns};
}

uint32_t tp_page_apply_row(const PGresult *result, int row, const tp_page_use *use) {
    const char *columns[TP_REGISTRY_COLUMNS_MAX];
    tp_outbox_row parsed = row_at(result, row, use->registry, columns);
    uint32_t changes =
        tp_outbox_row_apply(&parsed, use->registry, use->engine, use->now_ms, use->lsn, use->log);
    return changes > 0 ? changes : 1;
}

/* Hints at the first change of each of the next rows, while the pipeline has use for that. */
static void look_ahead(const tp_page *page, int end, const tp_page_use *use) {
    const char *columns[TP_REGISTRY_COLUMNS_MAX];
    tp_pipeline *pipeline = tp_engine_lock(use->engine);
    if (tp_pipeline_looks_ahead(pipeline)) {
        for (int row = page->next; row < end; row++) {
            tp_outbox_row parsed = row_at(page->result, row, use->registry, columns);
            tp_outbox_row_foresee(&parsed, use->registry, pipeline);
        }
        tp_pipeline_approach(pipeline);
    }
    tp_engine_unlock(use->engine);
}

uint32_t tp_page_apply_next(tp_page *page, const tp_page_use *use) {
    if (page->next == page->old.end && page->next < page->new.first) {
        page->next = page->new.first;
    }
    if (page->next >= page->new.end) {
        return 0;
    }
    int end = page->next < page->old.end ? page->old.end : page->new.end;
    int left = end - page->next;
    if (page->next % AHEAD == 0 && left > 1) {
        look_ahead(page, left < AHEAD ? end : page->next + AHEAD, use);
    }
    return tp_page_apply_row(page->result, page->next++, use);
}
