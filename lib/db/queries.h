/* Queries of lib/db/sql/query_*.sql, embedded by embed_query.py. */
#ifndef TP_DB_QUERIES_H
#define TP_DB_QUERIES_H

extern const char tp_query_triggers[];
extern const char tp_query_advice_helpers[];
extern const char tp_query_advice_triggers[];
extern const char tp_query_advice_tables[];

#endif
