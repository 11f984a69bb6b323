/* One query over the catalogs; nothing of ours needs to be installed for it. */
#include "db/triggers.h"

#include "db/queries.h"
#include "db/relation.h"
#include "db/sqltext.h"

int32_t tp_triggers_list(PGconn *connection, const char *table, tp_strbuf *json,
                         trigperf_error **err) {
    tp_relation relation = {0};
    int32_t status =
        table == NULL ? TRIGPERF_OK : tp_relation_find(connection, table, &relation, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    const char *values[] = {table == NULL ? NULL : relation.oid};
    PGresult *result = NULL;
    status = tp_sql_query(connection, tp_query_triggers, 1, values, "reading the triggers", &result,
                          err);
    if (status == TRIGPERF_OK) {
        tp_strbuf_puts(json, PQgetvalue(result, 0, 0));
        status = json->failed ? tp_error_nomem(err) : TRIGPERF_OK;
    }
    PQclear(result);
    tp_relation_free(&relation);
    return status;
}
