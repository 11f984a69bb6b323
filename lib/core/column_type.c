/* Follows the input functions of PostgreSQL where all versions from 15 on agree; where they do not
 * (0x1F, 1_000) or where this library's limits end, the answer is "undecided". */
#include "core/column_type.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

#define REAL_TEXT_MAX 1000u

static tp_coercion read_integer(const tp_column_type *type, tp_value value, tp_datum *out) {
    bool overflow;
    tp_decimal_parse parse =
        tp_decimal_read_integer(value.data, value.length, &out->integer, &overflow);
    if (parse != TP_DECIMAL_OK) {
        return parse == TP_DECIMAL_BEYOND ? TP_COERCION_UNDECIDED : TP_COERCION_REFUSED;
    }
    out->kind = TP_DATUM_INTEGER;
    int64_t low = type->width == 2 ? INT16_MIN : type->width == 4 ? INT32_MIN : INT64_MIN;
    int64_t high = -(low + 1);
    return out->integer >= low && out->integer <= high ? TP_COERCION_OK : TP_COERCION_REFUSED;
}

static tp_coercion read_numeric(const tp_column_type *type, tp_value value, tp_datum *out) {
    tp_decimal_parse parse = tp_decimal_read(value.data, value.length, &out->decimal);
    if (parse != TP_DECIMAL_OK) {
        return parse == TP_DECIMAL_BEYOND ? TP_COERCION_UNDECIDED : TP_COERCION_REFUSED;
    }
    out->kind = TP_DATUM_DECIMAL;
    if (type->precision == 0) {
        return TP_COERCION_OK;
    }
    tp_decimal_round(&out->decimal, type->scale);
    return out->decimal.kind == TP_DECIMAL_NAN ||
                   (out->decimal.kind == TP_DECIMAL_FINITE &&
                    tp_decimal_fits(&out->decimal, type->precision - type->scale))
               ? TP_COERCION_OK
               : TP_COERCION_REFUSED;
}

/* Letters that a double may be written with: hexadecimal floats and the like are left out. */
static bool looks_real(const char *text, size_t length) {
    static const char words[] = "+-.0123456789eEnNaAiIfFtTyY \t\n\v\f\r";
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0' || strchr(words, text[i]) == NULL) {
            return false;
        }
    }
    return length > 0;
}

/* strtod() reads the point of the process's locale, so a text with a point goes through decimal
 * digits in a form that needs none: 1.5e3 as 15e2. */
static void pointless(const tp_decimal *number, char *out) {
    size_t at = 0;
    if (number->negative) {
        out[at++] = '-';
    }
    if (number->count == 0) {
        out[at++] = '0';
    }
    for (uint32_t i = 0; i < number->count; i++) {
        out[at++] = (char)('0' + number->digits[i]);
    }
    int32_t exponent = number->point - (int32_t)number->count;
    if (number->count > 0 && exponent != 0) {
        out[at++] = 'e';
        if (exponent < 0) {
            out[at++] = '-';
        }
        uint32_t left = (uint32_t)(exponent < 0 ? -exponent : exponent);
        for (uint32_t unit = 1000; unit > 0; unit /= 10) {
            out[at++] = (char)('0' + left / unit % 10);
        }
    }
    out[at] = '\0';
}

static tp_coercion read_real(tp_value value, tp_datum *out) {
    if (!looks_real(value.data, value.length) || value.length > REAL_TEXT_MAX) {
        return TP_COERCION_REFUSED;
    }
    if (tp_decimal_read(value.data, value.length, &out->decimal) != TP_DECIMAL_OK) {
        return TP_COERCION_REFUSED;
    }
    out->kind = TP_DATUM_REAL;
    if (out->decimal.kind == TP_DECIMAL_NAN) {
        out->real = (double)NAN;
    } else if (out->decimal.kind == TP_DECIMAL_INFINITE) {
        out->real = out->decimal.negative ? -(double)INFINITY : (double)INFINITY;
    } else {
        char text[TP_DECIMAL_DIGITS_MAX + 16];
        pointless(&out->decimal, text);
        out->real = strtod(text, NULL);
    }
    return TP_COERCION_OK;
}

/* The place behind the first so many characters. */
static uint32_t bytes_of(tp_value text, uint32_t characters) {
    size_t at = 0;
    while (characters-- > 0) {
        tp_utf8_next(text.data, text.length, &at);
    }
    return (uint32_t)at;
}

static tp_coercion cut_blanks(const tp_column_type *type, tp_datum *out) {
    uint32_t keep = bytes_of(out->text, type->max_characters);
    for (uint32_t at = keep; at < out->text.length; at++) {
        if (out->text.data[at] != ' ') {
            return TP_COERCION_REFUSED;
        }
    }
    out->text.length = keep;
    out->characters = type->max_characters;
    return TP_COERCION_OK;
}

static tp_coercion read_text(const tp_column_type *type, tp_value value, tp_datum *out) {
    size_t characters;
    if (!tp_utf8_check(value.data, value.length, &characters)) {
        return TP_COERCION_REFUSED;
    }
    out->kind = TP_DATUM_TEXT;
    out->characters = characters;
    return type->max_characters > 0 && characters > type->max_characters ? cut_blanks(type, out)
                                                                         : TP_COERCION_OK;
}

tp_coercion tp_column_type_read(const tp_column_type *type, tp_value value, tp_datum *out) {
    out->text = value;
    if (value.data == NULL) {
        out->kind = TP_DATUM_NULL;
        return TP_COERCION_OK;
    }
    switch (type->kind) {
    case TP_TYPE_INTEGER:
        return read_integer(type, value, out);
    case TP_TYPE_NUMERIC:
        return read_numeric(type, value, out);
    case TP_TYPE_REAL:
        return read_real(value, out);
    case TP_TYPE_ENUM:
        out->kind = TP_DATUM_OPAQUE;
        return tp_wordset_has(type->labels, value.data, value.length) ? TP_COERCION_OK
                                                                      : TP_COERCION_REFUSED;
    case TP_TYPE_OPAQUE:
        out->kind = TP_DATUM_OPAQUE;
        return TP_COERCION_OK;
    default:
        return read_text(type, value, out);
    }
}

static const tp_decimal *as_decimal(const tp_datum *datum, tp_decimal *space) {
    if (datum->kind == TP_DATUM_DECIMAL) {
        return &datum->decimal;
    }
    tp_decimal_from_integer(space, datum->integer);
    return space;
}

int tp_datum_compare_numbers(const tp_datum *a, const tp_datum *b) {
    if (a->kind == TP_DATUM_INTEGER && b->kind == TP_DATUM_INTEGER) {
        return (a->integer > b->integer) - (a->integer < b->integer);
    }
    if (a->kind == TP_DATUM_REAL) {
        return (a->real > b->real) - (a->real < b->real);
    }
    tp_decimal space_a;
    tp_decimal space_b;
    return tp_decimal_compare(as_decimal(a, &space_a), as_decimal(b, &space_b));
}

int tp_datum_compare_texts(const tp_datum *a, const tp_datum *b) {
    uint32_t common = a->text.length < b->text.length ? a->text.length : b->text.length;
    int order = common == 0 ? 0 : memcmp(a->text.data, b->text.data, common);
    return order != 0 ? order
                      : (a->text.length > b->text.length) - (a->text.length < b->text.length);
}

size_t tp_datum_print_real(double number, char *out, size_t size) {
    snprintf(out, size, "%.17g", number);
    char *comma = strchr(out, ',');
    if (comma != NULL) {
        *comma = '.';
    }
    return strlen(out);
}
