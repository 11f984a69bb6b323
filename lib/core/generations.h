/* A number for each template, raised by every resync that touches it. Templates are never
 * forgotten: a number that a host has mixed into its keys must not come back. */
#ifndef TP_CORE_GENERATIONS_H
#define TP_CORE_GENERATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cascade.h"

typedef struct tp_generations tp_generations;

tp_generations *tp_generations_new(void); /* NULL when memory is short */
void tp_generations_free(tp_generations *generations);

/* Makes a template known, at 1. False when memory is short. */
bool tp_generations_add(tp_generations *generations, const char *template_text);
uint64_t tp_generations_get(const tp_generations *generations, const char *template_text);
void tp_generations_raise(tp_generations *generations, const char *template_text);
void tp_generations_raise_all(tp_generations *generations);

/* The same for all templates of a cascade, and for those that a table feeds. */
bool tp_generations_add_cascade(tp_generations *generations, const tp_cascade *cascade);
void tp_generations_raise_table(tp_generations *generations, const tp_cascade *cascade,
                                const tp_table *table);

#endif
