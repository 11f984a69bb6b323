/* trigperf status: what is installed, and what does not fit together. */
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

static int show(const char *json, const char *format) {
    if (strcmp(format, "json") == 0) {
        puts(json);
        return EXIT_FINE;
    }
    return render_json(json);
}

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
    if (trigperf_admin_status(admin, &json, &error) == TRIGPERF_OK) {
        code = show(json, format);
    } else {
        code = say_failure(error);
    }
    trigperf_string_free(json);
    trigperf_admin_free(admin);
    return code;
}

const command command_status = {
    .name = "status",
    .summary = "Show versions, attached tables, consumers, notifier and outbox.",
    .usage = "status [--format text|json]",
    .options = options,
    .run = run,
};
