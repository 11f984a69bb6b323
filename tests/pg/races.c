/* Fills of a cache that race with changes, run by tests/pg/test_races.py.
 *
 *     races fill guarded|bare CONNINFO ROUNDS [NAME=VALUE | rule:TABLE=TEMPLATE ..]
 *     races own  guarded|bare CONNINFO ROUNDS [..]
 *
 * The table race(id, v) has the rows 0 to 255, changed to v = ROUND + 1 in each round; the cache is
 * an array of such v, 0 for what it does not hold. The main thread forgets what batches name.
 *
 * fill: a reader reads all rows, and puts each into the cache only while or after a writer changes
 * it: at once, after a moment, or once the key was forgotten, which is as slow as a reader can be.
 * guarded: with the fence. Once everything was delivered, an entry that is still the old one is
 * stale: a reader would be given it until the row changes again. Each fill is one race.
 *
 * own: four writers, each with rows of its own, that stand in the cache; a writer changes some,
 * waits for the position of its transaction (guarded), and looks into the cache. Each look is one
 * race.
 *
 * Prints {"races":..,"stale":..,"caught":..,"passed":..}: of guarded fills, how often the fence
 * told to delete, and how often it did not.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <trigperf.h>

#define KEYS 256
#define GROUP 8
#define WRITERS 4
#define PATIENCE_MS 60000

typedef struct racing {
    trigperf_context *context;
    const char *conninfo;
    int rounds;
    bool guarded;
    atomic_int entry[KEYS];
    atomic_int forgotten[KEYS]; /* in which round last */
    atomic_int round;
    atomic_bool filled;  /* the reader has put all of this round */
    atomic_bool written; /* the writer has changed all of it */
    atomic_int running;  /* threads */
    atomic_ulong races, stale, caught, passed;
} racing;

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "races: %s: %s\n", what, why);
    exit(1);
}

static void check(int32_t status, const char *what, trigperf_error *error) {
    if (status != TRIGPERF_OK) {
        die(what, error == NULL ? "failed" : trigperf_error_message(error));
    }
}

static uint32_t random_below(uint32_t *seed, uint32_t limit) {
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % limit;
}

static void nap_us(uint32_t us) {
    struct timespec nap = {0, (long)us * 1000};
    nanosleep(&nap, NULL);
}

/* ---- database ---- */

static PGconn *connect_to(const char *conninfo) {
    PGconn *connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK) {
        die("connecting", PQerrorMessage(connection));
    }
    return connection;
}

static PGresult *query(PGconn *connection, const char *sql, int count, const int *numbers) {
    char texts[4][16];
    const char *values[4];
    for (int i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", numbers[i]);
        values[i] = texts[i];
    }
    PGresult *result = PQexecParams(connection, sql, count, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        die(sql, PQerrorMessage(connection));
    }
    return result;
}

static void read_rows(PGconn *connection, int first, int count, int *into) {
    const int numbers[] = {first, first + count};
    PGresult *result = query(
        connection, "select id, v from race where id >= $1::int and id < $2::int", 2, numbers);
    for (int i = 0; i < PQntuples(result); i++) {
        into[atoi(PQgetvalue(result, i, 0))] = atoi(PQgetvalue(result, i, 1));
    }
    PQclear(result);
}

/* One transaction; its id goes to xid. */
static void change_rows(PGconn *connection, int first, int count, int version, char *xid) {
    const int numbers[] = {first, first + count, version};
    PGresult *result =
        query(connection,
              "with changed as (update race set v = $3::int where id >= $1::int and "
              "id < $2::int returning id) select pg_current_xact_id()::text, count(*) "
              "from changed",
              3, numbers);
    if (atoi(PQgetvalue(result, 0, 1)) != count) {
        die("changing rows", "some are missing");
    }
    snprintf(xid, 24, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
}

/* ---- fills ---- */

static void put(racing *r, int key, int version, uint64_t token) {
    char name[24];
    size_t length = (size_t)snprintf(name, sizeof name, "race:%d", key);
    atomic_store(&r->entry[key], version);
    if (!r->guarded) {
        return;
    }
    if (trigperf_fence_check(r->context, token, name, length) == TRIGPERF_OK) {
        atomic_fetch_add(&r->passed, 1);
    } else {
        atomic_store(&r->entry[key], 0);
        atomic_fetch_add(&r->caught, 1);
    }
}

static void wait_forgotten(racing *r, int key, int round) {
    for (int i = 0; atomic_load(&r->forgotten[key]) < round; i++) {
        if (i > PATIENCE_MS * 10) {
            die("waiting", "a change was not told");
        }
        nap_us(100);
    }
}

static void put_all(racing *r, int round, const int *read, const uint64_t *tokens, uint32_t *seed) {
    unsigned char how[KEYS];
    for (int key = 0; key < KEYS; key++) {
        how[key] = (unsigned char)random_below(seed, 3);
    }
    for (int turn = 0; turn < 3; turn++) {
        for (int key = 0; key < KEYS; key++) {
            if (how[key] != turn) {
                continue;
            }
            if (turn == 1 && random_below(seed, 2) == 0) {
                nap_us(random_below(seed, 200));
            } else if (turn == 2) {
                wait_forgotten(r, key, round);
            }
            put(r, key, read[key], tokens[key]);
        }
    }
}

/* The writer of a round waits for its reading. */
static atomic_int reading_done;

static void *reader(void *user) {
    racing *r = user;
    PGconn *connection = connect_to(r->conninfo);
    uint64_t tokens[KEYS];
    int read[KEYS];
    uint32_t seed = 1;
    for (int round = 1; round <= r->rounds; round++) {
        while (atomic_load(&r->round) < round) {
            nap_us(50);
        }
        for (int first = 0; first < KEYS; first += GROUP) {
            for (int key = first; key < first + GROUP; key++) {
                check(trigperf_fence_begin(r->context, &tokens[key]), "fence", NULL);
            }
            read_rows(connection, first, GROUP, read);
        }
        atomic_store(&reading_done, round);
        put_all(r, round, read, tokens, &seed);
        atomic_store(&r->filled, true);
    }
    PQfinish(connection);
    atomic_fetch_sub(&r->running, 1);
    return NULL;
}

static void *writer(void *user) {
    racing *r = user;
    PGconn *connection = connect_to(r->conninfo);
    uint32_t seed = 2;
    char xid[24];
    for (int round = 1; round <= r->rounds; round++) {
        while (atomic_load(&reading_done) < round) {
            nap_us(50);
        }
        for (int first = 0, count; first < KEYS; first += count) {
            count = 1 + (int)random_below(&seed, 2 * GROUP);
            count = first + count > KEYS ? KEYS - first : count;
            change_rows(connection, first, count, round + 1, xid);
        }
        atomic_store(&r->written, true);
    }
    PQfinish(connection);
    atomic_fetch_sub(&r->running, 1);
    return NULL;
}

/* ---- the host ---- */

static void forget(racing *r, const trigperf_batch *batch) {
    int round = atomic_load(&r->round);
    for (uint32_t i = 0; i < trigperf_batch_key_count(batch); i++) {
        int key = atoi(trigperf_batch_key_at(batch, i, NULL) + strlen("race:"));
        atomic_store(&r->entry[key], 0);
        atomic_store(&r->forgotten[key], round);
    }
    for (int key = 0; trigperf_batch_resync_count(batch) > 0 && key < KEYS; key++) {
        atomic_store(&r->entry[key], 0);
        atomic_store(&r->forgotten[key], round);
    }
}

static void pull(racing *r) {
    trigperf_batch *batch = NULL;
    trigperf_error *error = NULL;
    for (;;) {
        check(trigperf_batch_next(r->context, &batch, &error), "batch", error);
        if (batch == NULL) {
            return;
        }
        forget(r, batch);
        check(trigperf_batch_ack(batch, &error), "ack", error);
    }
}

static void turn(racing *r) {
    trigperf_error *error = NULL;
    int32_t status = trigperf_wait(r->context, 1, &error);
    if (status != TRIGPERF_OK && status != TRIGPERF_E_TIMEOUT) {
        check(status, "wait", error);
    }
    trigperf_error_free(error);
    pull(r);
}

/* Until everything that is visible now was delivered. */
static void settle(racing *r) {
    int32_t status = TRIGPERF_E_AGAIN;
    while (status == TRIGPERF_E_AGAIN) {
        trigperf_error *error = NULL;
        status = trigperf_wait_position(r->context, NULL, PATIENCE_MS, &error);
        if (status != TRIGPERF_E_AGAIN) {
            check(status, "wait_position", error);
        }
        trigperf_error_free(error);
        pull(r);
    }
}

static void judge(racing *r, int round) {
    for (int key = 0; key < KEYS; key++) {
        int entry = atomic_exchange(&r->entry[key], 0);
        if (entry != 0 && entry != round + 1) {
            atomic_fetch_add(&r->stale, 1);
        }
    }
    atomic_fetch_add(&r->races, KEYS);
}

static void fill(racing *r) {
    pthread_t threads[2];
    atomic_store(&r->running, 2);
    pthread_create(&threads[0], NULL, reader, r);
    pthread_create(&threads[1], NULL, writer, r);
    for (int round = 1; round <= r->rounds; round++) {
        atomic_store(&r->filled, false);
        atomic_store(&r->written, false);
        atomic_store(&r->round, round);
        while (!atomic_load(&r->filled) || !atomic_load(&r->written)) {
            turn(r);
        }
        settle(r);
        judge(r, round);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

/* ---- own writes ---- */

typedef struct owner {
    racing *r;
    int first;
} owner;

static void write_and_look(racing *r, PGconn *connection, int first, int count, int version) {
    trigperf_error *error = NULL;
    char xid[24];
    for (int key = first; key < first + count; key++) {
        atomic_store(&r->entry[key], version - 1);
    }
    change_rows(connection, first, count, version, xid);
    if (r->guarded) {
        check(trigperf_wait_position(r->context, xid, PATIENCE_MS, &error), "wait_position", error);
    }
    for (int key = first; key < first + count; key++) {
        atomic_fetch_add(&r->stale, atomic_load(&r->entry[key]) == version - 1 ? 1 : 0);
    }
    atomic_fetch_add(&r->races, (unsigned)count);
}

static void *own_writer(void *user) {
    owner *own = user;
    PGconn *connection = connect_to(own->r->conninfo);
    uint32_t seed = (uint32_t)own->first;
    int most = KEYS / WRITERS;
    for (int round = 1; round <= own->r->rounds; round++) {
        for (int at = 0, count; at < most; at += count) {
            count = 1 + (int)random_below(&seed, 2 * GROUP);
            count = at + count > most ? most - at : count;
            write_and_look(own->r, connection, own->first + at, count, round + 1);
        }
    }
    PQfinish(connection);
    atomic_fetch_sub(&own->r->running, 1);
    return NULL;
}

static void own_writes(racing *r) {
    pthread_t threads[WRITERS];
    owner owners[WRITERS];
    atomic_store(&r->running, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        owners[i] = (owner){r, i * KEYS / WRITERS};
        pthread_create(&threads[i], NULL, own_writer, &owners[i]);
    }
    while (atomic_load(&r->running) > 0) {
        turn(r);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* ---- */

static void configure(trigperf_config *config, char *text) {
    trigperf_error *error = NULL;
    char *value = strchr(text, '=');
    if (value == NULL) {
        die(text, "NAME=VALUE was expected");
    }
    *value++ = '\0';
    if (strncmp(text, "rule:", 5) == 0) {
        check(trigperf_config_rule(config, text + 5, NULL, NULL, value, 0, &error), text, error);
    } else {
        check(trigperf_config_set(config, text, value, &error), text, error);
    }
}

int main(int argc, char **argv) {
    static racing r;
    trigperf_config *config = NULL;
    trigperf_error *error = NULL;
    if (argc < 5) {
        die("usage", "races fill|own guarded|bare CONNINFO ROUNDS [NAME=VALUE ..]");
    }
    r.guarded = strcmp(argv[2], "guarded") == 0;
    r.conninfo = argv[3];
    r.rounds = atoi(argv[4]);
    check(trigperf_config_new(&config, &error), "configuration", error);
    check(trigperf_config_set(config, "connection", r.conninfo, &error), "connection", error);
    for (int i = 5; i < argc; i++) {
        configure(config, argv[i]);
    }
    check(trigperf_context_new(config, &r.context, &error), "context", error);
    trigperf_config_free(config);
    settle(&r);
    if (strcmp(argv[1], "fill") == 0) {
        fill(&r);
    } else {
        own_writes(&r);
    }
    printf("{\"races\":%lu,\"stale\":%lu,\"caught\":%lu,\"passed\":%lu}\n", atomic_load(&r.races),
           atomic_load(&r.stale), atomic_load(&r.caught), atomic_load(&r.passed));
    trigperf_context_free(r.context);
    return 0;
}
