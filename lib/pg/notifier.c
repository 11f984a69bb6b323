/* A leader renews its row each beat, learns in the same statement how many others are there, and
 * sends NOTIFY in it when there are any: a lone process costs the server no notification at all. A
 * beat does not wait for the disk: after a crash there is no leader anyway. The lease is three
 * beats, so that one late beat does not depose it. Contenders ask once a beat, in a statement that
 * takes over only when the lease is out, so an election is one short UPDATE.
 *
 * Announcements form a chain: each starts where the last one ended, although polls in between that
 * found nothing moved the position further. The chain holds only while each page starts where the
 * one before it ended; a reader that jumped begins a new one. */
#include "pg/notifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "pg/wake.h"

#define LEASE_BEATS 3
#define ROTATE_MS 1000
#define CHECK_MS 4000

struct tp_notifier {
    tp_connection *connection;
    const tp_log *log;
    tp_notifier_options options;
    char *channel;
    bool leads;
    bool asking; /* an election statement is under way */
    uint32_t others;
    uint64_t now_ms;
    uint64_t heard_ms; /* last sign of the leader */
    bool ever_heard;
    uint64_t next_beat_ms;
    uint64_t next_rotate_ms;
    uint64_t next_check_ms;
    tp_census census;
    tp_strbuf announced; /* end of the chain, "" when it has not begun */
    tp_strbuf reached;   /* end of the last page, announced or not */
};

int32_t tp_notifier_new(tp_connection *connection, const tp_log *log,
                        const tp_notifier_options *options, tp_notifier **out,
                        trigperf_error **err) {
    tp_notifier *notifier = calloc(1, sizeof *notifier);
    if (notifier == NULL) {
        return tp_error_nomem(err);
    }
    notifier->connection = connection;
    notifier->log = log;
    notifier->options = *options;
    notifier->next_beat_ms = UINT64_MAX;
    notifier->census = (tp_census){.connection = connection, .log = log};
    *out = notifier;
    return TRIGPERF_OK;
}

void tp_notifier_free(tp_notifier *notifier) {
    if (notifier != NULL) {
        tp_strbuf_free(&notifier->announced);
        tp_strbuf_free(&notifier->reached);
        free(notifier->channel);
        free(notifier);
    }
}

int32_t tp_notifier_session(tp_notifier *notifier, const char *channel, uint64_t now_ms,
                            trigperf_error **err) {
    char *copy = channel == NULL ? NULL : tp_text_copy(channel);
    if (channel != NULL && copy == NULL) {
        return tp_error_nomem(err);
    }
    free(notifier->channel);
    notifier->channel = copy;
    notifier->leads = false;
    notifier->asking = false;
    notifier->ever_heard = false;
    notifier->next_beat_ms = channel == NULL ? UINT64_MAX : now_ms;
    notifier->next_rotate_ms = now_ms + ROTATE_MS;
    notifier->next_check_ms = now_ms + CHECK_MS;
    tp_census_forget(&notifier->census);
    tp_strbuf_reset(&notifier->announced);
    return TRIGPERF_OK;
}

static int32_t notify(tp_notifier *notifier, const char *payload, trigperf_error **err) {
    const char *values[] = {notifier->channel, payload};
    tp_statement statement = {.text = "SELECT pg_catalog.pg_notify($1, $2)",
                              .repeated = true,
                              .count = 2,
                              .values = values};
    return tp_connection_send(notifier->connection, &statement, err);
}

static void lost(tp_notifier *notifier, const char *why) {
    if (notifier->leads) {
        tp_log_write(notifier->log, TP_LOG_INFO, "no longer the notifier: %s", why);
    }
    notifier->leads = false;
    tp_census_forget(&notifier->census);
    tp_strbuf_reset(&notifier->announced);
}

static void won(tp_notifier *notifier) {
    if (!notifier->leads) {
        tp_log_write(notifier->log, TP_LOG_INFO, "elected as the notifier of this database");
    }
    notifier->leads = true;
}

static void on_election(void *user, PGresult *result) {
    tp_notifier *notifier = user;
    notifier->asking = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        tp_log_write(notifier->log, TP_LOG_WARNING, "electing the notifier failed: %s",
                     PQresultErrorMessage(result));
        lost(notifier, "the election failed");
        return;
    }
    notifier->others = (uint32_t)strtoul(PQgetvalue(result, 0, 1), NULL, 10);
    if (PQgetvalue(result, 0, 0)[0] == 't') {
        won(notifier);
    } else {
        lost(notifier, "another context holds the lease");
        uint64_t age = strtoull(PQgetvalue(result, 0, 2), NULL, 10);
        if (!notifier->ever_heard && age < 2u * notifier->options.beat_ms) {
            tp_notifier_heard(notifier, notifier->now_ms);
        }
    }
}

static int32_t ask(tp_notifier *notifier, trigperf_error **err) {
    char lease[16];
    snprintf(lease, sizeof lease, "%u", LEASE_BEATS * notifier->options.beat_ms);
    const char *values[] = {notifier->options.instance, lease, notifier->channel};
    tp_statement statement = {
        .text =
            "SELECT e.leader, o.count, e.age_ms, "
            "CASE WHEN e.leader AND o.count > 0 "
            "THEN pg_catalog.pg_notify($3::text, '{\"k\":\"b\"}')::text END, "
            "pg_catalog.set_config('synchronous_commit', 'off', true) "
            "FROM trigperf.notifier_elect($1::uuid, $2::int) AS e, "
            "(SELECT count(*) FROM trigperf.member WHERE instance <> $1::uuid "
            "AND source = 'outbox' AND seen_at > clock_timestamp() - interval '30 seconds') AS o",
        .repeated = true,
        .count = 3,
        .values = values,
        .done = on_election,
        .user = notifier};
    int32_t status = tp_connection_send(notifier->connection, &statement, err);
    notifier->asking = status == TRIGPERF_OK;
    return status;
}

/* What the leader does for everyone: partitions of the outbox that all have read are emptied, and
 * attached tables are looked at for changes that no trigger sees, and consumers for their lag. */
static int32_t keep_house(tp_notifier *notifier, uint64_t now_ms, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    if (now_ms >= notifier->next_rotate_ms) {
        tp_statement rotate = {.text = "SELECT trigperf.outbox_rotate()", .repeated = true};
        notifier->next_rotate_ms = now_ms + ROTATE_MS;
        status = tp_connection_send(notifier->connection, &rotate, err);
    }
    if (status == TRIGPERF_OK && now_ms >= notifier->next_check_ms) {
        tp_statement check = {.text = "SELECT trigperf.table_check_all()", .repeated = true};
        notifier->next_check_ms = now_ms + CHECK_MS;
        status = tp_connection_send(notifier->connection, &check, err);
        status = status == TRIGPERF_OK ? tp_census_ask(&notifier->census, err) : status;
    }
    return status;
}

int32_t tp_notifier_tick(tp_notifier *notifier, uint64_t now_ms, bool able, trigperf_error **err) {
    notifier->now_ms = now_ms;
    if (notifier->channel == NULL || !notifier->options.candidate) {
        return TRIGPERF_OK;
    }
    if (notifier->leads && !able) {
        tp_notifier_resign(notifier);
    }
    int32_t status = TRIGPERF_OK;
    if (now_ms >= notifier->next_beat_ms && !notifier->asking) {
        notifier->next_beat_ms = now_ms + notifier->options.beat_ms;
        if (able && (notifier->leads || !tp_notifier_follows(notifier, now_ms))) {
            status = ask(notifier, err);
        }
    }
    if (status == TRIGPERF_OK && notifier->leads) {
        status = keep_house(notifier, now_ms, err);
    }
    return status;
}

uint64_t tp_notifier_deadline(const tp_notifier *notifier) {
    if (notifier->channel == NULL || !notifier->options.candidate) {
        return UINT64_MAX;
    }
    return notifier->leads && notifier->next_rotate_ms < notifier->next_beat_ms
               ? notifier->next_rotate_ms
               : notifier->next_beat_ms;
}

void tp_notifier_heard(tp_notifier *notifier, uint64_t now_ms) {
    notifier->heard_ms = now_ms;
    notifier->ever_heard = true;
}

void tp_notifier_resigned(tp_notifier *notifier, uint64_t now_ms) {
    notifier->ever_heard = false;
    notifier->next_beat_ms = now_ms;
}

const tp_census_figures *tp_notifier_census(const tp_notifier *notifier) {
    return &notifier->census.figures;
}

bool tp_notifier_leads(const tp_notifier *notifier) {
    return notifier->leads;
}

bool tp_notifier_follows(const tp_notifier *notifier, uint64_t now_ms) {
    return !notifier->leads && notifier->ever_heard &&
           now_ms - notifier->heard_ms < 2u * (uint64_t)notifier->options.beat_ms;
}

/* The chain goes on from its end, if it has begun. */
static int32_t encode_chained(tp_notifier *notifier, const tp_reader_page *page,
                              const tp_registry *registry, tp_strbuf *out, trigperf_error **err) {
    tp_reader_page chained = *page;
    tp_snapshot start = {0};
    if (notifier->announced.length > 0) {
        int32_t status = tp_snapshot_parse(tp_strbuf_str(&notifier->announced), &start, err);
        if (status != TRIGPERF_OK) {
            return status;
        }
        chained.from = &start;
    }
    tp_wake_encode(&chained, registry, out);
    tp_snapshot_free(&start);
    tp_strbuf_reset(&notifier->announced);
    tp_snapshot_format(page->to, &notifier->announced);
    return out->failed ? tp_error_nomem(err) : TRIGPERF_OK;
}

/* Ends the chain when this page does not begin where the last one ended. */
static void check_chain(tp_notifier *notifier, const tp_reader_page *page) {
    tp_strbuf from = TP_STRBUF_INIT;
    tp_snapshot_format(page->from, &from);
    if (from.failed || notifier->reached.failed ||
        strcmp(tp_strbuf_str(&from), tp_strbuf_str(&notifier->reached)) != 0) {
        tp_strbuf_reset(&notifier->announced);
    }
    tp_strbuf_free(&from);
    tp_strbuf_reset(&notifier->reached);
    tp_snapshot_format(page->to, &notifier->reached);
}

int32_t tp_notifier_share(tp_notifier *notifier, const tp_reader_page *page,
                          const tp_registry *registry, trigperf_error **err) {
    check_chain(notifier, page);
    if (!notifier->leads || (page->rows == 0 && page->complete)) {
        return TRIGPERF_OK;
    }
    if (notifier->others == 0) {
        tp_strbuf_reset(&notifier->announced);
        return TRIGPERF_OK;
    }
    tp_strbuf payload = TP_STRBUF_INIT;
    int32_t status = encode_chained(notifier, page, registry, &payload, err);
    if (status == TRIGPERF_OK) {
        status = notify(notifier, tp_strbuf_str(&payload), err);
    }
    tp_strbuf_free(&payload);
    return status;
}

void tp_notifier_resign(tp_notifier *notifier) {
    if (!notifier->leads) {
        return;
    }
    const char *values[] = {notifier->options.instance};
    tp_statement statement = {
        .text = "SELECT trigperf.notifier_resign($1::uuid)", .count = 1, .values = values};
    tp_connection_send(notifier->connection, &statement, NULL);
    if (notifier->others > 0) {
        notify(notifier, "{\"k\":\"q\"}", NULL);
    }
    lost(notifier, "it resigned");
}
