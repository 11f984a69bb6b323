/* Large blocks of memory. */
#ifndef TP_BASE_PAGES_H
#define TP_BASE_PAGES_H

#include <stddef.h>

/* Advises the kernel to use large pages where a block covers some. */
void tp_pages_prefer_large(void *block, size_t size);

/* Gives the memory of the pages that a block covers whole back to the kernel: they read as zeroes
 * from now on, and the block must still be released. */
void tp_pages_discard(void *block, size_t size);

#endif
