/* The copy of the text is cut into names in place. */
#include "base/namelist.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define NAME_MAX_BYTES 63

static char *trim(char *name) {
    name += strspn(name, " \t");
    size_t length = strlen(name);
    while (length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t')) {
        name[--length] = '\0';
    }
    return name;
}

static bool known(const tp_namelist *list, const char *name) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int32_t cut(const char *what, uint32_t max, tp_namelist *list, trigperf_error **err) {
    for (char *at = list->text; at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        const char *name = trim(at);
        if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES) {
            return tp_error_set(err, TRIGPERF_E_CONFIG, "separate them by commas",
                                "%s: expected names of 1 to %d bytes, got \"%s\"", what,
                                NAME_MAX_BYTES, name);
        }
        if (known(list, name) || list->count == max) {
            return tp_error_set(err, TRIGPERF_E_CONFIG, "separate them by commas",
                                "%s: expected at most %u names, each once, got \"%s\"", what, max,
                                name);
        }
        list->names[list->count++] = name;
        at = comma == NULL ? NULL : comma + 1;
    }
    return TRIGPERF_OK;
}

int32_t tp_namelist_parse(const char *what, const char *list, uint32_t max, tp_namelist *out,
                          trigperf_error **err) {
    tp_namelist made = {.text = tp_text_copy(list), .names = calloc(max, sizeof *made.names)};
    int32_t status =
        made.text == NULL || made.names == NULL ? tp_error_nomem(err) : cut(what, max, &made, err);
    if (status != TRIGPERF_OK) {
        tp_namelist_free(&made);
        return status;
    }
    *out = made;
    return TRIGPERF_OK;
}

void tp_namelist_free(tp_namelist *list) {
    free(list->text);
    free(list->names);
    *list = (tp_namelist){0};
}
