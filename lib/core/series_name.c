/* Stricter than the data model, which would take CamelCase and colons: a name that the linter of
 * Prometheus complains of is refused when it is made, not found in a dashboard years later. The
 * words come from the naming rules of prometheus.io: base units, none abbreviated, no type in the
 * name, `_total` at the end of counters and of nothing else. */
#include "core/series_name.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

typedef struct word {
    const char *text;
    const char *hint;
} word;

static const char use_seconds[] = "use the base unit in the name: seconds";
static const char use_bytes[] = "use the base unit in the name: bytes";
static const char no_type[] = "leave the type out of the name";
static const char write_out[] = "write the unit out in the name: seconds, bytes, meters";

static const word refused_words[] = {
    {"ms", use_seconds},
    {"us", use_seconds},
    {"ns", use_seconds},
    {"s", use_seconds},
    {"sec", use_seconds},
    {"h", use_seconds},
    {"d", use_seconds},
    {"m", write_out},
    {"minutes", use_seconds},
    {"hours", use_seconds},
    {"days", use_seconds},
    {"weeks", use_seconds},
    {"milliseconds", use_seconds},
    {"microseconds", use_seconds},
    {"nanoseconds", use_seconds},
    {"b", use_bytes},
    {"kb", use_bytes},
    {"mb", use_bytes},
    {"gb", use_bytes},
    {"tb", use_bytes},
    {"pb", use_bytes},
    {"bits", use_bytes},
    {"kilobytes", use_bytes},
    {"megabytes", use_bytes},
    {"gigabytes", use_bytes},
    {"kibibytes", use_bytes},
    {"mebibytes", use_bytes},
    {"counter", no_type},
    {"gauge", no_type},
    {"histogram", no_type},
    {"summary", no_type},
    {"untyped", no_type},
};

const char *tp_series_type_name(uint32_t type) {
    static const char *const names[] = {"counter", "gauge", "histogram"};
    return type < sizeof names / sizeof names[0] ? names[type] : NULL;
}

static int32_t wrong_name(const char *name, const char *hint, const char *expected,
                          trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID, hint, "series \"%.200s\": expected %s", name,
                        expected);
}

static bool is_snake_case(const char *name) {
    return name[0] >= 'a' && name[0] <= 'z' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool ends_with(const char *name, const char *suffix) {
    size_t length = strlen(name);
    size_t end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

/* The first part of a name, after the first underscore, that is a refused word. */
static const word *refused_word(const char *name) {
    for (const char *part = strchr(name, '_'); part != NULL; part = strchr(part, '_')) {
        part++;
        size_t length = strcspn(part, "_");
        for (size_t i = 0; i < sizeof refused_words / sizeof refused_words[0]; i++) {
            const char *text = refused_words[i].text;
            if (strlen(text) == length && strncmp(part, text, length) == 0) {
                return &refused_words[i];
            }
        }
    }
    return NULL;
}

static int32_t check_suffix(uint32_t type, const char *name, trigperf_error **err) {
    if ((type == TP_SERIES_COUNTER) != ends_with(name, "_total")) {
        return wrong_name(name, "name counters, and nothing else, like calls_handled_total",
                          type == TP_SERIES_COUNTER ? "a counter to end in _total"
                                                    : "only counters to end in _total",
                          err);
    }
    if (type == TP_SERIES_HISTOGRAM && !ends_with(name, "_seconds")) {
        return wrong_name(name, "histograms hold durations: name them like query_seconds",
                          "a histogram to end in _seconds", err);
    }
    if (ends_with(name, "_bucket") || ends_with(name, "_count") || ends_with(name, "_sum") ||
        ends_with(name, "_created") || ends_with(name, "_info")) {
        return wrong_name(name, "these endings belong to the parts of histograms",
                          "another ending than _bucket, _count, _sum, _created or _info", err);
    }
    return TRIGPERF_OK;
}

int32_t tp_series_check_name(uint32_t type, const char *name, trigperf_error **err) {
    if (tp_series_type_name(type) == NULL) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "pass one of enum trigperf_series_type",
                            "expected a type of series, got %u", type);
    }
    if (name == NULL || strnlen(name, TP_SERIES_NAME_MAX + 1) > TP_SERIES_NAME_MAX ||
        !is_snake_case(name)) {
        return wrong_name(name == NULL ? "" : name, "write it like calls_handled_total",
                          "1 to 200 of a-z, 0-9 and _, beginning with a letter", err);
    }
    const word *refused = refused_word(name);
    if (refused != NULL) {
        return tp_error_set(err, TRIGPERF_E_INVALID, refused->hint,
                            "series \"%.200s\": expected no part named \"%s\"", name,
                            refused->text);
    }
    return check_suffix(type, name, err);
}

int32_t tp_series_check_help(const char *name, const char *help, trigperf_error **err) {
    if (help == NULL || help[0] == '\0' ||
        strnlen(help, TP_SERIES_HELP_MAX + 1) > TP_SERIES_HELP_MAX ||
        !tp_text_is_utf8(help, strlen(help))) {
        return wrong_name(name, "say in a sentence what is counted",
                          "a help text of 1 to 1024 bytes of UTF-8", err);
    }
    return TRIGPERF_OK;
}

static int32_t wrong_label(const char *name, const char *hint, const char *expected,
                           trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID, hint, "label \"%.200s\": expected %s", name,
                        expected);
}

int32_t tp_series_check_label(const char *name, const char *value, trigperf_error **err) {
    if (name == NULL || strnlen(name, TP_SERIES_NAME_MAX + 1) > TP_SERIES_NAME_MAX ||
        !is_snake_case(name)) {
        return wrong_label(name == NULL ? "" : name, "write it like table_name",
                           "1 to 200 of a-z, 0-9 and _, beginning with a letter", err);
    }
    if (strcmp(name, "le") == 0 || strcmp(name, "quantile") == 0) {
        return wrong_label(name, "le and quantile belong to the parts of histograms",
                           "another name", err);
    }
    if (value == NULL || strnlen(value, TP_SERIES_VALUE_MAX + 1) > TP_SERIES_VALUE_MAX ||
        !tp_text_is_utf8(value, strlen(value))) {
        return wrong_label(name, "shorten or convert the value",
                           "a value of at most 1024 bytes of UTF-8", err);
    }
    return TRIGPERF_OK;
}
