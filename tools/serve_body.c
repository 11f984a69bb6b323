/* Text with a counter of holders, which may be threads. */
#include "serve_body.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

struct serve_body {
    atomic_uint holders;
    size_t length;
    char text[];
};

serve_body *serve_body_new(const char *text, size_t length) {
    serve_body *body = say_allocated(malloc(sizeof *body + length + 1));
    atomic_init(&body->holders, 1);
    body->length = length;
    memcpy(body->text, text, length);
    body->text[length] = '\0';
    return body;
}

serve_body *serve_body_hold(serve_body *body) {
    if (body != NULL) {
        atomic_fetch_add(&body->holders, 1);
    }
    return body;
}

void serve_body_release(serve_body *body) {
    if (body != NULL && atomic_fetch_sub(&body->holders, 1) == 1) {
        free(body);
    }
}

const char *serve_body_text(const serve_body *body) {
    return body->text;
}

size_t serve_body_length(const serve_body *body) {
    return body->length;
}
