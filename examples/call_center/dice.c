/* splitmix64 for the numbers. The Zipf distribution is a table of cumulated weights that a binary
 * search walks: exact, and fast enough for some ten thousand choices a second. */
#include "dice.h"

#include <math.h>
#include <stdlib.h>

uint64_t dice_next(cc_dice *dice) {
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t dice_below(cc_dice *dice, uint32_t limit) {
    return (uint32_t)(((dice_next(dice) >> 32) * limit) >> 32);
}

double dice_unit(cc_dice *dice) {
    return (double)(dice_next(dice) >> 11) * 0x1p-53;
}

bool dice_chance(cc_dice *dice, double probability) {
    return dice_unit(dice) < probability;
}

struct cc_zipf {
    uint32_t count;
    double cumulated[];
};

cc_zipf *zipf_new(uint32_t count, double exponent) {
    cc_zipf *made = malloc(sizeof *made + count * sizeof made->cumulated[0]);
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

void zipf_free(cc_zipf *zipf) {
    free(zipf);
}

uint32_t zipf_pick(const cc_zipf *zipf, cc_dice *dice) {
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
