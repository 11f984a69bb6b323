/* Writing HTML. Everything that comes from the database passes through put_byte(): what could be
 * markup becomes an entity, control characters that HTML forbids become U+FFFD. */
#include "html.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* From so many bytes on a text may break anywhere, and does not decide a column's width. */
enum { LONG_TEXT = 24 };

static void put_byte(FILE *out, char byte) {
    bool forbidden = byte == 0x7F || ((unsigned char)byte < ' ' && byte != '\n' && byte != '\t');
    switch (byte) {
    case '&':
        fputs("&amp;", out);
        break;
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    case '\'':
        fputs("&#39;", out);
        break;
    default:
        if (forbidden) {
            fputs("\xEF\xBF\xBD", out);
        } else {
            putc(byte, out);
        }
    }
}

void html_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        put_byte(out, *text);
    }
}

void html_name(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        put_byte(out, *text);
        if (strchr("._/", *text) != NULL) {
            fputs("<wbr>", out);
        }
    }
}

const char *html_string(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* Digits in groups of three. */
static void put_grouped(FILE *out, const char *digits) {
    size_t whole = strcspn(digits, ".");
    for (size_t i = 0; digits[i] != '\0'; i++) {
        bool inside = i > 0 && i < whole && digits[i - 1] != '-';
        if (inside && (whole - i) % 3 == 0) {
            putc(',', out);
        }
        putc(digits[i], out);
    }
}

static void put_number(FILE *out, double number) {
    char text[64];
    double size = fabs(number);
    bool whole = number == floor(number) && size < 1e15;
    int places = whole || size >= 1000 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4;
    snprintf(text, sizeof text, "%.*f", places, number);
    put_grouped(out, text);
}

void html_figure(FILE *out, const json_t *number, double factor) {
    if (json_is_number(number)) {
        put_number(out, json_number_value(number) * factor);
    }
}

void html_duration(FILE *out, double ms) {
    double size = fabs(ms);
    if (size >= 60000) {
        put_number(out, round(ms / 60000));
        fputs(" min", out);
    } else if (size >= 1000) {
        put_number(out, round(ms / 10) / 100);
        fputs(" s", out);
    } else if (size >= 1 || size == 0) {
        put_number(out, round(ms * 100) / 100);
        fputs(" ms", out);
    } else {
        put_number(out, round(ms * 100000) / 100);
        fputs(" \xC2\xB5s", out);
    }
}

void html_cell(FILE *out, const json_t *value, double factor) {
    if (json_is_number(value)) {
        fprintf(out, "<td class=\"n\" data-value=\"%.17g\">", json_number_value(value));
        put_number(out, json_number_value(value) * factor);
    } else if (json_is_string(value)) {
        fputs(strlen(json_string_value(value)) > LONG_TEXT ? "<td class=\"text\">" : "<td>", out);
        html_name(out, json_string_value(value));
    } else if (json_is_boolean(value)) {
        fprintf(out, "<td>%s", json_is_true(value) ? "yes" : "no");
    } else {
        fputs("<td class=\"n none\"><span aria-hidden=\"true\">\xE2\x80\x93</span>"
              "<span class=\"vh\">not measured</span>",
              out);
    }
    fputs("</td>", out);
}
