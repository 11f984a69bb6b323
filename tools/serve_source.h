/* What the database says, asked again and again on a thread of its own. */
#ifndef TRIGPERF_TOOL_SERVE_SOURCE_H
#define TRIGPERF_TOOL_SERVE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include <trigperf.h>

#include "serve_body.h"

typedef struct serve_source serve_source;

/* Text of one moment. Each is held for whoever takes it. */
typedef struct serve_texts {
    serve_body *view;    /* message for the page; NULL: nothing yet */
    serve_body *report;  /* the report of the last day; NULL: nothing yet, or no answer */
    serve_body *metrics; /* likewise */
    uint64_t version;    /* of the view */
    double age_s;        /* of the report; negative: none */
    uint64_t reconnects;
    bool up;
    char reason[300]; /* why not */
} serve_texts;

/* wake(user) is called from that thread when there is something new. Asks every interval_ms. Takes
 * no configuration over. NULL, reported, when it cannot begin. */
serve_source *serve_source_start(const trigperf_config *config, uint32_t interval_ms,
                                 void (*wake)(void *user), void *user);
void serve_source_stop(serve_source *source); /* NULL: no effect */

/* The texts of this moment; release them with serve_texts_release(). */
void serve_source_texts(serve_source *source, serve_texts *texts);
void serve_texts_release(serve_texts *texts);

/* Number of the view of this moment. */
uint64_t serve_source_version(serve_source *source);

#endif
