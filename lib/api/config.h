/* The inside of a configuration, for the rest of lib/api. */
#ifndef TP_API_CONFIG_H
#define TP_API_CONFIG_H

#include <trigperf/config.h>

#include "api/option_table.h"
#include "core/engine.h"

const char *tp_config_text(const trigperf_config *config, tp_option_id id);
uint64_t tp_config_number(const trigperf_config *config, tp_option_id id);
uint32_t tp_config_u32(const trigperf_config *config, tp_option_id id);
const tp_engine_rule *tp_config_rules(const trigperf_config *config, uint32_t *count);

/* An alert rule, checked. */
typedef struct tp_config_alert {
    const char *name;
    const char *definition;
} tp_config_alert;
const tp_config_alert *tp_config_alerts(const trigperf_config *config, uint32_t *count);

/* A deep copy; of the defaults and the environment when config is NULL. */
int32_t tp_config_copy(const trigperf_config *config, trigperf_config **out, trigperf_error **err);

#endif
