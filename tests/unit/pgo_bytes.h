/* Messages of pgoutput, written for tests. */
#ifndef TESTS_UNIT_PGO_BYTES_H
#define TESTS_UNIT_PGO_BYTES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct pgo_bytes {
    unsigned char data[4096];
    size_t length;
} pgo_bytes;

static inline void pgo_number(pgo_bytes *out, uint64_t number, int bytes) {
    for (int i = bytes - 1; i >= 0; i--) {
        out->data[out->length++] = (unsigned char)(number >> (8 * i));
    }
}

static inline void pgo_text(pgo_bytes *out, const char *text) {
    memcpy(out->data + out->length, text, strlen(text) + 1);
    out->length += strlen(text) + 1;
}

static inline void pgo_begin_message(pgo_bytes *out, char kind, uint32_t xid) {
    out->length = 0;
    pgo_number(out, (unsigned char)kind, 1);
    if (xid != 0) {
        pgo_number(out, xid, 4);
    }
}

/* Columns: NULL is SQL NULL, "\1" an unchanged TOAST value. */
static inline void pgo_tuple(pgo_bytes *out, char kind, uint32_t count, const char *const *values) {
    if (kind != 0) {
        pgo_number(out, (unsigned char)kind, 1);
    }
    pgo_number(out, count, 2);
    for (uint32_t i = 0; i < count; i++) {
        if (values[i] == NULL) {
            pgo_number(out, 'n', 1);
        } else if (values[i][0] == '\1') {
            pgo_number(out, 'u', 1);
        } else {
            pgo_number(out, 't', 1);
            pgo_number(out, strlen(values[i]), 4);
            memcpy(out->data + out->length, values[i], strlen(values[i]));
            out->length += strlen(values[i]);
        }
    }
}

/* Attributes: a name that begins with '*' belongs to the replica identity. */
static inline void pgo_relation_typed(pgo_bytes *out, uint32_t xid, uint32_t relid, char identity,
                                      uint32_t count, const char *const *names,
                                      const uint32_t *types) {
    pgo_begin_message(out, 'R', xid);
    pgo_number(out, relid, 4);
    pgo_text(out, "public");
    pgo_text(out, "calls");
    pgo_number(out, (unsigned char)identity, 1);
    pgo_number(out, count, 2);
    for (uint32_t i = 0; i < count; i++) {
        pgo_number(out, names[i][0] == '*', 1);
        pgo_text(out, names[i] + (names[i][0] == '*'));
        pgo_number(out, types == NULL ? 23 : types[i], 4);
        pgo_number(out, UINT32_MAX, 4);
    }
}

static inline void pgo_relation(pgo_bytes *out, uint32_t xid, uint32_t relid, char identity,
                                uint32_t count, const char *const *names) {
    pgo_relation_typed(out, xid, relid, identity, count, names, NULL);
}

static inline void pgo_begin(pgo_bytes *out, uint64_t lsn, uint32_t xid) {
    pgo_begin_message(out, 'B', 0);
    pgo_number(out, lsn, 8);
    pgo_number(out, 0, 8);
    pgo_number(out, xid, 4);
}

static inline void pgo_commit(pgo_bytes *out, char kind, uint32_t xid, uint64_t lsn,
                              uint64_t end_lsn) {
    pgo_begin_message(out, kind, xid);
    pgo_number(out, 0, 1);
    pgo_number(out, lsn, 8);
    pgo_number(out, end_lsn, 8);
    pgo_number(out, 0, 8);
}

static inline void pgo_message(pgo_bytes *out, uint32_t xid, int transactional, const char *prefix,
                               const char *content) {
    pgo_begin_message(out, 'M', xid);
    pgo_number(out, (uint64_t)transactional, 1);
    pgo_number(out, 77, 8);
    pgo_text(out, prefix);
    pgo_number(out, strlen(content), 4);
    memcpy(out->data + out->length, content, strlen(content));
    out->length += strlen(content);
}

#endif
