/* Rates from the server's counters.
 *
 * The server counts by function, so a row is a function; it goes by its trigger's name when only
 * one has it. Counters that went back were reset: what they show now came since. A function that is
 * new to us begins with this look. Rows that are gone are dropped. */
#include "monitor_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static char *name_of(const json_t *trigger) {
    char *name = NULL;
    long long shared = (long long)json_integer_value(json_object_get(trigger, "shared_by"));
    int written =
        shared > 1
            ? asprintf(&name, "%s (%lld triggers)", text_of(trigger, "function"), shared)
            : asprintf(&name, "%s.%s", text_of(trigger, "table"), text_of(trigger, "trigger"));
    return say_allocated(written < 0 ? NULL : name);
}

/* What partitions have of their table's trigger is no further one. */
static bool is_inherited(const json_t *trigger) {
    return json_is_true(json_object_get(trigger, "inherited"));
}

static model_row *find(model *m, const char *function) {
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->rows[i].function, function) == 0) {
            return &m->rows[i];
        }
    }
    return NULL;
}

static model_row *add(model *m, const json_t *trigger) {
    if (m->count == m->capacity) {
        m->capacity = m->capacity * 2 + 16;
        m->rows = say_allocated(realloc(m->rows, m->capacity * sizeof *m->rows));
    }
    model_row *row = &m->rows[m->count++];
    *row = (model_row){.name = name_of(trigger),
                       .function = say_allocated(strdup(text_of(trigger, "function"))),
                       .inherited = is_inherited(trigger),
                       .mean_ms = -1};
    for (size_t i = 0; i < MODEL_PAST; i++) {
        row->past[i] = -1;
    }
    return row;
}

static void advance(model_row *row, double calls, double total_ms, double seconds) {
    bool reset = calls < row->calls || total_ms < row->total_ms;
    double more = reset ? calls : calls - row->calls;
    double time = reset ? total_ms : total_ms - row->total_ms;
    row->rate = more / seconds;
    row->mean_ms = more > 0 ? time / more : -1;
    row->load = time / 1000 / seconds;
    memmove(row->past, row->past + 1, sizeof row->past - sizeof row->past[0]);
    row->past[MODEL_PAST - 1] = row->rate;
}

static void take_trigger(model *m, const json_t *trigger, double seconds) {
    const json_t *calls = json_object_get(trigger, "calls");
    if (!json_is_number(calls)) {
        return;
    }
    double count = json_number_value(calls);
    double total = json_number_value(json_object_get(trigger, "total_ms"));
    model_row *row = find(m, text_of(trigger, "function"));
    if (row != NULL && row->inherited && !is_inherited(trigger)) {
        free(row->name);
        row->name = name_of(trigger);
        row->inherited = false;
    }
    if (row == NULL) {
        row = add(m, trigger);
    } else if (!row->seen && seconds > 0) {
        advance(row, count, total, seconds);
    }
    row->calls = count;
    row->total_ms = total;
    row->seen = true;
}

static void free_row(model_row *row) {
    free(row->name);
    free(row->function);
}

static void drop_unseen(model *m) {
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->rows[i].seen) {
            m->rows[kept++] = m->rows[i];
        } else {
            free_row(&m->rows[i]);
        }
    }
    m->count = kept;
}

static int by_load(const void *a, const void *b) {
    const model_row *x = a;
    const model_row *y = b;
    if (x->load != y->load) {
        return x->load < y->load ? 1 : -1;
    }
    if (x->total_ms != y->total_ms) {
        return x->total_ms < y->total_ms ? 1 : -1;
    }
    return strcmp(x->name, y->name);
}

void model_take(model *m, const json_t *answer, double seconds) {
    const json_t *triggers = json_object_get(answer, "triggers");
    for (size_t i = 0; i < m->count; i++) {
        m->rows[i].seen = false;
    }
    m->triggers = 0;
    for (size_t i = 0; i < json_array_size(triggers); i++) {
        const json_t *trigger = json_array_get(triggers, i);
        m->triggers += is_inherited(trigger) ? 0 : 1;
        take_trigger(m, trigger, seconds);
    }
    drop_unseen(m);
    m->measured = strcmp(text_of(answer, "track_functions"), "none") != 0;
    m->ready = seconds > 0;
    if (m->count > 0) {
        qsort(m->rows, m->count, sizeof *m->rows, by_load);
    }
}

void model_free(model *m) {
    for (size_t i = 0; i < m->count; i++) {
        free_row(&m->rows[i]);
    }
    free(m->rows);
    *m = (model){0};
}
