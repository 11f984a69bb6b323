/* Arrays of text become arrays of strings; there are few tables, and they are read rarely. They are
 * kept in the order in which relations are looked up, with an index for the other one. */
#include "pg/wal_specs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "pg/textarray.h"

#define NAMES_MAX 1664 /* columns of a table */

typedef struct owned {
    char **keys;
    uint32_t *types;
    uint8_t *forms;
    char **watch;
} owned;

struct tp_wal_specs {
    tp_walspec *list;
    owned *owned;
    uint32_t count;
    const tp_walspec **by_id;
};

/* A list that ends with NULL. */
static void free_names(char **names) {
    for (char **at = names; at != NULL && *at != NULL; at++) {
        free(*at);
    }
    free(names);
}

void tp_wal_specs_free(tp_wal_specs *specs) {
    if (specs == NULL) {
        return;
    }
    for (uint32_t i = 0; i < specs->count; i++) {
        free_names(specs->owned[i].keys);
        free_names(specs->owned[i].watch);
        free(specs->owned[i].types);
        free(specs->owned[i].forms);
    }
    free(specs->list);
    free(specs->owned);
    free(specs->by_id);
    free(specs);
}

/* False: malformed, or memory is short. */
static bool read_names(const char *text, char ***out, uint32_t *count) {
    tp_textarray array;
    tp_value value;
    char **names = calloc(NAMES_MAX + 1, sizeof *names);
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
        free_names(names);
        return false;
    }
    char **fitting = realloc(names, ((size_t)found + 1) * sizeof *names);
    *out = fitting == NULL ? names : fitting;
    *count = found;
    return true;
}

static bool read_types(const char *text, uint32_t count, uint32_t **out) {
    char **words = NULL;
    uint32_t found = 0;
    if (!read_names(text, &words, &found)) {
        return false;
    }
    uint32_t *types = calloc((size_t)count + 1, sizeof *types);
    for (uint32_t i = 0; types != NULL && i < found && i < count; i++) {
        types[i] = (uint32_t)strtoul(words[i], NULL, 10);
    }
    free_names(words);
    *out = types;
    return types != NULL;
}

static bool read_forms(const char *text, uint32_t count, uint8_t **out) {
    static const char *const names[] = {"plain", "bool", "blanks", "inet", "unknown"};
    char **words = NULL;
    uint32_t found = 0;
    if (!read_names(text, &words, &found)) {
        return false;
    }
    uint8_t *forms = calloc((size_t)count + 1, 1);
    for (uint32_t i = 0; forms != NULL && i < found && i < count; i++) {
        for (uint8_t form = 0; form <= TP_WAL_UNKNOWN; form++) {
            forms[i] = strcmp(words[i], names[form]) == 0 ? form : forms[i];
        }
    }
    free_names(words);
    *out = forms;
    return forms != NULL;
}

static bool read_spec(const PGresult *result, int row, tp_walspec *spec, owned *own) {
    *spec = (tp_walspec){.relid = (uint32_t)strtoul(PQgetvalue(result, row, 1), NULL, 10),
                         .id = (int32_t)strtol(PQgetvalue(result, row, 0), NULL, 10),
                         .max_keys = (uint32_t)strtoul(PQgetvalue(result, row, 5), NULL, 10)};
    bool fine = read_names(PQgetvalue(result, row, 2), &own->keys, &spec->key_count) &&
                read_forms(PQgetvalue(result, row, 3), spec->key_count, &own->forms) &&
                read_names(PQgetvalue(result, row, 4), &own->watch, &spec->watch_count) &&
                read_types(PQgetvalue(result, row, 6), spec->key_count, &own->types);
    spec->keys = (const char *const *)own->keys;
    spec->types = own->types;
    spec->forms = own->forms;
    spec->watch = (const char *const *)own->watch;
    return fine;
}

static int compare_relids(const void *a, const void *b) {
    uint32_t one = ((const tp_walspec *)a)->relid;
    uint32_t other = ((const tp_walspec *)b)->relid;
    return one < other ? -1 : one > other;
}

static int compare_ids(const void *a, const void *b) {
    int32_t one = (*(const tp_walspec *const *)a)->id;
    int32_t other = (*(const tp_walspec *const *)b)->id;
    return one < other ? -1 : one > other;
}

static void sort(tp_wal_specs *specs) {
    qsort(specs->list, specs->count, sizeof *specs->list, compare_relids);
    for (uint32_t i = 0; i < specs->count; i++) {
        specs->by_id[i] = &specs->list[i];
    }
    qsort(specs->by_id, specs->count, sizeof *specs->by_id, compare_ids);
}

int32_t tp_wal_specs_new(const PGresult *result, tp_wal_specs **out, trigperf_error **err) {
    int rows = PQntuples(result);
    tp_wal_specs *specs = calloc(1, sizeof *specs);
    if (specs == NULL) {
        return tp_error_nomem(err);
    }
    specs->list = calloc((size_t)rows + 1, sizeof *specs->list);
    specs->owned = calloc((size_t)rows + 1, sizeof *specs->owned);
    specs->by_id = calloc((size_t)rows + 1, sizeof *specs->by_id);
    bool fine = specs->list != NULL && specs->owned != NULL && specs->by_id != NULL;
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
    sort(specs);
    *out = specs;
    return TRIGPERF_OK;
}

const tp_walspec *tp_wal_specs_all(const tp_wal_specs *specs, uint32_t *count) {
    *count = specs->count;
    return specs->list;
}

const tp_walspec *tp_wal_specs_find(const tp_wal_specs *specs, int32_t id) {
    const tp_walspec wanted = {.id = id};
    const tp_walspec *key = &wanted;
    const tp_walspec **found = bsearch(&key, specs->by_id, specs->count, sizeof key, compare_ids);
    return found == NULL ? NULL : *found;
}
