/* Checking one value: in full, and with its verdict in the cache.
 *
 *   bench_validate KIND WAY DISTINCT
 *
 * KIND is integer, numeric, set, length, pattern, function; WAY is direct, kept, batch,
 * batch-kept or regexec (of KIND pattern: the C library's, in the C locale). DISTINCT values are
 * checked in turn, 4,000,000 in all, after one round that warms up; prints nanoseconds of processor
 * time for one value. The cache has room for 10,000 verdicts. */
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <trigperf.h>

enum { VALUES = 4096, CHECKS = 4000000, BYTES = 48 };

typedef struct kind {
    const char *name;
    const char *rules;
    const char *format;
} kind;

static const kind kinds[] = {
    {"integer", "x: integer, 0..100000000", "%u"},
    {"numeric", "x: numeric(10,2), >= 0, <= 100000000", "%u.25"},
    {"set", "x: one of ('aaaaa','bbbbb','ccccc','ddddd','value 5','value 77')", "value %u"},
    {"length", "x: length 1..40", "note number %u"},
    {"pattern", "x: pattern '^[a-z0-9._]+@[a-z0-9.]+$'", "user%u.name@example.com"},
    {"function", "x: text", "value %u"},
};

static char texts[VALUES][BYTES];
static const char *values[VALUES];
static uint64_t lengths[VALUES];

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void must(int32_t status, trigperf_error *error) {
    if (status < 0) {
        fprintf(stderr, "%s\n", trigperf_error_message(error));
        exit(2);
    }
}

/* About half a microsecond, as an edit distance or a checksum would take. */
static int32_t dear(void *user, const char *const *value, const uint64_t *length, uint32_t count) {
    volatile uint32_t hash = 0;
    (void)user;
    (void)count;
    for (int round = 0; round < 60; round++) {
        for (uint64_t i = 0; i < length[0]; i++) {
            hash = hash * 31 + (unsigned char)value[0][i];
        }
    }
    return TRIGPERF_ANSWER_YES;
}

static void make_values(const kind *what, uint32_t distinct) {
    for (uint32_t i = 0; i < VALUES; i++) {
        uint32_t number = i * 2654435761u % distinct;
        int length = snprintf(texts[i], BYTES, what->format, number);
        values[i] = texts[i];
        lengths[i] = (uint64_t)length;
    }
}

static trigperf_validator *make_validator(const kind *what, trigperf_context *context) {
    trigperf_validator *validator = NULL;
    trigperf_error *error = NULL;
    const uint32_t column = 0;
    must(trigperf_validator_new(what->name, what->rules, &validator, &error), error);
    if (strcmp(what->name, "function") == 0) {
        must(trigperf_validator_function(validator, &column, 1, "dear", "anything", dear, NULL,
                                         NULL, 0, 0, &error),
             error);
    }
    if (context != NULL) {
        must(trigperf_validator_use(validator, context, 1, 0, TRIGPERF_KEEP_ALL, &error), error);
    }
    return validator;
}

static void check_all(trigperf_validator *validator, int batch) {
    int32_t outcome = 0;
    if (batch) {
        for (uint32_t i = 0; i < VALUES; i += 512) {
            must(trigperf_validator_check_batch(validator, 0, NULL, values + i, lengths + i, 1, 512,
                                                NULL, &outcome, NULL),
                 NULL);
        }
        return;
    }
    for (uint32_t i = 0; i < VALUES; i++) {
        must(trigperf_validator_check_text(validator, 0, 0, values[i], lengths[i], NULL, &outcome,
                                           NULL),
             NULL);
    }
}

static double measure_library(void) {
    regex_t compiled;
    volatile int found = 0;
    if (regcomp(&compiled, "^[a-z0-9._]+@[a-z0-9.]+$", REG_EXTENDED | REG_NOSUB) != 0) {
        exit(2);
    }
    double begin = now_ns();
    for (uint32_t done = 0; done < CHECKS; done++) {
        found += regexec(&compiled, values[done % VALUES], 0, NULL, 0) == 0;
    }
    double spent = now_ns() - begin;
    regfree(&compiled);
    return spent / CHECKS;
}

static double measure(trigperf_validator *validator, int batch) {
    check_all(validator, batch);
    double begin = now_ns();
    for (uint32_t done = 0; done < CHECKS; done += VALUES) {
        check_all(validator, batch);
    }
    return (now_ns() - begin) / (CHECKS / VALUES * VALUES + VALUES);
}

static const kind *find(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    fprintf(stderr, "no such kind: %s\n", name);
    exit(2);
}

int main(int argc, char **argv) {
    if (argc != 4 || strtoul(argv[3], NULL, 10) == 0) {
        fprintf(stderr, "usage: bench_validate KIND WAY DISTINCT\n");
        return 2;
    }
    const kind *what = find(argv[1]);
    make_values(what, (uint32_t)strtoul(argv[3], NULL, 10));
    if (strcmp(argv[2], "regexec") == 0) {
        printf("%.2f\n", measure_library());
        return 0;
    }
    trigperf_config *config = NULL;
    trigperf_context *context = NULL;
    must(trigperf_config_new(&config, NULL), NULL);
    must(trigperf_config_set(config, "source", "none", NULL), NULL);
    must(trigperf_context_new(config, &context, NULL), NULL);
    trigperf_validator *validator =
        make_validator(what, strstr(argv[2], "kept") == NULL ? NULL : context);
    printf("%.2f\n", measure(validator, strncmp(argv[2], "batch", 5) == 0));
    trigperf_validator_free(validator);
    trigperf_context_free(context);
    trigperf_config_free(config);
    return 0;
}
