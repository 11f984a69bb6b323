/* Arrays of text become arrays of strings; there are few tables, and they are read rarely. */
#include "pg/wal_specs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "pg/textarray.h"

#define NAMES_MAX 1664 /* columns of a table */

typedef struct owned {
    char **keys;
    uint8_t *forms;
    char **watch;
} owned;

struct tp_wal_specs {
    tp_walspec *list;
    owned *owned;
    uint32_t count;
};

static void free_names(char **names, uint32_t count) {
    for (uint32_t i = 0; names != NULL && i < count; i++) {
        free(names[i]);
    }
    free(names);
}

void tp_wal_specs_free(tp_wal_specs *specs) {
    if (specs == NULL) {
        return;
    }
    for (uint32_t i = 0; i < specs->count; i++) {
        free_names(specs->owned[i].keys, specs->list[i].key_count);
        free_names(specs->owned[i].watch, specs->list[i].watch_count);
        free(specs->owned[i].forms);
    }
    free(specs->list);
    free(specs->owned);
    free(specs);
}

/* False: malformed, or memory is short. */
static bool read_names(const char *text, char ***out, uint32_t *count) {
    tp_textarray array;
    tp_value value;
    char **names = calloc(NAMES_MAX, sizeof *names);
    uint32_t found = 0;
    if (names == NULL || !tp_textarray_begin(&array, text)) {
        free(names);
        return false;
    }
    bool fine = true;
    while (fine && found < NAMES_MAX && tp_textarray_next(&array, &value)) {
        names[found] = tp_text_copy_bytes(value.data == NULL ? "" : value.data, value.length);
        fine = names[found++] != NULL;
    }
    fine = fine && !array.scratch.failed;
    tp_textarray_end(&array);
    if (!fine) {
        free_names(names, found);
        return false;
    }
    char **fitting = realloc(names, ((size_t)found + 1) * sizeof *names);
    *out = fitting == NULL ? names : fitting;
    *count = found;
    return true;
}

static bool read_forms(const char *text, uint32_t count, uint8_t **out) {
    static const char *const names[] = {"plain", "bool", "blanks", "inet"};
    char **words = NULL;
    uint32_t found = 0;
    if (!read_names(text, &words, &found)) {
        return false;
    }
    uint8_t *forms = calloc((size_t)count + 1, 1);
    for (uint32_t i = 0; forms != NULL && i < found && i < count; i++) {
        for (uint8_t form = 0; form < 4; form++) {
            forms[i] = strcmp(words[i], names[form]) == 0 ? form : forms[i];
        }
    }
    free_names(words, found);
    *out = forms;
    return forms != NULL;
}

static bool read_spec(const PGresult *result, int row, tp_walspec *spec, owned *own) {
    *spec = (tp_walspec){.relid = (uint32_t)strtoul(PQgetvalue(result, row, 1), NULL, 10),
                         .id = (int32_t)strtol(PQgetvalue(result, row, 0), NULL, 10),
                         .max_keys = (uint32_t)strtoul(PQgetvalue(result, row, 5), NULL, 10)};
    bool fine = read_names(PQgetvalue(result, row, 2), &own->keys, &spec->key_count) &&
                read_forms(PQgetvalue(result, row, 3), spec->key_count, &own->forms) &&
                read_names(PQgetvalue(result, row, 4), &own->watch, &spec->watch_count);
    spec->keys = (const char *const *)own->keys;
    spec->forms = own->forms;
    spec->watch = (const char *const *)own->watch;
    return fine;
}

static int by_id(const void *a, const void *b) {
    int32_t one = ((const tp_walspec *)a)->id;
    int32_t other = ((const tp_walspec *)b)->id;
    return one < other ? -1 : one > other;
}

int32_t tp_wal_specs_new(const PGresult *result, tp_wal_specs **out, trigperf_error **err) {
    int rows = PQntuples(result);
    tp_wal_specs *specs = calloc(1, sizeof *specs);
    if (specs == NULL) {
        return tp_error_nomem(err);
    }
    specs->list = calloc((size_t)rows + 1, sizeof *specs->list);
    specs->owned = calloc((size_t)rows + 1, sizeof *specs->owned);
    bool fine = specs->list != NULL && specs->owned != NULL;
    for (int row = 0; fine && row < rows; row++) {
        specs->count++;
        fine = read_spec(result, row, &specs->list[row], &specs->owned[row]);
        if (fine && specs->list[row].key_count > TP_WAL_KEYS_MAX) {
            tp_wal_specs_free(specs);
            return tp_error_set(err, TRIGPERF_E_VERSION,
                                "detach the table and attach it again with this version of the "
                                "library",
                                "a table of the registry has more than %d keys", TP_WAL_KEYS_MAX);
        }
    }
    if (!fine) {
        tp_wal_specs_free(specs);
        return tp_error_nomem(err);
    }
    qsort(specs->list, specs->count, sizeof *specs->list, by_id);
    *out = specs;
    return TRIGPERF_OK;
}

const tp_walspec *tp_wal_specs_all(const tp_wal_specs *specs, uint32_t *count) {
    *count = specs->count;
    return specs->list;
}

const tp_walspec *tp_wal_specs_find(const tp_wal_specs *specs, int32_t id) {
    tp_walspec wanted = {.id = id};
    return bsearch(&wanted, specs->list, specs->count, sizeof *specs->list, by_id);
}
