/* What the notifier tells the other readers through NOTIFY, and how they use it.
 *
 * Payloads are JSON objects with a kind "k": b beat, q the notifier resigns, s self-test, r rows
 * between two positions, w a position alone (the rows did not fit into a notification). One kind
 * comes from other readers: c, a consumer's name was claimed. */
#ifndef TP_PG_WAKE_H
#define TP_PG_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "core/engine.h"
#include "pg/reader.h"
#include "pg/registry.h"

/* Rows larger than this do not travel; PostgreSQL refuses payloads of 8,000 bytes. */
#define TP_WAKE_PAYLOAD_MAX 7900

/* Writes the payload for a page: with its rows when they fit and the page is complete. */
void tp_wake_encode(const tp_reader_page *page, const tp_registry *registry, tp_strbuf *out);

typedef enum tp_wake_kind {
    TP_WAKE_UNKNOWN,
    TP_WAKE_BEAT,
    TP_WAKE_RESIGN,
    TP_WAKE_SELFTEST,
    TP_WAKE_ROWS,
    TP_WAKE_POSITION,
    TP_WAKE_CLAIM
} tp_wake_kind;

typedef struct tp_wake tp_wake;

/* Parses a payload; NULL when it is malformed or memory is short. */
tp_wake *tp_wake_decode(const char *payload);
void tp_wake_free(tp_wake *wake);
tp_wake_kind tp_wake_kind_of(const tp_wake *wake);
/* A CLAIM that may be of this name: a long one is told by its beginning. */
bool tp_wake_claims(const tp_wake *wake, const char *name);

typedef enum tp_wake_use {
    TP_WAKE_APPLIED, /* the reader's position is the announced one now */
    TP_WAKE_OLD,     /* the reader is past it already */
    TP_WAKE_FETCH    /* the rows do not connect: poll to the announced position */
} tp_wake_use;

/* Uses an announcement of kind ROWS or POSITION on an idle reader. */
tp_wake_use tp_wake_apply(const tp_wake *wake, tp_reader *reader, const tp_registry *registry,
                          tp_engine *engine, uint64_t now_ms, const tp_log *log);

#endif
