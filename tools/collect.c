/* trigperf collect: measures the triggers of the database now. */
#include <stdio.h>
#include <string.h>

#include <trigperf.h>

#include "command.h"
#include "render.h"
#include "say.h"
#include "settings.h"

static const char *const formats[] = {"text", "json", NULL};

static const args_option options[] = {
    {"format", "FORMAT", "text (default) or json", 0},
    {NULL, NULL, NULL, 0},
};

static int run(const args *given) {
    const char *format = NULL;
    trigperf_admin *admin = NULL;
    int code = args_choice(given, "format", formats, &format);
    if (code == EXIT_FINE) {
        code = settings_admin(given, &admin);
    }
    if (code != EXIT_FINE) {
        return code;
    }
    char *json = NULL;
    trigperf_error *error = NULL;
    if (trigperf_admin_collect(admin, &json, &error) != TRIGPERF_OK) {
        code = say_failure(error);
    } else if (strcmp(format, "json") == 0) {
        puts(json);
    } else {
        code = render_json(json);
    }
    trigperf_string_free(json);
    trigperf_admin_free(admin);
    return code;
}

const command command_collect = {
    .name = "collect",
    .summary = "Measure the triggers of the database now.",
    .usage = "collect [--format text|json]",
    .details =
        "Contexts do it by themselves every metrics.collect_ms; without any, a cron job can.\n"
        "The first time only notes where the server's counters stand.",
    .options = options,
    .run = run,
};
