/* What a column takes: from the text of a value to a datum that can be compared. */
#ifndef TP_CORE_COLUMN_TYPE_H
#define TP_CORE_COLUMN_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/change.h"
#include "core/decimal.h"
#include "core/wordset.h"

typedef enum tp_type_kind {
    TP_TYPE_TEXT,    /* valid UTF-8 without zero bytes, of at most max_characters */
    TP_TYPE_INTEGER, /* whole numbers of width bytes */
    TP_TYPE_NUMERIC, /* exact decimals; rounded to scale when precision is not 0 */
    TP_TYPE_REAL,    /* doubles */
    TP_TYPE_ENUM,    /* one of labels, bytewise */
    TP_TYPE_OPAQUE   /* anything: only whether it is NULL is known */
} tp_type_kind;

typedef struct tp_column_type {
    tp_type_kind kind;
    uint32_t width;           /* INTEGER: 2, 4 or 8 */
    int32_t precision;        /* NUMERIC: digits, 0: any */
    int32_t scale;            /* of them after the point */
    uint32_t max_characters;  /* TEXT: 0: any. Blanks beyond it are cut off, as varchar does */
    const tp_wordset *labels; /* ENUM; borrowed */
} tp_column_type;

typedef enum tp_datum_kind {
    TP_DATUM_NULL,
    TP_DATUM_INTEGER,
    TP_DATUM_DECIMAL,
    TP_DATUM_REAL,
    TP_DATUM_TEXT,
    TP_DATUM_OPAQUE
} tp_datum_kind;

typedef struct tp_datum {
    tp_datum_kind kind;
    int64_t integer;
    double real;
    tp_value text; /* TEXT, and as given for the others */
    uint64_t characters;
    tp_decimal decimal;
} tp_datum;

typedef enum tp_coercion {
    TP_COERCION_OK,
    TP_COERCION_REFUSED,  /* the type does not take this text */
    TP_COERCION_UNDECIDED /* servers differ on it, or it is longer than this can judge */
} tp_coercion;

/* value.data NULL is SQL NULL. out is meaningful on TP_COERCION_OK alone, and borrows the text. */
tp_coercion tp_column_type_read(const tp_column_type *type, tp_value value, tp_datum *out);

/* Compares two numbers of any kinds but REAL, which compares with REAL only: below 0, 0, above 0.
 */
int tp_datum_compare_numbers(const tp_datum *a, const tp_datum *b);
/* Texts, bytewise. */
int tp_datum_compare_texts(const tp_datum *a, const tp_datum *b);

/* With 17 digits and a point, whatever the process's locale; returns the length. */
size_t tp_datum_print_real(double number, char *out, size_t size);

#endif
