/* INI files through inih, and the environment. */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/config.h"
#include "base/text.h"

#define NAME_MAX_BYTES 128

typedef struct loader {
    trigperf_config *config;
    trigperf_error *error;
    int32_t status;
} loader;

/* Splits "TABLE on insert,delete" and "scope NAME" in place. */
static void split_rule_name(char *name, const char **table, const char **scope, const char **ops) {
    *table = name;
    *scope = NULL;
    *ops = NULL;
    if (strncmp(name, "scope ", 6) == 0) {
        *scope = name + 6 + strspn(name + 6, " ");
        *table = NULL;
    }
    char *on = strstr(name, " on ");
    if (on != NULL) {
        *on = '\0';
        *ops = on + 4;
    }
}

static int32_t load_rules(loader *into, const char *name, const char *value) {
    char *own_name = tp_text_copy(name);
    char *templates = tp_text_copy(value);
    int32_t status =
        own_name == NULL || templates == NULL ? tp_error_nomem(&into->error) : TRIGPERF_OK;
    if (status == TRIGPERF_OK) {
        const char *table;
        const char *scope;
        const char *ops;
        char *rest = NULL;
        split_rule_name(own_name, &table, &scope, &ops);
        for (char *one = strtok_r(templates, " \t", &rest); one != NULL && status == TRIGPERF_OK;
             one = strtok_r(NULL, " \t", &rest)) {
            status = trigperf_config_rule(into->config, table, scope, ops, one, 0, &into->error);
        }
    }
    free(own_name);
    free(templates);
    return status;
}

static int on_line(void *user, const char *section, const char *name, const char *value) {
    loader *into = user;
    char key[NAME_MAX_BYTES];
    if (value == NULL) {
        value = "";
    }
    if (strcmp(section, "rules") == 0) {
        into->status = load_rules(into, name, value);
    } else if (strcmp(section, "alerts") == 0) {
        into->status = trigperf_config_alert(into->config, name, value, &into->error);
    } else {
        snprintf(key, sizeof key, "%s%s%s", section, section[0] == '\0' ? "" : ".", name);
        into->status = trigperf_config_set(into->config, key, value, &into->error);
    }
    return into->status == TRIGPERF_OK ? 1 : 0;
}

static int32_t line_error(loader *from, const char *path, int line, trigperf_error **error) {
    int32_t status = from->status == TRIGPERF_E_NOMEM ? TRIGPERF_E_NOMEM : TRIGPERF_E_CONFIG;
    tp_error_set(error, status,
                 from->error == NULL ? "write lines as 'name = value' below '[section]'"
                                     : trigperf_error_hint(from->error),
                 "%s, line %d: %s", path, line,
                 from->error == NULL ? "expected 'name = value' or '[section]'"
                                     : trigperf_error_message(from->error));
    trigperf_error_free(from->error);
    return status;
}

int32_t trigperf_config_load_file(trigperf_config *config, const char *path,
                                  trigperf_error **error) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        int code = errno;
        return tp_error_set(error, code == ENOENT ? TRIGPERF_E_NOT_FOUND : TRIGPERF_E_SYSTEM,
                            "check the path and its permissions",
                            "cannot open the configuration file \"%s\": %s", path, strerror(code));
    }
    loader into = {config, NULL, TRIGPERF_OK};
    int line = ini_parse_file(file, on_line, &into);
    fclose(file);
    if (line < 0) {
        trigperf_error_free(into.error);
        return tp_error_nomem(error);
    }
    return line == 0 ? TRIGPERF_OK : line_error(&into, path, line, error);
}

/* "batch.window_ms" -> "TRIGPERF_BATCH_WINDOW_MS" */
static void variable_name(const char *key, char *out, size_t size) {
    size_t at = (size_t)snprintf(out, size, "TRIGPERF_");
    for (; *key != '\0' && at + 1 < size; key++) {
        out[at++] = isalnum((unsigned char)*key) ? (char)toupper((unsigned char)*key) : '_';
    }
    out[at] = '\0';
}

int32_t trigperf_config_load_env(trigperf_config *config, trigperf_error **error) {
    for (uint32_t i = 0; i < TP_OPTION_COUNT; i++) {
        char variable[NAME_MAX_BYTES];
        variable_name(tp_option_at(i)->name, variable, sizeof variable);
        const char *value = getenv(variable);
        trigperf_error *cause = NULL;
        if (value == NULL) {
            continue;
        }
        int32_t status = trigperf_config_set(config, tp_option_at(i)->name, value, &cause);
        if (status != TRIGPERF_OK) {
            tp_error_set(error, status, trigperf_error_hint(cause), "environment variable %s: %s",
                         variable, trigperf_error_message(cause));
            trigperf_error_free(cause);
            return status;
        }
    }
    return TRIGPERF_OK;
}
