/* Random numbers with a seed, and choices as uneven as in life. */
#ifndef EXAMPLES_CALL_CENTER_DICE_H
#define EXAMPLES_CALL_CENTER_DICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cc_dice {
    uint64_t state;
} cc_dice;

uint64_t dice_next(cc_dice *dice);
uint32_t dice_below(cc_dice *dice, uint32_t limit); /* 0 to limit - 1 */
double dice_unit(cc_dice *dice);                    /* 0 to 1, without 1 */
bool dice_chance(cc_dice *dice, double probability);

/* Ranks 0 to count - 1; rank r is chosen in proportion to 1 / (r + 1)^exponent. Read only once it
 * is made, so that threads share it. */
typedef struct cc_zipf cc_zipf;

cc_zipf *zipf_new(uint32_t count, double exponent); /* NULL when memory is short */
void zipf_free(cc_zipf *zipf);
uint32_t zipf_pick(const cc_zipf *zipf, cc_dice *dice);

#endif
