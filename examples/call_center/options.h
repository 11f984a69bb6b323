/* The command line. */
#ifndef EXAMPLES_CALL_CENTER_OPTIONS_H
#define EXAMPLES_CALL_CENTER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cc_options {
    const char *conninfo;
    double seconds; /* of all phases together */
    uint32_t users;
    uint32_t agents;
    uint32_t calls;
    uint32_t writers;
    uint32_t readers;
    uint32_t write_rate; /* transactions a second, all writers together */
    uint32_t read_rate;  /* reads a second, all readers together */
    uint32_t seed;
    bool library_thread; /* the library processes on a thread of its own */
} cc_options;

/* Returns false when the program ends here, with *exit_code. */
bool options_parse(int argc, char **argv, cc_options *options, int *exit_code);

#endif
