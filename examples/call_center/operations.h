/* What the call centre writes: single rows, statements of some hundred rows, moved keys, and
 * updates that change nothing. */
#ifndef EXAMPLES_CALL_CENTER_OPERATIONS_H
#define EXAMPLES_CALL_CENTER_OPERATIONS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "world.h"

/* Where an operation runs. */
typedef struct cc_desk {
    PGconn *conn;
    cc_world *world;
    ex_dice *dice;
    uint64_t rows; /* written since the last reset */
} cc_desk;

bool operations_prepare(PGconn *conn);

/* Runs one operation chosen by weight; false: a statement failed, and so did its transaction. */
bool operations_run(cc_desk *desk);

#endif
