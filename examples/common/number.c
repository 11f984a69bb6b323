/* strtod() for both kinds: every whole number of 32 bits is one of its values. */
#include "common/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool refuse(const char *kind, const char *text, double low, double high) {
    fprintf(stderr, "%s: expected a %snumber from %.0f to %.0f, got '%s'\n",
            program_invocation_short_name, kind, low, high, text);
    return false;
}

static bool read_number(const char *text, double low, double high, double *value) {
    char *end;
    errno = 0;
    double parsed = strtod(text, &end);
    bool fine = errno == 0 && end != text && *end == '\0' && parsed >= low && parsed <= high;
    if (fine) {
        *value = parsed;
    }
    return fine;
}

bool number_parse(const char *text, double low, double high, double *value) {
    return read_number(text, low, high, value) || refuse("", text, low, high);
}

bool number_whole(const char *text, uint32_t low, uint32_t high, uint32_t *value) {
    double parsed;
    if (!read_number(text, low, high, &parsed) || parsed != floor(parsed)) {
        return refuse("whole ", text, low, high);
    }
    *value = (uint32_t)parsed;
    return true;
}
