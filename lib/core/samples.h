/* The newest few of what could not be understood, cut short, for people to look at. */
#ifndef TP_CORE_SAMPLES_H
#define TP_CORE_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define TP_SAMPLES_KEPT 8
#define TP_SAMPLE_BYTES 256

typedef struct tp_sample {
    uint64_t number; /* counted from 1 */
    size_t length;   /* of the whole */
    const char *why; /* constant text */
    char origin[64]; /* where it came from, cut short */
    char text[TP_SAMPLE_BYTES + 1];
} tp_sample;

/* Zeroes are an empty collection. */
typedef struct tp_samples {
    uint64_t count; /* of all, kept or not */
    tp_sample kept[TP_SAMPLES_KEPT];
} tp_samples;

/* text is cut at the end of a UTF-8 character. */
void tp_samples_add(tp_samples *samples, const char *origin, const char *text, size_t length,
                    const char *why);
/* A member with the count and those that are kept; origin is what each one's is called. */
void tp_samples_json(const tp_samples *samples, const char *member, const char *origin,
                     tp_strbuf *json);
/* The i-th of those kept, the oldest first; NULL past the end. */
const tp_sample *tp_samples_at(const tp_samples *samples, uint32_t i);

#endif
