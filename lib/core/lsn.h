/* Write-ahead log positions in PostgreSQL's text form, "16/B374D848". */
#ifndef TP_CORE_LSN_H
#define TP_CORE_LSN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

bool tp_lsn_parse(const char *text, uint64_t *out); /* false: not an LSN */
void tp_lsn_format(uint64_t lsn, tp_strbuf *out);
void tp_lsn_json(tp_strbuf *json, const char *key, uint64_t lsn); /* null for 0 */

#endif
