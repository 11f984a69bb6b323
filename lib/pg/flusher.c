/* A flush is cut into statements of a few hundred series, so that what stands behind it on its
 * connection is late by some milliseconds at most.
 *
 * Rows hold what was measured since the hour began for this process, and the server overwrites
 * them: a flush whose answer was lost is sent again, larger, and counts once. The hour is the
 * server's: its answer names the present one, and when that is another than the rows were written
 * to, the page is turned (core/book.h). Statements are numbered; one that the server finds late,
 * from a connection given up, it ignores. */
#include "pg/flusher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/entropy.h"
#include "base/json.h"
#include "core/book.h"
#include "core/packed.h"

#define ROWS_PER_STATEMENT 250

struct tp_flusher {
    tp_flusher_options options;
    tp_book *book;
    tp_connection *connection; /* that statements were sent on */
    uint32_t answers;          /* that are awaited */
    bool told;                 /* a failure was told, since the last success */
    uint64_t sequence;
    int64_t hour;  /* that values count from, Unix seconds; 0: not known yet */
    int64_t now_s; /* hour that the newest answer named */
    bool accepted;
    bool failed;
    uint64_t now_ms;
    uint64_t next_ms;
    uint64_t begun_ms; /* of the flush under way */
    uint64_t took_ms;  /* the last one */
};

/* Processes that were started together do not all come at once. */
static uint64_t first_of(uint32_t every_ms, uint64_t now_ms) {
    uint32_t random = 0;
    tp_entropy_fill(&random, sizeof random);
    return now_ms + every_ms - random % (every_ms / 4 + 1);
}

int32_t tp_flusher_new(const tp_flusher_options *options, uint64_t now_ms, tp_flusher **out,
                       trigperf_error **err) {
    tp_flusher *flusher = calloc(1, sizeof *flusher);
    if (flusher == NULL) {
        return tp_error_nomem(err);
    }
    flusher->options = *options;
    flusher->next_ms = options->every_ms == 0 ? UINT64_MAX : first_of(options->every_ms, now_ms);
    int32_t status = tp_book_new(&flusher->book, err);
    if (status != TRIGPERF_OK) {
        free(flusher);
        return status;
    }
    *out = flusher;
    return TRIGPERF_OK;
}

void tp_flusher_free(tp_flusher *flusher) {
    if (flusher != NULL) {
        tp_book_free(flusher->book);
        free(flusher);
    }
}

/* Once while it lasts, since it will happen again each time. */
static void tell(tp_flusher *flusher, const char *why) {
    tp_log_write(flusher->options.log, flusher->told ? TP_LOG_DEBUG : TP_LOG_WARNING,
                 "writing series failed: %s", why);
    flusher->told = true;
}

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
static void flushed(tp_flusher *flusher) {
    flusher->took_ms = flusher->now_ms - flusher->begun_ms;
    if (flusher->failed) {
        return;
    }
    flusher->told = false;
    if (!flusher->accepted) {
        tp_log_write(flusher->options.log, TP_LOG_INFO,
                     "the server had given up this process: its series count anew");
    }
    tp_book_written(flusher->book);
    if (!flusher->accepted || flusher->now_s != flusher->hour) {
        if (flusher->hour != 0 || !flusher->accepted) {
            tp_book_turn(flusher->book);
        }
        flusher->hour = flusher->now_s;
    }
}

static void on_flushed(void *user, PGresult *result) {
    tp_flusher *flusher = user;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
        flusher->now_s = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        flusher->accepted = flusher->accepted && PQgetvalue(result, 0, 1)[0] == 't';
    } else {
        flusher->failed = true;
        tell(flusher, PQresultErrorMessage(result));
    }
    if (--flusher->answers == 0) {
        flushed(flusher);
    }
}

static int32_t send_columns(tp_flusher *flusher, const tp_strbuf columns[COLUMNS],
                            trigperf_error **err) {
    char sequence[24];
    char hour[24];
    char took[24];
    const char *values[5 + COLUMNS] = {flusher->options.instance, flusher->options.application,
                                       sequence, flusher->hour == 0 ? NULL : hour,
                                       flusher->took_ms == 0 ? NULL : took};
    snprintf(sequence, sizeof sequence, "%" PRIu64, ++flusher->sequence);
    snprintf(hour, sizeof hour, "%" PRId64, flusher->hour);
    snprintf(took, sizeof took, "%" PRIu64, flusher->took_ms);
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
        .user = flusher};
    return tp_connection_send(flusher->connection, &statement, err);
}

/* Sends the rows that cursor stands before, up to the bound; false when there were none. */
static bool send_some(tp_flusher *flusher, void **cursor, int32_t *status, trigperf_error **err) {
    tp_strbuf columns[COLUMNS] = {TP_STRBUF_INIT};
    tp_book_row row;
    uint32_t count = 0;
    bool short_of_memory = false;
    while (count < ROWS_PER_STATEMENT && tp_book_next(flusher->book, cursor, &row)) {
        put_row(columns, &row, count++ == 0);
    }
    for (int i = 0; i < COLUMNS; i++) {
        tp_strbuf_putc(&columns[i], '}');
        short_of_memory = short_of_memory || columns[i].failed;
    }
    if (count > 0) {
        *status = short_of_memory ? tp_error_nomem(err) : send_columns(flusher, columns, err);
        flusher->answers += *status == TRIGPERF_OK ? 1 : 0;
    }
    for (int i = 0; i < COLUMNS; i++) {
        tp_strbuf_free(&columns[i]);
    }
    return count > 0;
}

static int32_t take(tp_flusher *flusher, trigperf_error **err) {
    tp_reading *reading = NULL;
    int32_t status = flusher->options.read(flusher->options.user, &reading, err);
    if (status == TRIGPERF_OK) {
        status = tp_book_take(flusher->book, reading, err);
    }
    tp_reading_free(reading);
    return status;
}

static void flush(tp_flusher *flusher) {
    trigperf_error *error = NULL;
    void *cursor = NULL;
    flusher->next_ms = flusher->now_ms + flusher->options.every_ms;
    flusher->begun_ms = flusher->now_ms;
    flusher->accepted = true;
    flusher->failed = false;
    int32_t status = take(flusher, &error);
    while (status == TRIGPERF_OK && send_some(flusher, &cursor, &status, &error)) {
    }
    if (status != TRIGPERF_OK) {
        flusher->failed = true;
        tell(flusher, trigperf_error_message(error));
        trigperf_error_free(error);
    }
}

bool tp_flusher_due(const tp_flusher *flusher, uint64_t now_ms) {
    return now_ms >= flusher->next_ms && flusher->answers == 0;
}

bool tp_flusher_busy(const tp_flusher *flusher) {
    return flusher->answers > 0;
}

uint64_t tp_flusher_deadline(const tp_flusher *flusher) {
    return flusher->answers > 0 ? UINT64_MAX : flusher->next_ms;
}

void tp_flusher_set_now(tp_flusher *flusher, uint64_t now_ms) {
    flusher->now_ms = now_ms;
}

void tp_flusher_run(tp_flusher *flusher, tp_connection *connection) {
    flusher->connection = connection;
    flush(flusher);
}

void tp_flusher_lost(tp_flusher *flusher) {
    flusher->answers = 0;
}
