/* getopt_long, and a range for every number. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

#include "common/number.h"

static const char usage[] =
    "usage: health_metrics [-d CONNINFO] [OPTION...]\n"
    "Checks, deduplicates and stores generated health records in an empty database.\n"
    "  -d, --database CONNINFO  default: libpq's PG* variables\n"
    "      --batches N          of each of the three kinds (60)\n"
    "      --rows N             records in a batch (1000)\n"
    "      --short              --batches 12\n"
    "      --seed N             of the records (1)\n"
    "Exit code: 0 every promise held, 1 one did not or something failed, 2 wrong usage.\n";

enum { SHORT = 256, BATCHES, ROWS, SEED };

static const struct option long_options[] = {
    {"database", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {"short", no_argument, NULL, SHORT},
    {"batches", required_argument, NULL, BATCHES},
    {"rows", required_argument, NULL, ROWS},
    {"seed", required_argument, NULL, SEED},
    {NULL, 0, NULL, 0},
};

static bool apply(hm_options *options, int option, const char *text) {
    switch (option) {
    case 'd':
        options->conninfo = text;
        return true;
    case SHORT:
        options->batches = 12;
        return true;
    case BATCHES:
        return number_whole(text, 2, 10000, &options->batches);
    case ROWS:
        return number_whole(text, 10, 100000, &options->rows);
    case SEED:
        return number_whole(text, 0, UINT32_MAX, &options->seed);
    default:
        return false;
    }
}

bool options_parse(int argc, char **argv, hm_options *options, int *exit_code) {
    *options = (hm_options){.conninfo = "", .batches = 60, .rows = 1000, .seed = 1};
    int option;
    *exit_code = 2;
    while ((option = getopt_long(argc, argv, "d:h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            *exit_code = 0;
            return false;
        }
        if (!apply(options, option, optarg)) {
            fputs("Try --help.\n", stderr);
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "health_metrics: unexpected argument '%s'\n", argv[optind]);
        return false;
    }
    return true;
}
