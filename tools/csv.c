/* CSV. Lines end with CR LF as the standard says; null is nothing between commas and the empty
 * string "", lists are joined by blanks, and control characters stay, in quotes. */
#include "csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

static void put_quoted(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            putchar('"');
        }
        putchar(*text);
    }
    putchar('"');
}

static void put_text(const char *text) {
    if (text[0] == '\0' || strpbrk(text, ",\"\r\n") != NULL || text[0] == ' ') {
        put_quoted(text);
    } else {
        fputs(text, stdout);
    }
}

static void put_list(const json_t *list) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = say_allocated(open_memstream(&text, &size));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        fprintf(stream, "%s%s", i > 0 ? " " : "", one != NULL ? one : "");
    }
    fclose(stream);
    put_text(say_allocated(text));
    free(text);
}

static void put_value(const json_t *value) {
    if (json_is_string(value)) {
        put_text(json_string_value(value));
    } else if (json_is_array(value)) {
        put_list(value);
    } else if (value != NULL && !json_is_null(value)) {
        char *text = say_allocated(
            json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)));
        put_text(text);
        free(text);
    }
}

static json_t *collect(const json_t *rows) {
    json_t *columns = say_allocated(json_object());
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_object_update_missing(columns, json_array_get(rows, i));
    }
    return columns;
}

void csv_print(const json_t *rows) {
    json_t *columns = collect(rows);
    const char *name = NULL;
    json_t *sample = NULL;
    const char *comma = "";
    json_object_foreach(columns, name, sample) {
        fputs(comma, stdout);
        put_text(name);
        comma = ",";
    }
    fputs(json_object_size(columns) > 0 ? "\r\n" : "", stdout);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        comma = "";
        json_object_foreach(columns, name, sample) {
            fputs(comma, stdout);
            put_value(json_object_get(json_array_get(rows, i), name));
            comma = ",";
        }
        fputs("\r\n", stdout);
    }
    json_decref(columns);
}
