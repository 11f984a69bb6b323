/* The context needs no database of its own here: it is for the cache, the trackers and the series.
 */
#include "host.h"

#include <stdio.h>
#include <string.h>

#include "spelling.h"

const char *const stages[STAGES] = {"validate", "deduplicate", "store"};

bool host_complain(const char *what, trigperf_error *error) {
    const char *hint = trigperf_error_hint(error);
    fprintf(stderr, "health_metrics: %s: %s%s%s%s\n", what, trigperf_error_message(error),
            *hint != '\0' ? " (" : "", hint, *hint != '\0' ? ")" : "");
    trigperf_error_free(error);
    return false;
}

static bool configure(const hm_options *options, trigperf_config **config, trigperf_error **error) {
    return trigperf_config_new(config, error) == 0 &&
           trigperf_config_load_env(*config, error) == 0 &&
           trigperf_config_set(*config, "source", "none", error) == 0 &&
           (*options->conninfo == '\0' ||
            trigperf_config_set(*config, "connection", options->conninfo, error) == 0);
}

static bool open_series(hm_host *host, trigperf_error **error) {
    static const char *const names[] = {"stage"};
    for (int i = 0; i < STAGES; i++) {
        if (trigperf_series_resolve(host->context, TRIGPERF_SERIES_HISTOGRAM,
                                    "health_batch_seconds", "Time for one stage of a batch.", names,
                                    &stages[i], 1, &host->durations[i], error) != 0) {
            return false;
        }
    }
    return true;
}

bool host_open(hm_host *host, const hm_options *options) {
    static const char *families[KINDS];
    trigperf_config *config = NULL;
    trigperf_error *error = NULL;
    memset(host, 0, sizeof *host);
    for (int i = 0; i < KINDS; i++) {
        families[i] = kinds[i].family;
    }
    bool fine = configure(options, &config, &error) &&
                trigperf_context_new(config, &host->context, &error) == 0 &&
                trigperf_admin_new(config, &host->admin, &error) == 0 &&
                trigperf_dedup_new(host->context, families, KINDS, &host->dedup, &error) == 0 &&
                trigperf_findings_new(&host->findings, &error) == 0 && open_series(host, &error);
    trigperf_config_free(config);
    return fine || host_complain("cannot set up", error);
}

void host_close(hm_host *host) {
    trigperf_findings_free(host->findings);
    trigperf_dedup_free(host->dedup);
    trigperf_admin_free(host->admin);
    trigperf_context_free(host->context);
}

trigperf_validator *host_validator(hm_host *host, int kind, bool checked, int number, uint32_t keep,
                                   char **report) {
    trigperf_validator *validator = NULL;
    trigperf_error *error = NULL;
    uint32_t food = 0;
    bool fine = trigperf_validator_import(host->admin, NULL, kinds[kind].table, &validator, report,
                                          &error) == 0;
    if (fine && checked && kind == 0) {
        fine =
            trigperf_validator_find(validator, "food", &food, &error) == 0 &&
            trigperf_validator_function(validator, &food, 1, "spelling", "a name of the catalogue",
                                        spelling_check, NULL, NULL, 0, 0, &error) == 0;
    }
    if (fine && number >= 0) {
        fine = trigperf_validator_use(validator, host->context, (uint32_t)number,
                                      TRIGPERF_TTL_DEFAULT, keep, &error) == 0;
    }
    if (!fine) {
        host_complain("cannot import a table's constraints", error);
        trigperf_validator_free(validator);
        return NULL;
    }
    return validator;
}
