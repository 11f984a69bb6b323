/* A set of words, compared bytewise. Immutable once it is made. */
#ifndef TP_CORE_WORDSET_H
#define TP_CORE_WORDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/change.h"

typedef struct tp_wordset tp_wordset;

/* A copy of the words; duplicates count once. NULL when memory is short. */
tp_wordset *tp_wordset_new(const tp_value *words, uint32_t count);
void tp_wordset_free(tp_wordset *set);

bool tp_wordset_has(const tp_wordset *set, const char *word, size_t length);

#endif
