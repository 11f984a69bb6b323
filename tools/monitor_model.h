/* What the monitor shows: rates of triggers between two looks, and their recent past. */
#ifndef TRIGPERF_TOOL_MONITOR_MODEL_H
#define TRIGPERF_TOOL_MONITOR_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_PAST = 32 };

/* A trigger, or a function that several share. */
typedef struct model_row {
    char *name;
    char *function;
    double calls; /* since the statistics began */
    double total_ms;
    double rate;             /* calls a second since the look before */
    double mean_ms;          /* of these; negative: there were none */
    double load;             /* seconds spent a second */
    double past[MODEL_PAST]; /* rates, newest last; negative: not known */
    bool inherited;          /* named by a partition's trigger, until its table's comes */
    bool seen;
} model_row;

typedef struct model {
    model_row *rows;
    size_t count;
    size_t capacity;
    size_t triggers; /* of the database */
    bool measured;   /* track_functions is on */
    bool ready;      /* two looks were made, so there are rates */
} model;

/* answer: what trigperf_admin_triggers() gives; seconds since the look before. Sorts by load. */
void model_take(model *m, const json_t *answer, double seconds);
void model_free(model *m);

#endif
