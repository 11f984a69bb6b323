/* trigperf alerts: what stands, what was, silence, and following. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <trigperf.h>

#include "command.h"
#include "duration.h"
#include "render.h"
#include "say.h"
#include "settings.h"
#include "stop.h"
#include "watching.h"

enum { LOOK_MS = 1000, DAY_S = 86400 };

static const char *const formats[] = {"text", "json", NULL};

static const args_option options[] = {
    {"since", "TIME", "events of so long: 30m, 12h, 7d (default 1d; 0: all)", 0},
    {"follow", NULL, "measure, judge and print events as they come, until a signal", 0},
    {"silence", "RULE", "no events of a rule, or of all, for the time given by --for", 0},
    {"for", "TIME", "how long to be silent; 0 ends a silence", 0},
    {"format", "FORMAT", "text (default) or json", 0},
    {NULL, NULL, NULL, 0},
};

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* --- listing -----------------------------------------------------------------------------------*/

static json_t *chosen(const json_t *rows, const char *const *names) {
    json_t *out = say_allocated(json_array());
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = say_allocated(json_object());
        for (const char *const *name = names; *name != NULL; name++) {
            json_object_set(row, *name, json_object_get(json_array_get(rows, i), *name));
        }
        json_array_append_new(out, row);
    }
    return out;
}

static void print_part(const json_t *answer, const char *name, const char *const *columns,
                       const char *none) {
    json_t *rows = chosen(json_object_get(answer, name), columns);
    printf("%s\n", name);
    if (json_array_size(rows) > 0) {
        render_rows(rows);
    } else {
        printf("%s\n", none);
    }
    json_decref(rows);
}

/* Rules that are silent for a while; nothing where there are none. */
static void print_silent(const json_t *answer) {
    const json_t *rules = json_object_get(answer, "rules");
    const char *title = "\nsilent\n";
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        if (json_is_string(json_object_get(rule, "silent_until"))) {
            printf("%s%s until %s\n", title, text_of(rule, "rule"), text_of(rule, "silent_until"));
            title = "";
        }
    }
}

static void print_text(const json_t *answer) {
    static const char *const standing[] = {"level", "rule",  "subject", "value",
                                           "unit",  "since", NULL};
    static const char *const history[] = {"at", "level", "message", NULL};
    print_part(answer, "standing", standing, "nothing");
    print_silent(answer);
    putchar('\n');
    print_part(answer, "history", history, "nothing");
    if (!json_is_string(json_object_get(answer, "judged_at"))) {
        say_hint("nobody has judged yet: a context of the library does, and trigperf alerts "
                 "--follow, trigperf monitor, or SELECT trigperf.alerts_judge()");
    }
}

static int list(trigperf_admin *admin, int64_t since, const char *format) {
    char *text = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_alerts(admin, since, 0, &text, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    if (strcmp(format, "json") == 0) {
        puts(text);
    } else {
        json_t *answer = say_allocated(json_loads(text, 0, NULL));
        print_text(answer);
        json_decref(answer);
    }
    trigperf_string_free(text);
    return EXIT_FINE;
}

/* --- following ---------------------------------------------------------------------------------*/

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int print_events(const json_t *events, bool json) {
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        if (json) {
            char *text = say_allocated(json_dumps(event, JSON_COMPACT));
            puts(text);
            free(text);
        } else {
            const char *message = text_of(event, "message");
            printf("%.19s %-8s ", text_of(event, "at"), text_of(event, "level"));
            say_text(stdout, message, strlen(message));
            putchar('\n');
        }
    }
    return fflush(stdout) == 0 ? EXIT_FINE
                               : say_error("standard output is closed: %s", strerror(errno));
}

static int start_after(watching *w) {
    char *text = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_alerts(w->admin, 1, 0, &text, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    json_t *answer = say_allocated(json_loads(text, 0, NULL));
    w->last_id = (uint64_t)json_integer_value(json_object_get(answer, "last_id"));
    json_decref(answer);
    trigperf_string_free(text);
    return EXIT_FINE;
}

/* A connection that is lost is made again, as long as it takes. */
static int turn(const args *given, watching *w, bool json) {
    json_t *events = NULL;
    trigperf_error *error = NULL;
    if (w->admin == NULL && settings_admin(given, &w->admin) != EXIT_FINE) {
        return EXIT_FINE;
    }
    int32_t status = watching_turn(w, now_ms(), &events, &error);
    if (status == TRIGPERF_E_CONNECTION) {
        say_failure(error);
        trigperf_admin_free(w->admin);
        w->admin = NULL;
        return EXIT_FINE;
    }
    if (status != TRIGPERF_OK) {
        return say_failure(error);
    }
    int code = print_events(events, json);
    json_decref(events);
    return code;
}

static int follow(const args *given, trigperf_admin **admin, bool since, const char *format) {
    watching w = {.admin = *admin};
    struct pollfd stop = {.fd = stop_install(), .events = POLLIN};
    trigperf_config *config = NULL;
    char *text = NULL;
    int code = settings_load(given, &config);
    if (code == EXIT_FINE) {
        trigperf_config_get(config, "alert.command", &text, NULL);
        w.command = hook_start(text, false);
        code = since ? EXIT_FINE : start_after(&w);
    }
    while (code == EXIT_FINE && !stop_requested()) {
        code = turn(given, &w, strcmp(format, "json") == 0);
        if (code == EXIT_FINE) {
            poll(&stop, 1, w.admin == NULL ? 3 * LOOK_MS : LOOK_MS);
        }
    }
    *admin = w.admin;
    hook_stop(w.command);
    trigperf_string_free(text);
    trigperf_config_free(config);
    return code;
}

/* --- the command -------------------------------------------------------------------------------*/

static int silence(const args *given, trigperf_admin *admin, int64_t seconds) {
    const char *rule = args_get(given, "silence", "");
    trigperf_error *error = NULL;
    if (trigperf_admin_alerts_silence(admin, strcmp(rule, "all") == 0 ? NULL : rule, seconds * 1000,
                                      &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    say_note(seconds > 0 ? "%s: silent for %lld seconds" : "%s: no longer silent", rule,
             (long long)seconds);
    return EXIT_FINE;
}

static int run(const args *given) {
    const char *format = NULL;
    int64_t since = DAY_S;
    int64_t length = -1;
    trigperf_admin *admin = NULL;
    int code = args_choice(given, "format", formats, &format);
    if (code == EXIT_FINE) {
        code = duration_option(given, "since", 0, INT64_C(3660) * DAY_S, &since);
    }
    if (code == EXIT_FINE) {
        code = duration_option(given, "for", 0, INT64_C(366) * DAY_S, &length);
    }
    if (code == EXIT_FINE && args_has(given, "silence") != (length >= 0)) {
        code = say_wrong("--silence and --for go together: --silence RULE --for 2h");
    }
    if (code == EXIT_FINE) {
        code = settings_admin(given, &admin);
    }
    if (code == EXIT_FINE && args_has(given, "silence")) {
        code = silence(given, admin, length);
    } else if (code == EXIT_FINE && args_has(given, "follow")) {
        code = follow(given, &admin, args_has(given, "since"), format);
    } else if (code == EXIT_FINE) {
        code = list(admin, since, format);
    }
    trigperf_admin_free(admin);
    return code;
}

const command command_alerts = {
    .name = "alerts",
    .summary = "Show the alerts of the database, follow them, or silence them.",
    .usage = "alerts [--since TIME] [--format text|json]\n"
             "alerts --follow [--since TIME] [--format text|json]\n"
             "alerts --silence RULE|all --for TIME",
    .details =
        "The rules stand in trigperf.alert_rule. --follow also measures and judges, unless a\n"
        "context of the library does, and runs alert.command for each event: by /bin/sh, with the\n"
        "event as JSON on its standard input and TRIGPERF_ALERT_RULE, _LEVEL, _FROM, _SUBJECT,\n"
        "_VALUE, _MESSAGE, _TIME and _ID in its environment. Of several that follow, one runs it\n"
        "for an event.",
    .options = options,
    .run = run,
};
