/* Groups of cache keys that wait to be told as a resync of level group: for each table that changes
 * were collapsed of, and each of its templates, the distinct beginnings of keys. A template that
 * has too many of them is told whole, by its literal prefix. */
#ifndef TP_CORE_GROUPS_H
#define TP_CORE_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "core/batch.h"
#include "core/cascade.h"

typedef struct tp_groups tp_groups;

/* most: how many groups of a template are told apart. NULL when memory is short. */
tp_groups *tp_groups_new(const tp_hash_key *key, uint32_t most);
void tp_groups_free(tp_groups *groups);
void tp_groups_clear(tp_groups *groups);

/* The table is told from now on, whatever its keys are. table is compared by address and must live
 * until the groups are cleared. False when memory is short. */
bool tp_groups_open(tp_groups *groups, const tp_table *table);

typedef enum tp_group_fate {
    TP_GROUP_KNOWN, /* the group is told */
    TP_GROUP_WHOLE, /* the template is told whole */
    TP_GROUP_LOST   /* memory was short: nothing has changed */
} tp_group_fate;

/* A template of a table, both of the cascade in use. */
typedef struct tp_group_of {
    const tp_cascade *cascade;
    const tp_table *table; /* opened before */
    uint32_t template;
} tp_group_of;

/* A group: how its keys begin. */
tp_group_fate tp_groups_add(tp_groups *groups, const tp_group_of *of, const char *bytes,
                            uint32_t length);
/* A group that is a single key, kept by the caller: TP_GROUP_KNOWN when it may be. */
tp_group_fate tp_groups_admit(tp_groups *groups, const tp_group_of *of);

/* The rules have changed: templates of the same number may be others now. */
void tp_groups_rules_changed(tp_groups *groups);

bool tp_groups_is_empty(const tp_groups *groups);
uint64_t tp_groups_bytes(const tp_groups *groups);

/* Adds an entry for each table to a batch; tp_batch_failed() says whether memory sufficed. */
void tp_groups_tell(const tp_groups *groups, tp_batch *batch);

#endif
