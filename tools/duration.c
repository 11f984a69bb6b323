/* Lengths of time as people write them. */
#include "duration.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

enum { DAY_S = 86400 };

bool duration_parse(const char *text, int64_t *seconds) {
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || (text[digits] != '\0' && text[digits + 1] != '\0')) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].letter == text[digits]) {
            *seconds = strtoll(text, NULL, 10) * units[i].seconds;
            return true;
        }
    }
    return false;
}

int duration_option(const args *given, const char *name, int64_t least, int64_t most,
                    int64_t *seconds) {
    const char *text = args_get(given, name, NULL);
    int64_t found = 0;
    if (text == NULL) {
        return EXIT_FINE;
    }
    if (!duration_parse(text, &found)) {
        return say_wrong("--%s expects a length of time such as 90s, 30m, 2h or 7d, got '%s'", name,
                         text);
    }
    if (found < least || found > most) {
        return say_wrong("--%s expects at least %" PRId64 " s and at most %" PRId64
                         " days, got '%s'",
                         name, least, most / DAY_S, text);
    }
    *seconds = found;
    return EXIT_FINE;
}
