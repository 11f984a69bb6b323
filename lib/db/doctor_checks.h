/* What the doctor looks for. */
#ifndef TP_DB_DOCTOR_CHECKS_H
#define TP_DB_DOCTOR_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "db/doctor.h"

/* One check. Adding one means one in the list of db/doctor_checks.c. */
typedef struct tp_doctor_check {
    const char *name;
    const char *area;
    const char *why;  /* it matters; of all its findings */
    const char *fine; /* what is said when nothing was found */
    bool schema;      /* it needs the schema */
    bool primary;     /* it means nothing on a standby */
    bool outside;     /* it cannot be made in a transaction; these come first */
    /* One of both: a query whose rows are severity, subject, found and fix, under search_path
     * pg_catalog; or a function that calls tp_doctor_find(). */
    const char *sql;
    int32_t (*look)(tp_doctor *doctor, trigperf_error **err);
} tp_doctor_check;

extern const tp_doctor_check tp_doctor_checks[];
extern const uint32_t tp_doctor_check_count;

#endif
