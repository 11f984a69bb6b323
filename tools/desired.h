/* What a file of `trigperf apply` asks for. */
#ifndef TRIGPERF_TOOL_DESIRED_H
#define TRIGPERF_TOOL_DESIRED_H

#include <stddef.h>

#include <trigperf.h>

/* A section of the file. */
typedef struct desired_part {
    char *title; /* "table public.calls", "scope call" */
    trigperf_attachment *attachment;
} desired_part;

typedef struct desired {
    desired_part *parts;
    size_t count;
} desired;

/* Reads a file. Returns an exit code; a message was printed. */
int desired_read(const char *path, desired *out);
void desired_free(desired *wanted);

#endif
