/* A batch as one JSON object on one line. */
#ifndef TP_CORE_BATCH_JSON_H
#define TP_CORE_BATCH_JSON_H

#include "base/strbuf.h"
#include "core/pipeline.h"

void tp_batch_write_json(const tp_batch *batch, tp_strbuf *out);

#endif
