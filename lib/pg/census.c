/* Plain values of a fixed size: nothing is allocated, so copying them under a lock is cheap and
 * cannot fail. A database may have more consumers than are named one by one; the totals are of all.
 */
#include "pg/census.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define WATCH_SQL                                                                                  \
    "SELECT name, source, overtaken, lag_seconds, lag_transactions, lag_bytes, consumers, "        \
    "outbox_bytes, outbox_limit FROM trigperf.consumer_watch(64)"

enum { NAME, SOURCE, OVERTAKEN, SECONDS, TRANSACTIONS, BYTES, CONSUMERS, OUTBOX, LIMIT };

static double number(const PGresult *result, int row, int column) {
    return PQgetisnull(result, row, column) ? NAN : strtod(PQgetvalue(result, row, column), NULL);
}

static void copy_name(tp_census_entry *entry, const char *name) {
    size_t length = 0;
    size_t left = strlen(name);
    size_t step;
    while (left > 0 && (step = tp_text_utf8((const unsigned char *)name + length, left)) > 0 &&
           length + step < sizeof entry->name) {
        length += step;
        left -= step;
    }
    memcpy(entry->name, name, length);
    entry->name[length] = '\0';
}

static void take_entry(tp_census_figures *figures, const PGresult *result, int row) {
    tp_census_entry *entry = &figures->entries[figures->count++];
    copy_name(entry, PQgetvalue(result, row, NAME));
    entry->wal = strcmp(PQgetvalue(result, row, SOURCE), "wal") == 0;
    entry->overtaken = PQgetvalue(result, row, OVERTAKEN)[0] == '1';
    entry->lag_seconds = number(result, row, SECONDS);
    entry->lag_transactions = number(result, row, TRANSACTIONS);
    entry->lag_bytes = number(result, row, BYTES);
}

static void on_answer(void *user, PGresult *result) {
    tp_census *census = user;
    tp_census_figures *figures = &census->figures;
    census->asking = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) == 0) {
        tp_log_write(census->log, TP_LOG_WARNING, "looking at the consumers failed: %s",
                     PQresultErrorMessage(result));
        return;
    }
    figures->count = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        if (PQgetisnull(result, row, NAME)) {
            figures->consumers = number(result, row, CONSUMERS);
            figures->overtaken = number(result, row, OVERTAKEN);
            figures->outbox_bytes = number(result, row, OUTBOX);
            figures->outbox_limit = number(result, row, LIMIT);
        } else if (figures->count < TP_CENSUS_MAX) {
            take_entry(figures, result, row);
        }
    }
    figures->known = true;
    figures->generation++;
}

int32_t tp_census_ask(tp_census *census, trigperf_error **err) {
    if (census->asking) {
        return TRIGPERF_OK;
    }
    tp_statement statement = {
        .text = WATCH_SQL, .repeated = true, .done = on_answer, .user = census};
    int32_t status = tp_connection_send(census->connection, &statement, err);
    census->asking = status == TRIGPERF_OK;
    return status;
}

void tp_census_forget(tp_census *census) {
    census->asking = false;
    census->figures.generation += census->figures.known ? 1 : 0;
    census->figures.known = false;
}
