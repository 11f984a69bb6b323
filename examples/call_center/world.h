/* What all threads of the host share. */
#ifndef EXAMPLES_CALL_CENTER_WORLD_H
#define EXAMPLES_CALL_CENTER_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "common/dice.h"
#include "figures.h"
#include "options.h"

typedef struct cc_world {
    const cc_options *options;
    cc_figures figures;
    cc_cache *cache;
    ex_zipf *users;              /* rank 0: the busiest user */
    ex_zipf *calls;              /* rank 0: the newest call */
    _Atomic int64_t newest_call; /* its number */
    _Atomic uint64_t dice;       /* handed out so far, each with a seed of its own */
    atomic_bool interrupted;     /* the user asked to end */
    atomic_bool failed;          /* a thread met an error, which it said on stderr */
} cc_world;

bool world_open(cc_world *world, const cc_options *options); /* says on stderr why not */
void world_close(cc_world *world);
bool world_ending(const cc_world *world); /* interrupted or failed */
void world_fail(cc_world *world);

ex_dice world_dice(cc_world *world);

/* Numbers of rows as uneven as in life. */
int64_t world_user(const cc_world *world, ex_dice *dice);
int64_t world_agent(const cc_world *world, ex_dice *dice);
int64_t world_call(const cc_world *world, ex_dice *dice);      /* that someone looks at */
int64_t world_open_call(const cc_world *world, ex_dice *dice); /* that someone works on */

#endif
