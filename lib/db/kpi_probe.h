/* Whether a KPI's expressions are what they must be, judged by the server, and what it says of
 * their types and of the columns that they use. */
#ifndef TP_DB_KPI_PROBE_H
#define TP_DB_KPI_PROBE_H

#include <libpq-fe.h>

#include "base/error.h"
#include "db/kpi_text.h"
#include "db/layout.h"

typedef struct tp_kpi_probe {
    tp_kpi_used *used;
    uint32_t used_count;
    bool *not_null; /* of each group */
    bool *numeric;  /* of each value */
    bool before;    /* the source has a BEFORE UPDATE row trigger */
    PGresult *rows; /* that names stand in */
} tp_kpi_probe;

/* Inside a transaction with search_path = pg_catalog, pg_temp; needs the right to make temporary
 * tables, and leaves none. */
int32_t tp_kpi_probe_run(PGconn *connection, const trigperf_kpi *spec, const tp_relation *source,
                         const tp_layout *layout, tp_kpi_probe *out, trigperf_error **err);
void tp_kpi_probe_free(tp_kpi_probe *found); /* leaves it empty */

#endif
