/* Exact decimal numbers, as PostgreSQL's numeric has them: read from text, rounded, compared. */
#ifndef TP_CORE_DECIMAL_H
#define TP_CORE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TP_DECIMAL_DIGITS_MAX 256u
#define TP_DECIMAL_EXPONENT_MAX 1000

typedef enum tp_decimal_kind {
    TP_DECIMAL_FINITE,
    TP_DECIMAL_INFINITE,
    TP_DECIMAL_NAN /* equal to itself, and above everything else */
} tp_decimal_kind;

/* 0.d1 d2 d3 .. times ten to the power of point; the first and the last digit are not zero; zero
 * has no digits. */
typedef struct tp_decimal {
    tp_decimal_kind kind;
    bool negative;
    int32_t point;
    uint32_t count;
    unsigned char digits[TP_DECIMAL_DIGITS_MAX];
} tp_decimal;

typedef enum tp_decimal_parse {
    TP_DECIMAL_OK,
    TP_DECIMAL_MALFORMED, /* no number */
    TP_DECIMAL_BEYOND     /* perhaps a number, but longer than this can hold, or written in a way
                             that not every server version takes (0x1F, 1_000) */
} tp_decimal_parse;

/* [blanks] [sign] digits [. digits] [e exponent] [blanks]; NaN, Infinity, inf in any case. out is
 * written only on TP_DECIMAL_OK. */
tp_decimal_parse tp_decimal_read(const char *text, size_t length, tp_decimal *out);
/* [blanks] [sign] digits [blanks], within 64 bits; MALFORMED for other numbers as well, and
 * *overflow says whether it was a whole number all the same. */
tp_decimal_parse tp_decimal_read_integer(const char *text, size_t length, int64_t *out,
                                         bool *overflow);
void tp_decimal_from_integer(tp_decimal *out, int64_t number);

/* Below 0, 0, above 0; NaN as in PostgreSQL. */
int tp_decimal_compare(const tp_decimal *a, const tp_decimal *b);

/* To so many digits after the point (below 0: before it), halves away from zero. */
void tp_decimal_round(tp_decimal *number, int32_t scale);
/* Whether a finite number has at most so many digits before the point (below 0: is at least so
 * small). */
bool tp_decimal_fits(const tp_decimal *number, int32_t before_point);

#endif
