/* A number is a string of digits and a place for the point, so that comparing two is comparing
 * points, then bytes: no arithmetic, no rounding, and 1.0 equals 1.00. Halves go away from zero,
 * and NaN equals itself and sorts above everything, because that is what PostgreSQL's numeric does.
 */
#include "core/decimal.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* Takes blanks off both ends. */
static void trim(const char **text, size_t *length) {
    while (*length > 0 && is_blank(**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && is_blank((*text)[*length - 1])) {
        (*length)--;
    }
}

static bool take_sign(const char **text, size_t *length) {
    bool negative = *length > 0 && **text == '-';
    if (*length > 0 && (negative || **text == '+')) {
        (*text)++;
        (*length)--;
    }
    return negative;
}

static bool is_word(const char *text, size_t length, const char *word) {
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

/* Newer servers also take 0x1F, 0o17, 0b11 and 1_000; older ones refuse them. */
static tp_decimal_parse not_decimal(const char *text, size_t length) {
    if (length == 0 || !(is_digit(text[0]) || text[0] == '.')) {
        return TP_DECIMAL_MALFORMED;
    }
    if (length > 2 && text[0] == '0' && strchr("xXoObB", text[1]) != NULL) {
        return TP_DECIMAL_BEYOND;
    }
    return memchr(text, '_', length) != NULL ? TP_DECIMAL_BEYOND : TP_DECIMAL_MALFORMED;
}

typedef struct scan {
    const char *text;
    size_t length;
    size_t at;
    bool any;    /* a digit was seen */
    bool beyond; /* more digits than fit */
} scan;

/* Digits before or after the point; leading zeros are no digits of the number, but move it. */
static void take_digits(scan *in, tp_decimal *out, bool after_point) {
    for (; in->at < in->length && is_digit(in->text[in->at]); in->at++) {
        unsigned char digit = (unsigned char)(in->text[in->at] - '0');
        in->any = true;
        if (out->count == 0 && digit == 0) {
            out->point -= after_point;
            continue;
        }
        out->point += !after_point;
        if (out->count < TP_DECIMAL_DIGITS_MAX) {
            out->digits[out->count++] = digit;
        } else {
            in->beyond = true;
        }
    }
}

static bool take_exponent(scan *in, tp_decimal *out) {
    if (in->at == in->length || (in->text[in->at] != 'e' && in->text[in->at] != 'E')) {
        return true;
    }
    in->at++;
    bool negative = in->at < in->length && in->text[in->at] == '-';
    in->at += in->at < in->length && (negative || in->text[in->at] == '+');
    int32_t exponent = 0;
    size_t start = in->at;
    for (; in->at < in->length && is_digit(in->text[in->at]); in->at++) {
        exponent = exponent > TP_DECIMAL_EXPONENT_MAX ? exponent
                                                      : exponent * 10 + (in->text[in->at] - '0');
    }
    in->beyond = in->beyond || exponent > TP_DECIMAL_EXPONENT_MAX;
    out->point += negative ? -exponent : exponent;
    return in->at > start;
}

static void normalize(tp_decimal *number) {
    while (number->count > 0 && number->digits[number->count - 1] == 0) {
        number->count--;
    }
    if (number->count == 0) {
        number->point = 0;
        number->negative = false;
    }
}

static tp_decimal_parse read_finite(const char *text, size_t length, tp_decimal *out) {
    scan in = {text, length, 0, false, false};
    out->kind = TP_DECIMAL_FINITE;
    out->point = 0;
    out->count = 0;
    take_digits(&in, out, false);
    if (in.at < in.length && in.text[in.at] == '.') {
        in.at++;
        take_digits(&in, out, true);
    }
    if (!in.any || !take_exponent(&in, out) || in.at < in.length) {
        return not_decimal(text, length);
    }
    bool far = out->point > TP_DECIMAL_EXPONENT_MAX || out->point < -TP_DECIMAL_EXPONENT_MAX;
    if (in.beyond || far || length > TP_DECIMAL_EXPONENT_MAX) {
        return TP_DECIMAL_BEYOND;
    }
    normalize(out);
    return TP_DECIMAL_OK;
}

tp_decimal_parse tp_decimal_read(const char *text, size_t length, tp_decimal *out) {
    tp_decimal read;
    trim(&text, &length);
    if (is_word(text, length, "nan")) {
        read.kind = TP_DECIMAL_NAN;
    } else {
        read.negative = take_sign(&text, &length);
        if (is_word(text, length, "infinity") || is_word(text, length, "inf")) {
            read.kind = TP_DECIMAL_INFINITE;
        } else {
            tp_decimal_parse parse = read_finite(text, length, &read);
            if (parse != TP_DECIMAL_OK) {
                return parse;
            }
        }
    }
    out->kind = read.kind;
    out->negative = read.kind != TP_DECIMAL_NAN && read.negative;
    out->point = read.kind == TP_DECIMAL_FINITE ? read.point : 0;
    out->count = read.kind == TP_DECIMAL_FINITE ? read.count : 0;
    memcpy(out->digits, read.digits, out->count);
    return TP_DECIMAL_OK;
}

tp_decimal_parse tp_decimal_read_integer(const char *text, size_t length, int64_t *out,
                                         bool *overflow) {
    *overflow = false;
    trim(&text, &length);
    bool negative = take_sign(&text, &length);
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i])) {
            return not_decimal(text, length);
        }
        uint64_t digit = (uint64_t)(text[i] - '0');
        *overflow = *overflow || number > (limit - digit) / 10;
        number = *overflow ? 0 : number * 10 + digit;
    }
    if (length == 0 || *overflow) {
        return TP_DECIMAL_MALFORMED;
    }
    *out = negative ? (int64_t)(0 - number) : (int64_t)number;
    return TP_DECIMAL_OK;
}

void tp_decimal_from_integer(tp_decimal *out, int64_t number) {
    unsigned char reversed[20];
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint32_t count = 0;
    for (; left > 0; left /= 10) {
        reversed[count++] = (unsigned char)(left % 10);
    }
    out->kind = TP_DECIMAL_FINITE;
    out->negative = number < 0;
    out->point = (int32_t)count;
    out->count = count;
    for (uint32_t i = 0; i < count; i++) {
        out->digits[i] = reversed[count - 1 - i];
    }
    normalize(out);
}

static int compare_sizes(const tp_decimal *a, const tp_decimal *b) {
    if (a->count == 0 || b->count == 0) {
        return (a->count > 0) - (b->count > 0);
    }
    if (a->point != b->point) {
        return a->point > b->point ? 1 : -1;
    }
    uint32_t common = a->count < b->count ? a->count : b->count;
    int order = memcmp(a->digits, b->digits, common);
    return order != 0 ? order : (a->count > b->count) - (a->count < b->count);
}

/* Classes from below: -infinity, finite, infinity, NaN. */
static int class_of(const tp_decimal *number) {
    return number->kind == TP_DECIMAL_NAN      ? 2
           : number->kind == TP_DECIMAL_FINITE ? 0
           : number->negative                  ? -1
                                               : 1;
}

int tp_decimal_compare(const tp_decimal *a, const tp_decimal *b) {
    int class_a = class_of(a);
    int class_b = class_of(b);
    if (class_a != class_b || class_a != 0) {
        return class_a - class_b;
    }
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    int order = compare_sizes(a, b);
    return a->negative ? -order : order;
}

/* Adds one to the last digit that was kept. */
static void carry(tp_decimal *number) {
    while (number->count > 0 && number->digits[number->count - 1] == 9) {
        number->count--;
    }
    if (number->count > 0) {
        number->digits[number->count - 1]++;
        return;
    }
    number->digits[number->count++] = 1;
    number->point++;
}

void tp_decimal_round(tp_decimal *number, int32_t scale) {
    if (number->kind != TP_DECIMAL_FINITE) {
        return;
    }
    int64_t kept = (int64_t)number->point + scale;
    if (kept >= (int64_t)number->count) {
        return;
    }
    bool up = kept >= 0 && number->digits[kept] >= 5;
    number->count = kept > 0 ? (uint32_t)kept : 0;
    if (up && kept == 0) {
        /* Nothing is kept of it but the unit of the last place. */
        number->digits[number->count++] = 1;
        number->point++;
    } else if (up) {
        carry(number);
    }
    normalize(number);
}

bool tp_decimal_fits(const tp_decimal *number, int32_t before_point) {
    return number->count == 0 || number->point <= before_point;
}
