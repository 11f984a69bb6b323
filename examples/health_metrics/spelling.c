/* Edit distance (Wagner and Fischer, 1974) to every name until one is near enough. */
#include "spelling.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <trigperf.h>

enum { LONGEST = 60, NEAR = 2 };

static const char *const styles[] = {"raw", "cooked", "baked", "grilled", "fried", "fresh"};
static const char *const foods[] = {
    "oats", "bread",  "rice",    "pasta", "potato", "chicken", "beef", "salmon", "tofu", "beans",
    "egg",  "cheese", "yoghurt", "apple", "banana", "carrot",  "kale", "nuts",   "soup", "salad"};

enum { STYLES = sizeof styles / sizeof styles[0], FOODS = sizeof foods / sizeof foods[0] };

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t a_length, const char *b) {
    size_t row[LONGEST + 1];
    size_t b_length = strlen(b);
    for (size_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t above = row[j];
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = smaller(smaller(row[j] + 1, row[j - 1] + 1), diagonal + cost);
            diagonal = above;
        }
    }
    return row[b_length];
}

static size_t length_of_words(const char *text, size_t length, int words) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] == ' ' && --words == 0) {
            return i;
        }
    }
    return length;
}

/* The name is the first two words: "baked potato no. 3". Styles and foods make 120 names. */
int32_t spelling_check(void *user, const char *const *values, const uint64_t *lengths,
                       uint32_t count) {
    (void)user;
    (void)count;
    if (values[0] == NULL) {
        return TRIGPERF_ANSWER_YES;
    }
    size_t length = length_of_words(values[0], (size_t)lengths[0], 2);
    for (size_t i = 0; length <= LONGEST && i < STYLES * FOODS; i++) {
        char name[LONGEST];
        snprintf(name, sizeof name, "%s %s", styles[i / FOODS], foods[i % FOODS]);
        if (distance(values[0], length, name) <= NEAR) {
            return TRIGPERF_ANSWER_YES;
        }
    }
    return TRIGPERF_ANSWER_NO;
}
