/* A map from texts to counters. Raising allocates nothing, so that it cannot fail. */
#include "core/generations.h"

#include <stdlib.h>

#include "base/map.h"

struct tp_generations {
    tp_map *counters;
};

tp_generations *tp_generations_new(void) {
    tp_generations *generations = calloc(1, sizeof *generations);
    if (generations == NULL) {
        return NULL;
    }
    generations->counters = tp_map_new();
    if (generations->counters == NULL) {
        free(generations);
        return NULL;
    }
    return generations;
}

void tp_generations_free(tp_generations *generations) {
    if (generations != NULL) {
        tp_map_free(generations->counters, free);
        free(generations);
    }
}

bool tp_generations_add(tp_generations *generations, const char *template_text) {
    if (tp_map_get_str(generations->counters, template_text) != NULL) {
        return true;
    }
    uint64_t *counter = malloc(sizeof *counter);
    if (counter == NULL) {
        return false;
    }
    *counter = 1;
    if (!tp_map_put_str(generations->counters, template_text, counter, NULL)) {
        free(counter);
        return false;
    }
    return true;
}

uint64_t tp_generations_get(const tp_generations *generations, const char *template_text) {
    const uint64_t *counter = tp_map_get_str(generations->counters, template_text);
    return counter == NULL ? 0 : *counter;
}

void tp_generations_raise(tp_generations *generations, const char *template_text) {
    uint64_t *counter = tp_map_get_str(generations->counters, template_text);
    if (counter != NULL) {
        ++*counter;
    }
}

void tp_generations_raise_all(tp_generations *generations) {
    void *cursor = NULL;
    for (void *value = NULL; tp_map_next(generations->counters, &cursor, NULL, &value);) {
        ++*(uint64_t *)value;
    }
}

bool tp_generations_add_cascade(tp_generations *generations, const tp_cascade *cascade) {
    bool fine = true;
    for (uint32_t i = 0; i < tp_cascade_template_count(cascade) && fine; i++) {
        fine = tp_generations_add(generations, tp_cascade_template(cascade, i));
    }
    return fine;
}

void tp_generations_raise_table(tp_generations *generations, const tp_cascade *cascade,
                                const tp_table *table) {
    for (uint32_t i = 0; i < tp_cascade_table_template_count(cascade, table); i++) {
        uint32_t index = tp_cascade_table_template(cascade, table, i);
        tp_generations_raise(generations, tp_cascade_template(cascade, index));
    }
}
