/* Help, printed from the same tables that parse. */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "settings.h"

enum { COLUMN = 30, WIDTH = 96 };

/* Words from the column on, broken before the width. */
static void print_wrapped(const char *text) {
    size_t used = COLUMN;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (used > COLUMN && used + 1 + word > WIDTH) {
            printf("\n%*s", COLUMN, "");
            used = COLUMN;
        } else if (used > COLUMN) {
            putchar(' ');
            used++;
        }
        printf("%.*s", (int)word, text);
        used += word;
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const args_option *option) {
    char left[80];
    char letter[5] = "    ";
    if (option->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    int used =
        snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name,
                 option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
    if (used < COLUMN - 1) {
        printf("%-*s", COLUMN, left);
    } else {
        printf("%s\n%*s", left, COLUMN, "");
    }
    print_wrapped(option->help);
}

static void print_options(const char *title, const args_option *table) {
    if (table == NULL || table->name == NULL) {
        return;
    }
    printf("\n%s:\n", title);
    for (; table->name != NULL; table++) {
        print_option(table);
    }
}

/* A line that begins with a blank continues the one before it. */
static void print_usage(const char *forms) {
    const char *label = "usage:";
    while (*forms != '\0') {
        size_t length = strcspn(forms, "\n");
        const char *program = forms[0] == ' ' ? "        " : "trigperf";
        printf("%-6s %s %.*s\n", label, program, (int)length, forms);
        forms += length;
        forms += *forms == '\n' ? 1 : 0;
        label = "";
    }
}

void help_command(const command *chosen) {
    print_usage(chosen->usage);
    printf("\n%s\n", chosen->summary);
    print_options("options", chosen->options);
    print_options("options of every command", settings_options);
    if (chosen->details != NULL) {
        printf("\n%s\n", chosen->details);
    }
}

void help_overview(const command *const *commands) {
    print_usage("[OPTION...] COMMAND [ARGUMENT...]");
    printf("\nTurns changes in PostgreSQL into the cache keys to forget.\n\ncommands:\n");
    for (; *commands != NULL; commands++) {
        printf("  %-12s %s\n", (*commands)->name, (*commands)->summary);
    }
    printf("  %-12s %s\n", "help", "Show the help of a command.");
    print_options("options of every command", settings_options);
    printf(
        "\nThe connection comes from --dbname or libpq's variables (PGHOST, PGSERVICE, ..), other\n"
        "settings from --config, TRIGPERF_* variables and --option, in this order.\n"
        "Exit code: 0 fine, 1 failure, 2 usage error; those of check and doctor stand in their "
        "help.\n");
}
