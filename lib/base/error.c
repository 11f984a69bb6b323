/* Error objects: one allocation each would be tidier, but three short strings keep the code plain.
 * The out-of-memory object is static and immutable, so that reporting a lack of memory needs none.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct trigperf_error {
    int32_t code;
    bool retriable;
    char sqlstate[6];
    char *message;
    char *hint;
};

static char nomem_message[] = "out of memory: an allocation failed and the call had no effect";
static char nomem_hint[] = "give the process more memory, or lower memory.max_bytes";
static trigperf_error nomem_error = {TRIGPERF_E_NOMEM, true, "", nomem_message, nomem_hint};

static char *format_string(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_string(const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    return text;
}

static trigperf_error *error_new(int32_t code, const char *sqlstate, bool retriable, char *message,
                                 const char *hint) {
    trigperf_error *error = calloc(1, sizeof *error);
    char *own_hint = tp_text_copy(hint != NULL ? hint : "");
    if (error == NULL || message == NULL || own_hint == NULL) {
        free(error);
        free(message);
        free(own_hint);
        return &nomem_error;
    }
    error->code = code;
    error->retriable = retriable;
    snprintf(error->sqlstate, sizeof error->sqlstate, "%s", sqlstate != NULL ? sqlstate : "");
    error->message = message;
    error->hint = own_hint;
    return error;
}

static int32_t error_store(trigperf_error **err, trigperf_error *error, int32_t code) {
    trigperf_error_free(*err);
    *err = error;
    return code;
}

int32_t tp_error_set(trigperf_error **err, int32_t code, const char *hint, const char *format,
                     ...) {
    if (err == NULL) {
        return code;
    }
    va_list args;
    va_start(args, format);
    char *message = format_string(format, args);
    va_end(args);
    return error_store(err, error_new(code, NULL, false, message, hint), code);
}

int32_t tp_error_set_sql(trigperf_error **err, int32_t code, const char *sqlstate, bool retriable,
                         const char *hint, const char *format, ...) {
    if (err == NULL) {
        return code;
    }
    va_list args;
    va_start(args, format);
    char *message = format_string(format, args);
    va_end(args);
    return error_store(err, error_new(code, sqlstate, retriable, message, hint), code);
}

int32_t tp_error_nomem(trigperf_error **err) {
    return err == NULL ? TRIGPERF_E_NOMEM : error_store(err, &nomem_error, TRIGPERF_E_NOMEM);
}

trigperf_error *tp_error_copy(const trigperf_error *error) {
    if (error == NULL) {
        return NULL;
    }
    return error_new(error->code, error->sqlstate, error->retriable, tp_text_copy(error->message),
                     error->hint);
}

int32_t tp_error_move(trigperf_error **to, trigperf_error *from, int32_t code) {
    if (to == NULL) {
        trigperf_error_free(from);
        return code;
    }
    return error_store(to, from, code);
}

const char *trigperf_status_name(int32_t status) {
    switch (status) {
#define STATUS_NAME(name, value, text)                                                             \
    case value:                                                                                    \
        return #name;
        TRIGPERF_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    default:
        return "E_UNKNOWN";
    }
}

const char *trigperf_status_text(int32_t status) {
    switch (status) {
#define STATUS_TEXT(name, value, text)                                                             \
    case value:                                                                                    \
        return text;
        TRIGPERF_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    default:
        return "unknown status";
    }
}

int32_t trigperf_error_code(const trigperf_error *error) {
    return error == NULL ? TRIGPERF_OK : error->code;
}

const char *trigperf_error_message(const trigperf_error *error) {
    return error == NULL ? "" : error->message;
}

const char *trigperf_error_sqlstate(const trigperf_error *error) {
    return error == NULL ? "" : error->sqlstate;
}

const char *trigperf_error_hint(const trigperf_error *error) {
    return error == NULL ? "" : error->hint;
}

int32_t trigperf_error_retriable(const trigperf_error *error) {
    return error != NULL && error->retriable ? 1 : 0;
}

void trigperf_error_free(trigperf_error *error) {
    if (error == NULL || error == &nomem_error) {
        return;
    }
    free(error->message);
    free(error->hint);
    free(error);
}

void trigperf_string_free(char *string) {
    free(string);
}
