/* The command that is run for an event.
 *
 * Names and messages come from the database and may hold anything: they reach the command as data,
 * in the environment and on standard input, never as part of what the shell reads. What the command
 * prints goes where our words go, so that standard output stays data. One that does not end within
 * half a minute is killed with its children, so that one event does not hold up the next. */
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

enum { PATIENCE_MS = 30000, STEP_MS = 10 };

static void set_variable(const char *name, const json_t *value) {
    if (json_is_string(value)) {
        setenv(name, json_string_value(value), 1);
    } else if (value != NULL && !json_is_null(value)) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text != NULL) {
            setenv(name, text, 1);
        }
    }
}

static void become(const char *command, const json_t *event, int input) {
    static const char *const names[][2] = {
        {"TRIGPERF_ALERT_ID", "id"},           {"TRIGPERF_ALERT_RULE", "rule"},
        {"TRIGPERF_ALERT_SUBJECT", "subject"}, {"TRIGPERF_ALERT_LEVEL", "level"},
        {"TRIGPERF_ALERT_FROM", "previous"},   {"TRIGPERF_ALERT_VALUE", "value"},
        {"TRIGPERF_ALERT_MESSAGE", "message"}, {"TRIGPERF_ALERT_TIME", "at"}};
    const int defaults[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
    setpgid(0, 0);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        signal(defaults[i], SIG_DFL);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        set_variable(names[i][0], json_object_get(event, names[i][1]));
    }
    dup2(input, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static void wait_for(pid_t child) {
    const struct timespec step = {0, STEP_MS * 1000000L};
    int status = 0;
    pid_t done = 0;
    for (int waited = 0; done == 0 && waited < PATIENCE_MS; waited += STEP_MS) {
        done = waitpid(child, &status, WNOHANG);
        if (done == 0) {
            nanosleep(&step, NULL);
        }
    }
    if (done == 0) {
        kill(-child, SIGKILL);
        waitpid(child, &status, 0);
        say_error("alert.command did not end within %d seconds and was killed", PATIENCE_MS / 1000);
    } else if (WIFSIGNALED(status)) {
        say_error("alert.command was ended by signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0) {
        say_error("alert.command ended with exit code %d", WEXITSTATUS(status));
    }
}

/* A file, not a pipe: a command that does not read its input must not hold us up. */
static int input_of(const json_t *event) {
    FILE *file = tmpfile();
    char *text = say_allocated(json_dumps(event, JSON_COMPACT));
    int descriptor = -1;
    if (file != NULL) {
        fprintf(file, "%s\n", text);
        fflush(file);
        descriptor = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
        fclose(file);
        lseek(descriptor, 0, SEEK_SET);
    }
    free(text);
    return descriptor;
}

void hook_run(const char *command, const json_t *event) {
    int input = input_of(event);
    pid_t child = input < 0 ? -1 : fork();
    if (child == 0) {
        become(command, event, input);
    }
    if (child < 0) {
        say_error("alert.command was not run: %s", strerror(errno));
    } else {
        wait_for(child);
    }
    if (input >= 0) {
        close(input);
    }
}
