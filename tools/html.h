/* Writing HTML: text that cannot become markup, cells that keep their exact figure. */
#ifndef TRIGPERF_TOOL_HTML_H
#define TRIGPERF_TOOL_HTML_H

#include <jansson.h>
#include <stdio.h>

/* Text or an attribute's value. */
void html_text(FILE *out, const char *text);

/* Text of an element that may break behind '.', '_' and '/', as long names do. */
void html_name(FILE *out, const char *text);

/* A member that is a string; "" when it is none. */
const char *html_string(const json_t *object, const char *name);

/* A figure for people, such as 1,234 or 0.123; nothing for what is no number. */
void html_figure(FILE *out, const json_t *number, double factor);

/* A table cell: <td>, with the exact value of a number in data-value; null is a dash that readers
 * of the screen hear as "not measured". factor: what the shown figure is multiplied by. */
void html_cell(FILE *out, const json_t *value, double factor);

/* A length of time, its unit chosen by its size. */
void html_duration(FILE *out, double ms);

#endif
