/* A context on a thread of its own. A batch that is too long for a browser is told by its numbers
 * and its first keys. While it has no connection, and when the role may not follow, that is told as
 * well; the library tries again by itself. */
#include "serve_stream.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "say.h"

enum { LONGEST_MESSAGE = 16384, KEYS_SHOWN = 50, WAIT_MS = 500, CLOSE_MS = 10000, PUT_MAX = 100 };

struct serve_stream {
    trigperf_context *context;
    serve_feed *feed;
    void (*wake)(void *user);
    void *user;
    pthread_t thread;
    atomic_bool stopping;
    int32_t told; /* the state that was told last */
};

static serve_body *body_of(json_t *message) {
    char *text = say_allocated(json_dumps(message, JSON_COMPACT));
    serve_body *body = serve_body_new(text, strlen(text));
    free(text);
    json_decref(message);
    return body;
}

/* The same with fewer keys and without the changes. */
static json_t *shortened(json_t *batch) {
    json_t *keys = json_object_get(batch, "keys");
    json_object_set_new(batch, "key_count", json_integer((json_int_t)json_array_size(keys)));
    while (json_array_size(keys) > KEYS_SHOWN) {
        json_array_remove(keys, json_array_size(keys) - 1);
    }
    json_object_del(batch, "changes");
    return batch;
}

static void put_batch(serve_stream *stream, const char *text, uint64_t length) {
    json_t *batch = json_loadb(text, (size_t)length, 0, NULL);
    if (batch == NULL) {
        return;
    }
    if (length > LONGEST_MESSAGE) {
        batch = shortened(batch);
    }
    serve_feed_put(stream->feed, body_of(json_pack("{s:s, s:o}", "type", "batch", "batch", batch)));
}

static void take_batches(serve_stream *stream) {
    trigperf_batch *batch = NULL;
    int put = 0;
    while (put < PUT_MAX && trigperf_batch_next(stream->context, &batch, NULL) == TRIGPERF_OK &&
           batch != NULL) {
        const char *text = NULL;
        uint64_t length = 0;
        if (trigperf_batch_json(batch, &text, &length, NULL) == TRIGPERF_OK) {
            put_batch(stream, text, length);
            put++;
        }
        trigperf_batch_ack(batch, NULL);
        batch = NULL;
    }
    if (put > 0) {
        stream->wake(stream->user);
    }
}

static void tell_state(serve_stream *stream) {
    int32_t state = trigperf_context_state(stream->context);
    if (state == stream->told) {
        return;
    }
    trigperf_error *error = trigperf_context_error(stream->context);
    bool ready = state == TRIGPERF_STATE_READY;
    if (ready || error != NULL) {
        stream->told = state;
        serve_feed_state(stream->feed,
                         body_of(json_pack("{s:s, s:b, s:s}", "type", "stream", "ready", ready,
                                           "message", ready ? "" : trigperf_error_message(error))));
        stream->wake(stream->user);
    }
    trigperf_error_free(error);
}

static void *run(void *argument) {
    serve_stream *stream = argument;
    while (!atomic_load(&stream->stopping)) {
        int32_t status = trigperf_wait(stream->context, WAIT_MS, NULL);
        if (status != TRIGPERF_OK && status != TRIGPERF_E_TIMEOUT) {
            poll(NULL, 0, WAIT_MS); /* it failed for good: nothing to hurry for */
        }
        tell_state(stream);
        take_batches(stream);
    }
    return NULL;
}

serve_stream *serve_stream_start(const trigperf_config *config, serve_feed *feed,
                                 void (*wake)(void *user), void *user) {
    trigperf_error *error = NULL;
    serve_stream *stream = say_allocated(calloc(1, sizeof *stream));
    stream->feed = feed;
    stream->wake = wake;
    stream->user = user;
    stream->told = -1;
    if (trigperf_context_new(config, &stream->context, &error) != TRIGPERF_OK) {
        say_failure(error);
        free(stream);
        return NULL;
    }
    if (pthread_create(&stream->thread, NULL, run, stream) != 0) {
        say_error("a thread cannot be started");
        trigperf_context_free(stream->context);
        free(stream);
        return NULL;
    }
    return stream;
}

void serve_stream_stop(serve_stream *stream) {
    if (stream == NULL) {
        return;
    }
    atomic_store(&stream->stopping, true);
    trigperf_wakeup(stream->context);
    pthread_join(stream->thread, NULL);
    trigperf_context_close(stream->context, CLOSE_MS, NULL);
    trigperf_context_free(stream->context);
    free(stream);
}
