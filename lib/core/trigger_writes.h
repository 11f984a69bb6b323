/* The statements of a trigger function that write, and where. */
#ifndef TP_CORE_TRIGGER_WRITES_H
#define TP_CORE_TRIGGER_WRITES_H

#include "core/trigger_body.h"

/* Fills in the writes of a body whose lexemes are there. E_NOMEM. */
int32_t tp_trigger_writes_find(tp_trigger_body *body, trigperf_error **err);

#endif
