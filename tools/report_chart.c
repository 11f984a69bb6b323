/* Charts as inline SVG.
 *
 * Nothing is laid out by a script, so everything that must fit the width is given in percent: bars
 * as such, lines in an inner drawing that is stretched while their strokes keep their width. Labels
 * keep the size of the page's text, on a phone as on paper; a name that does not fit beside its
 * figure is cut, and whole in the table behind. Colours are the style sheet's; lines
 * differ in their dashes too. Each chart has a title for readers of the screen, and the table
 * behind it holds the figures. */
#include "report_chart.h"

#include <math.h>
#include <time.h>

#include "html.h"
#include "report_period.h"

enum { ROW = 44, HEIGHT = 170, PLOT = 130 };

static void begin(FILE *out, const char *id, const char *title, int height) {
    fprintf(out,
            "<svg id=\"%s\" class=\"chart\" role=\"img\" aria-labelledby=\"%s-t\" "
            "width=\"100%%\" height=\"%d\"><title id=\"%s-t\">",
            id, id, height, id);
    html_text(out, title);
    fputs("</title>\n", out);
}

void chart_bars(FILE *out, const char *id, const char *title, const chart_bar *bars, size_t count,
                void (*how)(FILE *out, double value)) {
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fmax(bars[i].value, bars[i].before));
    }
    begin(out, id, title, (int)count * ROW);
    for (size_t i = 0; i < count; i++) {
        int y = (int)i * ROW;
        double scale = most > 0 ? 100 / most : 0;
        fprintf(
            out,
            "<foreignObject y=\"%d\" width=\"100%%\" height=\"20\"><div class=\"head\" title=\"",
            y);
        html_text(out, bars[i].label);
        fputs("\"><span>", out);
        html_text(out, bars[i].label);
        fputs("</span><span>", out);
        how(out, bars[i].value);
        fprintf(out,
                "</span></div></foreignObject><rect class=\"track\" y=\"%d\" width=\"100%%\" "
                "height=\"12\" rx=\"3\"/>"
                "<rect class=\"bar\" y=\"%d\" width=\"%.3f%%\" height=\"12\" rx=\"3\"/>\n",
                y + 20, y + 20, bars[i].value * scale);
        if (bars[i].before >= 0) {
            fprintf(out, "<rect class=\"before\" y=\"%d\" width=\"%.3f%%\" height=\"4\"/>\n",
                    y + 34, bars[i].before * scale);
        }
    }
    fputs("</svg>\n", out);
}

/* --- lines -------------------------------------------------------------------------------------*/

static const struct {
    const char *member;
    const char *class;
    const char *label;
} lines[] = {{"p50_ms", "p50", "median"}, {"p95_ms", "p95", "95 %"}, {"p99_ms", "p99", "99 %"}};

static double highest(const json_t *const *rows, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++) {
            most = fmax(most, json_number_value(json_object_get(rows[i], lines[k].member)));
        }
    }
    return most;
}

static double hours_of(const json_t *row) {
    const json_t *hours = json_object_get(row, "hours");
    return json_is_number(hours) ? json_number_value(hours) : 1;
}

static double end_of(const json_t *row) {
    return report_time_of(row, "at") + 3600 * hours_of(row);
}

static bool has_percentiles(const json_t *row) {
    return json_is_number(json_object_get(row, lines[0].member));
}

/* A point stands in the middle of its hour or day. A line breaks where one was not measured; a
 * single one is a dot. */
static void put_line(FILE *out, size_t which, const json_t *const *rows, size_t count, double since,
                     double until, double most) {
    double before = (double)NAN;
    fprintf(out, "<path class=\"line %s\" d=\"", lines[which].class);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(rows[i], lines[which].member);
        double at = report_time_of(rows[i], "at");
        double end = end_of(rows[i]);
        if (!json_is_number(value) || isnan(at)) {
            before = (double)NAN;
            continue;
        }
        double middle = (at + fmin(end, until)) / 2;
        double x = until > since ? (middle - since) / (until - since) * 1000 : 0;
        double y = most > 0 ? 100 - json_number_value(value) / most * 100 : 100;
        bool joins = at - before < 1800;
        fprintf(out, "%s%.2f %.2f%s", joins ? "L" : "M", x, y, joins ? "" : "h0");
        before = end;
    }
    fputs("\"/>\n", out);
}

void chart_moment(FILE *out, double seconds) {
    char text[40];
    time_t when = (time_t)seconds;
    struct tm parts;
    if (gmtime_r(&when, &parts) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts) > 0) {
        fputs(text, out);
    }
}

void chart_time(FILE *out, const char *text) {
    fputs("<time datetime=\"", out);
    html_text(out, text);
    fputs("\">", out);
    chart_moment(out, report_time(text));
    fputs("</time>", out);
}

static void put_lines(FILE *out, const char *id, const char *title, const json_t *const *rows,
                      size_t count, double since, double until) {
    double most = highest(rows, count);
    begin(out, id, title, HEIGHT);
    for (int i = 0; i <= 2; i++) {
        int y = 12 + PLOT / 2 * i;
        fprintf(out, "<line class=\"grid\" x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>", y, y);
        fprintf(out, "<text class=\"axis\" x=\"2\" y=\"%d\">", y - 2);
        html_duration(out, most * (2 - i) / 2);
        fputs("</text>\n", out);
    }
    fprintf(out,
            "<svg y=\"12\" width=\"100%%\" height=\"%d\" viewBox=\"0 0 1000 100\" "
            "preserveAspectRatio=\"none\" overflow=\"visible\">\n",
            PLOT);
    for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++) {
        put_line(out, k, rows, count, since, until, most);
    }
    fprintf(out, "</svg><text class=\"axis\" x=\"2\" y=\"%d\">", HEIGHT - 10);
    chart_moment(out, since);
    fprintf(out, "</text><text class=\"axis v\" x=\"100%%\" y=\"%d\">", HEIGHT - 10);
    chart_moment(out, until);
    fputs("</text></svg>\n", out);
}

/* A line of one point would be an empty chart. */
static void put_one(FILE *out, const char *id, const char *title, const json_t *row) {
    chart_bar bars[sizeof lines / sizeof lines[0]];
    for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++) {
        double value = json_number_value(json_object_get(row, lines[k].member));
        bars[k] = (chart_bar){lines[k].label, value, -1};
    }
    fprintf(out, "<p class=\"dim one\">Sampled in one %s only, from ",
            hours_of(row) > 1 ? "day" : "hour");
    chart_moment(out, report_time_of(row, "at"));
    fputs(" on.</p>\n", out);
    chart_bars(out, id, title, bars, sizeof bars / sizeof bars[0], html_duration);
}

void chart_percentiles(FILE *out, const char *id, const char *title, const json_t *const *rows,
                       size_t count, double since, double until) {
    const json_t *only = NULL;
    size_t measured = 0;
    for (size_t i = 0; i < count; i++) {
        if (has_percentiles(rows[i])) {
            only = rows[i];
            measured++;
        }
    }
    if (measured == 1) {
        put_one(out, id, title, only);
    } else {
        put_lines(out, id, title, rows, count, since, until);
    }
}

void chart_span(const json_t *rows, double *since, double *until) {
    double first = *until;
    double last = *since;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (has_percentiles(row)) {
            first = fmin(first, report_time_of(row, "at"));
            last = fmax(last, end_of(row));
        }
    }
    if (first < last) {
        *since = fmax(*since, first);
        *until = fmin(*until, last);
    }
}
