/* From the command line, the environment and a file to a configuration.
 *
 * What is nearer to the person wins: an option over the environment over a file over the defaults.
 * libpq's own variables fill in what the connection string leaves out.
 */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

const args_option settings_options[] = {
    {"dbname", "CONNINFO", "connection string, URI or database; libpq's variables fill in the rest",
     'd'},
    {"config", "FILE", "read settings and rules from an INI file", 0},
    {"option", "NAME=VALUE", "set one value of the configuration (see trigperf config)", 'o'},
    {"verbose", NULL, "say more on standard error; twice: even more", 'v'},
    {"help", NULL, "show this help", 'h'},
    {"version", NULL, "show the version", 'V'},
    {NULL, NULL, NULL, 0},
};

int settings_set(trigperf_config *config, const char *name, const char *value) {
    trigperf_error *error = NULL;
    if (trigperf_config_set(config, name, value, &error) != TRIGPERF_OK) {
        return say_usage(error);
    }
    return EXIT_FINE;
}

/* A database's name alone becomes a connection string, as psql takes it. */
static char *connection_string(const char *text) {
    if (strchr(text, '=') != NULL || strncmp(text, "postgres://", 11) == 0 ||
        strncmp(text, "postgresql://", 13) == 0 || text[0] == '\0') {
        return say_allocated(strdup(text));
    }
    char *out = say_allocated(malloc(2 * strlen(text) + sizeof "dbname=''"));
    char *at = stpcpy(out, "dbname='");
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            *at++ = '\\';
        }
        *at++ = *text;
    }
    stpcpy(at, "'");
    return out;
}

static int set_connection(trigperf_config *config, const char *value) {
    char *text = connection_string(value);
    int code = settings_set(config, "connection", text);
    free(text);
    return code;
}

static int set_pair(trigperf_config *config, const char *pair) {
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair) {
        return say_wrong("--option expects NAME=VALUE, got '%s'", pair);
    }
    char *name = say_allocated(strndup(pair, (size_t)(equals - pair)));
    int code = settings_set(config, name, equals + 1);
    free(name);
    return code;
}

static int load_files(const args *given, trigperf_config *config) {
    trigperf_error *error = NULL;
    const char *path = args_get(given, "config", NULL);
    if (path != NULL && trigperf_config_load_file(config, path, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    if (trigperf_config_load_env(config, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    return EXIT_FINE;
}

static int apply_options(const args *given, trigperf_config *config) {
    int code = EXIT_FINE;
    for (size_t i = 0; i < given->given_count && code == EXIT_FINE; i++) {
        const args_given *one = &given->given[i];
        if (args_is(one, "option")) {
            code = set_pair(config, one->value);
        } else if (args_is(one, "dbname")) {
            code = set_connection(config, one->value);
        }
    }
    return code;
}

int settings_load(const args *given, trigperf_config **config) {
    trigperf_error *error = NULL;
    trigperf_config *made = NULL;
    if (trigperf_config_new(&made, &error) != TRIGPERF_OK) {
        return say_failure(error);
    }
    int code = load_files(given, made);
    if (code == EXIT_FINE) {
        code = apply_options(given, made);
    }
    if (code != EXIT_FINE) {
        trigperf_config_free(made);
        return code;
    }
    *config = made;
    return EXIT_FINE;
}

int64_t settings_number(const trigperf_config *config, const char *name, int64_t fallback) {
    char *text = NULL;
    if (trigperf_config_get(config, name, &text, NULL) != TRIGPERF_OK) {
        return fallback;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    int64_t result = errno == 0 && end != text ? (int64_t)number : fallback;
    trigperf_string_free(text);
    return result;
}

int settings_admin(const args *given, trigperf_admin **admin) {
    trigperf_config *config = NULL;
    int code = settings_load(given, &config);
    if (code != EXIT_FINE) {
        return code;
    }
    trigperf_error *error = NULL;
    if (trigperf_admin_new(config, admin, &error) != TRIGPERF_OK) {
        code = say_failure(error);
    }
    trigperf_config_free(config);
    return code;
}
