/* Which keys were delivered a short while ago. */
#ifndef TP_CORE_RECENT_H
#define TP_CORE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tp_recent tp_recent;

tp_recent *tp_recent_new(void); /* NULL when memory is short */
void tp_recent_free(tp_recent *recent);

/* What has this hash was delivered now. */
void tp_recent_note(tp_recent *recent, uint64_t hash, uint64_t now_ms);
/* Whether it was delivered less than so long ago: likely, not certain. */
bool tp_recent_knows(const tp_recent *recent, uint64_t hash, uint64_t now_ms, uint32_t within_ms);

#endif
