/* Random numbers with a seed, and values that repeat as measured ones do. */
#ifndef EXAMPLES_HEALTH_METRICS_DICE_H
#define EXAMPLES_HEALTH_METRICS_DICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hm_dice {
    uint64_t state;
} hm_dice;

uint32_t dice_below(hm_dice *dice, uint32_t limit); /* 0 to limit - 1 */
bool dice_chance(hm_dice *dice, double probability);
/* 0 to limit - 1; small numbers far more often than large ones. */
uint32_t dice_low(hm_dice *dice, uint32_t limit);

#endif
