#include "answers.h"

#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg/connection.h"

#define WAITING_MAX 8
#define VALUES_MAX 14

typedef struct caught {
    char *text;
    char *values[VALUES_MAX];
    uint32_t limit_ms;
    tp_result_fn done;
    void *user;
} caught;

static caught waiting[WAITING_MAX];
static unsigned waiting_count;
static unsigned caught_count;
static bool fail_next;

int32_t __wrap_tp_connection_send(tp_connection *connection, const tp_statement *statement,
                                  trigperf_error **err);

int32_t __wrap_tp_connection_send(tp_connection *connection, const tp_statement *statement,
                                  trigperf_error **err) {
    (void)connection;
    if (fail_next) {
        fail_next = false;
        return tp_error_nomem(err);
    }
    assert_true(waiting_count < WAITING_MAX && statement->count <= VALUES_MAX);
    caught *one = &waiting[waiting_count++];
    *one = (caught){
        strdup(statement->text), {NULL}, statement->limit_ms, statement->done, statement->user};
    for (int i = 0; i < statement->count; i++) {
        one->values[i] = strdup(statement->values[i] == NULL ? "(null)" : statement->values[i]);
    }
    caught_count++;
    return TRIGPERF_OK;
}

bool answers_wanted(void) {
    return waiting_count > 0;
}

unsigned answers_count(void) {
    return caught_count;
}

const char *answers_text(void) {
    assert_true(answers_wanted());
    return waiting[0].text;
}

const char *answers_value(int at) {
    assert_true(answers_wanted() && waiting[0].values[at] != NULL);
    return waiting[0].values[at];
}

uint32_t answers_limit_ms(void) {
    return waiting[0].limit_ms;
}

/* The oldest does not wait any more. */
static caught take(void) {
    assert_true(answers_wanted());
    caught one = waiting[0];
    memmove(&waiting[0], &waiting[1], --waiting_count * sizeof waiting[0]);
    free(one.text);
    for (int i = 0; i < VALUES_MAX; i++) {
        free(one.values[i]);
    }
    return one;
}

static void answer(PGresult *result) {
    caught one = take();
    if (one.done != NULL) {
        one.done(one.user, result);
    }
    PQclear(result);
}

static PGresult *table(int columns) {
    static char name[] = "c";
    PGresAttDesc descriptions[VALUES_MAX];
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(columns <= VALUES_MAX);
    for (int i = 0; i < columns; i++) {
        descriptions[i] = (PGresAttDesc){.name = name, .typlen = -1};
    }
    assert_true(PQsetResultAttrs(result, columns, descriptions));
    return result;
}

static void set(PGresult *result, int row, int column, const char *cell) {
    char copy[200];
    snprintf(copy, sizeof copy, "%s", cell == NULL ? "" : cell);
    int length = cell == NULL ? -1 : (int)strlen(copy);
    assert_true(PQsetvalue(result, row, column, cell == NULL ? NULL : copy, length));
}

void answers_row(const char *const *cells, int count) {
    PGresult *result = table(count);
    for (int i = 0; i < count; i++) {
        set(result, 0, i, cells[i]);
    }
    answer(result);
}

void answers_column(const char *const *rows, int count) {
    PGresult *result = table(1);
    for (int i = 0; i < count; i++) {
        set(result, i, 0, rows[i]);
    }
    answer(result);
}

void answers_error(void) {
    answer(PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR));
}

void answers_fail_next(void) {
    fail_next = true;
}

void answers_forget(void) {
    while (answers_wanted()) {
        take();
    }
    fail_next = false;
    caught_count = 0;
}
