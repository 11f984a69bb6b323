/* All of it goes as statements of the source's ordinary connection, between polls: nobody waits,
 * and there is no second connection to count on. A flush is cut into statements of a few hundred
 * series, so that a poll behind it is late by some milliseconds at most.
 *
 * Rows hold what was measured since the hour began for this process, and the server overwrites
 * them: a flush whose answer was lost is sent again, larger, and counts once. The hour is the
 * server's: its answer names the present one, and when that is another than the rows were written
 * to, the page is turned (core/book.h). Statements are numbered; one that the server finds late,
 * from a connection given up, it ignores. */
#include "pg/keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/entropy.h"
#include "base/json.h"
#include "base/text.h"
#include "core/book.h"
#include "core/packed.h"

#define FIRST_MS 10000
#define IDLE_MS 60000
#define ROWS_PER_STATEMENT 250

struct tp_keeper {
    tp_keeper_options options;
    char *application;
    char instance[37];
    tp_book *book;
    tp_connection *connection; /* that statements were sent on; NULL: none since it broke */
    bool collecting;
    bool refreshing;
    uint32_t answers; /* to a flush that are awaited */
    bool told;        /* a failure was told, on this connection */
    uint64_t sequence;
    int64_t hour;  /* that values count from, Unix seconds; 0: not known yet */
    int64_t now_s; /* hour that the newest answer named */
    bool accepted;
    bool failed;
    uint64_t now_ms;
    uint64_t next_collect_ms;
    uint64_t next_refresh_ms;
    uint64_t next_flush_ms;
    uint64_t flushed_ms; /* when the flush under way began */
    uint64_t took_ms;    /* the last one */
};

static uint64_t first_of(uint32_t every_ms, uint64_t now_ms) {
    return now_ms + (every_ms < FIRST_MS ? every_ms : FIRST_MS);
}

int32_t tp_keeper_new(const tp_keeper_options *options, uint64_t now_ms, tp_keeper **out,
                      trigperf_error **err) {
    tp_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return tp_error_nomem(err);
    }
    keeper->options = *options;
    keeper->next_collect_ms =
        first_of(options->collect_ms == 0 ? IDLE_MS : options->collect_ms, now_ms);
    keeper->next_refresh_ms = options->refresh_ms == 0 ? UINT64_MAX : now_ms + options->refresh_ms;
    keeper->next_flush_ms = options->flush_ms == 0 ? UINT64_MAX : now_ms + options->flush_ms;
    keeper->application = tp_text_copy(options->application);
    int32_t status = keeper->application == NULL ? tp_error_nomem(err) : TRIGPERF_OK;
    if (status == TRIGPERF_OK && !tp_entropy_uuid(keeper->instance)) {
        status = tp_error_set(err, TRIGPERF_E_SYSTEM, "the operating system's generator is needed",
                              "no random bytes could be had for the name of this process");
    }
    if (status == TRIGPERF_OK) {
        status = tp_book_new(&keeper->book, err);
    }
    if (status != TRIGPERF_OK) {
        tp_keeper_free(keeper);
        return status;
    }
    *out = keeper;
    return TRIGPERF_OK;
}

void tp_keeper_free(tp_keeper *keeper) {
    if (keeper != NULL) {
        tp_book_free(keeper->book);
        free(keeper->application);
        free(keeper);
    }
}

/* Once a connection, since it will happen again each time. */
static void tell(tp_keeper *keeper, const char *what, const char *why) {
    tp_log_write(keeper->options.log, keeper->told ? TP_LOG_DEBUG : TP_LOG_WARNING, "%s: %s", what,
                 why);
    keeper->told = true;
}

/* --- collecting --------------------------------------------------------------------------------*/

static void on_collected(void *user, PGresult *result) {
    tp_keeper *keeper = user;
    keeper->collecting = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        tell(keeper, "measuring triggers failed", PQresultErrorMessage(result));
    }
}

static void collect(tp_keeper *keeper) {
    char every[16];
    char days[16];
    trigperf_error *error = NULL;
    snprintf(every, sizeof every, "%u", keeper->options.collect_ms);
    snprintf(days, sizeof days, "%u", keeper->options.retention_days);
    const char *values[] = {every, days};
    tp_statement statement = {.text = "SELECT trigperf.metrics_upkeep($1::int, $2::int), "
                                      "pg_catalog.set_config('synchronous_commit', 'off', true)",
                              .repeated = true,
                              .patient = true,
                              .count = 2,
                              .values = values,
                              .done = on_collected,
                              .user = keeper};
    keeper->next_collect_ms =
        keeper->now_ms + (keeper->options.collect_ms == 0 ? IDLE_MS : keeper->options.collect_ms);
    keeper->collecting = true;
    if (tp_connection_send(keeper->connection, &statement, &error) != TRIGPERF_OK) {
        keeper->collecting = false;
        tell(keeper, "measuring triggers failed", trigperf_error_message(error));
        trigperf_error_free(error);
    }
}

/* --- KPIs --------------------------------------------------------------------------------------*/

static void on_refreshed(void *user, PGresult *result) {
    tp_keeper *keeper = user;
    keeper->refreshing = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        tell(keeper, "refreshing KPIs failed", PQresultErrorMessage(result));
    } else if (PQntuples(result) == 1 && !PQgetisnull(result, 0, 0)) {
        tell(keeper, "refreshing a KPI failed", PQgetvalue(result, 0, 0));
    }
}

static void refresh(tp_keeper *keeper) {
    trigperf_error *error = NULL;
    tp_statement statement = {.text = "SELECT pg_catalog.min(pg_catalog.concat(r.target, ': ', "
                                      "r.error)) FILTER (WHERE r.error IS NOT NULL) "
                                      "FROM trigperf.kpi_refresh() AS r",
                              .repeated = true,
                              .patient = true,
                              .done = on_refreshed,
                              .user = keeper};
    keeper->next_refresh_ms = keeper->now_ms + keeper->options.refresh_ms;
    keeper->refreshing = true;
    if (tp_connection_send(keeper->connection, &statement, &error) != TRIGPERF_OK) {
        keeper->refreshing = false;
        tell(keeper, "refreshing KPIs failed", trigperf_error_message(error));
        trigperf_error_free(error);
    }
}

/* --- flushing ----------------------------------------------------------------------------------*/

enum column { NAMES, LABELS, KINDS, HELPS, COUNTS, SUMS, MAXIMA, VALUES, HISTOGRAMS, COLUMNS };

/* An array element, in quotes. */
static void put_text(tp_strbuf *out, const char *text) {
    tp_strbuf_putc(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            tp_strbuf_putc(out, '\\');
        }
        tp_strbuf_putc(out, *text);
    }
    tp_strbuf_putc(out, '"');
}

/* The server's type has a sign. */
static void put_number(tp_strbuf *out, bool there, uint64_t number) {
    if (there) {
        tp_strbuf_putu(out, number > INT64_MAX ? INT64_MAX : number);
    } else {
        tp_strbuf_puts(out, "NULL");
    }
}

static void put_value(tp_strbuf *out, bool there, double value) {
    if (!there) {
        tp_strbuf_puts(out, "NULL");
    } else if (value - value == 0) {
        tp_json_digits(out, value);
    } else {
        tp_strbuf_puts(out, value > 0 ? "Infinity" : value < 0 ? "-Infinity" : "NaN");
    }
}

static void put_entries(tp_strbuf *out, const tp_book_row *row) {
    if (row->type != TP_SERIES_HISTOGRAM) {
        tp_strbuf_puts(out, "NULL");
        return;
    }
    tp_strbuf_putc(out, '"');
    tp_packed_print(row->entries, row->entry_count, out);
    tp_strbuf_putc(out, '"');
}

static void put_row(tp_strbuf columns[COLUMNS], const tp_book_row *row, bool first) {
    bool times = row->type == TP_SERIES_HISTOGRAM;
    for (int i = 0; i < COLUMNS; i++) {
        tp_strbuf_putc(&columns[i], first ? '{' : ',');
    }
    put_text(&columns[NAMES], row->name);
    put_text(&columns[LABELS], row->labels);
    put_text(&columns[KINDS], tp_series_type_name(row->type));
    put_text(&columns[HELPS], row->help);
    put_number(&columns[COUNTS], row->type != TP_SERIES_GAUGE, row->count);
    put_number(&columns[SUMS], times, row->sum);
    put_number(&columns[MAXIMA], times, row->max);
    put_value(&columns[VALUES], row->type == TP_SERIES_GAUGE, row->value);
    put_entries(&columns[HISTOGRAMS], row);
}

/* All statements of a flush were answered. */
static void flushed(tp_keeper *keeper) {
    keeper->took_ms = keeper->now_ms - keeper->flushed_ms;
    if (keeper->failed) {
        return;
    }
    if (!keeper->accepted) {
        tp_log_write(keeper->options.log, TP_LOG_INFO,
                     "the server had given up this process: its series count anew");
    }
    tp_book_written(keeper->book);
    if (!keeper->accepted || keeper->now_s != keeper->hour) {
        if (keeper->hour != 0 || !keeper->accepted) {
            tp_book_turn(keeper->book);
        }
        keeper->hour = keeper->now_s;
    }
}

static void on_flushed(void *user, PGresult *result) {
    tp_keeper *keeper = user;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
        keeper->now_s = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        keeper->accepted = keeper->accepted && PQgetvalue(result, 0, 1)[0] == 't';
    } else {
        keeper->failed = true;
        tell(keeper, "writing series failed", PQresultErrorMessage(result));
    }
    if (--keeper->answers == 0) {
        flushed(keeper);
    }
}

static int32_t send_columns(tp_keeper *keeper, const tp_strbuf columns[COLUMNS],
                            trigperf_error **err) {
    char sequence[24];
    char hour[24];
    char took[24];
    const char *values[5 + COLUMNS] = {keeper->instance, keeper->application, sequence,
                                       keeper->hour == 0 ? NULL : hour,
                                       keeper->took_ms == 0 ? NULL : took};
    snprintf(sequence, sizeof sequence, "%" PRIu64, ++keeper->sequence);
    snprintf(hour, sizeof hour, "%" PRId64, keeper->hour);
    snprintf(took, sizeof took, "%" PRIu64, keeper->took_ms);
    for (int i = 0; i < COLUMNS; i++) {
        values[5 + i] = tp_strbuf_str(&columns[i]);
    }
    tp_statement statement = {
        .text = "SELECT EXTRACT(epoch FROM f.hour)::bigint, f.accepted, "
                "pg_catalog.set_config('synchronous_commit', 'off', true) "
                "FROM trigperf.series_flush($1::uuid, $2::text, $3::bigint, "
                "pg_catalog.to_timestamp($4::bigint), $5::double precision, $6::text[], "
                "$7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], "
                "$13::double precision[], $14::text[]) AS f",
        .repeated = true,
        .patient = true,
        .count = 5 + COLUMNS,
        .values = values,
        .done = on_flushed,
        .user = keeper};
    return tp_connection_send(keeper->connection, &statement, err);
}

/* Sends the rows that cursor stands before, up to the bound; false when there were none. */
static bool send_some(tp_keeper *keeper, void **cursor, int32_t *status, trigperf_error **err) {
    tp_strbuf columns[COLUMNS] = {TP_STRBUF_INIT};
    tp_book_row row;
    uint32_t count = 0;
    bool short_of_memory = false;
    while (count < ROWS_PER_STATEMENT && tp_book_next(keeper->book, cursor, &row)) {
        put_row(columns, &row, count++ == 0);
    }
    for (int i = 0; i < COLUMNS; i++) {
        tp_strbuf_putc(&columns[i], '}');
        short_of_memory = short_of_memory || columns[i].failed;
    }
    if (count > 0) {
        *status = short_of_memory ? tp_error_nomem(err) : send_columns(keeper, columns, err);
        keeper->answers += *status == TRIGPERF_OK ? 1 : 0;
    }
    for (int i = 0; i < COLUMNS; i++) {
        tp_strbuf_free(&columns[i]);
    }
    return count > 0;
}

static int32_t take(tp_keeper *keeper, trigperf_error **err) {
    tp_reading *reading = NULL;
    int32_t status = keeper->options.read(keeper->options.user, &reading, err);
    if (status == TRIGPERF_OK) {
        status = tp_book_take(keeper->book, reading, err);
    }
    tp_reading_free(reading);
    return status;
}

static void flush(tp_keeper *keeper) {
    trigperf_error *error = NULL;
    void *cursor = NULL;
    keeper->next_flush_ms = keeper->now_ms + keeper->options.flush_ms;
    keeper->flushed_ms = keeper->now_ms;
    keeper->accepted = true;
    keeper->failed = false;
    int32_t status = take(keeper, &error);
    while (status == TRIGPERF_OK && send_some(keeper, &cursor, &status, &error)) {
    }
    if (status != TRIGPERF_OK) {
        keeper->failed = true;
        tell(keeper, "writing series failed", trigperf_error_message(error));
        trigperf_error_free(error);
    }
}

/* --- the turn ----------------------------------------------------------------------------------*/

/* Answers to what was sent on another connection never come. */
static void change_connection(tp_keeper *keeper, tp_connection *connection) {
    if (keeper->connection != connection) {
        keeper->collecting = false;
        keeper->refreshing = false;
        keeper->answers = 0;
        keeper->told = false;
        keeper->connection = connection;
    }
}

void tp_keeper_tick(tp_keeper *keeper, tp_connection *connection, bool leads, uint64_t now_ms) {
    keeper->now_ms = now_ms;
    change_connection(keeper, connection);
    if (connection == NULL) {
        return;
    }
    if (now_ms >= keeper->next_collect_ms && !keeper->collecting) {
        if (leads) {
            collect(keeper);
        } else {
            keeper->next_collect_ms = now_ms + IDLE_MS / 12;
        }
    }
    if (now_ms >= keeper->next_refresh_ms && !keeper->refreshing) {
        if (leads) {
            refresh(keeper);
        } else {
            keeper->next_refresh_ms = now_ms + keeper->options.refresh_ms;
        }
    }
    if (now_ms >= keeper->next_flush_ms && keeper->answers == 0) {
        flush(keeper);
    }
}

uint64_t tp_keeper_deadline(const tp_keeper *keeper) {
    uint64_t deadline = keeper->collecting ? UINT64_MAX : keeper->next_collect_ms;
    uint64_t others[] = {keeper->answers > 0 ? UINT64_MAX : keeper->next_flush_ms,
                         keeper->refreshing ? UINT64_MAX : keeper->next_refresh_ms};
    for (int i = 0; i < 2; i++) {
        deadline = others[i] < deadline ? others[i] : deadline;
    }
    return keeper->connection == NULL ? UINT64_MAX : deadline;
}

void tp_keeper_finish(tp_keeper *keeper, tp_connection *connection, uint64_t now_ms) {
    keeper->now_ms = now_ms;
    change_connection(keeper, connection);
    if (connection != NULL && keeper->options.flush_ms > 0 && keeper->answers == 0) {
        flush(keeper);
        keeper->next_flush_ms = UINT64_MAX;
    }
}
