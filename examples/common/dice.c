/* SplitMix64 (Steele, Lea, Flood 2014) for the numbers. The Zipf distribution is a table of
 * cumulated weights that a binary search walks: exact, and fast enough for some ten thousand
 * choices a second. The skew of dice_low() is that of the cube of a uniform number: half of the
 * values fall into the lowest eighth of the range. */
#include "common/dice.h"

#include <math.h>
#include <stdlib.h>

uint64_t dice_next(ex_dice *dice) {
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t dice_below(ex_dice *dice, uint32_t limit) {
    return (uint32_t)(((dice_next(dice) >> 32) * limit) >> 32);
}

double dice_unit(ex_dice *dice) {
    return (double)(dice_next(dice) >> 11) * 0x1p-53;
}

bool dice_chance(ex_dice *dice, double probability) {
    return dice_unit(dice) < probability;
}

uint32_t dice_low(ex_dice *dice, uint32_t limit) {
    double u = dice_unit(dice);
    return (uint32_t)(u * u * u * limit);
}

struct ex_zipf {
    uint32_t count;
    double cumulated[];
};

ex_zipf *zipf_new(uint32_t count, double exponent) {
    ex_zipf *made = malloc(sizeof *made + count * sizeof made->cumulated[0]);
    if (made == NULL) {
        return NULL;
    }
    made->count = count;
    double sum = 0;
    for (uint32_t rank = 0; rank < count; rank++) {
        sum += pow(rank + 1.0, -exponent);
        made->cumulated[rank] = sum;
    }
    return made;
}

void zipf_free(ex_zipf *zipf) {
    free(zipf);
}

uint32_t zipf_pick(const ex_zipf *zipf, ex_dice *dice) {
    double wanted = dice_unit(dice) * zipf->cumulated[zipf->count - 1];
    uint32_t low = 0;
    uint32_t high = zipf->count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (zipf->cumulated[middle] > wanted) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}
