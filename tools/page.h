/* The files of the page, embedded when the command is built. */
#ifndef TRIGPERF_TOOL_PAGE_H
#define TRIGPERF_TOOL_PAGE_H

#include <stddef.h>

typedef struct page_file {
    const char *path; /* NULL ends the list */
    const char *type;
    const char *text;
    size_t length;
} page_file;

extern const page_file page_files[];

#endif
