/* trigperf check: one line for Nagios and its kin, exit code 0 to 3. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <trigperf.h>

#include "command.h"
#include "duration.h"
#include "report_period.h"
#include "say.h"
#include "settings.h"

enum { OLD_S = 900 };

enum state { FINE, WARNING, CRITICAL, UNKNOWN };

static const char *const limit_names[] = {"mean", "error-rate", "hit-rate", "lag"};
static const char *const state_names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

static const args_option options[] = {
    {"since", "TIME", "of how long the figures are: whole hours (default 1h)", 0},
    {"mean", "WARN,CRIT", "mean time of a trigger in ms", 0},
    {"error-rate", "WARN,CRIT", "percent of a trigger's executions that failed", 0},
    {"hit-rate", "WARN,CRIT", "percent of hits in the verdict cache, below", 0},
    {"lag", "WARN,CRIT", "seconds that a consumer is behind", 0},
    {"min-samples", "N",
     "triggers of which fewer executions were measured are not judged (default 20)", 0},
    {NULL, NULL, NULL, 0},
};

typedef struct limits {
    double warn;
    double critical;
} limits;

/* One figure: the worst of its kind, and what it is of. */
typedef struct figure {
    const char *name; /* in perfdata */
    const char *unit; /* in perfdata */
    limits limits;
    bool below;
    bool known;
    double value;
    char subject[200];
} figure;

enum { MEAN, ERRORS, HITS, LAG, FIGURES };

/* What goes into the line, with what could break it replaced. */
static void put_plain(const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        putchar(byte < ' ' || byte == 0x7F || byte == '|' ? ' ' : byte);
    }
}

static int finish(enum state state, const char *text) {
    printf("TRIGPERF %s - ", state_names[state]);
    put_plain(text);
    return (int)state;
}

/* Everything that keeps us from knowing. */
static int unknown(trigperf_error *error) {
    char *text = NULL;
    const char *hint = trigperf_error_hint(error);
    if (asprintf(&text, "%s%s%s", trigperf_error_message(error), hint[0] != '\0' ? "; " : "",
                 hint) < 0) {
        text = NULL;
    }
    int code = finish(UNKNOWN, text != NULL ? text : "out of memory");
    putchar('\n');
    free(text);
    trigperf_error_free(error);
    return code;
}

static const char wrong_usage[] = "wrong usage, see standard error";

static int wrong(const char *text) {
    int code = finish(UNKNOWN, text);
    putchar('\n');
    return code;
}

/* --- thresholds --------------------------------------------------------------------------------*/

static bool parse_limits(const char *text, limits *out) {
    char *rest = NULL;
    out->warn = strtod(text, &rest);
    if (rest == text || *rest != ',') {
        return false;
    }
    text = rest + 1;
    out->critical = strtod(text, &rest);
    return rest != text && *rest == '\0' && isfinite(out->warn) && isfinite(out->critical);
}

/* Says what is wrong with an option, and returns an exit code. */
static int read_limits(const args *given, const char *name, figure *f) {
    const char *text = args_get(given, name, NULL);
    limits own;
    if (text == NULL) {
        return EXIT_FINE;
    }
    if (!parse_limits(text, &own)) {
        return say_wrong("--%s expects two numbers such as 100,500, got '%s'", name, text);
    }
    if (f->below ? own.critical > own.warn : own.critical < own.warn) {
        return say_wrong("--%s expects WARN,CRIT with CRIT not %s WARN, got '%s'", name,
                         f->below ? "above" : "below", text);
    }
    f->limits = own;
    return EXIT_FINE;
}

static enum state judge(const figure *f) {
    if (!f->known) {
        return FINE;
    }
    if (f->below) {
        return f->value < f->limits.critical ? CRITICAL
               : f->value < f->limits.warn   ? WARNING
                                             : FINE;
    }
    return f->value > f->limits.critical ? CRITICAL : f->value > f->limits.warn ? WARNING : FINE;
}

/* --- figures -----------------------------------------------------------------------------------*/

static const char *string_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static void take(figure *f, const json_t *value, double factor, const char *subject,
                 const char *part) {
    double number = json_number_value(value) * factor;
    bool worse = !f->known || (f->below ? number < f->value : number > f->value);
    if (json_is_number(value) && worse) {
        f->known = true;
        f->value = number;
        snprintf(f->subject, sizeof f->subject, "%s%s%s", subject, part[0] != '\0' ? "." : "",
                 part);
    }
}

static size_t take_triggers(figure *figures, const json_t *report, double min_samples) {
    const json_t *rows = json_object_get(report, "triggers");
    size_t measured = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *trigger = string_of(row, "trigger");
        const char *subject = string_of(row, trigger[0] != '\0' ? "table" : "function");
        const json_t *executions = json_object_get(row, "executions");
        const json_t *enough = json_object_get(
            row, json_is_true(json_object_get(row, "estimated")) ? "samples" : "executions");
        bool told_twice = json_is_false(json_object_get(row, "counted")) &&
                          strcmp(string_of(row, "measured"), "host") == 0;
        measured += json_is_number(executions) && !told_twice ? 1 : 0;
        if (json_number_value(enough) >= min_samples && !told_twice) {
            take(&figures[MEAN], json_object_get(row, "mean_ms"), 1, subject, trigger);
        }
        if (json_number_value(json_object_get(row, "errors_of")) >= min_samples) {
            take(&figures[ERRORS], json_object_get(row, "error_rate"), 100, subject, trigger);
        }
    }
    return measured;
}

static void take_hits(figure *f, const json_t *report) {
    const json_t *rows = json_object_get(report, "series");
    double hits = 0;
    double lookups = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *name = string_of(row, "name");
        double count = json_number_value(json_object_get(row, "count"));
        bool hit = strcmp(name, "trigperf_cache_hits_total") == 0;
        bool miss = strcmp(name, "trigperf_cache_misses_total") == 0;
        hits += hit ? count : 0;
        lookups += hit || miss ? count : 0;
    }
    f->known = lookups >= 1000;
    f->value = f->known ? hits / lookups * 100 : 0;
    snprintf(f->subject, sizeof f->subject, "the verdict caches");
}

static void take_lag(figure *f, const json_t *report) {
    const json_t *rows = json_object_get(json_object_get(report, "delivery"), "consumers");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        take(f, json_object_get(row, "lag_seconds"), 1, string_of(row, "name"), "");
    }
}

/* --- the line ----------------------------------------------------------------------------------*/

static void put_problems(const figure *figures, enum state state, size_t measured,
                         size_t triggers) {
    const char *comma = "";
    for (size_t i = 0; i < FIGURES; i++) {
        const figure *f = &figures[i];
        if (state != FINE && judge(f) == state) {
            printf("%s%s of ", comma, f->name);
            put_plain(f->subject);
            printf(" is %.3g%s", f->value, f->unit);
            comma = ", ";
        }
    }
    if (state == FINE) {
        printf("%zu triggers measured", measured);
        if (measured == 0) {
            fputs(triggers == 0 ? ": there is none" : ": none ran", stdout);
        }
        if (figures[MEAN].known) {
            printf(", slowest ");
            put_plain(figures[MEAN].subject);
            printf(" %.3g ms", figures[MEAN].value);
        }
    }
}

static void put_perfdata(const figure *figures, size_t measured) {
    printf(" | triggers=%zu", measured);
    for (size_t i = 0; i < FIGURES; i++) {
        const figure *f = &figures[i];
        const char *colon = f->below ? ":" : "";
        if (f->known) {
            printf(" %s=%.3f%s;%.3f%s;%.3f%s;0", f->name, f->value, f->unit, f->limits.warn, colon,
                   f->limits.critical, colon);
        } else {
            printf(" %s=U;%.3f%s;%.3f%s;0", f->name, f->limits.warn, colon, f->limits.critical,
                   colon);
        }
    }
    putchar('\n');
}

/* Why the figures say nothing of now; NULL when they do. A trigger without figures did not run
 * while the server counts; when it does not, nobody knows. */
static const char *blindness(const json_t *report, size_t measured, size_t triggers) {
    const json_t *database = json_object_get(report, "database");
    const char *hint = string_of(database, "track_functions_hint");
    double age = report_time(string_of(report, "generated_at")) -
                 report_time(string_of(database, "collected_at"));
    if (!(age <= OLD_S)) {
        return isnan(age) ? "nothing was measured yet: a context of the library measures, or "
                            "trigperf collect"
                          : "nothing was measured for 15 minutes: does a context of the library "
                            "run, or trigperf collect?";
    }
    return hint[0] != '\0' && triggers > measured ? hint : NULL;
}

static int show(figure *figures, const json_t *report, double min_samples) {
    size_t measured = take_triggers(figures, report, min_samples);
    size_t triggers = json_array_size(json_object_get(report, "triggers"));
    enum state state = FINE;
    take_hits(&figures[HITS], report);
    take_lag(&figures[LAG], report);
    for (size_t i = 0; i < FIGURES; i++) {
        enum state one = judge(&figures[i]);
        state = one > state ? one : state;
    }
    const char *blind = blindness(report, measured, triggers);
    if (state == FINE && blind != NULL) {
        finish(UNKNOWN, blind);
        put_perfdata(figures, measured);
        return UNKNOWN;
    }
    finish(state, "");
    put_problems(figures, state, measured, triggers);
    put_perfdata(figures, measured);
    return (int)state;
}

/* Thresholds that the database's rules of alerts have, where no option says otherwise. */
static void take_rules(trigperf_admin *admin, const args *given, figure *figures) {
    static const char *const rules[FIGURES] = {"trigger_mean_ms", "trigger_error_rate",
                                               "cache_hit_rate", "outbox_lag_s"};
    char *text = NULL;
    if (trigperf_admin_alerts(admin, 1, 0, &text, NULL) != TRIGPERF_OK) {
        return;
    }
    json_t *answer = json_loads(text, 0, NULL);
    const json_t *rows = json_object_get(answer, "rules");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *rule = json_array_get(rows, i);
        for (size_t k = 0; k < FIGURES; k++) {
            const json_t *warn = json_object_get(rule, "warn");
            const json_t *critical = json_object_get(rule, "critical");
            if (strcmp(string_of(rule, "rule"), rules[k]) != 0 || args_has(given, limit_names[k])) {
                continue;
            }
            limits *own = &figures[k].limits;
            own->warn = json_is_number(warn) ? json_number_value(warn) : own->warn;
            own->critical = json_is_number(critical) ? json_number_value(critical) : own->critical;
        }
    }
    json_decref(answer);
    trigperf_string_free(text);
}

/* --- the command -------------------------------------------------------------------------------*/

static int run_checked(const args *given, figure *figures, int64_t since, uint64_t min_samples) {
    trigperf_config *config = NULL;
    trigperf_admin *admin = NULL;
    trigperf_error *error = NULL;
    char *text = NULL;
    if (settings_load(given, &config) != EXIT_FINE) {
        return wrong("the configuration could not be read");
    }
    int32_t status = trigperf_admin_new(config, &admin, &error);
    trigperf_config_free(config);
    if (status == TRIGPERF_OK) {
        status = trigperf_admin_report(admin, since, 0, &text, &error);
    }
    if (status == TRIGPERF_OK) {
        take_rules(admin, given, figures);
    }
    trigperf_admin_free(admin);
    if (status != TRIGPERF_OK) {
        return unknown(error);
    }
    json_t *report = json_loads(text, JSON_ALLOW_NUL, NULL);
    trigperf_string_free(text);
    int code = report == NULL ? wrong("the library's answer is not JSON")
                              : show(figures, report, (double)min_samples);
    json_decref(report);
    return code;
}

static int run(const args *given) {
    figure figures[FIGURES] = {
        [MEAN] = {.name = "mean_ms", .unit = "ms", .limits = {100, 500}},
        [ERRORS] = {.name = "error_rate", .unit = "%", .limits = {5, 15}},
        [HITS] = {.name = "hit_rate", .unit = "%", .limits = {60, 0}, .below = true},
        [LAG] = {.name = "lag", .unit = "s", .limits = {60, 600}}};
    int64_t since = 3600;
    uint64_t min_samples = 20;
    if (duration_option(given, "since", 1, INT64_C(3660) * 86400, &since) != EXIT_FINE ||
        args_number(given, "min-samples", 1000000000, &min_samples) != EXIT_FINE) {
        return wrong(wrong_usage);
    }
    for (size_t i = 0; i < FIGURES; i++) {
        if (read_limits(given, limit_names[i], &figures[i]) != EXIT_FINE) {
            return wrong(wrong_usage);
        }
    }
    return run_checked(given, figures, since, min_samples);
}

const command command_check = {
    .name = "check",
    .summary = "Check triggers and delivery for Nagios, Icinga and the like.",
    .usage = "check [--since TIME] [--mean W,C] [--error-rate W,C] [--hit-rate W,C] [--lag W,C]",
    .details =
        "Thresholds are those of the options, else of trigperf.alert_rule, else 100,500 ms,\n"
        "5,15 %, 60,0 % and 60,600 s. Prints one line with perfdata and exits with 0 OK,\n"
        "1 WARNING, 2 CRITICAL or 3 UNKNOWN. What cannot be known (no connection, no rights,\n"
        "calls not counted) is UNKNOWN, never OK; so is wrong usage. That no trigger ran is OK.\n"
        "A value beyond a threshold counts, for hits below it.",
    .options = options,
    .run = run,
    .usage_exit = UNKNOWN,
    .usage_line = "TRIGPERF UNKNOWN - wrong usage, see standard error",
    .output_exit = UNKNOWN,
};
