/* A consumer of PgQ for measuring, as lean as libpq allows.
 *
 *     bench_pgq_client drain  CONNINFO QUEUE CONSUMER   all batches that are there, finish them,
 * end bench_pgq_client follow CONNINFO QUEUE CONSUMER   until SIGTERM, asks every 10 ms
 *
 * Each event's data is the JSON that the notifications carry as well; the members "user_id" and
 * "id" are cut out of it without a parser. Output as of bench_host.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NOTES_MAX 1000000

static struct { uint64_t id, ns; } * notes;

static size_t note_count;
static uint64_t changes, sum;
static volatile uint64_t users; /* volatile: cut out as a host would, though nobody looks */
static volatile sig_atomic_t stopping;

static void on_term(int number) {
    (void)number;
    stopping = 1;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000U +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static PGresult *query(PGconn *connection, const char *sql, int count, const char *const *values) {
    PGresult *result = PQexecParams(connection, sql, count, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fprintf(stderr, "bench_pgq_client: %s", PQerrorMessage(connection));
        exit(1);
    }
    return result;
}

static uint64_t member(const char *json, const char *name) {
    const char *found = strstr(json, name);
    return found != NULL ? strtoull(found + strlen(name), NULL, 10) : 0;
}

static void read_event(const char *json, uint64_t now) {
    uint64_t id = member(json, "\"id\" : ");
    users += member(json, "\"user_id\" : ");
    sum += id;
    changes++;
    if (notes != NULL && note_count < NOTES_MAX) {
        notes[note_count].id = id;
        notes[note_count++].ns = now;
    }
}

/* One batch; 0 when there is none. */
static int batch(PGconn *connection, const char *const *who) {
    PGresult *next = query(connection, "select pgq.next_batch($1, $2)", 2, who);
    int there = !PQgetisnull(next, 0, 0);
    if (there) {
        const char *const number[] = {PQgetvalue(next, 0, 0)};
        PGresult *events =
            query(connection, "select ev_type, ev_data from pgq.get_batch_events($1)", 1, number);
        uint64_t now = now_ns();
        for (int i = 0; i < PQntuples(events); i++) {
            read_event(PQgetvalue(events, i, 1), now);
        }
        PQclear(events);
        PQclear(query(connection, "select pgq.finish_batch($1)", 1, number));
    }
    PQclear(next);
    return there;
}

static void follow(PGconn *connection, const char *const *who) {
    struct timespec nap = {.tv_nsec = 10000000};
    notes = calloc(NOTES_MAX, sizeof *notes);
    puts("ready");
    fflush(stdout);
    while (!stopping) {
        if (!batch(connection, who)) {
            nanosleep(&nap, NULL);
        }
    }
    for (size_t i = 0; i < note_count; i++) {
        printf("%" PRIu64 " %" PRIu64 "\n", notes[i].id, notes[i].ns);
    }
    free(notes);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fputs("usage: bench_pgq_client drain|follow CONNINFO QUEUE CONSUMER\n", stderr);
        return 2;
    }
    signal(SIGTERM, on_term);
    uint64_t before = cpu_us();
    uint64_t began = now_ns();
    PGconn *connection = PQconnectdb(argv[2]);
    const char *const who[] = {argv[3], argv[4]};
    if (strcmp(argv[1], "follow") == 0) {
        follow(connection, who);
    } else {
        while (batch(connection, who)) {
        }
        printf("%" PRIu64 " %" PRIu64 " 0 %" PRIu64 " %" PRIu64 "\n", changes, sum,
               (now_ns() - began) / 1000, cpu_us() - before);
    }
    PQfinish(connection);
    return 0;
}
