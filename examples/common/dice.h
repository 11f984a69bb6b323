/* Random numbers with a seed, and choices as uneven as in life. */
#ifndef EXAMPLES_COMMON_DICE_H
#define EXAMPLES_COMMON_DICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ex_dice {
    uint64_t state;
} ex_dice;

uint64_t dice_next(ex_dice *dice);
uint32_t dice_below(ex_dice *dice, uint32_t limit); /* 0 to limit - 1 */
double dice_unit(ex_dice *dice);                    /* 0 to 1, without 1 */
bool dice_chance(ex_dice *dice, double probability);
/* 0 to limit - 1; small numbers far more often than large ones. */
uint32_t dice_low(ex_dice *dice, uint32_t limit);

/* Ranks 0 to count - 1; rank r is chosen in proportion to 1 / (r + 1)^exponent. Read only once it
 * is made, so that threads share it. */
typedef struct ex_zipf ex_zipf;

ex_zipf *zipf_new(uint32_t count, double exponent); /* NULL when memory is short */
void zipf_free(ex_zipf *zipf);
uint32_t zipf_pick(const ex_zipf *zipf, ex_dice *dice);

#endif
