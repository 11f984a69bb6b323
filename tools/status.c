/* trigperf status: what is installed, and what does not fit together. */
#include "ask.h"
#include "command.h"

static const args_option options[] = {ASK_FORMAT, {NULL, NULL, NULL, 0}};

static int32_t status(trigperf_admin *admin, const args *given, char **json,
                      trigperf_error **error) {
    (void)given;
    return trigperf_admin_status(admin, json, error);
}

static int run(const args *given) {
    return ask_document(given, status);
}

const command command_status = {
    .name = "status",
    .summary = "Show versions, attached tables, consumers, notifier and outbox.",
    .usage = "status [--format text|json]",
    .options = options,
    .run = run,
};
