/* The command `trigperf`: finds the subcommand and runs it.
 *
 * Data goes to standard output, words to standard error. A subcommand returns its exit code; what
 * it printed counts only when standard output took all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <trigperf.h>

#include "command.h"
#include "help.h"
#include "say.h"
#include "settings.h"

static const command *const commands[] = {
    &command_install,
    &command_uninstall,
    &command_attach,
    &command_apply,
    &command_detach,
    &command_status,
    &command_rules,
    &command_consumers,
    &command_doctor,
    &command_grants,
    &command_collect,
    &command_bracket,
    &command_kpi,
    &command_serve,
    &command_tail,
    &command_triggers,
    &command_alerts,
    &command_report,
    &command_check,
    &command_monitor,
    &command_cleanup,
    &command_config,
    NULL,
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

/* A closed standard descriptor would be given to the next socket, which then receives our text. The
 * null device takes its place, opened the wrong way round so that using it fails. */
static void guard_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
            (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
        }
    }
}

/* Widths of characters need a UTF-8 locale, also where none is set. */
static void choose_locale(void) {
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
        setlocale(LC_CTYPE, "C.UTF-8");
    }
}

static void print_version(void) {
    printf("trigperf %s, schema %d\n", trigperf_version(), (int)trigperf_schema_version());
}

static const command *find(const char *name) {
    for (const command *const *at = commands; *at != NULL; at++) {
        if (strcmp((*at)->name, name) == 0) {
            return *at;
        }
    }
    return NULL;
}

static int unknown_command(const char *word) {
    const char *names[COMMAND_COUNT + 1] = {0};
    for (size_t i = 0; commands[i] != NULL; i++) {
        names[i] = commands[i]->name;
    }
    names[COMMAND_COUNT - 1] = "help";
    const char *near = args_nearest(word, names);
    say_wrong("there is no command '%s'", word);
    if (near != NULL) {
        say_hint("the nearest one is '%s'", near);
    } else {
        char *all = args_list(names);
        say_hint("expected %s", all);
        free(all);
    }
    return EXIT_USAGE;
}

static int run_help(const args *given) {
    const char *name = given->operand_count > 0 ? given->operands[0] : NULL;
    if (name == NULL || strcmp(name, "help") == 0) {
        help_overview(commands);
        return EXIT_FINE;
    }
    const command *chosen = find(name);
    if (chosen == NULL) {
        return unknown_command(name);
    }
    help_command(chosen);
    return EXIT_FINE;
}

/* The form of a command that has one, whose further lines begin with a blank. */
static void hint_form(const command *chosen) {
    char *form = say_allocated(strdup(chosen->usage));
    for (char *end = strchr(form, '\n'); end != NULL; end = strchr(form, '\n')) {
        size_t blanks = strspn(end + 1, " ");
        if (blanks == 0) {
            say_hint("trigperf %s --help shows its forms", chosen->name);
            free(form);
            return;
        }
        memmove(end, end + blanks, strlen(end + blanks) + 1);
    }
    say_hint("the form is: trigperf %s", form);
    free(form);
}

static int check_operands(const command *chosen, const args *given) {
    if (given->operand_count > chosen->operands_max) {
        say_wrong("%s: unexpected argument '%s'", chosen->name,
                  given->operands[chosen->operands_max]);
    } else if (given->operand_count < chosen->operands_min) {
        say_wrong("%s: an argument is missing", chosen->name);
    } else {
        return EXIT_FINE;
    }
    hint_form(chosen);
    return EXIT_USAGE;
}

/* Wrong usage, said on standard error; who reads standard output alone gets a line as well. */
static int wrong_usage(const command *chosen) {
    if (chosen->usage_line != NULL) {
        puts(chosen->usage_line);
    }
    return chosen->usage_exit != 0 ? chosen->usage_exit : EXIT_USAGE;
}

static int run_command(const char *name, args *given, int argc, char **argv, int *index,
                       int *output_exit) {
    static const command help = {.name = "help",
                                 .summary = "Show the help of a command.",
                                 .usage = "help [COMMAND]",
                                 .operands_max = 1,
                                 .run = run_help};
    const command *chosen = strcmp(name, "help") == 0 ? &help : find(name);
    if (chosen == NULL) {
        return unknown_command(name);
    }
    *output_exit = chosen->output_exit;
    if (args_parse(given, chosen->options, settings_options, false, argc, argv, index) !=
        EXIT_FINE) {
        return wrong_usage(chosen);
    }
    if (args_has(given, "help")) {
        help_command(chosen);
        return EXIT_FINE;
    }
    return check_operands(chosen, given) == EXIT_FINE ? chosen->run(given) : wrong_usage(chosen);
}

static int run(args *given, int argc, char **argv, int *output_exit) {
    int index = 1;
    int code = args_parse(given, settings_options, NULL, true, argc, argv, &index);
    if (code != EXIT_FINE) {
        return code;
    }
    if (args_has(given, "version")) {
        print_version();
        return EXIT_FINE;
    }
    if (args_has(given, "help")) {
        return run_help(given);
    }
    if (index >= argc) {
        say_wrong("expected a command, got none");
        say_hint("trigperf --help lists the commands");
        return EXIT_USAGE;
    }
    const char *name = argv[index++];
    return run_command(name, given, argc, argv, &index, output_exit);
}

/* What is still buffered must arrive for the exit code to be 0, or to be believed at all. */
static int finish_output(int code, int output_exit) {
    bool failed = ferror(stdout) != 0;
    failed = fflush(stdout) != 0 || failed;
    if (failed && (code == EXIT_FINE || output_exit != 0)) {
        int error = say_error("standard output did not take the answer: %s", strerror(errno));
        return output_exit != 0 ? output_exit : error;
    }
    return code;
}

int main(int argc, char **argv) {
    guard_descriptors();
    choose_locale();
    signal(SIGPIPE, SIG_IGN);
    args given;
    args_init(&given, argc);
    int output_exit = 0;
    int code = run(&given, argc, argv, &output_exit);
    args_free(&given);
    return finish_output(code, output_exit);
}
