/* Verdicts that are bound to what stands in the database. */
#include <trigperf/cache.h>

#include <string.h>

#include "api/cache_call.h"
#include "base/clock.h"

/* Whether changes of the table will arrive here: it is attached, or the host has pushed some. */
static bool is_followed(trigperf_context *context, const char *table) {
    if (tp_context_offline(context)) {
        return true;
    }
    tp_engine *engine = tp_context_engine(context);
    tp_engine_lock(engine);
    bool known = tp_cascade_find(tp_engine_cascade(engine), table) != NULL;
    tp_engine_unlock(engine);
    return known;
}

static int32_t bond_of(trigperf_context *context, const char *table, tp_bond **bond,
                       trigperf_error **error) {
    tp_bonds *bonds = tp_engine_bonds(tp_context_engine(context));
    if (table == NULL || strchr(table, '.') == NULL) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "write it as public.calls",
                            "expected a table as schema.table, got %s",
                            table == NULL ? "NULL" : table);
    }
    *bond = tp_bonds_find(bonds, table);
    if (*bond != NULL && tp_bond_is_checked(*bond)) {
        return TRIGPERF_OK;
    }
    if (!is_followed(context, table)) {
        return tp_error_set(error, TRIGPERF_E_NOT_FOUND,
                            "attach it, and wait until the context is ready",
                            "no changes of the table %s come here", table);
    }
    *bond = tp_bonds_table(bonds, table);
    if (*bond == NULL) {
        return tp_error_nomem(error);
    }
    tp_bond_check(*bond);
    return TRIGPERF_OK;
}

static int32_t put_bound(trigperf_context *context, uint32_t validator, const char *key,
                         uint64_t length, uint32_t verdict, int64_t ttl_ms,
                         const tp_cache_bond *bond, trigperf_error **error) {
    tp_cache_call call = tp_cache_call_at(validator, tp_clock_coarse_ms());
    int32_t status =
        tp_cache_put(tp_context_cache(context), &call, key, (size_t)length, verdict, ttl_ms, bond);
    if (status == TRIGPERF_E_STALE) {
        return tp_error_set(error, status, "work the verdict out anew",
                            "what it was bound to has changed after the token had been taken");
    }
    return status == TRIGPERF_OK ? status : tp_error_nomem(error);
}

int32_t trigperf_cache_put_table(trigperf_context *context, uint32_t validator, const char *key,
                                 uint64_t length, uint32_t verdict, int64_t ttl_ms, uint64_t token,
                                 const char *table, trigperf_error **error) {
    tp_cache_bond bond = {NULL, TP_BOND_NO_ROW, token};
    int32_t status = tp_cache_check(context, validator, key, length, error);
    status = status != TRIGPERF_OK ? status : tp_cache_check_verdict(verdict, error);
    status = status != TRIGPERF_OK ? status : tp_cache_check_ttl(ttl_ms, error);
    status = status != TRIGPERF_OK ? status : bond_of(context, table, &bond.table, error);
    return status != TRIGPERF_OK
               ? status
               : put_bound(context, validator, key, length, verdict, ttl_ms, &bond, error);
}

static int32_t row_of(trigperf_context *context, const char *column, const char *value,
                      uint64_t value_length, tp_cache_bond *bond, trigperf_error **error) {
    if (column == NULL || value == NULL) {
        return tp_error_set(error, TRIGPERF_E_INVALID, "a row is named by one of the table's keys",
                            "expected the name and the value of a key, got NULL");
    }
    bool fine = tp_bonds_row(tp_engine_bonds(tp_context_engine(context)), bond->table, column,
                             value, (size_t)value_length, &bond->row) &&
                tp_cache_want_rows(tp_context_cache(context));
    return fine ? TRIGPERF_OK : tp_error_nomem(error);
}

int32_t trigperf_cache_put_row(trigperf_context *context, uint32_t validator, const char *key,
                               uint64_t length, uint32_t verdict, int64_t ttl_ms, uint64_t token,
                               const char *table, const char *column, const char *value,
                               uint64_t value_length, trigperf_error **error) {
    tp_cache_bond bond = {NULL, TP_BOND_NO_ROW, token};
    int32_t status = tp_cache_check(context, validator, key, length, error);
    status = status != TRIGPERF_OK ? status : tp_cache_check_verdict(verdict, error);
    status = status != TRIGPERF_OK ? status : tp_cache_check_ttl(ttl_ms, error);
    status = status != TRIGPERF_OK ? status : bond_of(context, table, &bond.table, error);
    status =
        status != TRIGPERF_OK ? status : row_of(context, column, value, value_length, &bond, error);
    return status != TRIGPERF_OK
               ? status
               : put_bound(context, validator, key, length, verdict, ttl_ms, &bond, error);
}
