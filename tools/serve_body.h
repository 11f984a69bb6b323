/* Text that several connections send at their own pace: it goes with the last that holds it. */
#ifndef TRIGPERF_TOOL_SERVE_BODY_H
#define TRIGPERF_TOOL_SERVE_BODY_H

#include <stddef.h>

typedef struct serve_body serve_body;

/* A copy, held once. Any thread. */
serve_body *serve_body_new(const char *text, size_t length);
serve_body *serve_body_hold(serve_body *body); /* NULL stays NULL */
void serve_body_release(serve_body *body);     /* NULL: no effect */
const char *serve_body_text(const serve_body *body);
size_t serve_body_length(const serve_body *body);

#endif
