/* A ring that is bounded by messages and by bytes. */
#include "serve_feed.h"

#include <pthread.h>
#include <stdlib.h>

#include "say.h"

enum { MESSAGES_MAX = 256, BYTES_MAX = 2 * 1024 * 1024 };

struct serve_feed {
    pthread_mutex_t mutex;
    serve_body *ring[MESSAGES_MAX];
    uint64_t begin; /* numbers of messages, not places */
    uint64_t end;
    size_t bytes;
    serve_body *state;
    uint64_t state_version;
};

serve_feed *serve_feed_new(void) {
    serve_feed *feed = say_allocated(calloc(1, sizeof *feed));
    pthread_mutex_init(&feed->mutex, NULL);
    return feed;
}

static void drop_oldest(serve_feed *feed) {
    serve_body **oldest = &feed->ring[feed->begin % MESSAGES_MAX];
    feed->bytes -= serve_body_length(*oldest);
    serve_body_release(*oldest);
    *oldest = NULL;
    feed->begin++;
}

void serve_feed_free(serve_feed *feed) {
    while (feed->begin < feed->end) {
        drop_oldest(feed);
    }
    serve_body_release(feed->state);
    pthread_mutex_destroy(&feed->mutex);
    free(feed);
}

void serve_feed_put(serve_feed *feed, serve_body *body) {
    pthread_mutex_lock(&feed->mutex);
    feed->bytes += serve_body_length(body);
    while (feed->begin < feed->end &&
           (feed->end - feed->begin == MESSAGES_MAX || feed->bytes > BYTES_MAX)) {
        drop_oldest(feed);
    }
    feed->ring[feed->end % MESSAGES_MAX] = body;
    feed->end++;
    pthread_mutex_unlock(&feed->mutex);
}

void serve_feed_state(serve_feed *feed, serve_body *body) {
    pthread_mutex_lock(&feed->mutex);
    serve_body_release(feed->state);
    feed->state = body;
    feed->state_version++;
    pthread_mutex_unlock(&feed->mutex);
}

serve_body *serve_feed_state_since(serve_feed *feed, uint64_t *version) {
    serve_body *body = NULL;
    pthread_mutex_lock(&feed->mutex);
    if (*version != feed->state_version) {
        *version = feed->state_version;
        body = serve_body_hold(feed->state);
    }
    pthread_mutex_unlock(&feed->mutex);
    return body;
}

uint64_t serve_feed_end(serve_feed *feed) {
    pthread_mutex_lock(&feed->mutex);
    uint64_t end = feed->end;
    pthread_mutex_unlock(&feed->mutex);
    return end;
}

serve_body *serve_feed_next(serve_feed *feed, uint64_t *place, uint64_t *missed) {
    serve_body *body = NULL;
    *missed = 0;
    pthread_mutex_lock(&feed->mutex);
    if (*place < feed->begin) {
        *missed = feed->begin - *place;
        *place = feed->begin;
    }
    if (*place < feed->end) {
        body = serve_body_hold(feed->ring[*place % MESSAGES_MAX]);
        (*place)++;
    }
    pthread_mutex_unlock(&feed->mutex);
    return body;
}
