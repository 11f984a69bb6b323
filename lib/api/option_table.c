/* Adding an option means one line here and one identifier in the header. */
#include "api/option_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOUR_MS 3600000u
#define TEXT(name, initial, doc)                                                                   \
    { name, TP_OPTION_TEXT, "", 0, 0, "", initial, doc }
#define NUMBER(name, unit, min, max, initial, doc)                                                 \
    { name, TP_OPTION_UINT, unit, min, max, "", initial, doc }
#define BOOLEAN(name, initial, doc)                                                                \
    { name, TP_OPTION_BOOL, "", 0, 1, "", initial, doc }
#define CHOICE(name, choices, initial, doc)                                                        \
    { name, TP_OPTION_ENUM, "", 0, 0, choices, initial, doc }

static const tp_option table[TP_OPTION_COUNT] = {
    [TP_OPTION_CONNECTION] =
        TEXT("connection", "",
             "libpq connection string or URI; empty: libpq's own variables, service file and "
             "passfile decide"),
    [TP_OPTION_SOURCE] =
        CHOICE("source", "outbox wal notify none", "outbox",
               "where changes come from: the outbox of capture triggers, the write-ahead log, JSON "
               "sent by NOTIFY, or none (what the host pushes alone, without a database)"),
    [TP_OPTION_CONSUMER] =
        TEXT("consumer", "",
             "name of a durable consumer, whose position is kept in the database; empty: an "
             "ephemeral one, which starts with a resync"),
    [TP_OPTION_APPLICATION_NAME] = TEXT("application_name", "trigperf",
                                        "application_name of the connection, unless the "
                                        "connection string or PGAPPNAME names one"),
    [TP_OPTION_ALERT_INTERVAL_MS] =
        NUMBER("alert.interval_ms", "ms", 10, HOUR_MS, "10000", "alert rules are applied so often"),
    [TP_OPTION_ALERT_COMMAND] =
        TEXT("alert.command", "",
             "what trigperf alerts --follow and trigperf monitor run by /bin/sh for each event of "
             "the database's alerts; the library itself runs nothing"),
    [TP_OPTION_BATCH_WINDOW_MS] =
        NUMBER("batch.window_ms", "ms", 0, HOUR_MS, "100",
               "a batch is made so long after its first change; 0: as soon as changes were read"),
    [TP_OPTION_BATCH_FRESH_MS] =
        NUMBER("batch.fresh_ms", "ms", 0, HOUR_MS, "5",
               "or so long, if all its keys are fresh: none came twice, none was delivered less "
               "than batch.window_ms ago; batch.window_ms or more: every window lasts that long"),
    [TP_OPTION_BATCH_MAX_KEYS] =
        NUMBER("batch.max_keys", "keys", 1, 1000000, "50",
               "or when so many distinct keys wait; one change is never split, so a batch may be "
               "larger when one change has more keys"),
    [TP_OPTION_BATCH_MAX_PENDING] =
        NUMBER("batch.max_pending", "batches", 1, 100000, "64",
               "batches made and not yet acknowledged, above which reading stops"),
    [TP_OPTION_JOBS_ENABLED] =
        BOOLEAN("jobs.enabled", "on",
                "this context may be the one of all that does jobs for the database: measuring "
                "triggers, judging alerts, retention, refreshing KPIs"),
    [TP_OPTION_JOBS_CONNECTION] =
        CHOICE("jobs.connection", "own shared", "own",
               "jobs and series go over a second connection that is there while there is work "
               "(own), or over the one that follows changes, which then wait meanwhile (shared)"),
    [TP_OPTION_JOBS_IDLE_MS] =
        NUMBER("jobs.idle_ms", "ms", 0, HOUR_MS, "5000",
               "the second connection is closed when nothing went over it for so long"),
    [TP_OPTION_JOBS_TIMEOUT_MS] = NUMBER(
        "jobs.timeout_ms", "ms", 0, 24u * HOUR_MS, "900000",
        "a statement on the second connection is given up after so long (statement_timeout); "
        "0: never"),
    [TP_OPTION_KPI_REFRESH_MS] = NUMBER(
        "kpi.refresh_ms", "ms", 0, HOUR_MS, "0",
        "groups of trailing KPIs that are due are refreshed so often, by one context of all; "
        "0: never by this one"),
    [TP_OPTION_LIMIT_KEY_INTERVAL_MS] =
        NUMBER("limit.key_interval_ms", "ms", 0, 24u * HOUR_MS, "0",
               "a key is delivered at most once per interval, and always once after its last "
               "change; 0: no limit; a rule may set its own"),
    [TP_OPTION_MEMORY_MAX_BYTES] = NUMBER(
        "memory.max_bytes", "bytes", 65536, UINT64_C(1) << 40, "67108864",
        "memory for waiting changes, keys and batches; at a quarter of it reading stops, and "
        "near it notifications and pushed changes collapse into resyncs"),
    [TP_OPTION_MEMORY_GROUP_PERCENT] =
        NUMBER("memory.group_percent", "%", 25, 100, "75",
               "share of memory.max_bytes from which on changes collapse to groups of keys"),
    [TP_OPTION_MEMORY_TABLE_PERCENT] =
        NUMBER("memory.table_percent", "%", 25, 100, "90",
               "share of memory.max_bytes from which on changes collapse to tables, if "
               "memory.group_percent is reached; at 100 % they collapse to everything"),
    [TP_OPTION_MEMORY_MAX_GROUPS] =
        NUMBER("memory.max_groups", "groups", 0, 1000000, "1000",
               "groups of a key template that are told apart when changes collapse; with more of "
               "them the template is told whole"),
    [TP_OPTION_METRICS_MAX_SERIES] =
        NUMBER("metrics.max_series", "series", 16, 1000000, "10000",
               "series (a name with its labels) that a context holds at most; more are refused"),
    [TP_OPTION_METRICS_COLLECT_MS] =
        NUMBER("metrics.collect_ms", "ms", 0, 24u * HOUR_MS, "60000",
               "what triggers of the database cost is measured so often, by one context of all; 0: "
               "never"),
    [TP_OPTION_METRICS_FLUSH_MS] =
        NUMBER("metrics.flush_ms", "ms", 0, HOUR_MS, "60000",
               "the series of this context are written to the database so often, those that "
               "changed; 0: never"),
    [TP_OPTION_METRICS_RETENTION_DAYS] =
        NUMBER("metrics.retention_days", "days", 1, 3660, "30",
               "what was measured, sampled and logged as an error is kept so long"),
    [TP_OPTION_NACK_DELAY_MS] = NUMBER("nack.delay_ms", "ms", 0, HOUR_MS, "500",
                                       "a batch that was given back comes again after so long; "
                                       "doubled with each attempt"),
    [TP_OPTION_NACK_DELAY_MAX_MS] =
        NUMBER("nack.delay_max_ms", "ms", 0, HOUR_MS, "60000", "longest such delay"),
    [TP_OPTION_ACK_INTERVAL_MS] =
        NUMBER("ack.interval_ms", "ms", 1, HOUR_MS, "500",
               "the position of a durable consumer is stored so often, when something was "
               "acknowledged"),
    [TP_OPTION_POLL_MIN_MS] =
        NUMBER("poll.min_ms", "ms", 1, 60000, "10", "time between two polls while changes come"),
    [TP_OPTION_POLL_MAX_MS] =
        NUMBER("poll.max_ms", "ms", 1, 60000, "50", "time between two polls while none come"),
    [TP_OPTION_NOTIFIER_ENABLED] =
        BOOLEAN("notifier.enabled", "on",
                "this context may be elected to poll for all others of the database"),
    [TP_OPTION_NOTIFIER_BEAT_MS] =
        NUMBER("notifier.beat_ms", "ms", 50, 60000, "500",
               "heartbeat of the notifier; after two missed beats the others poll, after three "
               "another one is elected; the same everywhere"),
    [TP_OPTION_CONNECT_TIMEOUT_MS] = NUMBER("connect.timeout_ms", "ms", 1, 600000, "10000",
                                            "longest time to establish a connection"),
    [TP_OPTION_CONNECT_SILENCE_MS] =
        NUMBER("connect.silence_ms", "ms", 100, 600000, "15000",
               "a server that does not answer for so long is given up, and connected to anew"),
    [TP_OPTION_RECONNECT_MIN_MS] =
        NUMBER("reconnect.min_ms", "ms", 1, 600000, "100",
               "first wait before connecting again; doubled with each failure, with jitter"),
    [TP_OPTION_RECONNECT_MAX_MS] =
        NUMBER("reconnect.max_ms", "ms", 1, 600000, "10000", "longest such wait"),
    [TP_OPTION_NOTIFY_CHANNEL] = TEXT(
        "notify.channel", "cache_invalidation",
        "with source = notify: the channels to listen to, separated by commas, written as they "
        "are (no folding to lower case)"),
    [TP_OPTION_NOTIFY_KEYS] =
        TEXT("notify.keys", "user_id,record_id,agent_id",
             "with source = notify: members of the JSON that are keys, separated by commas"),
    [TP_OPTION_CAPTURE_MAX_KEYS] =
        NUMBER("capture.max_keys", "tuples", 1, 1000000, "1000",
               "when attaching: a statement that touches more distinct key tuples is captured as "
               "one resync of its table"),
    [TP_OPTION_CACHE_CAPACITY] =
        NUMBER("cache.capacity", "verdicts", 0, UINT64_C(1) << 32, "10000",
               "room of the verdict cache, about 17 bytes each; 0: nothing is kept"),
    [TP_OPTION_CACHE_POLICY] = CHOICE("cache.policy", "s3fifo lru", "s3fifo",
                                      "which verdict goes when there is no room: s3fifo keeps what "
                                      "is asked for again, lru what was asked for last"),
    [TP_OPTION_CACHE_EXACT] =
        BOOLEAN("cache.exact", "off",
                "keep whole keys and compare them, which takes their length in memory, instead of "
                "64 bits of a secretly keyed hash"),
    [TP_OPTION_CACHE_TTL_MS] =
        NUMBER("cache.ttl_ms", "ms", 0, UINT64_C(1) << 40, "0",
               "time to live of a verdict unless its validator or the call names one; 0: it never "
               "expires"),
    [TP_OPTION_CACHE_TTL_JITTER] =
        NUMBER("cache.ttl_jitter", "percent", 0, 50, "10",
               "times to live are shortened at random by up to so much, so that what was put "
               "together does not expire together"),
    [TP_OPTION_CACHE_MIN_HIT_RATE] = NUMBER("cache.min_hit_rate", "percent", 0, 100, "60",
                                            "a hit rate below it is worth an alert; 0: never"),
    [TP_OPTION_CACHE_MIN_LOOKUPS] =
        NUMBER("cache.min_lookups", "lookups", 1, UINT64_C(1) << 40, "1000",
               "of so many lookups at least a hit rate is made that is worth an alert"),
};

const tp_option *tp_option_at(uint32_t index) {
    return &table[index];
}

uint32_t tp_option_find(const char *name, size_t length) {
    for (uint32_t i = 0; i < TP_OPTION_COUNT; i++) {
        if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0) {
            return i;
        }
    }
    return TP_OPTION_COUNT;
}

static size_t smallest(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance with one row of the matrix; names beyond 63 bytes are cut. */
static size_t distance(const char *a, const char *b) {
    size_t row[64];
    size_t length = strnlen(b, 63);
    for (size_t j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0' && i < 63; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t above = row[j + 1];
            size_t same = tolower((unsigned char)a[i]) == tolower((unsigned char)b[j]) ? 0 : 1;
            row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + same);
            diagonal = above;
        }
    }
    return row[length];
}

const char *tp_option_nearest(const char *name) {
    const char *best = table[0].name;
    for (uint32_t i = 1; i < TP_OPTION_COUNT; i++) {
        if (distance(name, table[i].name) < distance(name, best)) {
            best = table[i].name;
        }
    }
    return best;
}

static int32_t check_number(const tp_option *option, const char *value, uint64_t *number,
                            trigperf_error **err) {
    char *rest = NULL;
    errno = 0;
    uint64_t parsed = strtoull(value, &rest, 10);
    bool digits = isdigit((unsigned char)value[0]) && *rest == '\0' && errno == 0;
    if (!digits || parsed < option->minimum || parsed > option->maximum) {
        return tp_error_set(err, TRIGPERF_E_CONFIG, option->doc,
                            "%s: expected a whole number from %llu to %llu (%s), got \"%s\"",
                            option->name, (unsigned long long)option->minimum,
                            (unsigned long long)option->maximum, option->unit, value);
    }
    *number = parsed;
    return TRIGPERF_OK;
}

static int32_t check_bool(const tp_option *option, const char *value, uint64_t *number,
                          trigperf_error **err) {
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *number = i % 2;
            return TRIGPERF_OK;
        }
    }
    return tp_error_set(err, TRIGPERF_E_CONFIG, option->doc, "%s: expected on or off, got \"%s\"",
                        option->name, value);
}

static int32_t check_choice(const tp_option *option, const char *value, uint64_t *number,
                            trigperf_error **err) {
    const char *at = option->choices;
    for (uint64_t i = 0; *at != '\0'; i++) {
        size_t length = strcspn(at, " ");
        if (strlen(value) == length && strncasecmp(value, at, length) == 0) {
            *number = i;
            return TRIGPERF_OK;
        }
        at += length + (at[length] == ' ' ? 1 : 0);
    }
    return tp_error_set(err, TRIGPERF_E_CONFIG, option->doc, "%s: expected one of: %s; got \"%s\"",
                        option->name, option->choices, value);
}

int32_t tp_option_check(const tp_option *option, const char *value, uint64_t *number,
                        trigperf_error **err) {
    *number = 0;
    switch (option->type) {
    case TP_OPTION_UINT:
        return check_number(option, value, number, err);
    case TP_OPTION_BOOL:
        return check_bool(option, value, number, err);
    case TP_OPTION_ENUM:
        return check_choice(option, value, number, err);
    case TP_OPTION_TEXT:
        return TRIGPERF_OK;
    }
    return TRIGPERF_OK;
}
