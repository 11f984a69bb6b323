/* Checks of the doctor that take more than a query. */
#ifndef TP_DB_DOCTOR_LOOK_H
#define TP_DB_DOCTOR_LOOK_H

#include "db/doctor.h"

/* Whether something stands between us and the server, and lets notifications through. */
int32_t tp_doctor_look_pooler(tp_doctor *doctor, trigperf_error **err);
/* Whether the schema is there, and fits this library. */
int32_t tp_doctor_look_schema(tp_doctor *doctor, trigperf_error **err);
/* What the role lacks to be a consumer. */
int32_t tp_doctor_look_rights(tp_doctor *doctor, trigperf_error **err);
/* Whether contexts understand the rules. */
int32_t tp_doctor_look_rules(tp_doctor *doctor, trigperf_error **err);
/* Whether both clocks agree. */
int32_t tp_doctor_look_clock(tp_doctor *doctor, trigperf_error **err);

#endif
