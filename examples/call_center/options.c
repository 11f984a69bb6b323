/* getopt_long, and a range for every number. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

#include "common/number.h"

static const char usage[] =
    "usage: call_center [-d CONNINFO] [OPTION...]\n"
    "Runs a call centre over an empty database and proves that its cache stays right.\n"
    "  -d, --database CONNINFO  default: libpq's PG* variables\n"
    "      --seconds N          of all phases together, 4 to 3600 (15)\n"
    "      --short              --seconds 6 --calls 20000 --write-rate 150\n"
    "      --calls N            rows of the table calls at the start (100000)\n"
    "      --users N            (300)\n"
    "      --agents N           at least as many as users (1200)\n"
    "      --writers N          connections that write (8)\n"
    "      --readers N          connections that read (4)\n"
    "      --write-rate N       transactions a second (250)\n"
    "      --read-rate N        reads a second (12000)\n"
    "      --seed N             of data and load (1)\n"
    "      --library-thread     the library processes on its own thread instead of the host's\n"
    "Exit code: 0 every promise held, 1 one did not or something failed, 2 wrong usage.\n";

enum { SECONDS = 256, SHORT, LIBRARY_THREAD, NUMBERS };

static const struct option long_options[] = {
    {"database", required_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {"seconds", required_argument, NULL, SECONDS},
    {"short", no_argument, NULL, SHORT},
    {"library-thread", no_argument, NULL, LIBRARY_THREAD},
    {"calls", required_argument, NULL, NUMBERS},
    {"users", required_argument, NULL, NUMBERS + 1},
    {"agents", required_argument, NULL, NUMBERS + 2},
    {"writers", required_argument, NULL, NUMBERS + 3},
    {"readers", required_argument, NULL, NUMBERS + 4},
    {"write-rate", required_argument, NULL, NUMBERS + 5},
    {"read-rate", required_argument, NULL, NUMBERS + 6},
    {"seed", required_argument, NULL, NUMBERS + 7},
    {NULL, 0, NULL, 0},
};

static bool set_number(cc_options *options, int which, const char *text) {
    const struct {
        uint32_t *field;
        uint32_t low;
        uint32_t high;
    } fields[] = {
        {&options->calls, 1000, 10000000},    {&options->users, 10, 100000},
        {&options->agents, 10, 1000000},      {&options->writers, 1, 64},
        {&options->readers, 1, 64},           {&options->write_rate, 1, 1000000},
        {&options->read_rate, 100, 10000000}, {&options->seed, 0, 1000000000},
    };
    return number_whole(text, fields[which].low, fields[which].high, fields[which].field);
}

static bool apply(cc_options *options, int option, const char *text) {
    switch (option) {
    case 'd':
        options->conninfo = text;
        return true;
    case SECONDS:
        return number_parse(text, 4, 3600, &options->seconds);
    case SHORT:
        options->seconds = 6;
        options->calls = 20000;
        options->write_rate = 150;
        return true;
    case LIBRARY_THREAD:
        options->library_thread = true;
        return true;
    default:
        return option >= NUMBERS && set_number(options, option - NUMBERS, text);
    }
}

static bool consistent(const cc_options *options, int count, char *const *rest) {
    if (count > 0) {
        fprintf(stderr, "call_center: unexpected argument '%s'\n", rest[0]);
        return false;
    }
    if (options->agents < options->users) {
        fprintf(stderr, "call_center: %u agents for %u users; every user needs one\n",
                options->agents, options->users);
        return false;
    }
    return true;
}

bool options_parse(int argc, char **argv, cc_options *options, int *exit_code) {
    *options = (struct cc_options){
        .conninfo = "",
        .seconds = 15,
        .users = 300,
        .agents = 1200,
        .calls = 100000,
        .writers = 8,
        .readers = 4,
        .write_rate = 250,
        .read_rate = 12000,
        .seed = 1,
    };
    int option;
    while ((option = getopt_long(argc, argv, "d:h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            *exit_code = 0;
            return false;
        }
        if (!apply(options, option, optarg)) {
            fputs("Try --help.\n", stderr);
            *exit_code = 2;
            return false;
        }
    }
    *exit_code = 2;
    return consistent(options, argc - optind, argv + optind);
}
