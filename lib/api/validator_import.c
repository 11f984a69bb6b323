/* Importing and comparing over a connection that is ordinary and not ours. The token of the context
 * is taken before the definition is read, so that DDL in between is noticed; the definition is read
 * twice, so that DDL within the reading is. */
#include "api/validator.h"

#include <string.h>

#include "api/admin.h"
#include "api/context.h"
#include "base/text.h"
#include "db/validator_import.h"
#include <trigperf/cache.h>

static int32_t changed(const char *table, trigperf_error **err) {
    return tp_error_set_sql(err, TRIGPERF_E_STALE, NULL, true, "call again in a moment",
                            "the definition of table %s changed while it was read", table);
}

static int32_t read_twice(PGconn *connection, const char *table, tp_definition *out,
                          trigperf_validator **validator, tp_strbuf *report, trigperf_error **err) {
    tp_validator *core = NULL;
    int32_t status = tp_definition_read(connection, table, out, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    tp_definition again = {.columns = NULL};
    status = tp_validator_import(out, &core, report, err);
    if (status == TRIGPERF_OK) {
        status = tp_validator_wrap(core, validator, err);
    }
    if (status == TRIGPERF_OK) {
        status = tp_definition_read(connection, table, &again, err);
    }
    if (status == TRIGPERF_OK && again.fingerprint != out->fingerprint) {
        status = changed(table, err);
    }
    tp_definition_free(&again);
    return status;
}

static int32_t finish(trigperf_validator *validator, const tp_definition *definition,
                      tp_strbuf *report, char **json, trigperf_error **err) {
    validator->fingerprint = definition->fingerprint;
    validator->table = tp_text_copy(definition->relation.quoted);
    if (validator->table == NULL) {
        return tp_error_nomem(err);
    }
    char *text = json == NULL ? NULL : tp_strbuf_take(report);
    if (json != NULL && text == NULL) {
        return tp_error_nomem(err);
    }
    if (json != NULL) {
        *json = text;
    }
    return TRIGPERF_OK;
}

static int32_t import(PGconn *connection, trigperf_context *context, const char *table,
                      trigperf_validator **validator, char **json, trigperf_error **err) {
    uint64_t token = 0;
    if (context != NULL) {
        int32_t checked = tp_context_check(context, err);
        if (checked != TRIGPERF_OK) {
            return checked;
        }
        token = tp_definitions_begin(tp_engine_definitions(tp_context_engine(context)));
    }
    trigperf_validator *made = NULL;
    tp_definition definition = {.columns = NULL};
    tp_strbuf report = TP_STRBUF_INIT;
    int32_t status = read_twice(connection, table, &definition, &made, &report, err);
    if (status == TRIGPERF_OK) {
        made->watched = context;
        atomic_store(&made->token, token);
        status = finish(made, &definition, &report, json, err);
    }
    tp_strbuf_free(&report);
    tp_definition_free(&definition);
    if (status != TRIGPERF_OK) {
        trigperf_validator_free(made);
        return status;
    }
    *validator = made;
    return TRIGPERF_OK;
}

static int32_t missing(trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID, "pass a connection and the name of a table",
                        "expected a connection and a table or validator, got NULL");
}

int32_t trigperf_validator_import_pgconn(void *connection, trigperf_context *context,
                                         const char *table, trigperf_validator **validator,
                                         char **report, trigperf_error **error) {
    return connection == NULL || table == NULL
               ? missing(error)
               : import(connection, context, table, validator, report, error);
}

int32_t trigperf_validator_import(trigperf_admin *admin, trigperf_context *context,
                                  const char *table, trigperf_validator **validator, char **report,
                                  trigperf_error **error) {
    return trigperf_validator_import_pgconn(admin == NULL ? NULL : tp_admin_connection(admin),
                                            context, table, validator, report, error);
}

static int32_t drop(trigperf_validator *validator, trigperf_error **err) {
    atomic_store_explicit(&validator->dropped, true, memory_order_release);
    if (validator->context != NULL) {
        trigperf_cache_invalidate_validator(validator->context, validator->number, NULL);
    }
    return tp_error_set(err, TRIGPERF_E_STALE, "import the table anew",
                        "the definition of table %s has changed", validator->table);
}

int32_t trigperf_validator_recheck_pgconn(trigperf_validator *validator, void *connection,
                                          trigperf_error **error) {
    if (validator == NULL || connection == NULL) {
        return missing(error);
    }
    if (validator->table == NULL) {
        return tp_error_set(error, TRIGPERF_E_STATE, "only imported validators can change so",
                            "validator %s was not imported from a table",
                            tp_validator_name(validator->core));
    }
    uint64_t token = 0;
    if (validator->watched != NULL) {
        int32_t checked = tp_context_check(validator->watched, error);
        if (checked != TRIGPERF_OK) {
            return checked;
        }
        token = tp_definitions_begin(tp_engine_definitions(tp_context_engine(validator->watched)));
    }
    tp_definition present = {.columns = NULL};
    int32_t status = tp_definition_read(connection, validator->table, &present, error);
    if (status == TRIGPERF_E_NOT_FOUND || status == TRIGPERF_E_UNSUPPORTED) {
        return drop(validator, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    bool same = present.fingerprint == validator->fingerprint;
    tp_definition_free(&present);
    if (!same || atomic_load(&validator->dropped)) {
        return drop(validator, error);
    }
    atomic_store(&validator->token, token);
    return TRIGPERF_OK;
}

int32_t trigperf_validator_recheck(trigperf_validator *validator, trigperf_admin *admin,
                                   trigperf_error **error) {
    return trigperf_validator_recheck_pgconn(
        validator, admin == NULL ? NULL : tp_admin_connection(admin), error);
}
