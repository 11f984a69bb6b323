/* A host in C: its own change comes back as a batch, without any database. */
#include <stdio.h>
#include <string.h>

#include <trigperf.h>

static int fail(const char *step, trigperf_error *error) {
    fprintf(stderr, "%s: %s (%s)\n", step, trigperf_error_message(error),
            trigperf_error_hint(error));
    trigperf_error_free(error);
    return 1;
}

/* Prints the keys of the first batch that comes and acknowledges it. */
static int deliver(trigperf_context *context) {
    trigperf_error *error = NULL;
    trigperf_batch *batch = NULL;
    while (batch == NULL) {
        if (trigperf_wait(context, 10000, &error) != TRIGPERF_OK ||
            trigperf_batch_next(context, &batch, &error) != TRIGPERF_OK) {
            return fail("wait", error);
        }
    }
    for (uint32_t i = 0; i < trigperf_batch_key_count(batch); i++) {
        printf("%s\n", trigperf_batch_key_at(batch, i, NULL));
    }
    return trigperf_batch_ack(batch, &error) == TRIGPERF_OK ? 0 : fail("ack", error);
}

static int run(trigperf_config *config) {
    trigperf_error *error = NULL;
    trigperf_context *context = NULL;
    const char *names[] = {"user_id"};
    const char *values[] = {"7"};
    if (trigperf_config_set(config, "source", "none", &error) != TRIGPERF_OK ||
        trigperf_config_rule(config, "public.calls", NULL, NULL, "dashboard:{user_id}", 0,
                             &error) != TRIGPERF_OK ||
        trigperf_context_new(config, &context, &error) != TRIGPERF_OK) {
        return fail("configure", error);
    }
    int status;
    if (trigperf_push(context, "public.calls", TRIGPERF_OP_UPDATE, names, values, 1, &error) !=
            TRIGPERF_OK ||
        trigperf_flush(context, &error) != TRIGPERF_OK) {
        status = fail("push", error);
    } else {
        status = deliver(context);
    }
    trigperf_context_free(context);
    return status;
}

int main(void) {
    trigperf_error *error = NULL;
    trigperf_config *config = NULL;
    if (trigperf_config_new(&config, &error) != TRIGPERF_OK) {
        return fail("config", error);
    }
    int status = run(config);
    trigperf_config_free(config);
    printf("%s\n", trigperf_version());
    return status;
}
