/* The options of jobs, metrics and KPIs, and those of connections for the second one. */
#include "api/keeping.h"

#include "api/config.h"
#include "api/option_table.h"
#include "base/clock.h"

int32_t tp_api_keeper_new(const tp_api_keeping *keeping, tp_keeper **out, trigperf_error **err) {
    const trigperf_config *config = keeping->config;
    tp_sideline_options sideline = {
        .connect_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_TIMEOUT_MS),
        .silence_timeout_ms = tp_config_u32(config, TP_OPTION_CONNECT_SILENCE_MS),
        .reconnect_min_ms = tp_config_u32(config, TP_OPTION_RECONNECT_MIN_MS),
        .reconnect_max_ms = tp_config_u32(config, TP_OPTION_RECONNECT_MAX_MS),
        .statement_timeout_ms = tp_config_u32(config, TP_OPTION_JOBS_TIMEOUT_MS),
        .idle_ms = tp_config_u32(config, TP_OPTION_JOBS_IDLE_MS),
        .log = keeping->log};
    tp_keeper_options options = {
        .application = tp_config_text(config, TP_OPTION_APPLICATION_NAME),
        .leads = tp_config_number(config, TP_OPTION_JOBS_ENABLED) != 0,
        .own = tp_config_number(config, TP_OPTION_JOBS_CONNECTION) == TP_JOBS_OWN,
        .collect_ms = tp_config_u32(config, TP_OPTION_METRICS_COLLECT_MS),
        .flush_ms = tp_config_u32(config, TP_OPTION_METRICS_FLUSH_MS),
        .retention_days = tp_config_u32(config, TP_OPTION_METRICS_RETENTION_DAYS),
        .refresh_ms = tp_config_u32(config, TP_OPTION_KPI_REFRESH_MS),
        .sideline = sideline,
        .read = keeping->read,
        .user = keeping->user,
        .log = keeping->log};
    return tp_keeper_new(keeping->loop, keeping->info, &options, tp_clock_ms(), out, err);
}
