/* A batch as one readable line. */
#ifndef TRIGPERF_TOOL_BATCH_TEXT_H
#define TRIGPERF_TOOL_BATCH_TEXT_H

#include <stddef.h>

#include <trigperf.h>

/* The caller frees the text. */
char *batch_text(const trigperf_batch *batch, size_t *length);

#endif
