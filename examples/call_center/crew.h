/* Threads that come and go with a phase: writers, readers, and one that reads its own writes. */
#ifndef EXAMPLES_CALL_CENTER_CREW_H
#define EXAMPLES_CALL_CENTER_CREW_H

#include <stdbool.h>

#include "feed.h"
#include "samples.h"
#include "world.h"

typedef struct cc_crew cc_crew;

/* Without a feed the readers ask the database every time, and nobody reads his own writes. NULL
 * after a failure, said on stderr. */
cc_crew *crew_start(cc_world *world, cc_feed *feed);

/* Ends the transactions in hand and all threads; adds how long each read took. */
void crew_stop(cc_crew *crew, cc_samples *reads);

/* For the threads. */
typedef struct cc_member {
    cc_world *world;
    cc_feed *feed;
    ex_dice dice;
    cc_samples reads;
    const atomic_bool *ending;
    cc_figures_copy begin; /* when the crew came */
} cc_member;

/* Sleeps until the moment, at most until the crew ends; a moment long past moves to now. */
void member_sleep_until(const cc_member *member, uint64_t *moment_ns);

/* Whether the writers have done more than their share, compared with the readers. */
bool member_ahead_of_readers(const cc_member *member);

void *reader_run(void *member);
void *writer_run(void *member);
void *own_writes_run(void *member);

#endif
