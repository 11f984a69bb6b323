/* The command line. */
#ifndef EXAMPLES_HEALTH_METRICS_OPTIONS_H
#define EXAMPLES_HEALTH_METRICS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hm_options {
    const char *conninfo;
    uint32_t batches; /* of each kind */
    uint32_t rows;    /* in a batch */
    uint32_t seed;
} hm_options;

/* Returns false when the program ends here, with *exit_code. */
bool options_parse(int argc, char **argv, hm_options *options, int *exit_code);

#endif
