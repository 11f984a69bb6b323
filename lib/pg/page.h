/* A page of the outbox: the rows that came with one answer, how far they reach, and which of them
 * have been applied. */
#ifndef TP_PG_PAGE_H
#define TP_PG_PAGE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "core/engine.h"
#include "pg/registry.h"

typedef struct tp_page tp_page;

/* What rows are applied to. */
typedef struct tp_page_use {
    const tp_registry *registry;
    tp_engine *engine;
    const tp_log *log;
    uint64_t now_ms;
    uint64_t lsn;
} tp_page_use;

/* limit: how many rows of each half were asked for. Owns the result from now on; NULL when memory
 * is short: the result has been freed. */
tp_page *tp_page_new(PGresult *result, uint32_t limit);
void tp_page_free(tp_page *page);

PGresult *tp_page_result(const tp_page *page);
uint32_t tp_page_rows(const tp_page *page);
size_t tp_page_bytes(const tp_page *page); /* memory that it holds */

/* Rows after the position are gone: nothing in the page counts. */
bool tp_page_has_gap(const tp_page *page);
/* A transaction that fills all of a half, or 0: it must be read by itself, and nothing in the page
 * counts. */
uint64_t tp_page_too_big(const tp_page *page);
/* The last whole transaction of each half that was cut short, else 0: see tp_snapshot_advance(). */
uint64_t tp_page_old_last(const tp_page *page);
uint64_t tp_page_new_last(const tp_page *page);
/* Both halves are whole: there is nothing more up to the target. */
bool tp_page_is_whole(const tp_page *page);

/* Applies the next row; returns how many changes it was, at least 1. 0: there is none left. */
uint32_t tp_page_apply_next(tp_page *page, const tp_page_use *use);
/* A row of any result with the outbox's columns. */
uint32_t tp_page_apply_row(const PGresult *result, int row, const tp_page_use *use);

#endif
