/* The same with HdrHistogram_c: one histogram a thread, as its authors advise. Arguments: rounds,
 * and significant digits. */
#include "recording.h"

#include <hdr_histogram.h>

#define HIGHEST (INT64_C(1) << 37)

static int digits;
static struct hdr_histogram *one;
static struct hdr_histogram *two;

static struct hdr_histogram *make(void) {
    struct hdr_histogram *made = NULL;
    if (hdr_init(1, HIGHEST, digits, &made) != 0) {
        exit(1);
    }
    return made;
}

static void run_hdr(void) {
    struct hdr_histogram *own = make();
    for (uint32_t i = 0; i < RECORDS; i++) {
        hdr_record_value(own, values[i % VALUES]);
    }
    hdr_close(own);
}

static void run_clock_and_hdr(void) {
    struct hdr_histogram *own = make();
    int64_t before = clock_ns();
    for (uint32_t i = 0; i < CLOCKED; i++) {
        int64_t now = clock_ns();
        hdr_record_value(own, now - before + values[i % VALUES]);
        before = now;
    }
    hdr_close(own);
}

static void call_merge(void) {
    hdr_add(one, two);
}

int main(int argc, char **argv) {
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    digits = argc > 2 ? atoi(argv[2]) : 2;
    make_values();
    report("record", run_hdr, rounds, RECORDS);
    report("clock_and_record", run_clock_and_hdr, rounds, CLOCKED);
    double before = allocated();
    one = make();
    printf("bytes 1 %.1f\n", allocated() - before);
    two = make();
    for (uint32_t i = 0; i < VALUES; i++) {
        hdr_record_value(one, values[i]);
        hdr_record_value(two, values[i] * 3);
    }
    printf("merge 1 %.1f\n", measure_calls(call_merge, rounds, 100));
    hdr_close(one);
    hdr_close(two);
    return 0;
}
