/* One finding: what is where, by which figures, why it matters, what to do. */
#ifndef TP_DB_ADVICE_FINDING_H
#define TP_DB_ADVICE_FINDING_H

#include "base/strbuf.h"
#include "db/advice_facts.h"

typedef struct tp_finding {
    const char *id;
    const char *severity; /* info, warning, critical */
    const tp_advice_table *table;
    const tp_advice_trigger *trigger; /* NULL: about the table */
    tp_strbuf message;                /* a sentence with the figures */
    tp_strbuf figures;                /* members of a JSON object */
    const char *why;
    const char *steps;    /* what to do where SQL is not all; NULL: nothing more */
    const char *with_sql; /* goes on behind the steps when there is SQL; NULL: nothing */
    const char *no_sql;   /* why there is none, where there is none */
    tp_strbuf sql;        /* statements; empty: there is none that could be right by itself */
    tp_strbuf undo;
} tp_finding;

/* What the findings go to. */
typedef struct tp_advice {
    tp_advice_facts *facts;
    PGconn *connection;
    const char *only; /* oid of the table that is asked for; NULL: all */
    tp_strbuf json;
} tp_advice;

/* How often and how long the trigger's function ran, where the server counted. */
void tp_finding_times(tp_finding *finding);

/* Hands it over: the buffers are empty afterwards. */
void tp_finding_put(tp_advice *advice, tp_finding *finding);

/* Whether rows for each statement were counted; else they are a bound, which reading lowers. */
bool tp_advice_rows_counted(const tp_advice_table *table, uint32_t events);

/* Rows a statement writes, for events of a table; negative: not known. *source says from what. */
double tp_advice_rows_per_statement(const tp_advice_facts *facts, const tp_advice_table *table,
                                    uint32_t events, const char **source);
double tp_advice_rows(const tp_advice_table *table, uint32_t events);

/* How often a trigger ran, as far as anybody counted. */
double tp_advice_runs(const tp_advice_trigger *trigger);

#endif
