/* Fragments that the bodies of capture functions are made of. */
#ifndef TP_DB_CAPTURE_TEXT_H
#define TP_DB_CAPTURE_TEXT_H

#include "db/capture.h"

typedef void (*tp_capture_each)(const tp_capture *capture, uint32_t key, const char *alias,
                                tp_strbuf *out);

/* One fragment for each key, separated by commas. */
void tp_capture_list(const tp_capture *capture, tp_capture_each each, const char *alias,
                     tp_strbuf *out);

/* The key's value in its outbox type: alias."column"::bigint. */
void tp_capture_value(const tp_capture *capture, uint32_t key, const char *alias, tp_strbuf *out);
/* What decides whether the key moved: the column as it is, or the rendered expression. */
void tp_capture_source(const tp_capture *capture, uint32_t key, const char *alias, tp_strbuf *out);
/* Variable of a key: alias, then its number. */
void tp_capture_variable(const tp_capture *capture, uint32_t key, const char *alias,
                         tp_strbuf *out);
/* An expression key, parenthesized, as text. */
void tp_capture_expression(const tp_capture *capture, uint32_t key, tp_strbuf *out);
/* Type of a key's outbox column without []. */
const char *tp_capture_type(const tp_capture_key *key);

bool tp_capture_has_expressions(const tp_capture *capture);
bool tp_capture_has_texts(const tp_capture *capture);
/* Whether a column is among the keys. */
bool tp_capture_is_key(const tp_capture *capture, const char *column);
/* Whether keys name the whole identity: then no two rows of a statement have the same key tuple. */
bool tp_capture_is_unique(const tp_capture *capture);

/* Whether an expression may mention a column: its name occurs in it, in whatever case. Names that
 * quoting changes count as mentioned. */
bool tp_capture_mentions(const char *expression, const char *column);

/* Conditions: the images of the keys, of the watched columns, of both differ. */
void tp_capture_keys_differ(const tp_capture *capture, const char *old, const char *new,
                            tp_strbuf *out);
void tp_capture_watch_differs(const tp_capture *capture, const char *old, const char *new,
                              tp_strbuf *out);
void tp_capture_any_differs(const tp_capture *capture, const char *old, const char *new,
                            tp_strbuf *out);

/* INSERT INTO trigperf.outbox: op and n as SQL, then for each key what each() writes. */
void tp_capture_insert(const tp_capture *capture, const char *op, const char *n,
                       tp_capture_each each, tp_strbuf *out);
/* The rows that tell of a TRUNCATE, of too many keys, or of a failure: op stands in tp_op. */
void tp_capture_insert_coarse(const tp_capture *capture, tp_strbuf *out);

#endif
