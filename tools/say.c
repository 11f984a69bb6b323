/* Words for people.
 *
 * Everything that is not data goes to standard error, a message a line, so that standard output can
 * be piped without filtering. Colours only mark the program's name on a terminal.
 */
#include "say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool say_colours(FILE *stream) {
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (no_color != NULL && no_color[0] != '\0') {
        return false;
    }
    return term != NULL && strcmp(term, "dumb") != 0 && isatty(fileno(stream)) == 1;
}

void say_text(FILE *stream, const char *text, uint64_t length) {
    for (uint64_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool c1 = byte == 0xC2 && i + 1 < length && ((unsigned char)text[i + 1] & 0xE0) == 0x80;
        if (byte == '\n') {
            fputs("\\n", stream);
        } else if (byte < 0x20 || byte == 0x7F) {
            fprintf(stream, "\\x%02x", byte);
        } else if (c1) {
            fprintf(stream, "\\u%04x", (unsigned char)text[++i]);
        } else {
            putc(byte, stream);
        }
    }
}

static void say_label(const char *label, const char *colour) {
    if (say_colours(stderr)) {
        fprintf(stderr, "\033[%sm%s\033[0m ", colour, label);
    } else {
        fprintf(stderr, "%s ", label);
    }
}

static void say_line(const char *label, const char *colour, const char *format, va_list values)
    __attribute__((format(printf, 3, 0)));

static void say_line(const char *label, const char *colour, const char *format, va_list values) {
    char *text = NULL;
    say_label(label, colour);
    if (vasprintf(&text, format, values) < 0) {
        fputs("out of memory\n", stderr);
        return;
    }
    for (const char *line = text; line != NULL;) {
        const char *end = strchr(line, '\n');
        say_text(stderr, line, end == NULL ? strlen(line) : (size_t)(end - line));
        fputc('\n', stderr);
        line = end == NULL ? NULL : end + 1;
    }
    free(text);
}

int say_error(const char *format, ...) {
    va_list values;
    va_start(values, format);
    say_line("trigperf:", "1;31", format, values);
    va_end(values);
    return EXIT_RUNTIME;
}

int say_wrong(const char *format, ...) {
    va_list values;
    va_start(values, format);
    say_line("trigperf:", "1;31", format, values);
    va_end(values);
    return EXIT_USAGE;
}

void say_hint(const char *format, ...) {
    va_list values;
    va_start(values, format);
    say_line("hint:", "1;36", format, values);
    va_end(values);
}

void say_note(const char *format, ...) {
    va_list values;
    va_start(values, format);
    say_line("trigperf:", "1", format, values);
    va_end(values);
}

void say_progress(const char *format, ...) {
    if (isatty(STDERR_FILENO) != 1) {
        return;
    }
    va_list values;
    va_start(values, format);
    say_line("trigperf:", "2", format, values);
    va_end(values);
}

static int say_object(trigperf_error *error, int code) {
    const char *message = trigperf_error_message(error);
    const char *hint = trigperf_error_hint(error);
    const char *state = trigperf_error_sqlstate(error);
    if (message[0] == '\0') {
        message = trigperf_status_text(trigperf_error_code(error));
    }
    if (state[0] != '\0' && strstr(message, state) == NULL) {
        say_error("%s (SQLSTATE %s)", message, state);
    } else {
        say_error("%s", message);
    }
    if (hint[0] != '\0') {
        say_hint("%s", hint);
    }
    trigperf_error_free(error);
    return code;
}

int say_failure(trigperf_error *error) {
    return say_object(error, EXIT_RUNTIME);
}

int say_usage(trigperf_error *error) {
    return say_object(error, EXIT_USAGE);
}

void *say_allocated(void *memory) {
    if (memory == NULL) {
        say_error("out of memory");
        exit(EXIT_RUNTIME);
    }
    return memory;
}
