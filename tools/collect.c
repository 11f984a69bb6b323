/* trigperf collect: measures the triggers of the database now. */
#include "ask.h"
#include "command.h"

static const args_option options[] = {ASK_FORMAT, {NULL, NULL, NULL, 0}};

static int32_t collect(trigperf_admin *admin, const args *given, char **json,
                       trigperf_error **error) {
    (void)given;
    return trigperf_admin_collect(admin, json, error);
}

static int run(const args *given) {
    return ask_document(given, collect);
}

const command command_collect = {
    .name = "collect",
    .summary = "Measure the triggers of the database now.",
    .usage = "collect [--format text|json]",
    .details =
        "Contexts do it by themselves every metrics.collect_ms; without any, a cron job can.\n"
        "The first time only notes where the server's counters stand.",
    .options = options,
    .run = run,
};
