/* Whether a key expression is one, judged by the server. */
#ifndef TP_DB_EXPRESSION_H
#define TP_DB_EXPRESSION_H

#include <libpq-fe.h>

#include "base/error.h"
#include "db/capture.h"
#include "db/layout.h"

/* E_INVALID with the server's reason unless the key's expression is one value computed from the
 * row. Inside a transaction with search_path = pg_catalog, pg_temp. */
int32_t tp_expression_check(PGconn *connection, const tp_relation *relation,
                            const tp_layout *layout, const tp_capture_key *key,
                            trigperf_error **err);

#endif
