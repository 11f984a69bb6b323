/* One thread waits on the library's descriptor beside a pipe of its own, as an event loop would,
 * or, with --library-thread, in trigperf_wait() while the library's thread does the work. Keys are
 * forgotten before the batch is acknowledged: whatever happens in between, it comes again. */
#include "feed.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "samples.h"
#include "setup.h"

enum { PATIENCE_MS = 120000 };

struct cc_feed {
    cc_world *world;
    feed_key_fn *on_key;
    void *user;
    trigperf_context *context;
    int wake[2]; /* a byte in it ends the loop */
    pthread_t thread;
    bool running;
    atomic_bool ending;
    atomic_bool dropping;
    int64_t window_ms;
    uint64_t resyncs_at_start;
};

static void forget_keys(cc_feed *feed, trigperf_batch *batch) {
    uint64_t arrived_ns = now_ns();
    uint64_t forgotten = 0;
    uint32_t count = trigperf_batch_key_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        const char *key = trigperf_batch_key_at(batch, i, NULL);
        forgotten += cache_delete(feed->world->cache, key);
        if (feed->on_key != NULL) {
            feed->on_key(feed->user, key, arrived_ns);
        }
    }
    figures_add(&feed->world->figures, FIGURE_FORGOTTEN, forgotten);
}

static void lose_keys(cc_feed *feed, const trigperf_batch *batch) {
    uint64_t lost = 0;
    uint32_t count = trigperf_batch_key_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        lost += cache_has(feed->world->cache, trigperf_batch_key_at(batch, i, NULL));
    }
    figures_add(&feed->world->figures, FIGURE_LOST, lost);
}

/* A resync names the literal beginnings of all keys that may be stale. */
static void forget_prefixes(cc_feed *feed, trigperf_batch *batch) {
    for (uint32_t i = 0; i < trigperf_batch_resync_count(batch); i++) {
        if (strcmp(trigperf_batch_resync_table(batch, i), "*") == 0) {
            cache_clear_prefix(feed->world->cache, "");
        }
        for (uint32_t j = 0; j < trigperf_batch_resync_prefix_count(batch, i); j++) {
            cache_clear_prefix(feed->world->cache, trigperf_batch_resync_prefix(batch, i, j));
        }
    }
}

/* How many keys there would be without coalescing. */
static uint64_t keys_alone(const trigperf_batch *batch, uint32_t change) {
    const char *table = trigperf_batch_change_table(batch, change);
    uint64_t rules = 0;
    for (uint32_t i = 0; i < trigperf_batch_change_key_count(batch, change); i++) {
        if (trigperf_batch_change_key_value(batch, change, i, NULL) != NULL) {
            rules += setup_rules_over(table, trigperf_batch_change_key_name(batch, change, i));
        }
    }
    return rules * trigperf_batch_change_merged(batch, change);
}

static void count_batch(cc_feed *feed, const trigperf_batch *batch) {
    cc_figures *figures = &feed->world->figures;
    uint64_t changes = 0;
    uint64_t alone = 0;
    for (uint32_t i = 0; i < trigperf_batch_change_count(batch); i++) {
        changes += trigperf_batch_change_merged(batch, i);
        alone += keys_alone(batch, i);
    }
    figures_add(figures, FIGURE_BATCHES, 1);
    figures_add(figures, FIGURE_CHANGES, changes);
    figures_add(figures, FIGURE_KEYS, trigperf_batch_key_count(batch));
    figures_add(figures, FIGURE_KEYS_ALONE, alone);
    figures_add(figures, FIGURE_REDELIVERED, trigperf_batch_attempt(batch) > 1);
    figures_add(figures, FIGURE_RESYNCS, trigperf_batch_resync_count(batch));
}

static bool take_batches(cc_feed *feed) {
    for (;;) {
        trigperf_batch *batch = NULL;
        trigperf_error *error = NULL;
        if (trigperf_batch_next(feed->context, &batch, &error) != 0) {
            setup_complain("pulling a batch", error);
            return false;
        }
        if (batch == NULL) {
            return true;
        }
        if (atomic_load(&feed->dropping)) {
            lose_keys(feed, batch);
        } else {
            forget_keys(feed, batch);
            forget_prefixes(feed, batch);
        }
        count_batch(feed, batch);
        if (trigperf_batch_ack(batch, &error) != 0) {
            setup_complain("acknowledging a batch", error);
            return false;
        }
    }
}

/* The host's own loop: sleeps until the library or feed_stop() has something to say. */
static bool turn_of_own_loop(cc_feed *feed, trigperf_error **error) {
    struct pollfd wanted[] = {
        {.fd = trigperf_fd(feed->context), .events = POLLIN},
        {.fd = feed->wake[0], .events = POLLIN},
    };
    poll(wanted, 2, -1);
    return trigperf_process(feed->context, error) == 0;
}

static bool turn_beside_library(cc_feed *feed, trigperf_error **error) {
    int32_t status = trigperf_wait(feed->context, -1, error);
    return status == 0;
}

static void *run(void *argument) {
    cc_feed *feed = argument;
    while (!atomic_load(&feed->ending)) {
        trigperf_error *error = NULL;
        bool fine = feed->world->options->library_thread ? turn_beside_library(feed, &error)
                                                         : turn_of_own_loop(feed, &error);
        if (!fine) {
            setup_complain("following the database", error);
        }
        if (!fine || !take_batches(feed)) {
            world_fail(feed->world);
            break;
        }
    }
    return NULL;
}

static bool start_threads(cc_feed *feed) {
    trigperf_error *error = NULL;
    if (feed->world->options->library_thread && trigperf_thread_start(feed->context, &error) != 0) {
        setup_complain("starting the library's thread", error);
        return false;
    }
    feed->running = pthread_create(&feed->thread, NULL, run, feed) == 0;
    if (!feed->running) {
        fputs("call_center: cannot start a thread\n", stderr);
    }
    return feed->running;
}

static bool wait_ready(cc_feed *feed) {
    for (int waited = 0; trigperf_context_state(feed->context) != TRIGPERF_STATE_READY; waited++) {
        if (world_ending(feed->world)) {
            return false;
        }
        if (waited == PATIENCE_MS) {
            setup_complain("the context did not become ready",
                           trigperf_context_error(feed->context));
            return false;
        }
        usleep(1000);
    }
    return feed_catch_up(feed);
}

static void log_line(void *user, int32_t level, const char *message) {
    (void)user;
    (void)level;
    fprintf(stderr, "call_center: libtrigperf: %s\n", message);
}

static bool read_window(cc_feed *feed, const trigperf_config *config) {
    char *text = NULL;
    if (trigperf_config_get(config, "batch.window_ms", &text, NULL) != 0) {
        return false;
    }
    feed->window_ms = strtoll(text, NULL, 10);
    trigperf_string_free(text);
    return true;
}

static bool make_context(cc_feed *feed, int32_t window_ms) {
    trigperf_config *config = setup_config(feed->world->options);
    if (config == NULL) {
        return false;
    }
    trigperf_error *error = NULL;
    char text[16];
    snprintf(text, sizeof text, "%d", window_ms);
    bool fine = window_ms < 0 || trigperf_config_set(config, "batch.window_ms", text, &error) == 0;
    fine = fine && read_window(feed, config) &&
           trigperf_context_new(config, &feed->context, &error) == 0;
    if (!fine) {
        setup_complain("making a context", error);
    } else {
        trigperf_log_set(feed->context, TRIGPERF_LOG_WARNING, log_line, NULL);
    }
    trigperf_config_free(config);
    return fine;
}

cc_feed *feed_start(cc_world *world, int32_t window_ms, feed_key_fn *on_key, void *user) {
    cc_feed *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->world = world;
    made->on_key = on_key;
    made->user = user;
    if (pipe(made->wake) != 0) {
        free(made);
        return NULL;
    }
    if (!make_context(made, window_ms) || !start_threads(made) || !wait_ready(made)) {
        feed_stop(made);
        return NULL;
    }
    made->resyncs_at_start = figures_get(&world->figures, FIGURE_RESYNCS);
    return made;
}

static void end_thread(cc_feed *feed) {
    atomic_store(&feed->ending, true);
    trigperf_wakeup(feed->context);
    if (write(feed->wake[1], "", 1) == 1) {
        pthread_join(feed->thread, NULL);
    }
}

void feed_stop(cc_feed *feed) {
    if (feed == NULL) {
        return;
    }
    if (feed->running) {
        end_thread(feed);
    }
    if (feed->context != NULL) {
        trigperf_error *error = NULL;
        if (trigperf_context_close(feed->context, PATIENCE_MS, &error) != 0 && feed->running) {
            setup_complain("closing", error);
        } else {
            trigperf_error_free(error);
        }
        trigperf_context_free(feed->context);
    }
    close(feed->wake[0]);
    close(feed->wake[1]);
    free(feed);
}

trigperf_context *feed_context(cc_feed *feed) {
    return feed->context;
}

typedef struct cc_fill {
    trigperf_context *context;
    uint64_t token;
} cc_fill;

static bool still_valid(void *user, const char *key) {
    const cc_fill *made = user;
    return trigperf_fence_check(made->context, made->token, key, strlen(key)) == 0;
}

bool feed_fill(cc_feed *feed, uint64_t token, const char *key, const char *answer) {
    cc_fill made = {.context = feed->context, .token = token};
    return cache_fill(feed->world->cache, key, answer, still_valid, &made);
}

bool feed_catch_up(cc_feed *feed) {
    trigperf_error *error = NULL;
    if (trigperf_wait_position(feed->context, NULL, PATIENCE_MS, &error) != 0) {
        setup_complain("waiting for what is committed", error);
        return false;
    }
    return true;
}

void feed_drop(cc_feed *feed, bool on) {
    atomic_store(&feed->dropping, on);
}

uint64_t feed_resyncs(const cc_feed *feed) {
    return figures_get(&feed->world->figures, FIGURE_RESYNCS) - feed->resyncs_at_start;
}

int64_t feed_window_ms(const cc_feed *feed) {
    return feed->window_ms;
}
