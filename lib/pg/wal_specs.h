/* The tables attached with granularity wal, as the database describes them. */
#ifndef TP_PG_WAL_SPECS_H
#define TP_PG_WAL_SPECS_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/error.h"
#include "core/walspec.h"

#define TP_WAL_SPECS_SQL                                                                           \
    "SELECT id, relid, keys, forms, watch, max_keys, types FROM trigperf.wal_specs()"

typedef struct tp_wal_specs tp_wal_specs;

/* From the result of that statement. */
int32_t tp_wal_specs_new(const PGresult *result, tp_wal_specs **out, trigperf_error **err);
void tp_wal_specs_free(tp_wal_specs *specs);

/* By rising relid. */
const tp_walspec *tp_wal_specs_all(const tp_wal_specs *specs, uint32_t *count);
/* Any of those with this captured_table.id, which differ in their relid alone; NULL: there is none.
 */
const tp_walspec *tp_wal_specs_find(const tp_wal_specs *specs, int32_t id);

#endif
