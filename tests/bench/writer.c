/* Commits one UPDATE after the other, with pauses, and notes when each was committed.
 *
 *     bench_writer CONNINFO TABLE COUNT
 *
 * Row I is updated by the I-th transaction. Pauses are 2 to 18 ms, evenly spread, so that they keep
 * no step with anybody's polls. Prints lines "ID NANOSECONDS" of CLOCK_MONOTONIC, taken when the
 * server had confirmed the commit.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void update(PGconn *connection, const char *table, unsigned id) {
    char sql[200];
    snprintf(sql, sizeof sql, "update %s set amount = amount + 1 where id = %u", table, id);
    PGresult *result = PQexec(connection, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fprintf(stderr, "bench_writer: %s", PQerrorMessage(connection));
        exit(1);
    }
    PQclear(result);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: bench_writer CONNINFO TABLE COUNT\n", stderr);
        return 2;
    }
    unsigned count = (unsigned)strtoul(argv[3], NULL, 10);
    uint64_t *times = calloc(count + 1, sizeof *times);
    PGconn *connection = PQconnectdb(argv[1]);
    uint32_t seed = 12345;
    for (unsigned i = 1; times != NULL && i <= count; i++) {
        seed = seed * 1664525 + 1013904223;
        struct timespec nap = {.tv_nsec = 2000000 + (long)(seed >> 8) % 16000000};
        nanosleep(&nap, NULL);
        update(connection, argv[2], i);
        times[i] = now_ns();
    }
    PQfinish(connection);
    for (unsigned i = 1; times != NULL && i <= count; i++) {
        printf("%u %" PRIu64 "\n", i, times[i]);
    }
    free(times);
    return 0;
}
