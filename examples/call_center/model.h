/* What the host caches: five kinds of answers, each computed by one query from a number. */
#ifndef EXAMPLES_CALL_CENTER_MODEL_H
#define EXAMPLES_CALL_CENTER_MODEL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum model_kind {
    MODEL_DASHBOARD, /* of a user: KPIs over calls, leads, agents and balance */
    MODEL_CALL,      /* a call and its lead */
    MODEL_AGENT,     /* an agent and the statistics of its calls */
    MODEL_AGENTS,    /* the agents of a user */
    MODEL_CREDITS,   /* balance and last transactions of a user */
    MODEL_KINDS
};

enum { MODEL_KEY_SIZE = 48 };

/* The cache key, as the rules make it: `call:9`. */
void model_key(int kind, int64_t id, char key[MODEL_KEY_SIZE]);
bool model_parse(const char *key, int *kind, int64_t *id);

/* Prepares the queries on a connection. */
bool model_prepare(PGconn *conn);

/* The answer from the database, for the caller to free; "absent" when there is no such row; NULL
 * after a failure, which is said on stderr. */
char *model_read(PGconn *conn, int kind, int64_t id);

/* The answers for many numbers at once: rows of id and answer, without the absent ones. */
PGresult *model_read_many(PGconn *conn, int kind, const int64_t *ids, size_t count);

#define MODEL_ABSENT "absent"

#endif
