/* GHashTable with its own functions for strings. */
#include "contest.h"

#include <glib.h>

void coalesce_glib(const changes *input, outcome *out);
void dedup_glib(const batch *input, outcome *out);

typedef struct element {
    merged value;
    char key[CHANGE_KEY + 1];
} element;

static void flush(GHashTable *table, uint64_t before, outcome *out) {
    GHashTableIter iter;
    gpointer value;
    out->distinct = g_hash_table_size(table);
    out->bytes = contest_bytes() - before;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const merged *m = &((const element *)value)->value;
        out->sum += m->count * (m->lsn - m->arrival + m->ops);
    }
    g_hash_table_remove_all(table);
}

void coalesce_glib(const changes *input, outcome *out) {
    uint64_t before = contest_bytes();
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    for (uint32_t i = 0; i < input->count; i++) {
        char key[CHANGE_KEY + 1];
        change_key(key, input->ids[i]);
        key[CHANGE_KEY] = '\0';
        element *e = g_hash_table_lookup(table, key);
        if (e == NULL) {
            e = g_malloc(sizeof *e);
            e->value = (merged)MERGED_NONE;
            memcpy(e->key, key, sizeof key);
            g_hash_table_insert(table, e->key, e);
        }
        merge_change(&e->value, i);
        if ((i + 1) % input->flush == 0) {
            flush(table, before, out);
        }
    }
    g_hash_table_destroy(table);
}

void dedup_glib(const batch *input, outcome *out) {
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int again = 0; again < 2; again++) {
        uint64_t before = contest_bytes();
        double began = contest_seconds();
        for (uint32_t i = 0; i < input->count; i++) {
            if (g_hash_table_contains(table, input->keys[i])) {
                out->sum++;
            } else {
                g_hash_table_add(table, g_strndup(input->keys[i], input->lengths[i]));
            }
        }
        out->distinct = g_hash_table_size(table);
        out->bytes = contest_bytes() - before;
        g_hash_table_remove_all(table);
        *(again ? &out->again_ns : &out->ns) = (contest_seconds() - began) * 1e9 / input->count;
    }
    g_hash_table_destroy(table);
}
