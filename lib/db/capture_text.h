/* Fragments that the bodies of capture functions are made of. */
#ifndef TP_DB_CAPTURE_TEXT_H
#define TP_DB_CAPTURE_TEXT_H

#include "db/capture.h"

/* The key's value in its outbox type: alias."column"::bigint, alias.tp_e1 for an expression. */
void tp_capture_value(const tp_capture *capture, uint32_t key, const char *alias, tp_strbuf *out);
/* An expression key, parenthesized, as text. */
void tp_capture_expression(const tp_capture *capture, uint32_t key, tp_strbuf *out);
/* How many keys stand in the outbox column of that letter (i, u, t). */
uint32_t tp_capture_keys_in(const tp_capture *capture, char letter);
bool tp_capture_has_expressions(const tp_capture *capture);
/* Whether a column is among the keys. */
bool tp_capture_is_key(const tp_capture *capture, const char *column);
/* Whether a key with the same column stands before this one. */
bool tp_capture_listed_before(const tp_capture *capture, uint32_t key);
/* Whether keys name the whole identity: then no two rows of a statement have the same key tuple. */
bool tp_capture_is_unique(const tp_capture *capture);

/* Whether an expression may mention a column: its name occurs in it, in whatever case. Names that
 * quoting changes count as mentioned. */
bool tp_capture_mentions(const char *expression, const char *column);

/* Declares tp_i, tp_u, tp_t: the arrays of an outbox row, those that the table's keys need. */
void tp_capture_arrays(const tp_capture *capture, tp_strbuf *out);
/* The names of these, and what was put before each: "prefix tp_i, prefix tp_t". */
void tp_capture_array_names(const tp_capture *capture, const char *prefix, tp_strbuf *out);

/* What tells the part of the outbox that the transaction writes to: the last 19 bits of its id, of
 * which the first two are the number of the part. They are compared as they are, since each
 * function more is prepared anew by each transaction. */
#define TP_CAPTURE_SLOT "pg_catalog.txid_current() OPERATOR(pg_catalog.&) 524287"
/* What else tp_slot says, by numbers that are no transaction's. */
#define TP_CAPTURE_SLOT_END "524288"
#define TP_CAPTURE_SLOT_SAME "524289"
#define TP_CAPTURE_SLOT_SEVERAL "524290"
#define TP_CAPTURE_SLOT_NOTHING "524291"

/* tp_slot := those bits. Done last, when there is a row of key tuples to write; while tp_slot is
 * NULL a coarse row is written. */
void tp_capture_slot(const char *indent, tp_strbuf *out);
/* Writes the row of tp_slot, or a coarse one: tp_op is I, D, T, B or E; NULL stands for U. */
void tp_capture_write(const tp_capture *capture, tp_strbuf *out);

#endif
