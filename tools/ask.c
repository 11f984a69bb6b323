/* One connection, one call, its answer. */
#include "ask.h"

#include <stdio.h>
#include <string.h>

#include "render.h"
#include "say.h"
#include "settings.h"

static const char *const formats[] = {"text", "json", NULL};

int ask(const args *given, ask_call call, char **answer) {
    trigperf_admin *admin = NULL;
    trigperf_error *error = NULL;
    int code = settings_admin(given, &admin);
    if (code == EXIT_FINE && call(admin, given, answer, &error) != TRIGPERF_OK) {
        code = say_failure(error);
    }
    trigperf_admin_free(admin);
    return code;
}

int ask_document(const args *given, ask_call call) {
    const char *format = NULL;
    char *json = NULL;
    int code = args_choice(given, "format", formats, &format);
    if (code == EXIT_FINE) {
        code = ask(given, call, &json);
    }
    if (code == EXIT_FINE && strcmp(format, "json") == 0) {
        puts(json);
    } else if (code == EXIT_FINE) {
        code = render_json(json);
    }
    trigperf_string_free(json);
    return code;
}

int ask_change(const args *given, ask_call call, void (*done)(const args *given, const char *sql)) {
    char *sql = NULL;
    int code = ask(given, call, &sql);
    if (code == EXIT_FINE && args_has(given, "dry-run")) {
        fputs(sql, stdout);
        if (sql[0] == '\0') {
            say_note("nothing would change");
        }
    } else if (code == EXIT_FINE) {
        done(given, sql);
    }
    trigperf_string_free(sql);
    return code;
}

int32_t ask_flag(const args *given, const char *name) {
    return args_has(given, name) ? 1 : 0;
}
