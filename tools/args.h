/* The command line: options from tables, kept in the order given; operands apart. */
#ifndef TRIGPERF_TOOL_ARGS_H
#define TRIGPERF_TOOL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One option; a table of them ends with a name of NULL. */
typedef struct args_option {
    const char *name;  /* without dashes */
    const char *value; /* how help names the value; NULL: a switch without one */
    const char *help;
    char letter; /* short form, 0: none */
} args_option;

typedef struct args_given {
    const args_option *option;
    const char *value; /* NULL for a switch */
} args_given;

typedef struct args {
    args_given *given;
    const char **operands;
    size_t given_count;
    size_t operand_count;
} args;

/* Room for the arguments of a command line of argc words. */
void args_init(args *parsed, int argc);
void args_free(args *parsed);

/* Reads argv[*index] onwards against two tables (the second may be NULL); stops before the first
 * operand when `leading`. Returns an exit code; a usage error was reported. */
int args_parse(args *parsed, const args_option *first, const args_option *second, bool leading,
               int argc, char **argv, int *index);

bool args_has(const args *parsed, const char *name);

/* Value of the last occurrence, or the fallback. */
const char *args_get(const args *parsed, const char *name, const char *fallback);

/* Whether an occurrence is of that option. */
bool args_is(const args_given *given, const char *name);

/* The value as one of a list of words that ends with NULL; otherwise a usage error is reported and
 * returned. The first word is the default. */
int args_choice(const args *parsed, const char *name, const char *const *words,
                const char **chosen);

/* Whether verb is one of those that a command knows, a list that ends with NULL; otherwise a usage
 * error is reported and returned. */
int args_verb(const char *command, const char *verb, const char *const *verbs);

/* The value as a number of 0 to max; *number stays when the option was not given. */
int args_number(const args *parsed, const char *name, uint64_t max, uint64_t *number);

/* "a, b or c"; the caller frees it. */
char *args_list(const char *const *words);

/* The known word nearest to a mistyped one, NULL when none is near. words ends with NULL. */
const char *args_nearest(const char *word, const char *const *words);

#endif
