/* What `alerts --follow` and `monitor` do while they run.
 *
 * Measuring and judging are done by a context of an app server where there is one; doing them here
 * as well makes nothing twice, since the database lets one at it and knows what is due. A role that
 * may only look, looks. */
#include "watching.h"

#include <stdlib.h>

#include "say.h"

enum { JUDGE_MS = 15000 };

/* What the role must not do is said once; it can still look. */
static int32_t forgive(watching *w, int32_t status, trigperf_error **error) {
    if (status != TRIGPERF_E_PERMISSION) {
        return status;
    }
    if (w->rights_told == 0) {
        say_note("this role may not measure or judge; what others do is shown: %s",
                 trigperf_error_message(*error));
        w->rights_told = 1;
    }
    trigperf_error_free(*error);
    *error = NULL;
    return TRIGPERF_OK;
}

static int32_t judge(watching *w, trigperf_error **error) {
    int32_t status = forgive(w, trigperf_admin_collect(w->admin, NULL, error), error);
    if (status == TRIGPERF_OK) {
        status = forgive(w, trigperf_admin_alerts_judge(w->admin, 0, NULL, error), error);
    }
    return status;
}

static json_t *parsed(char *text) {
    json_t *value = json_loads(text, 0, NULL);
    trigperf_string_free(text);
    return say_allocated(value);
}

static int32_t give_to_command(watching *w, trigperf_error **error) {
    char *text = NULL;
    int32_t status = forgive(w, trigperf_admin_alerts_take(w->admin, &text, error), error);
    if (status != TRIGPERF_OK || text == NULL) {
        return status;
    }
    json_t *taken = parsed(text);
    for (size_t i = 0; i < json_array_size(taken); i++) {
        hook_add(w->command, json_array_get(taken, i));
    }
    json_decref(taken);
    return TRIGPERF_OK;
}

int32_t watching_turn(watching *w, int64_t now_ms, json_t **events, trigperf_error **error) {
    char *text = NULL;
    int32_t status = TRIGPERF_OK;
    if (now_ms >= w->due_ms) {
        status = judge(w, error);
        w->due_ms = now_ms + JUDGE_MS;
    }
    if (status == TRIGPERF_OK && w->command != NULL && hook_idle(w->command)) {
        status = give_to_command(w, error);
    }
    if (status == TRIGPERF_OK) {
        status = trigperf_admin_alerts(w->admin, 0, w->last_id, &text, error);
    }
    if (status != TRIGPERF_OK) {
        return status;
    }
    json_t *answer = parsed(text);
    *events = json_incref(json_object_get(answer, "history"));
    size_t count = json_array_size(*events);
    if (count > 0) {
        const json_t *last = json_array_get(*events, count - 1);
        w->last_id = (uint64_t)json_integer_value(json_object_get(last, "id"));
    }
    json_decref(answer);
    return TRIGPERF_OK;
}
