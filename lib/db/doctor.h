/* What may keep changes from arriving, looked for one by one; each finding with its reason and the
 * way to mend it. */
#ifndef TP_DB_DOCTOR_H
#define TP_DB_DOCTOR_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

typedef enum tp_severity {
    TP_SEVERITY_OK,
    TP_SEVERITY_INFO,
    TP_SEVERITY_WARN,
    TP_SEVERITY_CRITICAL,
    TP_SEVERITY_UNKNOWN, /* could not be told */
    TP_SEVERITIES
} tp_severity;

typedef struct tp_doctor tp_doctor;

/* What one check found. subject and fix may be NULL. */
typedef struct tp_finding {
    tp_severity severity;
    const char *subject; /* a table, a slot, a consumer .. */
    const char *found;
    const char *fix; /* SQL, a setting or a command */
} tp_finding;

PGconn *tp_doctor_connection(tp_doctor *doctor);
void tp_doctor_find(tp_doctor *doctor, const tp_finding *finding);
/* Findings from the rows of a query. */
int32_t tp_doctor_query(tp_doctor *doctor, const char *sql, trigperf_error **err);
/* The schema is not such that it can be asked anything. */
void tp_doctor_without_schema(tp_doctor *doctor);

/* Looks at everything, in one transaction that only reads; the connection is between transactions.
 * json receives one object. Fails only when the connection does, or memory is short: what could not
 * be looked at is a finding too. */
int32_t tp_doctor_run(PGconn *connection, tp_strbuf *json, trigperf_error **err);

#endif
