/* What the example says: a line a second while it runs, and the summary with the verdict. */
#ifndef EXAMPLES_CALL_CENTER_REPORT_H
#define EXAMPLES_CALL_CENTER_REPORT_H

#include <stdbool.h>

#include "checker.h"
#include "kpis.h"
#include "latency.h"
#include "samples.h"
#include "world.h"

/* What happened while readers and writers were at work. */
typedef struct cc_stretch {
    cc_figures_copy figures;
    cc_samples reads;
    double seconds;
} cc_stretch;

enum { LATENCIES = 2 };

typedef struct cc_report {
    cc_stretch uncached; /* the same load without a cache */
    cc_stretch load;
    cc_verdict load_check;
    cc_verdict control_check; /* after a second of lost deliveries */
    uint64_t resyncs;         /* after the start */
    int64_t window_ms;
    cc_latency latencies[LATENCIES];
    cc_kpis kpis;
} cc_report;

/* The live line: rates since the last one. Starts anew with each phase. */
typedef struct cc_live {
    const char *phase;
    bool terminal;
    uint64_t begin_ns; /* of the program */
    uint64_t last_ns;
    cc_figures_copy last;
} cc_live;

cc_live live_start(const cc_world *world);
void live_phase(cc_live *live, const cc_world *world, const char *phase);
void live_line(cc_live *live, cc_world *world);
void live_note(const cc_live *live, const char *note); /* instead of figures */
void live_end(cc_live *live);                          /* leaves the line */

/* Prints the summary; returns true when every promise held. */
bool report_print(cc_report *report);
void report_free(cc_report *report);

#endif
