/* Names and durations as they are typed on the command line. */
#include "names.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

static void skip_blanks(const char **at) {
    *at += strspn(*at, " \t\n");
}

/* Copies a name in double quotes; *at stands behind the opening quote, then behind the closing. */
static int take_quoted(const char **at, char **name) {
    const char *start = *at;
    char *copy = say_allocated(malloc(strlen(start) + 1));
    size_t length = 0;
    for (const char *in = start; *in != '\0'; in++) {
        if (in[0] == '"' && in[1] != '"') {
            copy[length] = '\0';
            *at = in + 1;
            *name = copy;
            return EXIT_FINE;
        }
        in += in[0] == '"' ? 1 : 0;
        copy[length++] = *in;
    }
    free(copy);
    return say_wrong("a name in double quotes has no end: \"%s", start);
}

static void take_plain(const char **at, const char *stops, char **name) {
    size_t length = strcspn(*at, stops);
    const char *start = *at;
    *at += length;
    while (length > 0 && strchr(" \t\n", start[length - 1]) != NULL) {
        length--;
    }
    *name = say_allocated(strndup(start, length));
}

/* One name that ends at a stop character or with the text. */
static int take_name(const char **at, const char *stops, char **name) {
    const char *start = *at;
    skip_blanks(at);
    if (**at != '"') {
        take_plain(at, stops, name);
    } else {
        (*at)++;
        if (take_quoted(at, name) != EXIT_FINE) {
            return EXIT_USAGE;
        }
        skip_blanks(at);
    }
    if (**at != '\0' && strchr(stops, **at) == NULL) {
        say_wrong("expected the end of the name or '%c', got '%s' in '%s'", stops[0], *at, start);
    } else if ((*name)[0] == '\0') {
        say_wrong("expected a name, got nothing in '%s'", start);
    } else {
        return EXIT_FINE;
    }
    free(*name);
    *name = NULL;
    return EXIT_USAGE;
}

int names_next(const char **at, char **name) {
    *name = NULL;
    if (**at == '\0') {
        return EXIT_FINE;
    }
    int code = take_name(at, ",", name);
    if (code == EXIT_FINE && **at == ',') {
        (*at)++;
        if ((*at)[strspn(*at, " \t\n")] == '\0') {
            free(*name);
            *name = NULL;
            return say_wrong("expected a name after the last comma");
        }
    }
    return code;
}

int names_key(const char *text, char **name, const char **expression) {
    const char *at = text;
    int code = take_name(&at, "=", name);
    if (code != EXIT_FINE) {
        say_hint("the form is NAME or NAME=EXPRESSION");
        return code;
    }
    *expression = *at == '=' ? at + 1 : NULL;
    return EXIT_FINE;
}

static uint64_t unit_ms(const char *unit) {
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i].name, unit) == 0) {
            return units[i].ms;
        }
    }
    return 0;
}

int names_duration(const char *text, uint32_t *ms) {
    size_t digits = strspn(text, "0123456789");
    uint64_t unit = unit_ms(text + digits);
    if (digits > 0 && digits <= 10 && unit > 0) {
        uint64_t total = strtoull(text, NULL, 10) * unit;
        if (total <= UINT32_MAX) {
            *ms = (uint32_t)total;
            return EXIT_FINE;
        }
    }
    return say_wrong("expected a duration such as 500ms, 60s, 5m or 2h (at most 1193h), got '%s'",
                     text);
}
