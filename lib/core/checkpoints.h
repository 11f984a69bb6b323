/* Positions, and which changes each of them covers. */
#ifndef TP_CORE_CHECKPOINTS_H
#define TP_CORE_CHECKPOINTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tp_checkpoints tp_checkpoints;

typedef struct tp_checkpoint {
    uint64_t arrival; /* covers changes up to this number */
    uint64_t lsn;
    char *position;
} tp_checkpoint;

tp_checkpoints *tp_checkpoints_new(void); /* NULL when memory is short */
void tp_checkpoints_free(tp_checkpoints *checkpoints);

/* A newer position (copied). False when memory is short. */
bool tp_checkpoints_add(tp_checkpoints *checkpoints, uint64_t arrival, const char *position,
                        uint64_t lsn);
/* The newest one whose changes all lie below the low-water mark, when it is newer than the one that
 * was returned last; else NULL. Valid until the next call. */
const tp_checkpoint *tp_checkpoints_pass(tp_checkpoints *checkpoints, uint64_t low_water);
/* The newest position, "" when there is none. */
const char *tp_checkpoints_newest(const tp_checkpoints *checkpoints);
void tp_checkpoints_clear(tp_checkpoints *checkpoints);
uint64_t tp_checkpoints_bytes(const tp_checkpoints *checkpoints);

#endif
