/* One cursor with a sticky failure: reading past the end gives zeroes and remembers it, so that the
 * parsers below read like the protocol's description ("Logical Replication Message Formats" in
 * PostgreSQL's documentation) and are judged once at the end. A message must be used up exactly:
 * bytes left over mean that it is not what it seems. */
#include "core/pgoutput.h"

#include <string.h>

#define COLUMNS_MAX 1664 /* of a row, in PostgreSQL */

typedef struct cursor {
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
} cursor;

static uint32_t trusted_u32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* So many bytes, or NULL past the end. */
static const unsigned char *take(cursor *c, size_t bytes) {
    const unsigned char *found = c->at;
    if (c->failed || (size_t)(c->end - c->at) < bytes) {
        c->failed = true;
        return NULL;
    }
    c->at += bytes;
    return found;
}

static uint8_t byte(cursor *c) {
    const unsigned char *at = take(c, 1);
    return at == NULL ? 0 : *at;
}

static uint32_t u16(cursor *c) {
    const unsigned char *at = take(c, 2);
    return at == NULL ? 0 : (uint32_t)at[0] << 8 | at[1];
}

static uint32_t u32(cursor *c) {
    const unsigned char *at = take(c, 4);
    return at == NULL ? 0 : trusted_u32(at);
}

static uint64_t u64(cursor *c) {
    uint64_t high = u32(c);
    return high << 32 | u32(c);
}

static const char *text(cursor *c) {
    const unsigned char *end = c->failed ? NULL : memchr(c->at, '\0', (size_t)(c->end - c->at));
    if (end == NULL) {
        c->failed = true;
        return "";
    }
    const char *found = (const char *)c->at;
    c->at = end + 1;
    return found;
}

static void skip(cursor *c, size_t bytes) {
    (void)take(c, bytes);
}

static uint32_t columns(cursor *c) {
    uint32_t count = u16(c);
    c->failed = c->failed || count > COLUMNS_MAX;
    return c->failed ? 0 : count;
}

static tp_pgo_tuple tuple(cursor *c) {
    uint32_t count = columns(c);
    tp_pgo_tuple found = {c->at, count};
    for (uint32_t i = 0; i < count && !c->failed; i++) {
        uint8_t kind = byte(c);
        if (kind == 't') {
            skip(c, u32(c));
        } else {
            c->failed = c->failed || (kind != 'n' && kind != 'u');
        }
    }
    return found;
}

static void parse_relation(cursor *c, tp_pgo_message *out) {
    out->relid = u32(c);
    out->schema = text(c);
    out->name = text(c);
    out->identity = (char)byte(c);
    uint32_t count = columns(c);
    out->attributes = (tp_pgo_tuple){c->at, count};
    for (uint32_t i = 0; i < count && !c->failed; i++) {
        skip(c, 1);
        text(c);
        skip(c, 8);
    }
}

static void parse_type(cursor *c, tp_pgo_message *out) {
    out->relid = u32(c);
    out->schema = text(c);
    out->name = text(c);
}

static void parse_old(cursor *c, uint8_t kind, tp_pgo_message *out) {
    if (kind == 'K' || kind == 'O') {
        out->old_kind = (char)kind;
        out->before = tuple(c);
    } else {
        c->failed = true;
    }
}

static void parse_new(cursor *c, uint8_t kind, tp_pgo_message *out) {
    if (kind == 'N') {
        out->after = tuple(c);
    } else {
        c->failed = true;
    }
}

static void parse_insert(cursor *c, tp_pgo_message *out) {
    out->relid = u32(c);
    parse_new(c, byte(c), out);
}

static void parse_update(cursor *c, tp_pgo_message *out) {
    out->relid = u32(c);
    uint8_t kind = byte(c);
    if (kind != 'N') {
        parse_old(c, kind, out);
        kind = byte(c);
    }
    parse_new(c, kind, out);
}

static void parse_delete(cursor *c, tp_pgo_message *out) {
    out->relid = u32(c);
    parse_old(c, byte(c), out);
}

static void parse_truncate(cursor *c, tp_pgo_message *out) {
    uint32_t count = u32(c);
    skip(c, 1);
    out->relations = (tp_pgo_tuple){c->at, count};
    c->failed = c->failed || count > (size_t)(c->end - c->at) / 4;
    skip(c, (size_t)count * 4);
}

static void parse_message(cursor *c, tp_pgo_message *out) {
    out->transactional = (byte(c) & 1) != 0;
    out->lsn = u64(c);
    out->name = text(c);
    out->content.kind = 't';
    out->content.length = u32(c);
    out->content.data = (const char *)c->at;
    skip(c, out->content.length);
}

static void parse_begin(cursor *c, tp_pgo_message *out) {
    out->lsn = u64(c);
    skip(c, 8);
    out->xid = u32(c);
}

static void parse_commit(cursor *c, tp_pgo_message *out) {
    skip(c, 1);
    out->lsn = u64(c);
    out->end_lsn = u64(c);
    skip(c, 8);
}

static void parse_origin(cursor *c, tp_pgo_message *out) {
    out->lsn = u64(c);
    out->name = text(c);
}

static void parse_stream_start(cursor *c, tp_pgo_message *out) {
    out->xid = u32(c);
    out->first = byte(c) == 1;
}

static void parse_stream_stop(cursor *c, tp_pgo_message *out) {
    (void)c;
    (void)out;
}

static void parse_stream_commit(cursor *c, tp_pgo_message *out) {
    out->xid = u32(c);
    parse_commit(c, out);
}

static void parse_stream_abort(cursor *c, tp_pgo_message *out) {
    out->xid = u32(c);
    out->subxid = u32(c);
}

typedef struct parser {
    bool in_stream; /* carries a transaction id while streaming */
    void (*parse)(cursor *c, tp_pgo_message *out);
} parser;

static const parser parsers[] = {[TP_PGO_INSERT] = {true, parse_insert},
                                 [TP_PGO_UPDATE] = {true, parse_update},
                                 [TP_PGO_DELETE] = {true, parse_delete},
                                 [TP_PGO_BEGIN] = {false, parse_begin},
                                 [TP_PGO_COMMIT] = {false, parse_commit},
                                 [TP_PGO_RELATION] = {true, parse_relation},
                                 [TP_PGO_TYPE] = {true, parse_type},
                                 [TP_PGO_TRUNCATE] = {true, parse_truncate},
                                 [TP_PGO_MESSAGE] = {true, parse_message},
                                 [TP_PGO_ORIGIN] = {false, parse_origin},
                                 [TP_PGO_STREAM_START] = {false, parse_stream_start},
                                 [TP_PGO_STREAM_STOP] = {false, parse_stream_stop},
                                 [TP_PGO_STREAM_COMMIT] = {false, parse_stream_commit},
                                 [TP_PGO_STREAM_ABORT] = {false, parse_stream_abort}};

/* Field by field: as a whole, it is so large that compilers clear it by an instruction that takes
 * longer than parsing a commit does. */
static void clear(tp_pgo_message *out, uint8_t kind) {
    const tp_pgo_tuple none = {NULL, 0};
    out->kind = (char)kind;
    out->xid = 0;
    out->subxid = 0;
    out->first = false;
    out->lsn = 0;
    out->end_lsn = 0;
    out->relid = 0;
    out->schema = "";
    out->name = "";
    out->identity = 0;
    out->attributes = none;
    out->transactional = false;
    out->content = (tp_pgo_column){0, NULL, 0};
    out->relations = none;
    out->old_kind = 0;
    out->before = none;
    out->after = none;
}

bool tp_pgo_parse(const void *bytes, size_t length, bool streaming, tp_pgo_message *out,
                  const char **why) {
    cursor c = {bytes, (const unsigned char *)bytes + length, false};
    uint8_t kind = byte(&c);
    clear(out, kind);
    if (kind >= sizeof parsers / sizeof parsers[0] || parsers[kind].parse == NULL) {
        *why = "a kind of message that is not known";
        return false;
    }
    if (streaming && parsers[kind].in_stream) {
        out->xid = u32(&c);
    }
    parsers[kind].parse(&c, out);
    if (c.failed || c.at != c.end) {
        *why = c.failed ? "a message ends too early, or holds a kind that is not known"
                        : "a message is longer than its contents";
        return false;
    }
    return true;
}

tp_pgo_column tp_pgo_column_next(const unsigned char **at) {
    tp_pgo_column column = {(char)*(*at)++, NULL, 0};
    if (column.kind == 't') {
        column.length = trusted_u32(*at);
        column.data = (const char *)*at + 4;
        *at += 4 + (size_t)column.length;
    }
    return column;
}

tp_pgo_attribute tp_pgo_attribute_next(const unsigned char **at) {
    tp_pgo_attribute attribute = {.identity = (*(*at)++ & 1) != 0, .name = (const char *)*at};
    *at += strlen(attribute.name) + 1;
    attribute.type = trusted_u32(*at);
    attribute.modifier = (int32_t)trusted_u32(*at + 4);
    *at += 8;
    return attribute;
}

uint32_t tp_pgo_relation_at(const tp_pgo_message *message, uint32_t i) {
    return trusted_u32(message->relations.at + (size_t)i * 4);
}
