/* trigperf monitor: what the triggers do now.
 *
 * On a terminal it is a picture that is drawn anew at each look; elsewhere, lines that can be kept.
 * The counters are the server's, so it works on any database; with the schema installed it also
 * measures, judges, and shows alerts and delivery. A lost connection is made again. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <trigperf.h>

#include "command.h"
#include "monitor_model.h"
#include "say.h"
#include "screen.h"
#include "settings.h"
#include "stop.h"
#include "watching.h"

enum {
    MOST_LINES = 400,
    NAME = 16,
    RATE = 11,
    MEAN = 11,
    LOAD = 8,
    PLAIN_ROWS = 20,
    KEPT_EVENTS = 5
};

typedef struct monitor {
    const args *given;
    trigperf_config *config;
    watching watch;
    model model;
    json_t *events; /* the newest ones */
    json_t *status; /* NULL: not known */
    bool schema;    /* is installed, as far as known */
    bool drawn;     /* on a terminal */
    int64_t looked_ms;
    int64_t every_ms;
    char *problem; /* why there is nothing to see; NULL: all is well */
} monitor;

typedef struct page {
    char *lines[MOST_LINES];
    size_t count;
} page;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* --- looking -----------------------------------------------------------------------------------*/

static void set_problem(monitor *m, trigperf_error *error) {
    free(m->problem);
    m->problem = say_allocated(strdup(trigperf_error_message(error)));
    trigperf_error_free(error);
}

static json_t *parsed(char *text) {
    json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
    trigperf_string_free(text);
    return say_allocated(value);
}

static void keep_events(monitor *m, json_t *fresh) {
    json_array_extend(m->events, fresh);
    while (json_array_size(m->events) > KEPT_EVENTS) {
        json_array_remove(m->events, 0);
    }
}

/* Alerts and delivery, where the schema is. */
static int32_t look_at_schema(monitor *m, json_t **fresh, trigperf_error **error) {
    char *text = NULL;
    int32_t status = watching_turn(&m->watch, now_ms(), fresh, error);
    if (status == TRIGPERF_E_NOT_FOUND || status == TRIGPERF_E_PERMISSION ||
        status == TRIGPERF_E_VERSION) {
        m->schema = false;
        trigperf_error_free(*error);
        *error = NULL;
        return TRIGPERF_OK;
    }
    if (status == TRIGPERF_OK) {
        status = trigperf_admin_status(m->watch.admin, &text, error);
    }
    if (status == TRIGPERF_OK) {
        json_decref(m->status);
        m->status = parsed(text);
    }
    return status;
}

static int32_t look_at_triggers(monitor *m, trigperf_error **error) {
    char *text = NULL;
    int32_t status = trigperf_admin_triggers(m->watch.admin, NULL, &text, error);
    if (status == TRIGPERF_OK) {
        int64_t now = now_ms();
        json_t *answer = parsed(text);
        model_take(&m->model, answer, m->looked_ms == 0 ? 0 : (double)(now - m->looked_ms) / 1000);
        m->looked_ms = now;
        json_decref(answer);
    }
    return status;
}

static int32_t look(monitor *m, json_t **fresh, trigperf_error **error) {
    int32_t status = TRIGPERF_OK;
    if (m->watch.admin == NULL) {
        status = trigperf_admin_new(m->config, &m->watch.admin, error);
    }
    if (status == TRIGPERF_OK) {
        status = look_at_triggers(m, error);
    }
    if (status == TRIGPERF_OK && m->schema) {
        status = look_at_schema(m, fresh, error);
    }
    return status;
}

static void turn(monitor *m, json_t **fresh) {
    trigperf_error *error = NULL;
    if (look(m, fresh, &error) != TRIGPERF_OK) {
        set_problem(m, error);
        trigperf_admin_free(m->watch.admin);
        m->watch.admin = NULL;
        return;
    }
    free(m->problem);
    m->problem = NULL;
    if (*fresh != NULL) {
        keep_events(m, *fresh);
    }
}

/* --- the picture -------------------------------------------------------------------------------*/

static void put(page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(page *p, const char *format, ...) {
    va_list values;
    va_start(values, format);
    if (p->count < MOST_LINES && vasprintf(&p->lines[p->count], format, values) >= 0) {
        p->count++;
    }
    va_end(values);
}

/* The newest rates, as many as there is room for. */
static char *spark(const model_row *row, size_t width) {
    static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    double most = 0;
    char *text = say_allocated(calloc(MODEL_PAST, 4));
    for (size_t i = 0; i < MODEL_PAST; i++) {
        most = fmax(most, row->past[i]);
    }
    for (size_t i = MODEL_PAST - width; i < MODEL_PAST; i++) {
        double part = most > 0 ? row->past[i] / most * 7 : 0;
        strcat(text, row->past[i] < 0 ? " " : blocks[(int)lround(fmax(part, 0))]);
    }
    return text;
}

/* How wide what is; 0: there is no room for it. A figure is shown whole or not at all. */
typedef struct layout {
    size_t name;
    size_t mean;
    size_t load;
    size_t past;
} layout;

static layout lay_out(size_t columns) {
    layout l = {.past = columns >= 100  ? MODEL_PAST
                        : columns >= 72 ? MODEL_PAST / 2
                                        : 0,
                .load = columns >= NAME + RATE + MEAN + LOAD + 3 ? LOAD + 1 : 0,
                .mean = columns >= NAME + RATE + MEAN + 2 ? MEAN + 1 : 0};
    size_t fixed = RATE + 1 + l.mean + l.load + (l.past > 0 ? l.past + 2 : 0);
    l.name = columns > fixed + NAME ? columns - fixed : NAME;
    return l;
}

static void put_row(page *p, const model_row *row, const layout *l) {
    char rate[40];
    char mean[40] = "-";
    char load[40];
    char *past = spark(row, l->past);
    char *name = screen_fit(row->name, l->name);
    snprintf(rate, sizeof rate, "%.1f/s", row->rate);
    if (row->mean_ms >= 0) {
        snprintf(mean, sizeof mean, "%.3f ms", row->mean_ms);
    }
    snprintf(load, sizeof load, "%.1f%%", row->load * 100);
    put(p, "%s %*s%*s%*s  %s", name, RATE, rate, (int)l->mean, l->mean > 0 ? mean : "",
        (int)l->load, l->load > 0 ? load : "", past);
    free(name);
    free(past);
}

static void put_triggers(page *p, const monitor *m, size_t room, size_t columns) {
    layout l = lay_out(columns);
    char *head = screen_fit("trigger", l.name);
    put(p, STYLE_HEAD "%s %*s%*s%*s  %s", head, RATE, "calls", (int)l.mean,
        l.mean > 0 ? "mean" : "", (int)l.load, l.load > 0 ? "load" : "",
        l.past > 0 ? "calls over time" : "");
    free(head);
    if (!m->model.measured && m->model.count == 0) {
        put(p, STYLE_WARNING "calls are not measured: track_functions is off");
    } else if (!m->model.ready) {
        put(p, STYLE_DIM "measuring ..");
    }
    for (size_t i = 0; i < m->model.count && i < room; i++) {
        put_row(p, &m->model.rows[i], &l);
    }
}

static void put_trouble(page *p, const monitor *m) {
    char *text = hook_trouble(m->watch.command);
    if (text != NULL) {
        put(p, STYLE_WARNING "%s", text);
    }
    free(text);
}

static void put_delivery(page *p, const monitor *m) {
    const json_t *consumers = json_object_get(m->status, "consumers");
    long long behind = 0;
    for (size_t i = 0; i < json_array_size(consumers); i++) {
        long long one = (long long)json_integer_value(
            json_object_get(json_array_get(consumers, i), "behind_transactions"));
        behind = one > behind ? one : behind;
    }
    double bytes =
        json_number_value(json_object_get(json_object_get(m->status, "outbox"), "bytes"));
    put(p,
        "delivery: %zu consumers, at most %lld transactions behind, outbox %.1f MB, %lld errors "
        "in 24 h",
        json_array_size(consumers), behind, bytes / 1048576,
        (long long)json_integer_value(
            json_object_get(json_object_get(m->status, "errors"), "last_24h")));
}

static const char *style_of(const char *level) {
    return strcmp(level, "critical") == 0  ? STYLE_CRITICAL
           : strcmp(level, "warning") == 0 ? STYLE_WARNING
                                           : STYLE_DIM;
}

static void put_events(page *p, const monitor *m) {
    for (size_t i = json_array_size(m->events); i > 0; i--) {
        const json_t *event = json_array_get(m->events, i - 1);
        const char *level = text_of(event, "level");
        put(p, "%s%.19s %s %s", style_of(level), text_of(event, "at"), level,
            text_of(event, "message"));
    }
}

static void draw(const monitor *m) {
    page p = {.count = 0};
    size_t rows = 0;
    size_t columns = 0;
    char clock[40];
    time_t now = time(NULL);
    struct tm parts;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &parts));
    screen_size(&rows, &columns);
    put(&p, STYLE_HEAD "trigperf monitor  %s  %zu triggers  every %.1f s  q quits", clock,
        m->model.triggers, (double)m->every_ms / 1000);
    if (m->problem != NULL) {
        put(&p, STYLE_CRITICAL "%s", m->problem);
    }
    put_trouble(&p, m);
    if (m->schema && m->status != NULL) {
        put_delivery(&p, m);
    }
    put_events(&p, m);
    put(&p, "%s", "");
    put_triggers(&p, m, rows > p.count + 1 ? rows - p.count - 1 : 1, columns);
    screen_draw((const char *const *)p.lines, p.count);
    for (size_t i = 0; i < p.count; i++) {
        free(p.lines[i]);
    }
}

/* --- lines -------------------------------------------------------------------------------------*/

static void print_line(const char *clock, const char *text) {
    printf("%s ", clock);
    say_text(stdout, text, strlen(text));
    putchar('\n');
}

static int print(const monitor *m, const json_t *fresh) {
    char clock[40];
    time_t now = time(NULL);
    struct tm parts;
    strftime(clock, sizeof clock, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    if (m->problem != NULL) {
        print_line(clock, m->problem);
    } else if (!m->model.ready) {
        printf("%s watching %zu triggers%s\n", clock, m->model.triggers,
               m->model.measured ? "" : "; calls are not measured: track_functions is off");
    }
    for (size_t i = 0; m->problem == NULL && i < m->model.count && i < PLAIN_ROWS; i++) {
        const model_row *row = &m->model.rows[i];
        if (row->rate > 0) {
            printf("%s %.3f/s mean %.3f ms load %.2f%% ", clock, row->rate, row->mean_ms,
                   row->load * 100);
            say_text(stdout, row->name, strlen(row->name));
            putchar('\n');
        }
    }
    for (size_t i = 0; i < json_array_size(fresh); i++) {
        const json_t *event = json_array_get(fresh, i);
        printf("%s alert %s ", clock, text_of(event, "level"));
        say_text(stdout, text_of(event, "message"), strlen(text_of(event, "message")));
        putchar('\n');
    }
    return fflush(stdout) == 0 ? EXIT_FINE
                               : say_error("standard output is closed: %s", strerror(errno));
}

/* --- the loop ----------------------------------------------------------------------------------*/

/* Waits for the next look; true when the program is to end. Draws anew when the size changed. Keys
 * are asked for even where looking takes longer than the time between two looks. */
static bool pause_until(monitor *m, int stop_fd, int64_t due) {
    struct pollfd fds[3] = {
        {.fd = stop_fd, .events = POLLIN},
        {.fd = m->drawn && isatty(STDIN_FILENO) == 1 ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = m->drawn ? screen_resized() : -1, .events = POLLIN}};
    int64_t left = 1;
    while (!stop_requested() && left > 0) {
        left = due - now_ms();
        int ready = poll(fds, 3, left > 0 ? (int)left : 0);
        if (ready > 0 && fds[1].revents != 0 && screen_quits()) {
            return true;
        }
        if (ready > 0 && (fds[2].revents & POLLIN) != 0) {
            screen_took_resize();
            draw(m);
        }
    }
    return stop_requested();
}

static int loop(monitor *m, int stop_fd) {
    int code = EXIT_FINE;
    bool ends = false;
    while (code == EXIT_FINE && !ends) {
        json_t *fresh = NULL;
        int64_t due = now_ms() + (m->model.ready || m->every_ms < 2000 ? m->every_ms : 2000);
        turn(m, &fresh);
        if (m->drawn) {
            draw(m);
        } else {
            code = print(m, fresh);
        }
        json_decref(fresh);
        ends = code == EXIT_FINE && pause_until(m, stop_fd, due);
    }
    return code;
}

static int read_interval(const args *given, monitor *m) {
    const char *text = given->operand_count > 0 ? given->operands[0] : NULL;
    char *rest = NULL;
    double minutes = text == NULL ? m->drawn ? 1.0 / 30 : 1 : strtod(text, &rest);
    if (text != NULL && (rest == text || *rest != '\0' || !(minutes >= 0.001 && minutes <= 1440))) {
        return say_wrong("monitor expects minutes between two looks, 0.001 to 1440, got '%s'",
                         text);
    }
    m->every_ms = (int64_t)(minutes * 60000);
    return EXIT_FINE;
}

/* The first look says what is wrong before anything is drawn. */
static int begin(monitor *m) {
    char *text = NULL;
    trigperf_error *error = NULL;
    int32_t status = trigperf_admin_new(m->config, &m->watch.admin, &error);
    if (status == TRIGPERF_OK &&
        trigperf_admin_alerts(m->watch.admin, 1, 0, &text, NULL) == TRIGPERF_OK) {
        json_t *answer = parsed(text);
        m->schema = true;
        m->watch.last_id = (uint64_t)json_integer_value(json_object_get(answer, "last_id"));
        json_decref(answer);
    }
    return status == TRIGPERF_OK ? EXIT_FINE : say_failure(error);
}

static int run(const args *given) {
    monitor m = {.given = given, .drawn = screen_possible(), .events = say_allocated(json_array())};
    char *alert_command = NULL;
    int stop_fd = -1;
    int code = read_interval(given, &m);
    if (code == EXIT_FINE) {
        code = settings_load(given, &m.config);
    }
    if (code == EXIT_FINE) {
        code = begin(&m);
    }
    if (code == EXIT_FINE) {
        stop_fd = stop_install();
        m.drawn = m.drawn && screen_begin();
        trigperf_config_get(m.config, "alert.command", &alert_command, NULL);
        m.watch.command = hook_start(alert_command, m.drawn);
        code = loop(&m, stop_fd);
        if (m.drawn) {
            screen_end();
        }
    }
    hook_stop(m.watch.command);
    model_free(&m.model);
    json_decref(m.events);
    json_decref(m.status);
    free(m.problem);
    trigperf_string_free(alert_command);
    trigperf_admin_free(m.watch.admin);
    trigperf_config_free(m.config);
    return code;
}

const command command_monitor = {
    .name = "monitor",
    .summary = "Watch the triggers of the database: rates, times, alerts, delivery.",
    .usage = "monitor [MINUTES]",
    .details =
        "Looks every MINUTES (0.5 is half a minute; without it, every two seconds on a terminal\n"
        "and every minute elsewhere). On a terminal it draws; q or Ctrl-C ends it and leaves the\n"
        "terminal as it was. Elsewhere it prints lines: calls a second, mean time and share of a\n"
        "processor of the triggers that ran, and alerts as they come. Where the schema is\n"
        "installed it also measures and judges, and runs alert.command.",
    .operands_max = 1,
    .run = run,
};
