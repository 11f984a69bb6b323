/**
 * @file error.h
 * @brief Status codes and error objects.
 *
 * Every call that can fail returns an `int32_t`: 0 (#TRIGPERF_OK) or one of the negative codes
 * below. Most also take a `trigperf_error **`: when it is not NULL and the call fails, it receives
 * an error object that the caller releases with trigperf_error_free(). Outputs are written only on
 * success.
 */
#ifndef TRIGPERF_ERROR_H
#define TRIGPERF_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The one list of status codes: X(name, value, sentence). */
#define TRIGPERF_STATUS_MAP(X)                                                                     \
    X(OK, 0, "success")                                                                            \
    X(E_NOMEM, -1, "out of memory")                                                                \
    X(E_INVALID, -2, "an argument is not valid")                                                   \
    X(E_CONFIG, -3, "a configuration value is not valid")                                          \
    X(E_NOT_FOUND, -4, "the named object does not exist")                                          \
    X(E_EXISTS, -5, "the named object exists already")                                             \
    X(E_STATE, -6, "the call is not allowed in the present state")                                 \
    X(E_AGAIN, -7, "batches are waiting: pull them, then call again")                              \
    X(E_TIMEOUT, -8, "the time allowed has passed")                                                \
    X(E_STALE, -9, "the value was invalidated meanwhile: discard it")                              \
    X(E_SUPERSEDED, -10, "a newer claimant owns this consumer name")                               \
    X(E_FORKED, -11, "the object belongs to the parent process")                                   \
    X(E_CONNECTION, -12, "the connection to the server failed")                                    \
    X(E_SERVER, -13, "the server reported an error")                                               \
    X(E_VERSION, -14, "library and database schema or server version do not fit")                  \
    X(E_PERMISSION, -15, "the database role lacks a right")                                        \
    X(E_UNSUPPORTED, -16, "this object or setting is not supported")                               \
    X(E_SYSTEM, -17, "an operating system call failed")                                            \
    X(E_LIMIT, -18, "a configured limit was reached")

/** Status codes; see #TRIGPERF_STATUS_MAP for the sentence of each. */
enum trigperf_status {
/** @cond */
#define TRIGPERF_STATUS_ENUM(name, value, text) TRIGPERF_##name = (value),
    TRIGPERF_STATUS_MAP(TRIGPERF_STATUS_ENUM)
#undef TRIGPERF_STATUS_ENUM
    /** @endcond */
};

/** An error with its details. Opaque; immutable; release with trigperf_error_free(). */
typedef struct trigperf_error trigperf_error;

/**
 * @brief Name of a status code, such as `"E_TIMEOUT"`.
 * @param status a status code; any value is allowed.
 * @return a static string, `"E_UNKNOWN"` for a value that is not in the list. Any thread.
 */
const char *trigperf_status_name(int32_t status);

/**
 * @brief One sentence that explains a status code.
 * @param status a status code; any value is allowed.
 * @return a static string. Any thread.
 */
const char *trigperf_status_text(int32_t status);

/**
 * @brief The status code of an error object.
 * @param error an error object, or NULL.
 * @return the code; 0 for NULL. Any thread.
 */
int32_t trigperf_error_code(const trigperf_error *error);

/**
 * @brief What was expected and what came, in one or two sentences of UTF-8.
 * @param error an error object, or NULL.
 * @return a string borrowed from the object; `""` for NULL. Any thread.
 */
const char *trigperf_error_message(const trigperf_error *error);

/**
 * @brief The five-character SQLSTATE that the server or libpq gave.
 * @param error an error object, or NULL.
 * @return a string borrowed from the object; `""` when the error did not come from a server.
 */
const char *trigperf_error_sqlstate(const trigperf_error *error);

/**
 * @brief What to do about it.
 * @param error an error object, or NULL.
 * @return a string borrowed from the object; `""` when there is nothing to add to the message.
 */
const char *trigperf_error_hint(const trigperf_error *error);

/**
 * @brief Whether the same call may succeed later without any change (lost connection, lock
 *        timeout, serialization failure).
 * @param error an error object, or NULL.
 * @return 1 if retriable, 0 otherwise.
 */
int32_t trigperf_error_retriable(const trigperf_error *error);

/**
 * @brief Releases an error object.
 * @param error an error object, or NULL (no effect).
 */
void trigperf_error_free(trigperf_error *error);

/**
 * @brief Releases a string that the library handed over (every `char **` output).
 * @param string such a string, or NULL (no effect).
 */
void trigperf_string_free(char *string);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
