/* The library's JSON as text for people.
 *
 * The shape decides, not a list of known fields: scalars of an object become a list of names and
 * values, an array of objects becomes a table whose columns are the members in the order in which
 * they first appear, an object within becomes a section of its own. So a new field of the library
 * is shown without a change here.
 */
#include "render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols/libsmartcols.h>

#include "say.h"

static void write_value(FILE *stream, const json_t *value);

static void write_array(FILE *stream, const json_t *array) {
    if (json_array_size(array) == 0) {
        putc('-', stream);
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0) {
            fputs(", ", stream);
        }
        write_value(stream, json_array_get(array, i));
    }
}

static void write_object(FILE *stream, const json_t *object) {
    char *text = say_allocated(json_dumps(object, JSON_COMPACT));
    fputs(text, stream);
    free(text);
}

static void write_value(FILE *stream, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_STRING:
        fputs(json_string_value(value), stream);
        break;
    case JSON_INTEGER:
        fprintf(stream, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        fprintf(stream, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
        fputs("yes", stream);
        break;
    case JSON_FALSE:
        fputs("no", stream);
        break;
    case JSON_NULL:
        fputs("-", stream);
        break;
    case JSON_ARRAY:
        write_array(stream, value);
        break;
    case JSON_OBJECT:
        write_object(stream, value);
        break;
    }
}

/* A value as text that the caller frees. */
static char *value_text(const json_t *value) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = say_allocated(open_memstream(&text, &size));
    if (value != NULL) {
        write_value(stream, value);
    }
    fclose(stream);
    return say_allocated(text);
}

static struct libscols_table *new_table(void) {
    struct libscols_table *table = say_allocated(scols_new_table());
    scols_table_enable_colors(table, say_colours(stdout) ? 1 : 0);
    scols_table_set_column_separator(table, "  ");
    return table;
}

static void add_column(struct libscols_table *table, const char *name, int flags) {
    struct libscols_column *column = say_allocated(scols_table_new_column(table, name, 0, flags));
    if (say_colours(stdout)) {
        scols_cell_set_color(scols_column_get_header(column), "bold");
    }
}

static void set_cell(struct libscols_line *line, size_t column, char *text) {
    if (scols_line_refer_data(line, column, text) != 0) {
        free(text);
        say_allocated(NULL);
    }
}

static void print_table(struct libscols_table *table) {
    if (scols_print_table(table) != 0) {
        say_error("the table could not be printed");
    }
    scols_unref_table(table);
}

static bool is_section(const json_t *value) {
    return json_is_object(value) ||
           (json_is_array(value) && json_is_object(json_array_get(value, 0)));
}

/* The members of all rows, in the order in which they first appear. */
static json_t *collect_columns(const json_t *rows) {
    json_t *columns = say_allocated(json_object());
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *name = NULL;
        json_t *value = NULL;
        json_object_foreach(row, name, value) {
            json_t *known = json_object_get(columns, name);
            if (known == NULL || json_is_null(known)) {
                json_object_set(columns, name, value);
            }
        }
    }
    return columns;
}

static void fill_row(struct libscols_table *table, json_t *columns, const json_t *row) {
    struct libscols_line *line = say_allocated(scols_table_new_line(table, NULL));
    const char *name = NULL;
    json_t *sample = NULL;
    size_t column = 0;
    json_object_foreach(columns, name, sample) {
        set_cell(line, column++, value_text(json_object_get(row, name)));
    }
}

static json_t *figure(const json_t *number, double factor, const char *unit, int places) {
    char text[60];
    if (!json_is_number(number)) {
        return json_null();
    }
    snprintf(text, sizeof text, "%.*f%s", places, json_number_value(number) * factor, unit);
    return json_string(text);
}

json_t *render_ms(const json_t *number) {
    return figure(number, 1, "", 3);
}

json_t *render_share(const json_t *number) {
    return figure(number, 100, " %", 1);
}

const char *render_view(const json_t *entry) {
    const char *measured = json_string_value(json_object_get(entry, "measured"));
    if (measured == NULL) {
        return "";
    }
    return strcmp(measured, "host") == 0      ? " (told)"
           : strcmp(measured, "bracket") == 0 ? " (bracket)"
                                              : "";
}

json_t *render_trigger(const json_t *entry) {
    const char *name = json_string_value(json_object_get(entry, "trigger"));
    return name == NULL ? json_null()
                        : say_allocated(json_sprintf("%s%s", name, render_view(entry)));
}

void render_rows(const json_t *rows) {
    struct libscols_table *table = new_table();
    json_t *columns = collect_columns(rows);
    const char *name = NULL;
    json_t *sample = NULL;
    json_object_foreach(columns, name, sample) {
        add_column(table, name, json_is_number(sample) ? SCOLS_FL_RIGHT : SCOLS_FL_WRAP);
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        fill_row(table, columns, json_array_get(rows, i));
    }
    json_decref(columns);
    print_table(table);
}

static void print_scalars(json_t *object) {
    struct libscols_table *table = new_table();
    scols_table_enable_noheadings(table, 1);
    add_column(table, "name", 0);
    add_column(table, "value", SCOLS_FL_WRAP);
    const char *name = NULL;
    json_t *value = NULL;
    bool any = false;
    json_object_foreach(object, name, value) {
        if (!is_section(value)) {
            struct libscols_line *line = say_allocated(scols_table_new_line(table, NULL));
            set_cell(line, 0, say_allocated(strdup(name)));
            set_cell(line, 1, value_text(value));
            any = true;
        }
    }
    if (any) {
        print_table(table);
    } else {
        scols_unref_table(table);
    }
}

static void print_object(json_t *object) {
    print_scalars(object);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(object, name, value) {
        if (json_is_object(value) && json_object_size(value) > 0) {
            printf("\n%s\n", name);
            print_object(value);
        } else if (is_section(value) && !json_is_object(value)) {
            printf("\n%s\n", name);
            render_rows(value);
        }
    }
}

int render_json(const char *json) {
    json_error_t problem;
    json_t *root = json_loads(json, JSON_ALLOW_NUL, &problem);
    if (root == NULL) {
        return say_error("the library's answer is not JSON: %s", problem.text);
    }
    if (json_is_array(root) && json_array_size(root) == 0) {
        say_note("there are none");
    } else if (json_is_array(root)) {
        render_rows(root);
    } else {
        print_object(root);
    }
    json_decref(root);
    return EXIT_FINE;
}
