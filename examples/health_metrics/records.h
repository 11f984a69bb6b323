/* Records of the three kinds, as devices and people send them: texts, in batches, with values that
 * repeat, records that come twice, and some that no table should take. */
#ifndef EXAMPLES_HEALTH_METRICS_RECORDS_H
#define EXAMPLES_HEALTH_METRICS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dice.h"

enum { KINDS = 3, COLUMNS_MAX = 18 };

/* The kinds' tables, their columns in the order of the values. */
typedef struct hm_kind {
    const char *family;
    const char *table;
    const char *columns[COLUMNS_MAX];
    uint32_t count;
} hm_kind;

extern const hm_kind kinds[KINDS];

typedef struct hm_batch {
    int kind;
    uint32_t rows;
    const char **values; /* rows times columns; NULL for SQL NULL */
    uint64_t *lengths;
    const char **lines; /* each record as one text, by which it is recognized */
    uint64_t *line_lengths;
    bool *spoilt;      /* records that no table should take */
    uint32_t repeated; /* records that came before in this batch */
    char *bytes;
    size_t used;
} hm_batch;

/* False when memory is short. */
bool batch_new(hm_batch *batch, int kind, uint32_t rows);
void batch_free(hm_batch *batch);
/* Fills it anew; *sequence tells records apart that are not repetitions. */
void batch_fill(hm_batch *batch, ex_dice *dice, uint64_t *sequence);

#endif
