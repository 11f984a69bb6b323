/* Starting and joining; what the threads do stands in reader.c, writer.c and own_writes.c. */
#include "crew.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct cc_worker {
    cc_member member;
    pthread_t thread;
} cc_worker;

struct cc_crew {
    atomic_bool ending;
    uint32_t count;
    cc_worker workers[];
};

static bool add(cc_crew *crew, cc_world *world, cc_feed *feed, void *(*run)(void *)) {
    cc_worker *worker = &crew->workers[crew->count];
    worker->member.world = world;
    worker->member.feed = feed;
    worker->member.dice = world_dice(world);
    worker->member.ending = &crew->ending;
    worker->member.begin = figures_take(&world->figures);
    if (pthread_create(&worker->thread, NULL, run, &worker->member) != 0) {
        fputs("call_center: cannot start a thread\n", stderr);
        return false;
    }
    crew->count++;
    return true;
}

cc_crew *crew_start(cc_world *world, cc_feed *feed) {
    uint32_t writers = world->options->writers;
    uint32_t readers = world->options->readers;
    cc_crew *made = calloc(1, sizeof *made + (writers + readers + 1) * sizeof made->workers[0]);
    if (made == NULL) {
        fputs("call_center: out of memory\n", stderr);
        return NULL;
    }
    bool fine = feed == NULL || add(made, world, feed, own_writes_run);
    for (uint32_t i = 0; fine && i < writers; i++) {
        fine = add(made, world, feed, writer_run);
    }
    for (uint32_t i = 0; fine && i < readers; i++) {
        fine = add(made, world, feed, reader_run);
    }
    if (!fine) {
        crew_stop(made, NULL);
        return NULL;
    }
    return made;
}

void crew_stop(cc_crew *crew, cc_samples *reads) {
    atomic_store(&crew->ending, true);
    for (uint32_t i = 0; i < crew->count; i++) {
        cc_worker *worker = &crew->workers[i];
        pthread_join(worker->thread, NULL);
        if (reads != NULL) {
            samples_merge(reads, &worker->member.reads);
        }
        samples_free(&worker->member.reads);
    }
    free(crew);
}

void member_sleep_until(const cc_member *member, uint64_t *moment_ns) {
    const uint64_t tolerance_ns = 100000000;
    uint64_t now = now_ns();
    if (now > *moment_ns + tolerance_ns) {
        *moment_ns = now;
    }
    while (now < *moment_ns && !atomic_load(member->ending)) {
        uint64_t rest = *moment_ns - now;
        uint64_t nap = rest < 20000000 ? rest : 20000000;
        struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)nap};
        nanosleep(&pause, NULL);
        now = now_ns();
    }
}

/* On a busy machine readers fall behind their pace; half as many reads for each write would be
 * another load, with another hit rate. */
bool member_ahead_of_readers(const cc_member *member) {
    const cc_options *options = member->world->options;
    cc_figures_copy done = figures_since(&member->world->figures, &member->begin);
    double reads = (double)(done.counters[FIGURE_HITS] + done.counters[FIGURE_MISSES]);
    double writes = (double)(done.counters[FIGURE_COMMITS] + done.counters[FIGURE_ROLLBACKS]);
    double head_start = options->write_rate * 0.25;
    return (writes - head_start) * options->read_rate > reads * options->write_rate;
}
