/* Everything is asked on one blocking connection and rendered once, however many look at it.
 *
 * Counters for Prometheus must not fall, but a report of the last day forgets an hour every hour.
 * So they are counted from the day (UTC) in which this server began, whose hours may become one row
 * meanwhile: asked for by the middle of its first hour, since the database rounds down to whole
 * hours. After three weeks they begin anew, before the database forgets the first of them: to
 * Prometheus, that looks like a restart. */
#include "serve_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "say.h"
#include "serve_metrics.h"
#include "serve_view.h"

enum { DAY_S = 86400, HOUR_S = 3600, ANEW_S = 21 * DAY_S, PAUSE_MAX_MS = 60000 };

struct serve_source {
    const trigperf_config *config;
    uint32_t interval_ms;
    void (*wake)(void *user);
    void *user;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping;
    trigperf_admin *admin; /* of the thread */
    bool connected_before;
    int64_t counted_from;
    int64_t answered_ms;
    serve_texts texts;
};

static int64_t clock_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Seconds back to the first hour of the day in which counting began. */
static int64_t counting_since(serve_source *source) {
    int64_t now = clock_ms(CLOCK_REALTIME) / 1000;
    if (source->counted_from == 0 || now - source->counted_from > ANEW_S ||
        now < source->counted_from - HOUR_S) {
        source->counted_from = now / DAY_S * DAY_S + HOUR_S / 2;
    }
    return now > source->counted_from ? now - source->counted_from : 1;
}

typedef struct answers {
    char *report; /* of the last day */
    char *counted;
    char *status;
    char *kpis;
} answers;

static int32_t ask(serve_source *source, answers *got, trigperf_error **error) {
    int32_t status = TRIGPERF_OK;
    if (source->admin == NULL) {
        status = trigperf_admin_new(source->config, &source->admin, error);
    }
    if (status == TRIGPERF_OK) {
        status = trigperf_admin_report(source->admin, DAY_S, 0, &got->report, error);
    }
    if (status == TRIGPERF_OK) {
        status =
            trigperf_admin_report(source->admin, counting_since(source), 0, &got->counted, error);
    }
    if (status == TRIGPERF_OK) {
        status = trigperf_admin_status(source->admin, &got->status, error);
    }
    if (status == TRIGPERF_OK && trigperf_admin_kpis(source->admin, &got->kpis, NULL) != 0) {
        got->kpis = NULL; /* a role that may not see them */
    }
    return status;
}

static void forget(answers *got) {
    trigperf_string_free(got->report);
    trigperf_string_free(got->counted);
    trigperf_string_free(got->status);
    trigperf_string_free(got->kpis);
}

static serve_body *take_text(char *text) {
    serve_body *body = serve_body_new(text, strlen(text));
    free(text);
    return body;
}

static json_t *parse(const char *text) {
    return text == NULL ? NULL : json_loads(text, 0, NULL);
}

/* New texts in place of the former ones; NULL: the database does not answer. */
static void publish(serve_source *source, const answers *got, const char *reason) {
    serve_texts fresh = {.up = got != NULL};
    if (got != NULL) {
        json_t *report = parse(got->report);
        json_t *counted = parse(got->counted);
        json_t *status = parse(got->status);
        json_t *kpis = parse(got->kpis);
        fresh.view = take_text(serve_view(report, status, kpis, NULL));
        fresh.report = serve_body_new(got->report, strlen(got->report));
        fresh.metrics = take_text(serve_metrics_text(counted, status, kpis));
        json_decref(report);
        json_decref(counted);
        json_decref(status);
        json_decref(kpis);
    } else {
        fresh.view = take_text(serve_view(NULL, NULL, NULL, reason));
        snprintf(fresh.reason, sizeof fresh.reason, "%s", reason);
    }
    pthread_mutex_lock(&source->mutex);
    serve_texts former = source->texts;
    fresh.version = former.version + 1;
    fresh.reconnects = former.reconnects;
    source->texts = fresh;
    source->answered_ms = got != NULL ? clock_ms(CLOCK_MONOTONIC) : source->answered_ms;
    pthread_mutex_unlock(&source->mutex);
    serve_texts_release(&former);
    source->wake(source->user);
}

static void note_connected(serve_source *source) {
    pthread_mutex_lock(&source->mutex);
    bool again = !source->texts.up && source->connected_before;
    source->texts.reconnects += again ? 1 : 0;
    pthread_mutex_unlock(&source->mutex);
    if (again) {
        say_note("the database answers again");
    }
    source->connected_before = true;
}

static void note_failed(serve_source *source, trigperf_error *error) {
    const char *message = trigperf_error_message(error);
    if (source->texts.up || source->texts.version == 0 ||
        strcmp(source->texts.reason, message) != 0) {
        say_note("the database does not answer: %s", message);
    }
    publish(source, NULL, message);
    trigperf_admin_free(source->admin);
    source->admin = NULL;
}

/* Whether the database answered. */
static bool turn(serve_source *source) {
    answers got = {0};
    trigperf_error *error = NULL;
    bool answered = ask(source, &got, &error) == TRIGPERF_OK;
    if (answered) {
        note_connected(source);
        publish(source, &got, NULL);
    } else {
        note_failed(source, error);
        trigperf_error_free(error);
    }
    forget(&got);
    return answered;
}

/* A database with months of many triggers takes seconds to answer: it is asked for a fifth of the
 * time at most, but every minute, and one that does not answer as often as was wanted. */
static struct timespec next_turn(const serve_source *source, int64_t began_ms, bool answered) {
    int64_t now = clock_ms(CLOCK_MONOTONIC);
    int64_t pause = answered ? (now - began_ms) * 4 : 0;
    pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
    now += pause > source->interval_ms ? pause : source->interval_ms;
    return (struct timespec){.tv_sec = now / 1000, .tv_nsec = now % 1000 * 1000000};
}

static void *run(void *argument) {
    serve_source *source = argument;
    bool stopping = false;
    while (!stopping) {
        int64_t began = clock_ms(CLOCK_MONOTONIC);
        bool answered = turn(source);
        struct timespec until = next_turn(source, began, answered);
        pthread_mutex_lock(&source->mutex);
        int waited = 0;
        while (!source->stopping && waited != ETIMEDOUT) {
            waited = pthread_cond_timedwait(&source->changed, &source->mutex, &until);
        }
        stopping = source->stopping;
        pthread_mutex_unlock(&source->mutex);
    }
    trigperf_admin_free(source->admin);
    return NULL;
}

serve_source *serve_source_start(const trigperf_config *config, uint32_t interval_ms,
                                 void (*wake)(void *user), void *user) {
    pthread_condattr_t attributes;
    serve_source *source = say_allocated(calloc(1, sizeof *source));
    source->config = config;
    source->interval_ms = interval_ms;
    source->wake = wake;
    source->user = user;
    pthread_mutex_init(&source->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&source->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&source->thread, NULL, run, source) != 0) {
        say_error("a thread cannot be started");
        free(source);
        return NULL;
    }
    return source;
}

void serve_source_stop(serve_source *source) {
    if (source == NULL) {
        return;
    }
    pthread_mutex_lock(&source->mutex);
    source->stopping = true;
    pthread_cond_signal(&source->changed);
    pthread_mutex_unlock(&source->mutex);
    pthread_join(source->thread, NULL);
    serve_texts_release(&source->texts);
    pthread_cond_destroy(&source->changed);
    pthread_mutex_destroy(&source->mutex);
    free(source);
}

void serve_source_texts(serve_source *source, serve_texts *texts) {
    pthread_mutex_lock(&source->mutex);
    *texts = source->texts;
    serve_body_hold(texts->view);
    serve_body_hold(texts->report);
    serve_body_hold(texts->metrics);
    texts->age_s = source->answered_ms == 0
                       ? -1
                       : (double)(clock_ms(CLOCK_MONOTONIC) - source->answered_ms) / 1000;
    pthread_mutex_unlock(&source->mutex);
}

void serve_texts_release(serve_texts *texts) {
    serve_body_release(texts->view);
    serve_body_release(texts->report);
    serve_body_release(texts->metrics);
}

uint64_t serve_source_version(serve_source *source) {
    pthread_mutex_lock(&source->mutex);
    uint64_t version = source->texts.version;
    pthread_mutex_unlock(&source->mutex);
    return version;
}
