/* Charts as inline SVG.
 *
 * Nothing is laid out by a script, so everything that must fit the width is given in percent: bars
 * as such, lines in an inner drawing that is stretched while their strokes keep their width. Labels
 * keep the size of the page's text, on a phone as on paper. Colours are the style sheet's; lines
 * differ in their dashes too. Each chart has a title for readers of the screen, and the table
 * behind it holds the figures. */
#include "report_chart.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "html.h"

enum { ROW = 44, HEIGHT = 170, PLOT = 130 };

double chart_time(const char *text) {
    struct tm when;
    memset(&when, 0, sizeof when);
    const char *rest = text == NULL ? NULL : strptime(text, "%Y-%m-%dT%H:%M:%S", &when);
    if (rest == NULL) {
        return (double)NAN;
    }
    rest += strspn(rest, ".0123456789");
    int hours = 0;
    int minutes = 0;
    if (*rest == '+' || *rest == '-') {
        sscanf(rest + 1, "%2d:%2d", &hours, &minutes);
    }
    double offset = (hours * 60.0 + minutes) * 60;
    return (double)timegm(&when) - (*rest == '-' ? -offset : offset);
}

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
        fprintf(out, "<text x=\"0\" y=\"%d\">", y + 14);
        html_text(out, bars[i].label);
        fprintf(out, "</text><text class=\"v\" x=\"100%%\" y=\"%d\">", y + 14);
        how(out, bars[i].value);
        fprintf(out,
                "</text><rect class=\"track\" y=\"%d\" width=\"100%%\" height=\"12\" rx=\"3\"/>"
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
} lines[] = {{"p50_ms", "p50"}, {"p95_ms", "p95"}, {"p99_ms", "p99"}};

static double highest(const json_t *const *rows, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++) {
            most = fmax(most, json_number_value(json_object_get(rows[i], lines[k].member)));
        }
    }
    return most;
}

/* A line breaks where an hour was not measured; a single hour is a dot. */
static void put_line(FILE *out, size_t which, const json_t *const *rows, size_t count, double since,
                     double until, double most) {
    double before = (double)NAN;
    fprintf(out, "<path class=\"line %s\" d=\"", lines[which].class);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(rows[i], lines[which].member);
        double at = chart_time(html_string(rows[i], "at"));
        if (!json_is_number(value) || isnan(at)) {
            before = (double)NAN;
            continue;
        }
        double x = until > since ? (at - since) / (until - since) * 1000 : 0;
        double y = most > 0 ? 100 - json_number_value(value) / most * 100 : 100;
        bool joins = at - before < 5400;
        fprintf(out, "%s%.2f %.2f%s", joins ? "L" : "M", x, y, joins ? "" : "h0");
        before = at;
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

void chart_lines(FILE *out, const char *id, const char *title, const json_t *const *rows,
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
