/* Writing what is attached as a file of `trigperf apply`. */
#ifndef TRIGPERF_TOOL_UNDO_H
#define TRIGPERF_TOOL_UNDO_H

#include <stdio.h>

#include <jansson.h>

/* attachments and rules as the library's JSON tells them. */
void undo_write(FILE *file, const json_t *attachments, const json_t *rules);

#endif
