/* trigperf doctor: what may keep changes from arriving, why it matters, and how to mend it.
 *
 * The exit code is for scripts: 0 nothing worse than info, 1 warn, 2 critical, 3 could not tell. A
 * server that does not answer cannot be told of either.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <trigperf.h>

#include "command.h"
#include "say.h"
#include "settings.h"

enum { DOCTOR_WARN = 1, DOCTOR_CRITICAL = 2, DOCTOR_UNKNOWN = 3 };

static const char *const formats[] = {"text", "json", NULL};

static const args_option options[] = {
    {"format", "FORMAT", "text (default) or json", 0},
    {"quiet", NULL, "text: leave out what is all right", 'q'},
    {NULL, NULL, NULL, 0},
};

static const char *member(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static const char *colour(const char *severity) {
    if (!say_colours(stdout)) {
        return "";
    }
    return strcmp(severity, "critical") == 0 || strcmp(severity, "unknown") == 0 ? "\033[31m"
           : strcmp(severity, "warn") == 0                                       ? "\033[33m"
           : strcmp(severity, "ok") == 0                                         ? "\033[32m"
                                                                                 : "";
}

static void print_part(const char *title, const char *text) {
    if (text[0] != '\0') {
        printf("          %s: ", title);
        say_text(stdout, text, strlen(text));
        putchar('\n');
    }
}

static void print_finding(const json_t *finding) {
    const char *severity = member(finding, "severity");
    const char *subject = member(finding, "subject");
    printf("%s%-8s%s  %s: ", colour(severity), severity, say_colours(stdout) ? "\033[0m" : "",
           member(finding, "check"));
    if (subject[0] != '\0') {
        say_text(stdout, subject, strlen(subject));
        fputs(": ", stdout);
    }
    say_text(stdout, member(finding, "found"), strlen(member(finding, "found")));
    putchar('\n');
    print_part("why", member(finding, "why"));
    print_part("fix", member(finding, "fix"));
}

static void print_counts(const json_t *report) {
    static const char *const names[] = {"critical", "unknown", "warn", "info", "ok"};
    const json_t *counts = json_object_get(report, "counts");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        printf("%s%" JSON_INTEGER_FORMAT " %s", i == 0 ? "" : ", ",
               json_integer_value(json_object_get(counts, names[i])), names[i]);
    }
    printf(": database %s as %s, server %s, library %s\n", member(report, "database"),
           member(report, "role"), member(report, "server_version"),
           member(report, "library_version"));
}

static void print_report(const json_t *report, bool quiet) {
    const json_t *findings = json_object_get(report, "findings");
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        if (!quiet || strcmp(member(finding, "severity"), "ok") != 0) {
            print_finding(finding);
        }
    }
    print_counts(report);
}

static int verdict(const json_t *report) {
    const char *worst = member(report, "worst");
    return strcmp(worst, "critical") == 0  ? DOCTOR_CRITICAL
           : strcmp(worst, "unknown") == 0 ? DOCTOR_UNKNOWN
           : strcmp(worst, "warn") == 0    ? DOCTOR_WARN
                                           : EXIT_FINE;
}

static int show(const char *json, const char *format, bool quiet) {
    json_t *report = say_allocated(json_loads(json, JSON_ALLOW_NUL, NULL));
    if (strcmp(format, "json") == 0) {
        puts(json);
    } else {
        print_report(report, quiet);
    }
    int code = verdict(report);
    json_decref(report);
    return code;
}

static int look(const args *given, const char *format) {
    trigperf_admin *admin = NULL;
    char *json = NULL;
    trigperf_error *error = NULL;
    int code = settings_admin(given, &admin);
    if (code != EXIT_FINE) {
        return DOCTOR_UNKNOWN;
    }
    if (trigperf_admin_doctor(admin, &json, &error) == TRIGPERF_OK) {
        code = show(json, format, args_has(given, "quiet"));
    } else {
        say_failure(error);
        code = DOCTOR_UNKNOWN;
    }
    trigperf_string_free(json);
    trigperf_admin_free(admin);
    return code;
}

static int run(const args *given) {
    const char *format = NULL;
    int code = args_choice(given, "format", formats, &format);
    return code == EXIT_FINE ? look(given, format) : DOCTOR_UNKNOWN;
}

const command command_doctor = {
    .name = "doctor",
    .summary = "Look for what may keep changes from arriving, and say how to mend it.",
    .usage = "doctor [--format text|json] [--quiet]",
    .details =
        "Run it with the connection string of the program: what stands between, and what its role\n"
        "may do, is looked at as well. It changes nothing. Exit code 0: nothing worse than info;\n"
        "1: a warning; 2: something critical; 3: something could not be told, the server did not\n"
        "answer, or the usage was wrong.",
    .options = options,
    .run = run,
    .usage_exit = DOCTOR_UNKNOWN,
};
