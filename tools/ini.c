/* A reader of its own, because inih cuts names of sections at 49 bytes and lines at 200, and here
 * sections are named like tables (two names of 63 bytes, quoted) and values are SQL expressions.
 *
 * A line that begins with a blank continues the value before it, behind a line break. Comments
 * stand on lines of their own, because # and ; occur in values.
 */
#include "ini.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

static const char blanks[] = " \t\r\n";

typedef struct reader {
    const char *path;
    ini_line on_line;
    void *user;
    char *section;
    char *name; /* of the value that is being collected */
    char *value;
    size_t line;
    size_t began; /* line of the name */
} reader;

static char *trimmed(char *text) {
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]) != NULL) {
        text[--length] = '\0';
    }
    return text;
}

static void replace(char **slot, const char *text) {
    char *copy = text == NULL ? NULL : say_allocated(strdup(text));
    free(*slot);
    *slot = copy;
}

static int located(const reader *from, size_t line, int code) {
    if (code != EXIT_FINE) {
        say_hint("see %s, line %zu", from->path, line);
    }
    return code;
}

/* Hands over the value that has been collected. */
static int flush_value(reader *from) {
    if (from->name == NULL) {
        return EXIT_FINE;
    }
    int code = from->on_line(from->user, from->section, from->name, from->value);
    replace(&from->name, NULL);
    return located(from, from->began, code);
}

static int take_section(reader *from, char *text) {
    size_t length = strlen(text);
    if (text[length - 1] != ']') {
        say_wrong("expected ']' at the end of '%s'", text);
        return located(from, from->line, EXIT_USAGE);
    }
    text[length - 1] = '\0';
    replace(&from->section, trimmed(text + 1));
    return located(from, from->line, from->on_line(from->user, from->section, NULL, NULL));
}

/* The first = that is not within double quotes. */
static char *find_equals(char *text) {
    bool quoted = false;
    for (; *text != '\0'; text++) {
        quoted = *text == '"' ? !quoted : quoted;
        if (*text == '=' && !quoted) {
            return text;
        }
    }
    return NULL;
}

static int take_pair(reader *from, char *text) {
    char *equals = find_equals(text);
    if (equals == NULL || from->section == NULL) {
        say_wrong(equals == NULL ? "expected 'name = value' or '[section]', got '%s'"
                                 : "expected a '[section]' before '%s'",
                  text);
        return located(from, from->line, EXIT_USAGE);
    }
    *equals = '\0';
    replace(&from->name, trimmed(text));
    replace(&from->value, trimmed(equals + 1));
    from->began = from->line;
    return EXIT_FINE;
}

static int continue_value(reader *from, const char *text) {
    if (from->name == NULL) {
        say_wrong("expected a name before the indented '%s'", text);
        return located(from, from->line, EXIT_USAGE);
    }
    size_t length = strlen(from->value);
    from->value = say_allocated(realloc(from->value, length + strlen(text) + 2));
    from->value[length] = '\n';
    strcpy(from->value + length + 1, text);
    return EXIT_FINE;
}

static int take_line(reader *from, char *raw) {
    bool indented = raw[0] == ' ' || raw[0] == '\t';
    char *text = trimmed(raw);
    if (text[0] == '\0' || text[0] == '#' || text[0] == ';') {
        return EXIT_FINE;
    }
    if (indented) {
        return continue_value(from, text);
    }
    int code = flush_value(from);
    if (code != EXIT_FINE) {
        return code;
    }
    return text[0] == '[' ? take_section(from, text) : take_pair(from, text);
}

static int read_lines(reader *from, FILE *file) {
    char *line = NULL;
    size_t size = 0;
    int code = EXIT_FINE;
    while (code == EXIT_FINE && getline(&line, &size, file) >= 0) {
        from->line++;
        code = take_line(from, line);
    }
    free(line);
    if (code == EXIT_FINE && ferror(file) != 0) {
        return say_error("cannot read \"%s\": %s", from->path, strerror(errno));
    }
    return code == EXIT_FINE ? flush_value(from) : code;
}

int ini_read(const char *path, ini_line on_line, void *user) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (file == NULL) {
        return say_error("cannot open \"%s\": %s", path, strerror(errno));
    }
    reader from = {.path = path, .on_line = on_line, .user = user};
    int code = read_lines(&from, file);
    free(from.section);
    free(from.name);
    free(from.value);
    if (!standard) {
        fclose(file);
    }
    return code;
}
