/* The SQLSTATE decides; the server's own message, detail and hint are kept, in one line each. */
#include "pg/pgerror.h"

#include <string.h>

#include "base/strbuf.h"

static bool in_list(const char *state, const char *const *list) {
    for (; *list != NULL; list++) {
        if (strncmp(state, *list, strlen(*list)) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_connection(const char *state) {
    static const char *const list[] = {"08", "57P", NULL};
    return in_list(state, list);
}

static bool is_retriable(const char *state) {
    static const char *const list[] = {"08",    "57P",   "40001", "40P01",
                                       "55P03", "53300", "57014", NULL};
    return in_list(state, list);
}

static int32_t code_of(const char *state) {
    return is_connection(state)           ? TRIGPERF_E_CONNECTION
           : strcmp(state, "42501") == 0  ? TRIGPERF_E_PERMISSION
           : strncmp(state, "28", 2) == 0 ? TRIGPERF_E_CONNECTION
                                          : TRIGPERF_E_SERVER;
}

/* A standby refuses what writes, and whatever asks an unlogged table. */
static bool of_standby(const PGconn *connection, const char *state) {
    static const char *const list[] = {"25006", "0A000", "55000", NULL};
    const char *standby =
        in_list(state, list) ? PQparameterStatus(connection, "in_hot_standby") : NULL;
    return standby != NULL && strcmp(standby, "on") == 0;
}

static const char *default_hint(int32_t code, bool standby) {
    return standby ? "this server is a standby: connect to the primary; with several hosts: "
                     "target_session_attrs=read-write"
           : code == TRIGPERF_E_CONNECTION
               ? "check that the server runs, its address, and the role's credentials"
           : code == TRIGPERF_E_PERMISSION
               ? "run it as the owner of what is named, or let the owner grant the rights; those "
                 "on "
                 "the schema trigperf: trigperf grants --metrics ROLE --apply for what only looks, "
                 "--consumer for what programs do, --installer for what changes"
               : NULL;
}

/* Whether a sentence, or a part of one, ends here. */
static bool ends_part(char sign) {
    return strchr(".:;,?!", sign) != NULL;
}

/* Without trailing newlines; inner ones, and the tab with which libpq goes on, become one blank. */
static void add_line(tp_strbuf *out, const char *text) {
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' && i > 0 && !ends_part(text[i - 1])) {
            tp_strbuf_putc(out, ';');
        }
        if (text[i] != '\t' || i == 0 || text[i - 1] != '\n') {
            tp_strbuf_putc(out, text[i] == '\n' ? ' ' : text[i]);
        }
    }
}

static const char *field(const PGresult *result, int code) {
    const char *text = result == NULL ? NULL : PQresultErrorField(result, code);
    return text == NULL ? "" : text;
}

static void describe(tp_strbuf *out, const PGconn *connection, const PGresult *result) {
    const char *primary = field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (primary[0] != '\0') {
        add_line(out, primary);
        const char *detail = field(result, PG_DIAG_MESSAGE_DETAIL);
        if (detail[0] != '\0') {
            tp_strbuf_puts(out, " (");
            add_line(out, detail);
            tp_strbuf_putc(out, ')');
        }
        return;
    }
    const char *text = result == NULL ? "" : PQresultErrorMessage(result);
    if (text[0] == '\0') {
        text = connection == NULL ? "out of memory" : PQerrorMessage(connection);
    }
    add_line(out, text[0] == '\0' ? "an unexpected answer" : text);
}

int32_t tp_pg_error(trigperf_error **err, const PGconn *connection, const PGresult *result,
                    const char *what) {
    const char *state = field(result, PG_DIAG_SQLSTATE);
    bool broken = result == NULL || PQstatus(connection) == CONNECTION_BAD;
    int32_t code = state[0] != '\0' ? code_of(state)
                   : broken         ? TRIGPERF_E_CONNECTION
                                    : TRIGPERF_E_SERVER;
    const char *hint = field(result, PG_DIAG_MESSAGE_HINT);
    bool standby = state[0] != '\0' && of_standby(connection, state);
    tp_strbuf text = TP_STRBUF_INIT;
    describe(&text, connection, result);
    code = tp_error_set_sql(err, code, state, state[0] == '\0' ? broken : is_retriable(state),
                            hint[0] != '\0' ? hint : default_hint(code, standby), "%s failed: %s",
                            what, tp_strbuf_str(&text));
    tp_strbuf_free(&text);
    return code;
}

bool tp_pg_unreadable(const PGresult *result) {
    const char *state = field(result, PG_DIAG_SQLSTATE);
    return strcmp(state, "22021") == 0 || strcmp(state, "22P05") == 0;
}

void tp_pg_notice(void *log, const PGresult *result) {
    char text[512];
    snprintf(text, sizeof text, "%s", PQresultErrorMessage(result));
    text[strcspn(text, "\n")] = '\0';
    tp_log_write(log, TP_LOG_DEBUG, "server: %s", text);
}
