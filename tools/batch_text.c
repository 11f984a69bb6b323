/* A batch as one readable line:
 *
 *     #3 window: call:9, dashboard:7 | public.calls update user_id=7 id=9 x3 | lsn 0/1A2B3C
 *
 * Values come from the database: control characters are escaped, so that none of them reaches the
 * terminal or breaks the line.
 */
#include "batch_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "say.h"

static void put_string(FILE *stream, const char *text) {
    say_text(stream, text, strlen(text));
}

static void put_operations(FILE *stream, uint32_t bits) {
    static const struct {
        uint32_t bit;
        const char *name;
    } operations[] = {{TRIGPERF_OP_DELETE, "delete"},
                      {TRIGPERF_OP_INSERT, "insert"},
                      {TRIGPERF_OP_TRUNCATE, "truncate"},
                      {TRIGPERF_OP_UPDATE, "update"}};
    const char *separator = " ";
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if ((bits & operations[i].bit) != 0) {
            fprintf(stream, "%s%s", separator, operations[i].name);
            separator = "+";
        }
    }
}

static void put_change(FILE *stream, const trigperf_batch *batch, uint32_t index) {
    put_string(stream, trigperf_batch_change_table(batch, index));
    put_operations(stream, trigperf_batch_change_ops(batch, index));
    for (uint32_t i = 0; i < trigperf_batch_change_key_count(batch, index); i++) {
        uint64_t length = 0;
        const char *value = trigperf_batch_change_key_value(batch, index, i, &length);
        putc(' ', stream);
        put_string(stream, trigperf_batch_change_key_name(batch, index, i));
        putc('=', stream);
        say_text(stream, value != NULL ? value : "null", value != NULL ? length : 4);
    }
    uint64_t merged = trigperf_batch_change_merged(batch, index);
    if (merged > 1) {
        fprintf(stream, " x%" PRIu64, merged);
    }
}

static void put_resync(FILE *stream, const trigperf_batch *batch, uint32_t index) {
    put_string(stream, trigperf_batch_resync_table(batch, index));
    for (uint32_t i = 0; i < trigperf_batch_resync_template_count(batch, index); i++) {
        fputs(i == 0 ? " -> " : ", ", stream);
        put_string(stream, trigperf_batch_resync_template(batch, index, i));
    }
    bool grouped = trigperf_batch_resync_level(batch, index) == TRIGPERF_RESYNC_GROUP;
    for (uint32_t i = 0; grouped && i < trigperf_batch_resync_prefix_count(batch, index); i++) {
        fputs(i == 0 ? " in groups " : ", ", stream);
        put_string(stream, trigperf_batch_resync_prefix(batch, index, i));
        putc('*', stream);
    }
}

static const char *reason_name(int32_t reason) {
    static const char *const names[] = {"window", "size", "flush", "resync"};
    return reason >= 0 && reason <= TRIGPERF_REASON_RESYNC ? names[reason] : "unknown";
}

static void put_keys(FILE *stream, const trigperf_batch *batch) {
    for (uint32_t i = 0; i < trigperf_batch_key_count(batch); i++) {
        uint64_t length = 0;
        const char *key = trigperf_batch_key_at(batch, i, &length);
        fputs(i == 0 ? " " : ", ", stream);
        say_text(stream, key, length);
    }
}

static void put_batch(FILE *stream, const trigperf_batch *batch) {
    fprintf(stream, "#%" PRIu64 " %s", trigperf_batch_number(batch),
            reason_name(trigperf_batch_reason(batch)));
    if (trigperf_batch_attempt(batch) > 1) {
        fprintf(stream, " (attempt %" PRIu32 ")", trigperf_batch_attempt(batch));
    }
    putc(':', stream);
    put_keys(stream, batch);
    for (uint32_t i = 0; i < trigperf_batch_resync_count(batch); i++) {
        fputs(i == 0 ? " " : "; ", stream);
        put_resync(stream, batch, i);
    }
    for (uint32_t i = 0; i < trigperf_batch_change_count(batch); i++) {
        fputs(i == 0 ? " | " : "; ", stream);
        put_change(stream, batch, i);
    }
    uint64_t lsn = trigperf_batch_lsn(batch);
    if (lsn != 0) {
        fprintf(stream, " | lsn %" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32), (uint32_t)lsn);
    }
}

char *batch_text(const trigperf_batch *batch, size_t *length) {
    char *text = NULL;
    FILE *stream = say_allocated(open_memstream(&text, length));
    put_batch(stream, batch);
    if (fclose(stream) != 0) {
        say_allocated(NULL);
    }
    return say_allocated(text);
}
