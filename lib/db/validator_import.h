/* A validator from a table's own definition. */
#ifndef TP_DB_VALIDATOR_IMPORT_H
#define TP_DB_VALIDATOR_IMPORT_H

#include "base/strbuf.h"
#include "core/validator.h"
#include "db/definition.h"

/* Makes a validator of what is on the list; report receives JSON: what was imported, and what is
 * left to the database, with the reason. */
int32_t tp_validator_import(const tp_definition *definition, tp_validator **out, tp_strbuf *report,
                            trigperf_error **err);

#endif
