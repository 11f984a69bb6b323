/* Finding the copy runs for every change, so a small direct-mapped table of addresses stands before
 * the map of declarations. */
#include "core/tables.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/strbuf.h"

#define SEEN 64u

typedef struct seen {
    const tp_table *original;
    const tp_table *copy;
} seen;

struct tp_tables {
    seen recent[SEEN];
    tp_map *by_declaration;
    tp_strbuf scratch;
};

/* A copy and its strings in one block. */
typedef struct copy {
    tp_table table;
    const char *names[];
} copy;

tp_tables *tp_tables_new(void) {
    tp_tables *tables = calloc(1, sizeof *tables);
    if (tables == NULL) {
        return NULL;
    }
    tables->by_declaration = tp_map_new();
    if (tables->by_declaration == NULL) {
        free(tables);
        return NULL;
    }
    return tables;
}

void tp_tables_free(tp_tables *tables) {
    if (tables == NULL) {
        return;
    }
    tp_map_free(tables->by_declaration, free);
    tp_strbuf_free(&tables->scratch);
    free(tables);
}

/* Name and key names, each with its NUL: equal bytes are equal declarations. */
static bool declare(tp_strbuf *out, const tp_table *table) {
    tp_strbuf_reset(out);
    tp_strbuf_add(out, table->name, strlen(table->name) + 1);
    for (uint32_t i = 0; i < table->key_count; i++) {
        tp_strbuf_add(out, table->key_names[i], strlen(table->key_names[i]) + 1);
    }
    return !out->failed;
}

static copy *copy_new(const tp_table *table, const tp_strbuf *declaration) {
    size_t names = table->key_count * sizeof(const char *);
    copy *made = malloc(sizeof *made + names + declaration->length);
    if (made == NULL) {
        return NULL;
    }
    char *text = (char *)made + sizeof *made + names;
    memcpy(text, declaration->data, declaration->length);
    made->table = (tp_table){text, table->id, table->key_count, made->names};
    for (uint32_t i = 0; i < table->key_count; i++) {
        text += strlen(text) + 1;
        made->names[i] = text;
    }
    return made;
}

static const tp_table *find_or_make(tp_tables *tables, const tp_table *table) {
    tp_strbuf *text = &tables->scratch;
    if (!declare(text, table)) {
        return NULL;
    }
    copy *known = tp_map_get(tables->by_declaration, text->data, text->length);
    if (known != NULL) {
        return &known->table;
    }
    copy *made = copy_new(table, text);
    if (made == NULL || !tp_map_put(tables->by_declaration, text->data, text->length, made, NULL)) {
        free(made);
        return NULL;
    }
    return &made->table;
}

const tp_table *tp_tables_copy(tp_tables *tables, const tp_table *table) {
    uint64_t mixed = (uint64_t)(uintptr_t)table * UINT64_C(0x9E3779B97F4A7C15);
    seen *recent = &tables->recent[mixed >> 58];
    if (recent->original != table) {
        const tp_table *found = find_or_make(tables, table);
        if (found == NULL) {
            return NULL;
        }
        *recent = (seen){table, found};
    }
    return recent->copy;
}

void tp_tables_forget_originals(tp_tables *tables) {
    memset(tables->recent, 0, sizeof tables->recent);
}

void tp_tables_clear(tp_tables *tables) {
    tp_map *empty = tp_map_new();
    if (empty == NULL) {
        return;
    }
    tp_tables_forget_originals(tables);
    tp_map_free(tables->by_declaration, free);
    tables->by_declaration = empty;
}
