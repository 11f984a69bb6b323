/* Writers of several kinds by turns, each for a moment, so that whatever else the machine does
 * meets all of them alike.
 *
 *     bench_turns CONNINFO TABLE CLIENTS MILLISECONDS ROUNDS OPTIONS...
 *
 * Each OPTIONS, libpq's, makes a kind, of which every client has a connection; a client is a thread
 * that updates random rows of the table, one a transaction, until the turn's milliseconds are over.
 * A round is a turn of each kind, and one of each in the opposite order. Prints a line a turn:
 *
 *     ROUND KIND TRANSACTIONS NANOSECONDS CPU
 *
 * KIND counts from 0, CPU are nanoseconds of processor time of the kind's backends (Linux, on this
 * machine).
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CLIENTS_MAX 64
#define KINDS_MAX 8
#define ROWS 100000

typedef struct client {
    pthread_t thread;
    PGconn *connections[KINDS_MAX];
    uint32_t seed;
    uint64_t transactions; /* of the turn */
} client;

static client clients[CLIENTS_MAX];
static uint32_t client_count, kind_count;

static pthread_barrier_t begins, ends;
static uint32_t turn_kind;
static uint64_t turn_end; /* 0: no turn follows */

static void fail(const char *what, const char *why) {
    fprintf(stderr, "bench_turns: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void expect(PGconn *connection, PGresult *result) {
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fail("a statement", PQerrorMessage(connection));
    }
    PQclear(result);
}

static PGconn *connect_for(const char *conninfo, const char *table, const char *options) {
    char text[1000];
    char sql[200];
    snprintf(text, sizeof text, "%s options='%s'", conninfo, options);
    PGconn *connection = PQconnectdb(text);
    if (PQstatus(connection) != CONNECTION_OK) {
        fail("connecting", PQerrorMessage(connection));
    }
    snprintf(sql, sizeof sql, "update %s set note = 'n' || $1 where id = $1::text::bigint", table);
    expect(connection, PQprepare(connection, "update", sql, 0, NULL));
    return connection;
}

static void update(client *each) {
    char id[16];
    const char *values[] = {id};
    PGconn *connection = each->connections[turn_kind];
    each->seed = each->seed * 1664525 + 1013904223;
    snprintf(id, sizeof id, "%u", 1 + (uint32_t)(((uint64_t)each->seed * ROWS) >> 32));
    expect(connection, PQexecPrepared(connection, "update", 1, values, NULL, NULL, 0));
    each->transactions++;
}

static void *work(void *argument) {
    client *each = argument;
    for (;;) {
        pthread_barrier_wait(&begins);
        if (turn_end == 0) {
            return NULL;
        }
        for (each->transactions = 0; now_ns() < turn_end;) {
            update(each);
        }
        pthread_barrier_wait(&ends);
    }
}

/* Of the backends of a kind so far, up to their last switch: they are idle. */
static uint64_t cpu_ns(uint32_t kind) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < client_count; i++) {
        char path[64];
        uint64_t spent = 0;
        snprintf(path, sizeof path, "/proc/%d/schedstat",
                 PQbackendPID(clients[i].connections[kind]));
        FILE *file = fopen(path, "r");
        if (file == NULL || fscanf(file, "%" SCNu64, &spent) != 1) {
            fail(path, "no processor times there");
        }
        fclose(file);
        sum += spent;
    }
    return sum;
}

static void turn(uint32_t round, uint32_t kind, uint64_t length) {
    uint64_t transactions = 0;
    uint64_t cpu = cpu_ns(kind);
    uint64_t begun = now_ns();
    turn_kind = kind;
    turn_end = begun + length;
    pthread_barrier_wait(&begins);
    pthread_barrier_wait(&ends);
    uint64_t took = now_ns() - begun;
    for (uint32_t i = 0; i < client_count; i++) {
        transactions += clients[i].transactions;
    }
    printf("%" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", round, kind,
           transactions, took, cpu_ns(kind) - cpu);
}

static void start(const char *conninfo, const char *table, char **options) {
    pthread_barrier_init(&begins, NULL, client_count + 1);
    pthread_barrier_init(&ends, NULL, client_count + 1);
    for (uint32_t i = 0; i < client_count; i++) {
        clients[i].seed = 12345 + i * 7919;
        for (uint32_t j = 0; j < kind_count; j++) {
            clients[i].connections[j] = connect_for(conninfo, table, options[j]);
        }
        pthread_create(&clients[i].thread, NULL, work, &clients[i]);
    }
}

static void stop(void) {
    turn_end = 0;
    pthread_barrier_wait(&begins);
    for (uint32_t i = 0; i < client_count; i++) {
        pthread_join(clients[i].thread, NULL);
        for (uint32_t j = 0; j < kind_count; j++) {
            PQfinish(clients[i].connections[j]);
        }
    }
}

int main(int argc, char **argv) {
    client_count = argc > 6 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    kind_count = argc > 6 ? (uint32_t)argc - 6 : 0;
    if (client_count == 0 || client_count > CLIENTS_MAX || kind_count > KINDS_MAX) {
        fputs("usage: bench_turns CONNINFO TABLE CLIENTS MILLISECONDS ROUNDS OPTIONS...\n", stderr);
        return 2;
    }
    uint64_t length = strtoull(argv[4], NULL, 10) * 1000000;
    uint32_t rounds = (uint32_t)strtoul(argv[5], NULL, 10);
    start(argv[1], argv[2], argv + 6);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < kind_count; i++) {
            turn(round, i, length);
        }
        for (uint32_t i = kind_count; i > 0; i--) {
            turn(round, i - 1, length);
        }
    }
    stop();
    return 0;
}
