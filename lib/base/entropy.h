/* Random bytes from the kernel. */
#ifndef TP_BASE_ENTROPY_H
#define TP_BASE_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>

bool tp_entropy_fill(void *bytes, size_t length); /* false when the kernel refuses */

/* A version 4 UUID as text (36 characters and NUL). */
bool tp_entropy_uuid(char out[37]);

#endif
