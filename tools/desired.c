/* Sections become descriptions, by the same calls and the same rules for names as `trigperf
 * attach`.
 *
 * A template or an expression that cannot stand on a line is written as JSON behind the word json:
 * `json "a\nb"`, which neither a template nor an expression in SQL would be.
 */
#include "desired.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ini.h"
#include "names.h"
#include "say.h"

static bool begins(const char *text, const char *word) {
    return strncmp(text, word, strlen(word)) == 0;
}

static const char *skip_blanks(const char *text) {
    return text + strspn(text, " \t\n");
}

static int code_of(int32_t status, trigperf_error **error) {
    return status == TRIGPERF_OK ? EXIT_FINE : say_usage(*error);
}

/* The text that a value means; the caller frees it. */
static int take_text(const char *value, char **text) {
    if (!begins(value, "json \"")) {
        *text = say_allocated(strdup(value));
        return EXIT_FINE;
    }
    json_t *string = json_loads(value + 5, JSON_DECODE_ANY, NULL);
    if (!json_is_string(string)) {
        json_decref(string);
        return say_wrong("expected a JSON string behind the word json, got '%s'", value + 5);
    }
    *text = say_allocated(strdup(json_string_value(string)));
    json_decref(string);
    return EXIT_FINE;
}

/* A description of what a section names. */
static int begin_part(const char *title, trigperf_attachment **attachment) {
    char *name = NULL;
    trigperf_error *error = NULL;
    bool scope = begins(title, "scope ");
    if (!scope && !begins(title, "table ")) {
        return say_wrong("expected [table NAME] or [scope NAME], got [%s]", title);
    }
    int code = take_text(skip_blanks(title + 6), &name);
    if (code == EXIT_FINE) {
        code = code_of(scope ? trigperf_attachment_new_scope(name, attachment, &error)
                             : trigperf_attachment_new(name, attachment, &error),
                       &error);
    }
    free(name);
    return code;
}

static int add_section(desired *wanted, const char *title) {
    trigperf_attachment *attachment = NULL;
    for (size_t i = 0; i < wanted->count; i++) {
        if (strcmp(wanted->parts[i].title, title) == 0) {
            return say_wrong("[%s] stands in the file twice", title);
        }
    }
    int code = begin_part(title, &attachment);
    if (code == EXIT_FINE) {
        wanted->parts =
            say_allocated(realloc(wanted->parts, (wanted->count + 1) * sizeof *wanted->parts));
        wanted->parts[wanted->count++] = (desired_part){say_allocated(strdup(title)), attachment};
    }
    return code;
}

/* Names in a list, as keys or as watched columns. */
static int add_names(trigperf_attachment *to, const char *value, bool keys) {
    char *name = NULL;
    char *list = NULL;
    int code = take_text(value, &list);
    const char *at = list;
    code = code == EXIT_FINE ? names_next(&at, &name) : code;
    while (code == EXIT_FINE && name != NULL) {
        trigperf_error *error = NULL;
        code = code_of(keys ? trigperf_attachment_key(to, name, NULL, &error)
                            : trigperf_attachment_watch(to, name, &error),
                       &error);
        free(name);
        name = NULL;
        code = code == EXIT_FINE ? names_next(&at, &name) : code;
    }
    free(list);
    return code;
}

static int add_expression(trigperf_attachment *to, const char *given, const char *value) {
    char *name = NULL;
    char *text = NULL;
    const char *none = NULL;
    trigperf_error *error = NULL;
    int code = names_key(given, &name, &none);
    if (code == EXIT_FINE) {
        code = take_text(value, &text);
    }
    if (code == EXIT_FINE) {
        code = code_of(trigperf_attachment_key(to, name, text, &error), &error);
    }
    free(name);
    free(text);
    return code;
}

/* What stands behind `rule`: `on insert,delete every 60s`, in this order, both optional. */
static int read_conditions(const char *text, char **operations, uint32_t *interval) {
    const char *at = skip_blanks(text);
    if (begins(at, "on ")) {
        const char *every = strstr(at, " every ");
        size_t length = every != NULL ? (size_t)(every - at) : strlen(at);
        *operations = say_allocated(strndup(at + 3, length - 3));
        at = skip_blanks(at + length);
    }
    if (begins(at, "every ")) {
        return names_duration(skip_blanks(at + 6), interval);
    }
    return at[0] == '\0' ? EXIT_FINE
                         : say_wrong("expected 'rule', 'rule on OPERATIONS' or 'rule on OPERATIONS "
                                     "every DURATION', got 'rule %s'",
                                     skip_blanks(text));
}

static int add_rule(trigperf_attachment *to, const char *conditions, const char *value) {
    char *operations = NULL;
    char *text = NULL;
    uint32_t interval = 0;
    trigperf_error *error = NULL;
    if (!begins(value, "json \"") && (strstr(value, " #") != NULL || strstr(value, " ;") != NULL ||
                                      strchr(value, '\n') != NULL)) {
        say_wrong("a template stands alone on its line, got '%s'", value);
        say_hint(
            "comments have lines of their own; further templates have a 'rule =' of their own");
        return EXIT_USAGE;
    }
    int code = read_conditions(conditions, &operations, &interval);
    if (code == EXIT_FINE) {
        code = take_text(value, &text);
    }
    if (code == EXIT_FINE) {
        code = code_of(trigperf_attachment_rule(to, text, operations, interval, &error), &error);
    }
    free(operations);
    free(text);
    return code;
}

static bool is_setting(const char *name) {
    static const char *const names[] = {"granularity", "isolate",     "max_keys",
                                        "replicated",  "sample_rate", "where"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int add_setting(trigperf_attachment *to, const char *name, const char *value) {
    trigperf_error *error = NULL;
    return code_of(trigperf_attachment_set(to, name, value, &error), &error);
}

static int unknown_name(const char *title, const char *name) {
    say_wrong("there is no '%s' in [%s]", name, title);
    say_hint(begins(title, "scope ") ? "a scope has rules: rule = TEMPLATE"
                                     : "a table has keys, key.NAME, watch, granularity, isolate, "
                                       "max_keys, replicated, sample_rate, where and rule");
    return EXIT_USAGE;
}

static int on_line(void *user, const char *section, const char *name, char *value) {
    desired *wanted = user;
    if (name == NULL) {
        return add_section(wanted, section);
    }
    trigperf_attachment *to = wanted->parts[wanted->count - 1].attachment;
    if (strcmp(name, "rule") == 0 || begins(name, "rule ")) {
        return add_rule(to, name + 4, value);
    }
    if (begins(section, "scope ")) {
        return unknown_name(section, name);
    }
    if (strcmp(name, "keys") == 0 || strcmp(name, "watch") == 0) {
        return add_names(to, value, name[0] == 'k');
    }
    if (begins(name, "key.")) {
        return add_expression(to, name + 4, value);
    }
    return is_setting(name) ? add_setting(to, name, value) : unknown_name(section, name);
}

int desired_read(const char *path, desired *out) {
    desired wanted = {0};
    int code = ini_read(path, on_line, &wanted);
    if (code != EXIT_FINE) {
        desired_free(&wanted);
        return code;
    }
    *out = wanted;
    return EXIT_FINE;
}

void desired_free(desired *wanted) {
    for (size_t i = 0; i < wanted->count; i++) {
        free(wanted->parts[i].title);
        trigperf_attachment_free(wanted->parts[i].attachment);
    }
    free(wanted->parts);
    *wanted = (desired){0};
}
