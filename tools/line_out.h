/* Writing a line without ever blocking the loop. */
#ifndef TRIGPERF_TOOL_LINE_OUT_H
#define TRIGPERF_TOOL_LINE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum line_out_state {
    LINE_DONE,    /* nothing pending: the line was taken completely */
    LINE_BLOCKED, /* wait until the descriptor is writable, then push again */
    LINE_FAILED   /* see .failure; the line was not taken completely */
};

typedef struct line_out {
    const char *text; /* borrowed until the line is done; NULL: none */
    size_t length;    /* without the newline */
    size_t written;
    int fd;
    int failure; /* errno */
    int kind;
} line_out;

void line_out_init(line_out *out, int fd);
void line_out_begin(line_out *out, const char *text, size_t length);
enum line_out_state line_out_push(line_out *out);
bool line_out_pending(const line_out *out);

#endif
