/* libpq expands service files and environment only inside PQconnectStart, which would also look up
 * host names, and that blocks. So the expansion is asked for with one deliberately bad parameter:
 * libpq fills in all parameters, refuses, and touches no network; PQconninfo() then tells them. The
 * bad parameter's own value comes from a second round with another bad one. */
#include "pg/conninfo.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "pg/hosts.h"

#define PARAMETERS_MAX 64

struct tp_conninfo {
    uint32_t count;
    const char *keywords[PARAMETERS_MAX + 1];
    const char *values[PARAMETERS_MAX + 1];
};

void tp_conninfo_free(tp_conninfo *info) {
    if (info == NULL) {
        return;
    }
    for (uint32_t i = 0; i < info->count; i++) {
        free((void *)(uintptr_t)info->keywords[i]);
        free((void *)(uintptr_t)info->values[i]);
    }
    free(info);
}

const char *tp_conninfo_get(const tp_conninfo *info, const char *keyword) {
    for (uint32_t i = 0; i < info->count; i++) {
        if (strcmp(info->keywords[i], keyword) == 0) {
            return info->values[i];
        }
    }
    return NULL;
}

static bool set(tp_conninfo *info, const char *keyword, const char *value) {
    uint32_t at = 0;
    while (at < info->count && strcmp(info->keywords[at], keyword) != 0) {
        at++;
    }
    char *own_value = tp_text_copy(value);
    char *own_keyword = at < info->count ? NULL : tp_text_copy(keyword);
    if (own_value == NULL || at == PARAMETERS_MAX || (at == info->count && own_keyword == NULL)) {
        free(own_value);
        free(own_keyword);
        return false;
    }
    if (at == info->count) {
        info->keywords[info->count++] = own_keyword;
    } else {
        free((void *)(uintptr_t)info->values[at]);
    }
    info->values[at] = own_value;
    return true;
}

static bool set_default(tp_conninfo *info, const char *keyword, const char *value) {
    const char *present = tp_conninfo_get(info, keyword);
    return (present != NULL && present[0] != '\0') || set(info, keyword, value);
}

/* Copies what libpq makes of the connection string into info, except the poisoned parameter. */
static bool expand(tp_conninfo *info, const char *connection, const char *poison) {
    const char *keywords[] = {"dbname", poison, NULL};
    const char *values[] = {connection, "!", NULL};
    PGconn *probe = PQconnectStartParams(keywords, values, 1);
    PQconninfoOption *options = probe == NULL ? NULL : PQconninfo(probe);
    bool fine = options != NULL;
    for (PQconninfoOption *option = options; fine && option->keyword != NULL; option++) {
        if (option->val != NULL && option->val[0] != '\0' && strcmp(option->keyword, poison) != 0) {
            fine = set(info, option->keyword, option->val);
        }
    }
    PQconninfoFree(options);
    PQfinish(probe);
    return fine;
}

static int32_t check_syntax(const char *connection, trigperf_error **err) {
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(connection, &message);
    if (options == NULL) {
        int32_t status =
            tp_error_set(err, TRIGPERF_E_CONFIG,
                         "write it as 'host=db dbname=app user=app' or 'postgresql://app@db/app'",
                         "connection: expected a libpq connection string: %s",
                         message == NULL ? "out of memory" : message);
        PQfreemem(message);
        return status;
    }
    PQconninfoFree(options);
    return TRIGPERF_OK;
}

static bool set_number(tp_conninfo *info, const char *keyword, uint32_t number) {
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    return set_default(info, keyword, text);
}

static bool set_session_defaults(tp_conninfo *info, const tp_conninfo_options *options) {
    return set(info, "client_encoding", "UTF8") &&
           set_default(info, "fallback_application_name", options->application_name) &&
           set_number(info, "connect_timeout", (options->connect_timeout_ms + 999) / 1000) &&
           set_number(info, "tcp_user_timeout", options->silence_timeout_ms) &&
           set_number(info, "keepalives_idle", options->silence_timeout_ms / 3000 + 1) &&
           set_number(info, "keepalives_interval", 3) && set_number(info, "keepalives_count", 3);
}

int32_t tp_conninfo_new(const tp_conninfo_options *options, tp_conninfo **out,
                        trigperf_error **err) {
    const char *connection = options->connection == NULL ? "" : options->connection;
    int32_t status = check_syntax(connection, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_conninfo *info = calloc(1, sizeof *info);
    if (info == NULL || !expand(info, connection, "sslmode") ||
        !expand(info, connection, "ssl_min_protocol_version") ||
        !set_session_defaults(info, options)) {
        tp_conninfo_free(info);
        return tp_error_nomem(err);
    }
    *out = info;
    return TRIGPERF_OK;
}

static bool is_literal_address(const char *host) {
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

bool tp_conninfo_needs_lookup(const tp_conninfo *info) {
    const char *hosts = tp_conninfo_get(info, "host");
    if (hosts == NULL || tp_conninfo_get(info, "hostaddr") != NULL) {
        return false;
    }
    char *copy = tp_text_copy(hosts);
    bool needs = copy == NULL;
    char *rest = NULL;
    for (char *host = copy == NULL ? NULL : strtok_r(copy, ",", &rest); host != NULL && !needs;
         host = strtok_r(NULL, ",", &rest)) {
        needs = !tp_hosts_is_local(host) && !is_literal_address(host);
    }
    free(copy);
    return needs;
}

const char *const *tp_conninfo_keywords(const tp_conninfo *info) {
    return info->keywords;
}

const char *const *tp_conninfo_values(const tp_conninfo *info) {
    return info->values;
}

void tp_conninfo_at(const tp_conninfo *info, const tp_conninfo_place *place, const char **keywords,
                    const char **values) {
    const char *const names[] = {"host", "hostaddr", "port"};
    const char *const found[] = {place->hosts, place->addresses, place->ports};
    uint32_t count = 0;
    for (uint32_t i = 0; i < info->count; i++) {
        if (strcmp(info->keywords[i], "host") != 0 && strcmp(info->keywords[i], "port") != 0) {
            keywords[count] = info->keywords[i];
            values[count++] = info->values[i];
        }
    }
    for (uint32_t i = 0; i < 3; i++) {
        keywords[count] = names[i];
        values[count++] = found[i];
    }
    keywords[count] = NULL;
    values[count] = NULL;
}
