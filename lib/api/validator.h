/* The inside of a validator's handle, for the files that implement its calls. */
#ifndef TP_API_VALIDATOR_H
#define TP_API_VALIDATOR_H

#include <stdatomic.h>

#include <trigperf/validator.h>

#include "base/hash.h"
#include "core/validator.h"

struct trigperf_validator {
    tp_validator *core;
    tp_hash_key hash_key;      /* for finding equal values in a batch */
    trigperf_context *context; /* whose cache keeps verdicts, or NULL */
    uint32_t number;           /* in that cache */
    int64_t ttl_ms;
    bool keep_all;
    char *table;               /* imported from it, or NULL; as quote_ident writes it */
    uint64_t fingerprint;      /* of its definition then */
    trigperf_context *watched; /* for resyncs of it, or NULL */
    atomic_ullong token;       /* see core/definitions.h */
    atomic_bool dropped;       /* the definition has changed */
};

/* A handle around a validator, which becomes its own in any case. */
int32_t tp_validator_wrap(tp_validator *core, trigperf_validator **out, trigperf_error **err);

/* What every check begins with; E_STALE when the definition may have changed. */
int32_t tp_validator_ready(trigperf_validator *validator, trigperf_error **err);

#endif
