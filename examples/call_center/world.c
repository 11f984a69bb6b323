/* The newest calls and the first users are asked for most. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static const double user_exponent = 0.9;
static const double call_exponent = 1.2;
enum { OPEN_CALLS = 2000 };

bool world_open(cc_world *world, const cc_options *options) {
    memset(world, 0, sizeof *world);
    world->options = options;
    world->cache = cache_new();
    world->users = zipf_new(options->users, user_exponent);
    world->calls = zipf_new(options->calls, call_exponent);
    atomic_store(&world->newest_call, (int64_t)options->calls);
    if (world->cache == NULL || world->users == NULL || world->calls == NULL) {
        fputs("call_center: out of memory\n", stderr);
        world_close(world);
        return false;
    }
    return true;
}

void world_close(cc_world *world) {
    cache_free(world->cache);
    zipf_free(world->users);
    zipf_free(world->calls);
}

bool world_ending(const cc_world *world) {
    return atomic_load(&world->interrupted) || atomic_load(&world->failed);
}

void world_fail(cc_world *world) {
    atomic_store(&world->failed, true);
}

ex_dice world_dice(cc_world *world) {
    uint64_t number = atomic_fetch_add(&world->dice, 1);
    return (ex_dice){.state = (uint64_t)world->options->seed * 1000003u + number};
}

int64_t world_user(const cc_world *world, ex_dice *dice) {
    return 1 + zipf_pick(world->users, dice);
}

/* Each user owns the agent of the same number; the others are as busy as each other. */
int64_t world_agent(const cc_world *world, ex_dice *dice) {
    return dice_chance(dice, 0.5) ? world_user(world, dice)
                                  : 1 + dice_below(dice, world->options->agents);
}

int64_t world_call(const cc_world *world, ex_dice *dice) {
    int64_t newest = atomic_load_explicit(&world->newest_call, memory_order_relaxed);
    return newest - zipf_pick(world->calls, dice);
}

/* Among the newest ones, each as likely as the other: a call is worked on by one agent at a time.
 */
int64_t world_open_call(const cc_world *world, ex_dice *dice) {
    int64_t newest = atomic_load_explicit(&world->newest_call, memory_order_relaxed);
    uint32_t open = world->options->calls / 2 < OPEN_CALLS ? world->options->calls / 2 : OPEN_CALLS;
    return newest - dice_below(dice, open);
}
