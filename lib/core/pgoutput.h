/* Messages of PostgreSQL's output plugin pgoutput, protocol versions 1 and 2 (streaming of
 * transactions in progress). Nothing is copied: a parsed message points into its bytes. */
#ifndef TP_CORE_PGOUTPUT_H
#define TP_CORE_PGOUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a message is: the byte that it begins with. */
enum tp_pgo_kind {
    TP_PGO_BEGIN = 'B',
    TP_PGO_COMMIT = 'C',
    TP_PGO_ORIGIN = 'O',
    TP_PGO_RELATION = 'R',
    TP_PGO_TYPE = 'Y',
    TP_PGO_INSERT = 'I',
    TP_PGO_UPDATE = 'U',
    TP_PGO_DELETE = 'D',
    TP_PGO_TRUNCATE = 'T',
    TP_PGO_MESSAGE = 'M',
    TP_PGO_STREAM_START = 'S',
    TP_PGO_STREAM_STOP = 'E',
    TP_PGO_STREAM_COMMIT = 'c',
    TP_PGO_STREAM_ABORT = 'A'
};

typedef struct tp_pgo_tuple {
    const unsigned char *at; /* the first column, for tp_pgo_column_next() */
    uint32_t count;
} tp_pgo_tuple;

typedef struct tp_pgo_column {
    char kind;        /* n: NULL, u: TOAST value that did not change and is not sent, t: text */
    const char *data; /* not NUL-terminated */
    uint32_t length;
} tp_pgo_column;

typedef struct tp_pgo_attribute {
    bool identity; /* part of the replica identity */
    const char *name;
    uint32_t type;
    int32_t modifier;
} tp_pgo_attribute;

typedef struct tp_pgo_message {
    char kind;
    uint32_t xid;     /* of B S c A; while streaming also of R Y I U D T M, there that of the
                       * subtransaction; else 0 */
    uint32_t subxid;  /* A */
    bool first;       /* S: the first piece of its transaction */
    uint64_t lsn;     /* B C c: of the commit; M: of the message; O: of the origin's commit */
    uint64_t end_lsn; /* C c: where the commit's record ends */
    uint32_t relid;   /* R Y I U D */
    const char *schema;
    const char *name;        /* R Y; O: the origin; M: the prefix */
    char identity;           /* R: d, n, f or i, as pg_class.relreplident */
    tp_pgo_tuple attributes; /* R, for tp_pgo_attribute_next() */
    bool transactional;      /* M */
    tp_pgo_column content;   /* M */
    tp_pgo_tuple relations;  /* T, for tp_pgo_relation_at() */
    char old_kind;           /* U D: K, O, or 0 when there is no old tuple */
    tp_pgo_tuple before;     /* U D, when old_kind is not 0 */
    tp_pgo_tuple after;      /* I U */
} tp_pgo_message;

/* Parses one message to its end; every column, attribute and name is checked, so that walking them
 * afterwards cannot fail. streaming: between a Stream Start and its Stream Stop. False: not a
 * message that is known, with a sentence in *why; *out says nothing then. */
bool tp_pgo_parse(const void *bytes, size_t length, bool streaming, tp_pgo_message *out,
                  const char **why);

/* The column at *at, which moves on. No more than count times. */
tp_pgo_column tp_pgo_column_next(const unsigned char **at);
tp_pgo_attribute tp_pgo_attribute_next(const unsigned char **at);
/* i below relations.count. */
uint32_t tp_pgo_relation_at(const tp_pgo_message *message, uint32_t i);

#endif
