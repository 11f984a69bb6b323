/* trigperf config: the configuration table, a value, or the check of a file. */
#include <stdio.h>
#include <string.h>

#include <trigperf.h>

#include "command.h"
#include "say.h"
#include "settings.h"

static const char *const formats[] = {"text", "json", "ini", "markdown", NULL};

static const args_option options[] = {
    {"format", "FORMAT", "text (default), json, ini (a file to edit) or markdown", 0},
    {NULL, NULL, NULL, 0},
};

static void put_lines(const char *text) {
    size_t length = strlen(text);
    fputs(text, stdout);
    if (length > 0 && text[length - 1] != '\n') {
        putchar('\n');
    }
}

static int describe(const args *given) {
    const char *format = NULL;
    int code = args_choice(given, "format", formats, &format);
    if (code != EXIT_FINE) {
        return code;
    }
    char *text = NULL;
    trigperf_error *error = NULL;
    if (trigperf_config_describe(format, &text, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    put_lines(text);
    trigperf_string_free(text);
    return EXIT_FINE;
}

/* The value that would hold here, with file, environment and options. */
static int get(const args *given, const char *name) {
    trigperf_config *config = NULL;
    int code = settings_load(given, &config);
    if (code != EXIT_FINE) {
        return code;
    }
    char *value = NULL;
    trigperf_error *error = NULL;
    if (trigperf_config_get(config, name, &value, &error) == TRIGPERF_OK) {
        puts(value);
    } else {
        code = say_usage(error);
    }
    trigperf_string_free(value);
    trigperf_config_free(config);
    return code;
}

static int load_and_try(trigperf_config *config, const char *path) {
    trigperf_context *context = NULL;
    trigperf_error *error = NULL;
    if (trigperf_config_load_file(config, path, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    if (trigperf_context_new(config, &context, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    trigperf_context_free(context);
    printf("%s: fine\n", path);
    return EXIT_FINE;
}

/* Also what only shows when a context is made of it, such as a cycle of scopes; no server is asked.
 */
static int check(const char *path) {
    trigperf_config *config = NULL;
    trigperf_error *error = NULL;
    if (trigperf_config_new(&config, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    int code = load_and_try(config, path);
    trigperf_config_free(config);
    return code;
}

static int run(const args *given) {
    if (given->operand_count == 0) {
        return describe(given);
    }
    const char *verb = given->operands[0];
    bool known = strcmp(verb, "get") == 0 || strcmp(verb, "check") == 0;
    if (!known || given->operand_count != 2 || args_has(given, "format")) {
        say_wrong("config expects nothing, get NAME or check FILE, got '%s'%s", verb,
                  !known                      ? ""
                  : args_has(given, "format") ? " with --format"
                                              : " alone");
        return EXIT_USAGE;
    }
    return strcmp(verb, "get") == 0 ? get(given, given->operands[1]) : check(given->operands[1]);
}

const command command_config = {
    .name = "config",
    .summary = "Describe every setting, show one, or check a file.",
    .usage = "config [--format text|json|ini|markdown]\n"
             "config get NAME\n"
             "config check FILE",
    .details = "`config --format ini > trigperf.ini` makes a file with the defaults to start from.",
    .options = options,
    .operands_max = 2,
    .run = run,
};
