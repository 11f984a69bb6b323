/* Numbers on a command line. */
#ifndef EXAMPLES_COMMON_NUMBER_H
#define EXAMPLES_COMMON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* False, and a sentence on stderr, when text is no number from low to high. */
bool number_parse(const char *text, double low, double high, double *value);
/* The same for whole numbers. */
bool number_whole(const char *text, uint32_t low, uint32_t high, uint32_t *value);

#endif
