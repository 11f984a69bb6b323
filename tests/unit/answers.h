/* Statements that would go to a server are caught here, and answered by the test. The programs are
 * linked with the linker option that sends tp_connection_send() through here. */
#ifndef TESTS_UNIT_ANSWERS_H
#define TESTS_UNIT_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a statement waits for its answer, and how many were caught so far. */
bool answers_wanted(void);
unsigned answers_count(void);
/* The text of the oldest that waits, and its parameters ("(null)" when SQL NULL). */
const char *answers_text(void);
const char *answers_value(int at);
uint32_t answers_limit_ms(void);

/* Answers it: one row of cells (a NULL one is SQL NULL), one column of rows, or an error. */
void answers_row(const char *const *cells, int count);
void answers_column(const char *const *rows, int count);
void answers_error(void);

/* The next statement is not taken: memory is short. */
void answers_fail_next(void);
void answers_forget(void);

#endif
