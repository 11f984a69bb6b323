/* Words for people, on standard error: `trigperf: message`, then `hint: what to do`. */
#ifndef TRIGPERF_TOOL_SAY_H
#define TRIGPERF_TOOL_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <trigperf.h>

enum exit_code { EXIT_FINE = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

/* Each returns the exit code that goes with it. */
int say_failure(trigperf_error *error); /* prints and releases the error */
int say_usage(trigperf_error *error);   /* the same, when an argument was at fault */
int say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int say_wrong(const char *format, ...) __attribute__((format(printf, 1, 2))); /* usage error */

void say_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, only when somebody watches. */
void say_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text from the database, for people: control characters are escaped, so that none of them reaches
 * the terminal or ends a comment. */
void say_text(FILE *stream, const char *text, uint64_t length);

/* Whether a stream wants colours: a terminal, and neither NO_COLOR nor TERM=dumb. */
bool say_colours(FILE *stream);

/* Out of memory in the command itself ends it: nothing is acknowledged that was not written. */
void *say_allocated(void *memory);

#endif
