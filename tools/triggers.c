/* trigperf triggers: those of all tables and views of the database, and advice about them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <trigperf.h>

#include "advice_text.h"
#include "ask.h"
#include "command.h"
#include "csv.h"
#include "render.h"
#include "say.h"

static const char *const formats[] = {"text", "json", "csv", NULL};

static const args_option options[] = {
    {"advise", NULL, "say what is wrong with them, by which figures, and the SQL to change it", 0},
    {"format", "FORMAT", "text (default), json or csv", 0},
    {NULL, NULL, NULL, 0},
};

static json_t *joined(const json_t *trigger) {
    char text[200];
    const json_t *events = json_object_get(trigger, "events");
    int used =
        snprintf(text, sizeof text, "%s", json_string_value(json_object_get(trigger, "timing")));
    for (size_t i = 0; i < json_array_size(events); i++) {
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%s", i > 0 ? "/" : " ",
                         json_string_value(json_array_get(events, i)));
    }
    return json_string(text);
}

/* The function, and how many triggers its figures are of when they are of several. */
static json_t *served(const json_t *trigger) {
    const char *function = json_string_value(json_object_get(trigger, "function"));
    json_int_t triggers = json_integer_value(json_object_get(trigger, "shared_by"));
    return triggers > 1 ? json_sprintf("%s (%lld triggers)", function, (long long)triggers)
                        : json_string(function);
}

/* A row for people: what fits beside each other. */
static json_t *short_row(const json_t *trigger) {
    json_t *row = say_allocated(json_object());
    json_object_set(row, "table", json_object_get(trigger, "table"));
    json_object_set(row, "trigger", json_object_get(trigger, "trigger"));
    json_object_set_new(row, "when", joined(trigger));
    json_object_set(row, "level", json_object_get(trigger, "level"));
    json_object_set_new(row, "function", served(trigger));
    json_object_set(row, "language", json_object_get(trigger, "language"));
    json_object_set(row, "enabled", json_object_get(trigger, "enabled"));
    json_object_set(row, "calls", json_object_get(trigger, "calls"));
    json_object_set_new(row, "total ms", render_ms(json_object_get(trigger, "total_ms")));
    json_object_set_new(row, "mean ms", render_ms(json_object_get(trigger, "mean_ms")));
    json_object_set_new(row, "no-op", render_share(json_object_get(trigger, "no_op_share")));
    return row;
}

static void print_text(const json_t *answer) {
    const json_t *triggers = json_object_get(answer, "triggers");
    json_t *rows = say_allocated(json_array());
    bool shared = false;
    for (size_t i = 0; i < json_array_size(triggers); i++) {
        const json_t *trigger = json_array_get(triggers, i);
        json_array_append_new(rows, short_row(trigger));
        shared = shared || (json_is_integer(json_object_get(trigger, "calls")) &&
                            json_integer_value(json_object_get(trigger, "shared_by")) > 1);
    }
    if (json_array_size(rows) > 0) {
        render_rows(rows);
    } else {
        say_note("there are no triggers");
    }
    if (shared) {
        say_note("calls and times are those of the function: where several triggers have the same, "
                 "each line shows them all together");
    }
    if (json_is_string(json_object_get(answer, "hint"))) {
        say_hint("%s", json_string_value(json_object_get(answer, "hint")));
    }
    json_decref(rows);
}

static int show(const char *text, const char *format, bool advise) {
    json_error_t problem;
    if (strcmp(format, "json") == 0) {
        puts(text);
        return EXIT_FINE;
    }
    json_t *answer = json_loads(text, JSON_ALLOW_NUL, &problem);
    if (answer == NULL) {
        return say_error("the library's answer is not JSON: %s", problem.text);
    }
    if (strcmp(format, "csv") == 0) {
        csv_print(json_object_get(answer, advise ? "findings" : "triggers"));
    } else if (advise) {
        advice_text_print(answer);
    } else {
        print_text(answer);
    }
    json_decref(answer);
    return EXIT_FINE;
}

static int32_t look(trigperf_admin *admin, const args *given, char **json, trigperf_error **error) {
    const char *table = given->operand_count > 0 ? given->operands[0] : NULL;
    return args_has(given, "advise") ? trigperf_admin_advise(admin, table, json, error)
                                     : trigperf_admin_triggers(admin, table, json, error);
}

static int run(const args *given) {
    const char *format = NULL;
    char *json = NULL;
    int code = args_choice(given, "format", formats, &format);
    if (code == EXIT_FINE) {
        code = ask(given, look, &json);
    }
    if (code == EXIT_FINE) {
        code = show(json, format, args_has(given, "advise"));
    }
    trigperf_string_free(json);
    return code;
}

const command command_triggers = {
    .name = "triggers",
    .summary =
        "Show the triggers of all tables and views with their figures, or advice about them.",
    .usage = "triggers [TABLE] [--format text|json|csv]\n"
             "triggers [TABLE] --advise [--format text|json|csv]",
    .details =
        "Works on any database, also without the schema trigperf. Calls and times come from the\n"
        "server's statistics (track_functions); '-' is what was not measured. --advise reads\n"
        "catalogs, functions and statistics and changes nothing: each finding says by which\n"
        "figures, why it matters, the SQL that changes it and the SQL that takes that back.",
    .options = options,
    .operands_max = 1,
    .run = run,
};
