/* The command line.
 *
 * Options come from tables from which the help is printed too, so the two cannot differ. Long names
 * are taken in full only: an abbreviation that works today would change its meaning with the next
 * option. What is mistyped is answered with the nearest known name (edit distance that counts a
 * swap of neighbours as one).
 */
#include "args.h"

#include <stdlib.h>
#include <string.h>

#include "say.h"

enum { WORD_MAX = 40, WORDS_MAX = 64 };

void args_init(args *parsed, int argc) {
    size_t room = (size_t)argc + 1;
    *parsed = (args){0};
    parsed->given = say_allocated(calloc(room, sizeof *parsed->given));
    parsed->operands = say_allocated(calloc(room, sizeof *parsed->operands));
}

void args_free(args *parsed) {
    free(parsed->given);
    free(parsed->operands);
    *parsed = (args){0};
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b) {
    size_t rows[3][WORD_MAX + 1];
    size_t width = least(strlen(b), WORD_MAX);
    size_t height = least(strlen(a), WORD_MAX);
    for (size_t j = 0; j <= width; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= height; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t change = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], rows[(i + 1) % 3][j - 2] + 1);
            }
        }
    }
    return rows[height % 3][width];
}

const char *args_nearest(const char *word, const char *const *words) {
    const char *best = NULL;
    size_t nearest = strlen(word) / 3 + 2;
    for (; *words != NULL; words++) {
        size_t apart = distance(word, *words);
        if (apart < nearest && apart < strlen(*words)) {
            nearest = apart;
            best = *words;
        }
    }
    return best;
}

static const args_option *find_long(const args_option *table, const char *name, size_t length) {
    for (; table != NULL && table->name != NULL; table++) {
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0) {
            return table;
        }
    }
    return NULL;
}

static const args_option *find_letter(const args_option *table, char letter) {
    for (; table != NULL && table->name != NULL; table++) {
        if (table->letter == letter) {
            return table;
        }
    }
    return NULL;
}

static size_t add_names(const args_option *table, const char **names, size_t count) {
    for (; table != NULL && table->name != NULL && count + 1 < WORDS_MAX; table++) {
        names[count++] = table->name;
    }
    names[count] = NULL;
    return count;
}

static int unknown_long(const args_option *first, const args_option *second, const char *word,
                        size_t length) {
    const char *names[WORDS_MAX];
    add_names(second, names, add_names(first, names, 0));
    char *name = say_allocated(strndup(word, length));
    const char *near = args_nearest(name, names);
    say_wrong("there is no option --%s", name);
    if (near != NULL) {
        say_hint("the nearest one is --%s", near);
    } else {
        say_hint("--help shows the options");
    }
    free(name);
    return EXIT_USAGE;
}

static void record(args *parsed, const args_option *option, const char *value) {
    parsed->given[parsed->given_count++] = (args_given){option, value};
}

/* The value in the next word, which is taken whatever it looks like. */
static int take_value(args *parsed, const args_option *option, int argc, char **argv, int *index) {
    if (*index >= argc) {
        say_wrong("option --%s expects a value: --%s %s", option->name, option->name,
                  option->value);
        return EXIT_USAGE;
    }
    record(parsed, option, argv[(*index)++]);
    return EXIT_FINE;
}

static int parse_long(args *parsed, const args_option *first, const args_option *second, int argc,
                      char **argv, int *index) {
    const char *word = argv[(*index)++] + 2;
    size_t length = strcspn(word, "=");
    const args_option *option = find_long(first, word, length);
    if (option == NULL) {
        option = find_long(second, word, length);
    }
    if (option == NULL) {
        return unknown_long(first, second, word, length);
    }
    if (option->value == NULL && word[length] == '=') {
        return say_wrong("option --%s takes no value, got '%s'", option->name, word + length + 1);
    }
    if (option->value != NULL && word[length] == '\0') {
        return take_value(parsed, option, argc, argv, index);
    }
    record(parsed, option, option->value != NULL ? word + length + 1 : NULL);
    return EXIT_FINE;
}

/* A bundle such as -vd CONNINFO. */
static int parse_letters(args *parsed, const args_option *first, const args_option *second,
                         int argc, char **argv, int *index) {
    for (const char *at = argv[(*index)++] + 1; *at != '\0'; at++) {
        const args_option *option = find_letter(first, *at);
        if (option == NULL) {
            option = find_letter(second, *at);
        }
        if (option == NULL) {
            say_wrong("there is no option -%c", *at);
            say_hint("--help shows the options");
            return EXIT_USAGE;
        }
        if (option->value == NULL) {
            record(parsed, option, NULL);
        } else if (at[1] != '\0') {
            record(parsed, option, at + 1);
            return EXIT_FINE;
        } else {
            return take_value(parsed, option, argc, argv, index);
        }
    }
    return EXIT_FINE;
}

static void take_operands(args *parsed, int argc, char **argv, int *index) {
    while (*index < argc) {
        parsed->operands[parsed->operand_count++] = argv[(*index)++];
    }
}

int args_parse(args *parsed, const args_option *first, const args_option *second, bool leading,
               int argc, char **argv, int *index) {
    while (*index < argc) {
        const char *word = argv[*index];
        int code = EXIT_FINE;
        if (strcmp(word, "--") == 0) {
            (*index)++;
            take_operands(parsed, argc, argv, index);
        } else if (word[0] == '-' && word[1] == '-') {
            code = parse_long(parsed, first, second, argc, argv, index);
        } else if (word[0] == '-' && word[1] != '\0') {
            code = parse_letters(parsed, first, second, argc, argv, index);
        } else if (leading) {
            return EXIT_FINE;
        } else {
            parsed->operands[parsed->operand_count++] = argv[(*index)++];
        }
        if (code != EXIT_FINE) {
            return code;
        }
    }
    return EXIT_FINE;
}

bool args_is(const args_given *given, const char *name) {
    return strcmp(given->option->name, name) == 0;
}

static const args_given *find_last(const args *parsed, const char *name) {
    for (size_t i = parsed->given_count; i > 0; i--) {
        if (args_is(&parsed->given[i - 1], name)) {
            return &parsed->given[i - 1];
        }
    }
    return NULL;
}

bool args_has(const args *parsed, const char *name) {
    return find_last(parsed, name) != NULL;
}

const char *args_get(const args *parsed, const char *name, const char *fallback) {
    const args_given *given = find_last(parsed, name);
    return given != NULL ? given->value : fallback;
}

char *args_list(const char *const *words) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = say_allocated(open_memstream(&text, &size));
    for (size_t i = 0; words[i] != NULL; i++) {
        fprintf(stream, "%s%s", i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ", words[i]);
    }
    fclose(stream);
    return say_allocated(text);
}

int args_choice(const args *parsed, const char *name, const char *const *words,
                const char **chosen) {
    const char *value = args_get(parsed, name, words[0]);
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], value) == 0) {
            *chosen = words[i];
            return EXIT_FINE;
        }
    }
    char *text = args_list(words);
    say_wrong("--%s expects %s, got '%s'", name, text, value);
    free(text);
    return EXIT_USAGE;
}

int args_verb(const char *command, const char *verb, const char *const *verbs) {
    for (size_t i = 0; verbs[i] != NULL; i++) {
        if (strcmp(verbs[i], verb) == 0) {
            return EXIT_FINE;
        }
    }
    char *text = args_list(verbs);
    say_wrong("%s expects %s, got '%s'", command, text, verb);
    free(text);
    const char *near = args_nearest(verb, verbs);
    if (near != NULL) {
        say_hint("the nearest one is '%s'", near);
    }
    return EXIT_USAGE;
}

int args_number(const args *parsed, const char *name, uint64_t max, uint64_t *number) {
    const char *value = args_get(parsed, name, NULL);
    if (value == NULL) {
        return EXIT_FINE;
    }
    uint64_t sum = 0;
    bool good = value[0] != '\0' && strspn(value, "0123456789") == strlen(value);
    for (const char *at = value; good && *at != '\0'; at++) {
        sum = sum * 10 + (uint64_t)(*at - '0');
        good = sum <= max;
    }
    if (!good) {
        return say_wrong("--%s expects a whole number of 0 to %llu, got '%s'", name,
                         (unsigned long long)max, value);
    }
    *number = sum;
    return EXIT_FINE;
}
