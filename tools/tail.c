/* trigperf tail: batches as lines; the loop is in follow.c. */
#include <errno.h>
#include <string.h>

#include <trigperf.h>

#include "command.h"
#include "follow.h"
#include "say.h"
#include "settings.h"
#include "stop.h"

static const char *const formats[] = {"json", "text", NULL};

static const args_option options[] = {
    {"consumer", "NAME", "a name whose position is kept in the database; without it, ephemeral", 0},
    {"format", "FORMAT", "json (default): an object a line; text: a line for people", 0},
    {"follow", NULL, "go on until a signal; a lost connection is made again without end", 0},
    {"until-idle", "MS", "end when nothing came for so many milliseconds", 0},
    {"window-ms", "N", "how long changes are collected (batch.window_ms, batch.fresh_ms)", 0},
    {"max-keys", "N", "how many keys end the window early (batch.max_keys)", 0},
    {NULL, NULL, NULL, 0},
};

static int set_from_options(const args *given, trigperf_config *config) {
    static const char *const names[][2] = {{"consumer", "consumer"},
                                           {"window-ms", "batch.window_ms"},
                                           {"window-ms", "batch.fresh_ms"},
                                           {"max-keys", "batch.max_keys"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = args_get(given, names[i][0], NULL);
        if (value != NULL && settings_set(config, names[i][1], value) != EXIT_FINE) {
            return EXIT_USAGE;
        }
    }
    return EXIT_FINE;
}

static int read_plan(const args *given, follow_plan *plan) {
    const char *format = NULL;
    uint64_t idle = 0;
    if (args_choice(given, "format", formats, &format) != EXIT_FINE ||
        args_number(given, "until-idle", 86400000, &idle) != EXIT_FINE) {
        return EXIT_USAGE;
    }
    plan->endless = args_has(given, "follow");
    plan->until_idle = args_has(given, "until-idle");
    plan->idle_ms = (int64_t)idle;
    plan->text = strcmp(format, "text") == 0;
    if (plan->endless && plan->until_idle) {
        return say_wrong("--follow and --until-idle exclude each other");
    }
    if (args_get(given, "consumer", "-")[0] == '\0') {
        return say_wrong("--consumer expects a name, got nothing; leave it out to be ephemeral");
    }
    return EXIT_FINE;
}

/* What the library logs as an error is a failure that the loop reports. */
static void log_line(void *user, int32_t level, const char *message) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    (void)user;
    if (level > TRIGPERF_LOG_ERROR && level <= TRIGPERF_LOG_DEBUG) {
        say_note("%s: %s", names[level], message);
    }
}

/* A follower tells of lost connections; otherwise they end the command, with the same words. */
static void listen_to_log(const args *given, bool follow, trigperf_context *context) {
    int32_t level = follow ? TRIGPERF_LOG_WARNING : TRIGPERF_LOG_ERROR;
    for (size_t i = 0; i < given->given_count; i++) {
        level += args_is(&given->given[i], "verbose") ? 1 : 0;
    }
    trigperf_log_set(context, level > TRIGPERF_LOG_DEBUG ? TRIGPERF_LOG_DEBUG : level, log_line,
                     NULL);
}

static bool has_consumer(const trigperf_config *config) {
    char *name = NULL;
    bool named =
        trigperf_config_get(config, "consumer", &name, NULL) == TRIGPERF_OK && name[0] != '\0';
    trigperf_string_free(name);
    return named;
}

static int run_context(const args *given, const trigperf_config *config, follow_plan *plan) {
    trigperf_context *context = NULL;
    trigperf_error *error = NULL;
    plan->durable = has_consumer(config);
    plan->patience_ms = settings_number(config, "connect.timeout_ms", 10000);
    plan->stop_fd = stop_install();
    if (plan->stop_fd < 0) {
        return say_error("signals cannot be taken over: %s", strerror(errno));
    }
    if (trigperf_context_new(config, &context, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    listen_to_log(given, plan->endless, context);
    int code = follow_run(context, plan);
    trigperf_context_free(context);
    return code;
}

static int run(const args *given) {
    follow_plan plan = {0};
    trigperf_config *config = NULL;
    int code = read_plan(given, &plan);
    if (code == EXIT_FINE) {
        code = settings_load(given, &config);
    }
    if (code == EXIT_FINE) {
        code = set_from_options(given, config);
    }
    if (code == EXIT_FINE) {
        /* not a host whose series anybody asks for */
        code = settings_set(config, "metrics.flush_ms", "0");
    }
    if (code == EXIT_FINE) {
        code = run_context(given, config, &plan);
    }
    trigperf_config_free(config);
    return code;
}

const command command_tail = {
    .name = "tail",
    .summary = "Print batches of cache keys, an object a line, and acknowledge them.",
    .usage = "tail [--consumer NAME] [--format json|text] [--follow | --until-idle MS]\n"
             "     [--window-ms N] [--max-keys N]",
    .details =
        "Without --follow and --until-idle it delivers what is visible now and ends. A batch is\n"
        "acknowledged once its line was written. A new name, and every start without one, begins\n"
        "with a resync of everything; a known name goes on where it acknowledged. --until-idle\n"
        "ends with one more look at the database that found nothing; open transactions are not\n"
        "waited for. SIGINT and SIGTERM write out what was collected and end with exit code 0; a\n"
        "second one ends at once.",
    .options = options,
    .run = run,
};
