/* SplitMix64 (Steele, Lea, Flood 2014). The skew of dice_low() is that of the cube of a uniform
 * number: half of the values fall into the lowest eighth of the range. */
#include "dice.h"

static uint64_t next(hm_dice *dice) {
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static double unit(hm_dice *dice) {
    return (double)(next(dice) >> 11) * 0x1p-53;
}

uint32_t dice_below(hm_dice *dice, uint32_t limit) {
    return (uint32_t)(((next(dice) >> 32) * limit) >> 32);
}

bool dice_chance(hm_dice *dice, double probability) {
    return unit(dice) < probability;
}

uint32_t dice_low(hm_dice *dice, uint32_t limit) {
    double u = unit(dice);
    return (uint32_t)(u * u * u * limit);
}
