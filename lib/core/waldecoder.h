/* From messages of pgoutput to committed transactions, in commit order. */
#ifndef TP_CORE_WALDECODER_H
#define TP_CORE_WALDECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "core/waltx.h"

typedef struct tp_waldecoder tp_waldecoder;

/* Prefix of the logical messages that mean us. */
#define TP_WAL_PREFIX "trigperf"

/* instance: whose marks count (copied). max_bytes: memory for transactions, above which tuples of
 * those under way become resyncs of their tables. */
int32_t tp_waldecoder_new(const tp_hash_key *key, const char *instance, uint64_t max_bytes,
                          tp_waldecoder **out, trigperf_error **err);
void tp_waldecoder_free(tp_waldecoder *decoder);
/* A new stream: nothing is under way, nothing waits. */
void tp_waldecoder_reset(tp_waldecoder *decoder);
/* What comes next begins after the last transaction that came whole: those under way are forgotten.
 * Returns where that one ended; 0: there was none since the stream was new. */
uint64_t tp_waldecoder_resume(tp_waldecoder *decoder);
/* The tables that are wanted, by rising relid (borrowed until the next call). Several may have one
 * id: partitions, whose changes are told as those of one table. */
void tp_waldecoder_use(tp_waldecoder *decoder, const tp_walspec *specs, uint32_t count);

/* One message. An error means that the stream cannot be followed: E_SERVER (it is not what it
 * seems) or E_NOMEM. */
int32_t tp_waldecoder_feed(tp_waldecoder *decoder, const void *bytes, size_t length,
                           trigperf_error **err);
/* The newest committed transaction changed the registry: the tables wanted may be others for what
 * comes after it. */
bool tp_waldecoder_registry_changed(const tp_waldecoder *decoder);

/* The oldest committed transaction that waits, NULL when none does; and done with it. */
tp_waltx *tp_waldecoder_first(const tp_waldecoder *decoder);
void tp_waldecoder_drop_first(tp_waldecoder *decoder);
/* No transaction waits, and none is being received whole: what was sent so far is done with. */
bool tp_waldecoder_between(const tp_waldecoder *decoder);
uint64_t tp_waldecoder_waiting_bytes(const tp_waldecoder *decoder);
uint64_t tp_waldecoder_changes(const tp_waldecoder *decoder); /* rows told, in all */

#endif
