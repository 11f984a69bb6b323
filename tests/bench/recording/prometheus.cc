// The same with prometheus-cpp: one histogram for all threads, its buckets the 28 that ours shows.
#include "recording.h"

#include <memory>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

static prometheus::Histogram::BucketBoundaries bounds;
static std::unique_ptr<prometheus::Histogram> histogram;
static prometheus::Counter counter;

static void run_observe() {
    for (uint32_t i = 0; i < RECORDS; i++) {
        histogram->Observe((double)values[i % VALUES] / 1e9);
    }
}

static void run_counter() {
    for (uint32_t i = 0; i < RECORDS; i++) {
        counter.Increment();
    }
}

int main(int argc, char **argv) {
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], nullptr, 10) : 5;
    for (unsigned octave = 10; octave <= 37; octave++) {
        bounds.push_back((double)((UINT64_C(1) << octave) - 1) / 1e9);
    }
    make_values();
    double before = allocated();
    std::vector<std::unique_ptr<prometheus::Histogram>> many;
    for (uint32_t i = 0; i < SERIES; i++) {
        many.push_back(std::make_unique<prometheus::Histogram>(bounds));
    }
    printf("bytes 1 %.1f\n", (allocated() - before) / SERIES);
    histogram = std::make_unique<prometheus::Histogram>(bounds);
    report("record", run_observe, rounds, RECORDS);
    report("counter", run_counter, rounds, RECORDS);
    return 0;
}
