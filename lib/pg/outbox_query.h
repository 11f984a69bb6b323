/* The statements that read the outbox, prepared for the columns that the registry needs. */
#ifndef TP_PG_OUTBOX_QUERY_H
#define TP_PG_OUTBOX_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/snapshot.h"
#include "pg/connection.h"
#include "pg/registry.h"

/* Columns of the result that come before the registry's: half, xid, table_id, op. */
#define TP_OUTBOX_FIXED_COLUMNS 4

typedef struct tp_outbox_query {
    tp_connection *connection;
    uint32_t generation; /* in the names of the statements */
    bool prepared;
    uint32_t columns; /* of the registry */
    bool keyless;     /* set by the reader: no keys are asked for, since some cannot be sent */
} tp_outbox_query;

/* Prepares the statements; those of a former registry go. prepared is called for each. */
int32_t tp_outbox_query_prepare(tp_outbox_query *query, const tp_registry *registry,
                                tp_result_fn prepared, void *user, trigperf_error **err);

/* Asks for the present snapshot, the end of the log, the registry's version, and whether there are
 * rows of transactions from the position's end on in its part of the outbox, or a gap. from may be
 * NULL. */
int32_t tp_outbox_query_poll(const tp_outbox_query *query, const tp_snapshot *from,
                             tp_result_fn done, void *user, trigperf_error **err);

/* Whether two transactions write to the same part, and all between them as well. */
bool tp_outbox_query_same_part(uint64_t a, uint64_t b);

/* What the op of a row is in a page that was read without its keys. */
#define TP_OUTBOX_UNREADABLE 'X'

/* Up to `rows` rows of each half between two snapshots; the result belongs to whom it is given. */
int32_t tp_outbox_query_page(const tp_outbox_query *query, const tp_snapshot *from,
                             const tp_snapshot *target, uint32_t rows, tp_result_fn done,
                             void *user, trigperf_error **err);

/* All rows of one transaction, streamed. */
int32_t tp_outbox_query_transaction(const tp_outbox_query *query, uint64_t xid, tp_result_fn done,
                                    void *user, trigperf_error **err);

#endif
