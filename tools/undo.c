/* Everything that is attached, so that loading the file with --prune brings back exactly that. Keys
 * keep their order: a run of columns is a `keys` line, an expression has its own. */
#include "undo.h"

#include <stdlib.h>
#include <string.h>

#include "say.h"

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static bool plain_name(const char *name) {
    return name[0] != '\0' && strpbrk(name, ",=\" \t\n#;[]") == NULL;
}

/* As `names` reads them. */
static void write_name(FILE *file, const char *name) {
    if (plain_name(name)) {
        fputs(name, file);
        return;
    }
    putc('"', file);
    for (; *name != '\0'; name++) {
        fputs(*name == '"' ? "\"" : "", file);
        putc(*name, file);
    }
    putc('"', file);
}

static bool plain_value(const char *text) {
    size_t length = strlen(text);
    bool odd = length == 0 || strstr(text, " #") != NULL || strstr(text, " ;") != NULL ||
               strncmp(text, "json \"", 6) == 0 || strchr(" \t", text[0]) != NULL ||
               strchr(" \t", text[length - 1]) != NULL;
    for (; !odd && *text != '\0'; text++) {
        odd = (unsigned char)*text < ' ';
    }
    return !odd;
}

static void write_text(FILE *file, const char *text) {
    if (plain_value(text)) {
        fputs(text, file);
        return;
    }
    json_t *string = say_allocated(json_string(text));
    char *dump = say_allocated(json_dumps(string, JSON_ENCODE_ANY));
    fprintf(file, "json %s", dump);
    free(dump);
    json_decref(string);
}

static void write_value(FILE *file, const char *text) {
    write_text(file, text);
    putc('\n', file);
}

static void write_title(FILE *file, const char *kind, const char *name) {
    fprintf(file, "\n[%s ", kind);
    write_text(file, name);
    fputs("]\n", file);
}

/* A list of names as `names` reads it, gathered before it is written: one with a line break in it
 * is written as JSON. */
typedef struct name_list {
    FILE *stream;
    char *text;
    size_t size;
} name_list;

static void list_add(name_list *list, const char *name) {
    if (list->stream == NULL) {
        list->stream = say_allocated(open_memstream(&list->text, &list->size));
    } else {
        fputs(", ", list->stream);
    }
    write_name(list->stream, name);
}

static void list_write(name_list *list, FILE *file, const char *label) {
    if (list->stream != NULL) {
        fclose(list->stream);
        fprintf(file, "%s = ", label);
        write_value(file, say_allocated(list->text));
        free(list->text);
    }
    *list = (name_list){0};
}

static void write_keys(FILE *file, const json_t *keys) {
    size_t index = 0;
    const json_t *key = NULL;
    name_list list = {0};
    json_array_foreach(keys, index, key) {
        const json_t *expression = json_object_get(key, "expression");
        if (!json_is_string(expression)) {
            list_add(&list, text_of(key, "name"));
            continue;
        }
        list_write(&list, file, "keys");
        fputs("key.", file);
        write_name(file, text_of(key, "name"));
        fputs(" = ", file);
        write_value(file, json_string_value(expression));
    }
    list_write(&list, file, "keys");
}

static void write_watch(FILE *file, const json_t *watch) {
    size_t index = 0;
    const json_t *column = NULL;
    name_list list = {0};
    json_array_foreach(watch, index, column) {
        list_add(&list, json_string_value(column));
    }
    list_write(&list, file, "watch");
}

static void write_rule(FILE *file, const json_t *rule) {
    size_t index = 0;
    const json_t *op = NULL;
    json_int_t interval = json_integer_value(json_object_get(rule, "min_interval_ms"));
    fputs("rule", file);
    json_array_foreach(json_object_get(rule, "ops"), index, op) {
        fprintf(file, "%s%s", index == 0 ? " on " : ",", json_string_value(op));
    }
    if (interval > 0) {
        fprintf(file, " every %lldms", (long long)interval);
    }
    fputs(" = ", file);
    write_value(file, text_of(rule, "template"));
}

/* The rules whose member `of` is this name. */
static void write_rules(FILE *file, const json_t *rules, const char *of, const char *name) {
    size_t index = 0;
    const json_t *rule = NULL;
    json_array_foreach(rules, index, rule) {
        const char *owner = json_string_value(json_object_get(rule, of));
        if (owner != NULL && strcmp(owner, name) == 0) {
            write_rule(file, rule);
        }
    }
}

static bool seen_before(const json_t *rules, size_t end, const char *scope) {
    for (size_t i = 0; i < end; i++) {
        const char *other = json_string_value(json_object_get(json_array_get(rules, i), "scope"));
        if (other != NULL && strcmp(other, scope) == 0) {
            return true;
        }
    }
    return false;
}

/* What is as it would be without a word is not written, but for the limit: its default may change.
 */
static void write_settings(FILE *file, const json_t *entry) {
    fprintf(file, "granularity = %s\n", text_of(entry, "granularity"));
    if (strcmp(text_of(entry, "isolate"), "full") == 0) {
        fputs("isolate = full\n", file);
    }
    if (json_is_true(json_object_get(entry, "replicated"))) {
        fputs("replicated = on\n", file);
    }
    if (json_is_string(json_object_get(entry, "where"))) {
        fprintf(file, "where = %s\n", text_of(entry, "where"));
    }
    fprintf(file, "max_keys = %lld\n",
            (long long)json_integer_value(json_object_get(entry, "max_keys")));
    const json_t *rate = json_object_get(entry, "sample_rate");
    if (json_is_number(rate)) {
        fprintf(file, "sample_rate = %.9f\n", json_number_value(rate));
    }
}

void undo_write(FILE *file, const json_t *attachments, const json_t *rules) {
    size_t index = 0;
    const json_t *entry = NULL;
    fputs("# What was attached before. To bring it back: trigperf apply --prune FILE\n", file);
    json_array_foreach(attachments, index, entry) {
        write_title(file, "table", text_of(entry, "table"));
        write_keys(file, json_object_get(entry, "keys"));
        write_watch(file, json_object_get(entry, "watch"));
        write_settings(file, entry);
        write_rules(file, rules, "table", text_of(entry, "table"));
    }
    json_array_foreach(rules, index, entry) {
        const char *scope = json_string_value(json_object_get(entry, "scope"));
        if (scope != NULL && !seen_before(rules, index, scope)) {
            write_title(file, "scope", scope);
            write_rules(file, rules, "scope", scope);
        }
    }
}
