/* Names and messages come from the database and may hold anything: they reach the command as data,
 * in the environment and on standard input, never as part of what the shell reads. What the command
 * prints goes where our words go, so that standard output stays data.
 *
 * A thread of its own attends to it, since it may hang: looking, judging, keys and signals must
 * not wait for it. One that does not end within half a minute is killed with its children, so that
 * one event does not hold up the next for ever. */
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

enum { PATIENCE_MS = 30000, END_MS = 1000, STEP_MS = 10, TAIL = 200, VARIABLES = 8 };

static const char *const names[VARIABLES][2] = {
    {"TRIGPERF_ALERT_ID", "id"},           {"TRIGPERF_ALERT_RULE", "rule"},
    {"TRIGPERF_ALERT_SUBJECT", "subject"}, {"TRIGPERF_ALERT_LEVEL", "level"},
    {"TRIGPERF_ALERT_FROM", "previous"},   {"TRIGPERF_ALERT_VALUE", "value"},
    {"TRIGPERF_ALERT_MESSAGE", "message"}, {"TRIGPERF_ALERT_TIME", "at"}};

/* What one run gets. */
typedef struct job {
    struct job *next;
    char *input;
    char *variables[VARIABLES];
} job;

struct hook {
    char *command;
    bool quiet;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    job *first; /* the one that runs stays in front until it ended */
    job *last;
    char *trouble;
    atomic_bool ending;
};

/* The end of what a command wrote. */
typedef struct tail {
    char text[TAIL + 1];
    size_t length;
} tail;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what is said ------------------------------------------------------------------------------*/

static void set_trouble(hook *h, char *text) {
    pthread_mutex_lock(&h->lock);
    free(h->trouble);
    h->trouble = text;
    pthread_mutex_unlock(&h->lock);
}

static void complain(hook *h, const tail *said, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(hook *h, const tail *said, const char *format, ...) {
    char *reason = NULL;
    char *text = NULL;
    va_list values;
    va_start(values, format);
    bool made = vasprintf(&reason, format, values) >= 0 &&
                asprintf(&text, "alert.command %s%s%s", reason, said->length > 0 ? ": " : "",
                         said->text) >= 0;
    va_end(values);
    free(reason);
    if (!made) {
        return;
    }
    if (h->quiet) {
        set_trouble(h, text);
    } else {
        say_error("%s", text);
        free(text);
    }
}

static void keep_tail(tail *said, const char *data, size_t length) {
    size_t fresh = length < TAIL ? length : TAIL;
    size_t kept = said->length < TAIL - fresh ? said->length : TAIL - fresh;
    memmove(said->text, said->text + said->length - kept, kept);
    memcpy(said->text + kept, data + length - fresh, fresh);
    said->length = kept + fresh;
    said->text[said->length] = '\0';
}

/* False when there is nothing more to come. */
static bool read_tail(int output, tail *said) {
    char data[4096];
    ssize_t length = read(output, data, sizeof data);
    if (length > 0) {
        keep_tail(said, data, (size_t)length);
    }
    return length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Blanks at the end, and lines as one. */
static void trim(tail *said) {
    while (said->length > 0 && (unsigned char)said->text[said->length - 1] <= ' ') {
        said->text[--said->length] = '\0';
    }
    for (char *at = said->text; *at != '\0'; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
}

/* --- one run -----------------------------------------------------------------------------------*/

/* A file, not a pipe: a command that does not read its input must not hold us up. */
static int input_of(const job *one) {
    FILE *file = tmpfile();
    int descriptor = -1;
    if (file != NULL) {
        fprintf(file, "%s\n", one->input);
        fflush(file);
        descriptor = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
        fclose(file);
        lseek(descriptor, 0, SEEK_SET);
    }
    return descriptor;
}

static bool is_ours(const char *variable) {
    for (size_t i = 0; i < VARIABLES; i++) {
        size_t length = strlen(names[i][0]);
        if (strncmp(variable, names[i][0], length) == 0 && variable[length] == '=') {
            return true;
        }
    }
    return false;
}

/* Our environment with the event's variables; the strings stay where they are. */
static char **environment_of(const job *one) {
    size_t count = 0;
    size_t inherited = 0;
    while (environ[inherited] != NULL) {
        inherited++;
    }
    char **all = say_allocated(calloc(inherited + VARIABLES + 1, sizeof *all));
    for (size_t i = 0; i < inherited; i++) {
        if (!is_ours(environ[i])) {
            all[count++] = environ[i];
        }
    }
    for (size_t i = 0; i < VARIABLES; i++) {
        if (one->variables[i] != NULL) {
            all[count++] = one->variables[i];
        }
    }
    return all;
}

static void set_attributes(posix_spawnattr_t *attributes) {
    const int defaults[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
    sigset_t reset;
    sigset_t none;
    sigemptyset(&none);
    sigemptyset(&reset);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        sigaddset(&reset, defaults[i]);
    }
    posix_spawnattr_setsigdefault(attributes, &reset);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                             POSIX_SPAWN_SETPGROUP);
}

/* Begins a process group of its own; 0 or an error number. */
static int begin(const hook *h, const job *one, int input, int errors, pid_t *child) {
    char shell[] = "sh";
    char option[] = "-c";
    char *const words[] = {shell, option, h->command, NULL};
    char **environment = environment_of(one);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    set_attributes(&attributes);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&files, errors, STDOUT_FILENO);
    if (h->quiet) {
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    }
    int failed = posix_spawn(child, "/bin/sh", &files, &attributes, words, environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    free(environment);
    return failed;
}

/* Whether the child ended within a time; `ending` cuts it short where that is asked for. */
static bool ends_within(hook *h, pid_t child, int64_t ms, bool until_ending, int output, tail *said,
                        int *status) {
    struct pollfd fd = {.fd = output, .events = POLLIN};
    int64_t due = now_ms() + ms;
    pid_t done = 0;
    while ((done = waitpid(child, status, WNOHANG)) == 0 && now_ms() < due &&
           !(until_ending && atomic_load(&h->ending))) {
        if (poll(&fd, 1, STEP_MS) > 0 && !read_tail(output, said)) {
            fd.fd = -1;
        }
    }
    return done != 0;
}

static void end_group(hook *h, pid_t child, int output, tail *said) {
    int status = 0;
    kill(-child, SIGTERM);
    bool ended = ends_within(h, child, END_MS, false, output, said, &status);
    kill(-child, SIGKILL); /* what it left behind, too */
    if (!ended) {
        waitpid(child, &status, 0);
    }
}

static void attend(hook *h, pid_t child, int output) {
    tail said = {.length = 0};
    int status = 0;
    bool ended = ends_within(h, child, PATIENCE_MS, true, output, &said, &status);
    if (!ended) {
        end_group(h, child, output, &said);
    }
    while (ended && output >= 0 &&
           poll(&(struct pollfd){.fd = output, .events = POLLIN}, 1, 0) > 0 &&
           read_tail(output, &said)) {
    }
    trim(&said);
    if (!ended && !atomic_load(&h->ending)) {
        complain(h, &said, "did not end within %d seconds and was killed", PATIENCE_MS / 1000);
    } else if (ended && WIFSIGNALED(status)) {
        complain(h, &said, "was ended by signal %d", WTERMSIG(status));
    } else if (ended && WEXITSTATUS(status) != 0) {
        complain(h, &said, "ended with exit code %d", WEXITSTATUS(status));
    } else {
        set_trouble(h, NULL);
    }
}

static void run_job(hook *h, const job *one) {
    static const tail nothing = {.length = 0};
    int pipes[2] = {-1, -1};
    pid_t child = -1;
    int input = input_of(one);
    int failed = input < 0 || (h->quiet && pipe2(pipes, O_CLOEXEC | O_NONBLOCK) != 0) ? errno : 0;
    if (failed == 0) {
        failed = begin(h, one, input, h->quiet ? pipes[1] : STDERR_FILENO, &child);
    }
    const int spent[] = {input, pipes[1]};
    for (size_t i = 0; i < 2; i++) {
        if (spent[i] >= 0) {
            close(spent[i]);
        }
    }
    if (failed != 0) {
        complain(h, &nothing, "was not run: %s", strerror(failed));
    } else {
        attend(h, child, pipes[0]);
    }
    if (pipes[0] >= 0) {
        close(pipes[0]);
    }
}

/* --- one after the other -----------------------------------------------------------------------*/

static void free_job(job *one) {
    for (size_t i = 0; i < VARIABLES; i++) {
        free(one->variables[i]);
    }
    free(one->input);
    free(one);
}

static void *work(void *given) {
    hook *h = given;
    pthread_mutex_lock(&h->lock);
    while (!atomic_load(&h->ending)) {
        job *one = h->first;
        if (one == NULL) {
            pthread_cond_wait(&h->more, &h->lock);
            continue;
        }
        pthread_mutex_unlock(&h->lock);
        run_job(h, one);
        pthread_mutex_lock(&h->lock);
        h->first = one->next;
        free_job(one);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

hook *hook_start(const char *command, bool quiet) {
    if (command == NULL || command[0] == '\0') {
        return NULL;
    }
    hook *h = say_allocated(calloc(1, sizeof *h));
    h->command = say_allocated(strdup(command));
    h->quiet = quiet;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->more, NULL);
    if (pthread_create(&h->thread, NULL, work, h) != 0) {
        say_error("alert.command cannot be run: no thread could be made");
        free(h->command);
        free(h);
        return NULL;
    }
    return h;
}

static char *variable_of(const char *name, const json_t *value) {
    char *text = NULL;
    char *variable = NULL;
    if (value == NULL || json_is_null(value)) {
        return NULL;
    }
    if (!json_is_string(value)) {
        text = say_allocated(json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));
    }
    if (asprintf(&variable, "%s=%s", name, text != NULL ? text : json_string_value(value)) < 0) {
        variable = NULL;
    }
    free(text);
    return say_allocated(variable);
}

void hook_add(hook *h, const json_t *event) {
    job *one = say_allocated(calloc(1, sizeof *one));
    one->input = say_allocated(json_dumps(event, JSON_COMPACT));
    for (size_t i = 0; i < VARIABLES; i++) {
        one->variables[i] = variable_of(names[i][0], json_object_get(event, names[i][1]));
    }
    pthread_mutex_lock(&h->lock);
    if (h->first == NULL) {
        h->first = one;
    } else {
        h->last->next = one;
    }
    h->last = one;
    pthread_cond_signal(&h->more);
    pthread_mutex_unlock(&h->lock);
}

bool hook_idle(hook *h) {
    pthread_mutex_lock(&h->lock);
    bool idle = h->first == NULL;
    pthread_mutex_unlock(&h->lock);
    return idle;
}

char *hook_trouble(hook *h) {
    char *text = NULL;
    if (h != NULL) {
        pthread_mutex_lock(&h->lock);
        text = h->trouble == NULL ? NULL : say_allocated(strdup(h->trouble));
        pthread_mutex_unlock(&h->lock);
    }
    return text;
}

void hook_stop(hook *h) {
    size_t left = 0;
    if (h == NULL) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    atomic_store(&h->ending, true);
    for (const job *one = h->first; one != NULL; one = one->next) {
        left++;
    }
    pthread_cond_signal(&h->more);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    if (left > 0) {
        say_note("alert.command was not run to its end for %zu event%s", left,
                 left == 1 ? "" : "s");
    }
    while (h->first != NULL) {
        job *one = h->first;
        h->first = one->next;
        free_job(one);
    }
    pthread_cond_destroy(&h->more);
    pthread_mutex_destroy(&h->lock);
    free(h->trouble);
    free(h->command);
    free(h);
}
