/* Formats as described at prometheus.io (text format 0.0.4) and in the OpenMetrics 1.0
 * specification. Of 866 buckets a scraper gets 28, the ends of the octaves: they are ends of ours,
 * so their counts are exact. A bound there is inclusive and ours are not, hence 1,023 ns instead of
 * 1,024. The bounds are always the same ones, empty or not: rates need that.
 *
 * Linear in the size of the text. */
#include "core/exposition.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "core/packed.h"

#define OCTAVE_FIRST 10u
#define OCTAVE_LAST 37u
#define NS_PER_SECOND 1e9

/* 2^10 - 1 to 2^37 - 1 nanoseconds, in seconds. */
static const char *const bounds[] = {
    "1.023e-06",    "2.047e-06",    "4.095e-06",    "8.191e-06",    "1.6383e-05",  "3.2767e-05",
    "6.5535e-05",   "0.000131071",  "0.000262143",  "0.000524287",  "0.001048575", "0.002097151",
    "0.004194303",  "0.008388607",  "0.016777215",  "0.033554431",  "0.067108863", "0.134217727",
    "0.268435455",  "0.536870911",  "1.073741823",  "2.147483647",  "4.294967295", "8.589934591",
    "17.179869183", "34.359738367", "68.719476735", "137.438953471"};

static const double quantiles[] = {0.5, 0.95, 0.99};
static const char *const quantile_labels[] = {"0.5", "0.95", "0.99"};
static const char *const quantile_names[] = {"p50", "p95", "p99"};
#define QUANTILES (sizeof quantiles / sizeof quantiles[0])

int32_t tp_exposition_parse(const char *name) {
    static const char *const names[] = {"prometheus", "openmetrics", "summary", "json"};
    for (int32_t i = 0; i < (int32_t)(sizeof names / sizeof names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static void put_number(tp_strbuf *out, double number) {
    if (isfinite(number)) {
        tp_json_digits(out, number);
    } else {
        tp_strbuf_puts(out, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
    }
}

/* Nanoseconds as seconds, with all digits. */
static void put_seconds(tp_strbuf *out, uint64_t ns) {
    tp_strbuf_putu(out, ns / 1000000000);
    uint64_t rest = ns % 1000000000;
    if (rest != 0) {
        char digits[] = ".000000000";
        size_t end = sizeof digits - 1;
        for (size_t at = end; at > 1; at--) {
            digits[at - 1] = (char)('0' + rest % 10);
            rest /= 10;
        }
        while (digits[end - 1] == '0') {
            end--;
        }
        tp_strbuf_add(out, digits, end);
    }
}

static void put_escaped(tp_strbuf *out, const char *text, bool quotes) {
    for (const char *at = text; *at != '\0';) {
        size_t plain = strcspn(at, quotes ? "\\\n\"" : "\\\n");
        tp_strbuf_add(out, at, plain);
        at += plain;
        if (*at != '\0') {
            tp_strbuf_putc(out, '\\');
            tp_strbuf_putc(out, *at == '\n' ? 'n' : *at);
            at++;
        }
    }
}

/* One line: name and suffix, labels, one more label (extra NULL: none), and a blank. */
typedef struct line {
    const tp_reading *reading;
    uint32_t index;
    const char *suffix;
    const char *extra;
    const char *value;
} line;

static void begin_line(tp_strbuf *out, const line *what) {
    tp_series_view sample = tp_reading_at(what->reading, what->index);
    char mark = '{';
    tp_strbuf_puts(out, sample.name);
    tp_strbuf_puts(out, what->suffix);
    for (uint32_t i = 0; i < sample.label_count; i++) {
        tp_label label = tp_reading_label(what->reading, what->index, i);
        tp_strbuf_putc(out, mark);
        tp_strbuf_puts(out, label.name);
        tp_strbuf_puts(out, "=\"");
        put_escaped(out, label.value, true);
        tp_strbuf_putc(out, '"');
        mark = ',';
    }
    if (what->extra != NULL) {
        tp_strbuf_putc(out, mark);
        tp_strbuf_puts(out, what->extra);
        tp_strbuf_puts(out, "=\"");
        tp_strbuf_puts(out, what->value);
        tp_strbuf_putc(out, '"');
        mark = ',';
    }
    tp_strbuf_puts(out, mark == ',' ? "} " : " ");
}

static void put_line(tp_strbuf *out, const line *what, uint64_t value) {
    begin_line(out, what);
    tp_strbuf_putu(out, value);
    tp_strbuf_putc(out, '\n');
}

static void put_sum_and_count(tp_strbuf *out, const tp_reading *reading, uint32_t index) {
    tp_series_view sample = tp_reading_at(reading, index);
    begin_line(out, &(line){reading, index, "_sum", NULL, NULL});
    put_seconds(out, sample.sum);
    tp_strbuf_putc(out, '\n');
    put_line(out, &(line){reading, index, "_count", NULL, NULL}, sample.count);
}

static void put_buckets(tp_strbuf *out, const tp_reading *reading, uint32_t index) {
    tp_series_view sample = tp_reading_at(reading, index);
    uint64_t passed = 0;
    uint32_t at = 0;
    for (uint32_t octave = OCTAVE_FIRST; octave <= OCTAVE_LAST; octave++) {
        uint32_t last = (octave - OCTAVE_FIRST) * 32;
        while (at < sample.entry_count && tp_packed_bucket(sample.entries[at]) <= last) {
            passed += tp_packed_count_of(sample.entries[at++]);
        }
        const char *bound = bounds[octave - OCTAVE_FIRST];
        put_line(out, &(line){reading, index, "_bucket", "le", bound}, passed);
    }
    put_line(out, &(line){reading, index, "_bucket", "le", "+Inf"}, sample.count);
    put_sum_and_count(out, reading, index);
}

static void put_quantiles(tp_strbuf *out, const tp_reading *reading, uint32_t index) {
    tp_series_view sample = tp_reading_at(reading, index);
    for (size_t i = 0; i < QUANTILES; i++) {
        begin_line(out, &(line){reading, index, "", "quantile", quantile_labels[i]});
        if (sample.count == 0) {
            tp_strbuf_puts(out, "NaN");
        } else {
            put_seconds(out, tp_packed_quantile(sample.entries, sample.entry_count, sample.max,
                                                quantiles[i]));
        }
        tp_strbuf_putc(out, '\n');
    }
    put_sum_and_count(out, reading, index);
}

static void put_sample(tp_strbuf *out, const tp_reading *reading, uint32_t index,
                       tp_exposition_format format) {
    tp_series_view sample = tp_reading_at(reading, index);
    if (sample.type == TP_SERIES_HISTOGRAM) {
        if (format == TP_EXPOSITION_SUMMARY) {
            put_quantiles(out, reading, index);
        } else {
            put_buckets(out, reading, index);
        }
    } else if (sample.type == TP_SERIES_COUNTER) {
        put_line(out, &(line){reading, index, "", NULL, NULL}, sample.count);
    } else {
        begin_line(out, &(line){reading, index, "", NULL, NULL});
        put_number(out, sample.value);
        tp_strbuf_putc(out, '\n');
    }
}

/* OpenMetrics names a family of counters without its _total, and wants its unit said. */
static void put_head(tp_strbuf *out, const tp_series_view *sample, tp_exposition_format format) {
    bool open = format == TP_EXPOSITION_OPENMETRICS;
    size_t length = strlen(sample->name);
    if (open && sample->type == TP_SERIES_COUNTER) {
        length -= strlen("_total");
    }
    const char *type = sample->type == TP_SERIES_HISTOGRAM && format == TP_EXPOSITION_SUMMARY
                           ? "summary"
                           : tp_series_type_name(sample->type);
    tp_strbuf_puts(out, "# HELP ");
    tp_strbuf_add(out, sample->name, length);
    tp_strbuf_putc(out, ' ');
    put_escaped(out, sample->help, open);
    tp_strbuf_puts(out, "\n# TYPE ");
    tp_strbuf_add(out, sample->name, length);
    tp_strbuf_putc(out, ' ');
    tp_strbuf_puts(out, type);
    tp_strbuf_putc(out, '\n');
    if (open && sample->type == TP_SERIES_HISTOGRAM) {
        tp_strbuf_puts(out, "# UNIT ");
        tp_strbuf_add(out, sample->name, length);
        tp_strbuf_puts(out, " seconds\n");
    }
}

static void json_histogram(tp_strbuf *out, const tp_series_view *sample) {
    tp_json_uint(out, "count", sample->count);
    tp_json_double(out, "sum", (double)sample->sum / NS_PER_SECOND);
    tp_json_double(out, "max", (double)sample->max / NS_PER_SECOND);
    for (size_t i = 0; i < QUANTILES; i++) {
        uint64_t ns =
            tp_packed_quantile(sample->entries, sample->entry_count, sample->max, quantiles[i]);
        if (sample->count == 0) {
            tp_json_null(out, quantile_names[i]);
        } else {
            tp_json_double(out, quantile_names[i], (double)ns / NS_PER_SECOND);
        }
    }
    tp_json_uint(out, "encoding", TP_PACKED_VERSION);
    tp_strbuf_puts(out, ",\"packed\":\"");
    tp_packed_print(sample->entries, sample->entry_count, out);
    tp_strbuf_putc(out, '"');
}

static void json_sample(tp_strbuf *out, const tp_reading *reading, uint32_t index) {
    tp_series_view sample = tp_reading_at(reading, index);
    tp_json_open(out, NULL, '{');
    tp_json_open(out, "labels", '{');
    for (uint32_t i = 0; i < sample.label_count; i++) {
        tp_label label = tp_reading_label(reading, index, i);
        tp_json_text(out, label.name, label.value);
    }
    tp_json_close(out, '}');
    if (sample.type == TP_SERIES_HISTOGRAM) {
        json_histogram(out, &sample);
    } else if (sample.type == TP_SERIES_COUNTER) {
        tp_json_uint(out, "value", sample.count);
    } else {
        tp_json_double(out, "value", sample.value);
    }
    tp_json_close(out, '}');
}

static void write_json(const tp_reading *reading, tp_strbuf *out) {
    bool first = false;
    bool inside = false;
    tp_json_open(out, NULL, '[');
    for (uint32_t i = UINT32_MAX; tp_reading_next(reading, &i, &first);) {
        if (first) {
            tp_series_view sample = tp_reading_at(reading, i);
            tp_strbuf_puts(out, inside ? "]}" : "");
            tp_json_open(out, NULL, '{');
            tp_json_text(out, "name", sample.name);
            tp_json_text(out, "type", tp_series_type_name(sample.type));
            tp_json_text(out, "help", sample.help);
            tp_json_open(out, "series", '[');
            inside = true;
        }
        json_sample(out, reading, i);
    }
    tp_strbuf_puts(out, inside ? "]}" : "");
    tp_json_close(out, ']');
}

void tp_exposition_write(const tp_reading *reading, tp_exposition_format format, tp_strbuf *out) {
    bool first = false;
    if (format == TP_EXPOSITION_JSON) {
        write_json(reading, out);
        return;
    }
    for (uint32_t i = UINT32_MAX; tp_reading_next(reading, &i, &first);) {
        if (first) {
            tp_series_view sample = tp_reading_at(reading, i);
            put_head(out, &sample, format);
        }
        put_sample(out, reading, i, format);
    }
    if (format == TP_EXPOSITION_OPENMETRICS) {
        tp_strbuf_puts(out, "# EOF\n");
    }
}
