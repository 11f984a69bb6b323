/* A host application that does nothing but receive, for measuring.
 *
 *     bench_host drain  CONNINFO CONSUMER [NAME=VALUE ..]   all that is visible, acknowledge, end
 *     bench_host follow CONNINFO CONSUMER [NAME=VALUE ..]   until SIGTERM, notes when each id came
 *     bench_host hold   CONNINFO CONSUMER [NAME=VALUE ..]   until SIGTERM, pulls nothing
 *     bench_host idle   CONNINFO CONSUMER [NAME=VALUE ..]   until SIGTERM, as 50 consumers
 *     bench_host count  CONNINFO CONSUMER [NAME=VALUE ..]   until SIGTERM, and all that is visible
 *     bench_host listen CONNINFO COUNT    [NAME=VALUE ..]   so many changes, without a name
 *
 * NAME=VALUE is a setting, or rule:TABLE=TEMPLATE a rule. The value of the last key of every change
 * is read, as a host would. `drain` prints the number of changes, the sum of these values, resyncs,
 * and the microseconds it took on the clock, on the processor and there in the kernel, connecting
 * and storing the position included, loading the program and its libraries not. The others print
 * "ready" when they have caught up; `follow` prints lines "ID NANOSECONDS" of CLOCK_MONOTONIC at
 * its end; `count` and `listen` what `drain` prints, from being ready on, with the moment of
 * CLOCK_MONOTONIC in nanoseconds instead of the time it took.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <trigperf.h>

#define IDLE_COUNT 50
#define NOTES_MAX 1000000

typedef struct tally {
    uint64_t changes, sum, resyncs;
    size_t notes;
    struct {
        uint64_t id, ns;
    } * note; /* NULL: not wanted */
} tally;

static volatile sig_atomic_t stopping;

static void on_term(int number) {
    (void)number;
    stopping = 1;
}

static void die(const char *what, const trigperf_error *error) {
    fprintf(stderr, "bench_host: %s: %s\n", what,
            error != NULL ? trigperf_error_message(error) : "failed");
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t us_of(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000U + (uint64_t)time.tv_usec;
}

/* Microseconds that the processor has worked for us, and those in the kernel among them. */
typedef struct work {
    uint64_t all, kernel;
} work;

static work work_done(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (work){us_of(usage.ru_utime) + us_of(usage.ru_stime), us_of(usage.ru_stime)};
}

static void set(trigperf_config *config, const char *name, const char *value) {
    trigperf_error *error = NULL;
    if (trigperf_config_set(config, name, value, &error) != TRIGPERF_OK) {
        die(name, error);
    }
}

/* TABLE=TEMPLATE */
static void add_rule(trigperf_config *config, const char *text) {
    trigperf_error *error = NULL;
    char table[128];
    const char *template = strchr(text, '=');
    if (template == NULL) {
        die(text, NULL);
    }
    snprintf(table, sizeof table, "%.*s", (int)(template - text), text);
    if (trigperf_config_rule(config, table, NULL, NULL, template + 1, 0, &error) != TRIGPERF_OK) {
        die(text, error);
    }
}

static trigperf_context *make(const char *conninfo, const char *consumer, char **settings) {
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    trigperf_error *error = NULL;
    if (trigperf_config_new(&config, &error) != TRIGPERF_OK) {
        die("configuration", error);
    }
    set(config, "connection", conninfo);
    set(config, "consumer", consumer);
    for (; *settings != NULL; settings++) {
        char name[64];
        const char *value = strchr(*settings, '=');
        if (strncmp(*settings, "rule:", 5) == 0) {
            add_rule(config, *settings + 5);
            continue;
        }
        if (value == NULL) {
            die(*settings, NULL);
        }
        snprintf(name, sizeof name, "%.*s", (int)(value - *settings), *settings);
        set(config, name, value + 1);
    }
    if (trigperf_context_new(config, &context, &error) != TRIGPERF_OK) {
        die("context", error);
    }
    trigperf_config_free(config);
    return context;
}

static void read_batch(tally *tally, const trigperf_batch *batch) {
    uint32_t count = trigperf_batch_change_count(batch);
    uint64_t now = tally->note != NULL ? now_ns() : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t last = trigperf_batch_change_key_count(batch, i) - 1;
        const char *value = trigperf_batch_change_key_value(batch, i, last, NULL);
        uint64_t id = value != NULL ? strtoull(value, NULL, 10) : 0;
        tally->sum += id;
        if (tally->note != NULL && tally->notes < NOTES_MAX) {
            tally->note[tally->notes].id = id;
            tally->note[tally->notes++].ns = now;
        }
    }
    tally->changes += count;
    tally->resyncs += trigperf_batch_resync_count(batch);
}

static void pull(trigperf_context *context, tally *tally) {
    trigperf_batch *batch = NULL;
    trigperf_error *error = NULL;
    for (;;) {
        if (trigperf_batch_next(context, &batch, &error) != TRIGPERF_OK) {
            die("next", error);
        }
        if (batch == NULL) {
            return;
        }
        read_batch(tally, batch);
        if (trigperf_batch_ack(batch, &error) != TRIGPERF_OK) {
            die("ack", error);
        }
    }
}

static void turn(trigperf_context *context, int32_t timeout_ms) {
    trigperf_error *error = NULL;
    int32_t status = trigperf_wait(context, timeout_ms, &error);
    if (status != TRIGPERF_OK && status != TRIGPERF_E_TIMEOUT) {
        die("wait", error);
    }
    trigperf_error_free(error);
}

static void catch_up(trigperf_context *context, tally *tally) {
    uint64_t ticket = 0;
    trigperf_catch_up(context, &ticket, NULL);
    while (!trigperf_catch_up_done(context, ticket)) {
        turn(context, 20);
        pull(context, tally);
    }
    pull(context, tally);
}

static void close_context(trigperf_context *context) {
    trigperf_error *error = NULL;
    if (trigperf_context_close(context, 30000, &error) != TRIGPERF_OK) {
        die("close", error);
    }
    trigperf_context_free(context);
}

static void say_ready(void) {
    puts("ready");
    fflush(stdout);
}

/* With what was done since `before`. */
static void say_tally(const tally *tally, uint64_t time, work before) {
    work done = work_done();
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
           tally->changes, tally->sum, tally->resyncs, time, done.all - before.all,
           done.kernel - before.kernel);
    fflush(stdout);
}

static void drain(const char *conninfo, const char *consumer, char **settings) {
    tally tally = {0};
    work before = work_done();
    uint64_t began = now_ns();
    trigperf_context *context = make(conninfo, consumer, settings);
    catch_up(context, &tally);
    close_context(context);
    say_tally(&tally, (now_ns() - began) / 1000, before);
}

static void follow(const char *conninfo, const char *consumer, char **settings) {
    tally tally = {0};
    trigperf_context *context = make(conninfo, consumer, settings);
    catch_up(context, &tally);
    tally.note = calloc(NOTES_MAX, sizeof *tally.note);
    say_ready();
    while (!stopping && tally.note != NULL) {
        turn(context, 100);
        pull(context, &tally);
    }
    close_context(context);
    for (size_t i = 0; i < tally.notes; i++) {
        printf("%" PRIu64 " %" PRIu64 "\n", tally.note[i].id, tally.note[i].ns);
    }
    free(tally.note);
}

static void count(const char *conninfo, const char *consumer, char **settings) {
    tally tally = {0};
    trigperf_context *context = make(conninfo, consumer, settings);
    catch_up(context, &tally);
    tally.changes = tally.sum = tally.resyncs = 0;
    work before = work_done();
    say_ready();
    while (!stopping) {
        turn(context, 100);
        pull(context, &tally);
    }
    catch_up(context, &tally);
    say_tally(&tally, now_ns(), before);
    close_context(context);
}

static void listen_for(const char *conninfo, const char *wanted, char **settings) {
    uint64_t changes = strtoull(wanted, NULL, 10);
    tally tally = {0};
    trigperf_context *context = make(conninfo, "", settings);
    catch_up(context, &tally);
    tally.changes = tally.sum = tally.resyncs = 0;
    work before = work_done();
    say_ready();
    while (!stopping && tally.changes < changes) {
        turn(context, 100);
        pull(context, &tally);
    }
    say_tally(&tally, now_ns(), before);
    close_context(context);
}

/* Prints the status at its end. */
static void hold(const char *conninfo, const char *consumer, char **settings) {
    struct timespec nap = {.tv_nsec = 1000000};
    tally tally = {0};
    trigperf_context *context = make(conninfo, consumer, settings);
    char *json = NULL;
    catch_up(context, &tally);
    say_ready();
    while (!stopping) {
        struct pollfd item = {.fd = trigperf_fd(context), .events = POLLIN};
        poll(&item, 1, 100);
        trigperf_process(context, NULL);
        nanosleep(&nap, NULL);
    }
    trigperf_context_status(context, &json, NULL);
    puts(json != NULL ? json : "{}");
    trigperf_string_free(json);
    trigperf_context_free(context);
}

static void idle(const char *conninfo, const char *prefix, char **settings) {
    trigperf_context *contexts[IDLE_COUNT];
    struct pollfd items[IDLE_COUNT];
    tally tally = {0};
    for (int i = 0; i < IDLE_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%d", prefix, i);
        contexts[i] = make(conninfo, name, settings);
        catch_up(contexts[i], &tally);
        items[i] = (struct pollfd){.fd = trigperf_fd(contexts[i]), .events = POLLIN};
    }
    say_ready();
    while (!stopping) {
        poll(items, IDLE_COUNT, 100);
        for (int i = 0; i < IDLE_COUNT; i++) {
            if (items[i].revents != 0) {
                trigperf_process(contexts[i], NULL);
                pull(contexts[i], &tally);
            }
        }
    }
    for (int i = 0; i < IDLE_COUNT; i++) {
        close_context(contexts[i]);
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(const char *, const char *, char **);
    } modes[] = {{"drain", drain}, {"follow", follow}, {"hold", hold},
                 {"idle", idle},   {"count", count},   {"listen", listen_for}};
    signal(SIGTERM, on_term);
    for (size_t i = 0; argc >= 4 && i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run(argv[2], argv[3], argv + 4);
            return 0;
        }
    }
    fputs(
        "usage: bench_host drain|follow|hold|idle|count|listen CONNINFO CONSUMER [NAME=VALUE ..]\n",
        stderr);
    return 2;
}
