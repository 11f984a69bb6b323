/* The JSON that notifying triggers send: {"table":"calls","operation":"UPDATE","user_id":"7",..}.
 */
#ifndef TP_CORE_NOTICE_H
#define TP_CORE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "core/change.h"

#define TP_NOTICE_KEYS_MAX 32

typedef struct tp_notice {
    const char *table; /* NUL-terminated, as the payload writes it */
    uint32_t op;       /* one of tp_op */
    bool resync;       /* anything under the table may have changed; values say nothing */
    tp_value values[TP_NOTICE_KEYS_MAX]; /* one for each key name; absent members are NULL */
} tp_notice;

/* Reads payloads with one set of key names; zeroes with names and count set are a reader. */
typedef struct tp_notice_reader {
    const char *const *names; /* of members that are keys; borrowed */
    uint32_t count;           /* at most TP_NOTICE_KEYS_MAX */
    tp_strbuf scratch;        /* what the notice points into, beside the payload itself */
} tp_notice_reader;

/* Reads one payload. The notice stays valid as long as the payload, until the next call.
 *
 * Returns 0; E_INVALID, with a sentence in *why, when the payload is not of this form; or E_NOMEM.
 * table and operation must be there; numbers and booleans are taken as they are written, null is
 * SQL NULL; other members, nested ones too, are skipped. Linear in length, one allocation at most
 * (kept for the next call). */
int32_t tp_notice_read(tp_notice_reader *reader, const char *payload, size_t length, tp_notice *out,
                       const char **why);
void tp_notice_reader_free(tp_notice_reader *reader);

#endif
