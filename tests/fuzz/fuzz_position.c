/* Positions as text: "FROM TARGET" are two snapshots or, without a blank, one snapshot or an LSN.
 * What is accepted is well formed, is the same after it was written and read again, and a step from
 * one snapshot to another covers what it should. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/lsn.h"
#include "core/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_lsn(const char *text) {
    uint64_t lsn = 0, again = 0;
    tp_strbuf written = TP_STRBUF_INIT;
    if (tp_lsn_parse(text, &lsn)) {
        tp_lsn_format(lsn, &written);
        require(tp_lsn_parse(tp_strbuf_str(&written), &again) && again == lsn);
    }
    tp_strbuf_free(&written);
}

static void check_order(const tp_snapshot *snapshot) {
    require(snapshot->xmin <= snapshot->xmax);
    for (uint32_t i = 0; i < snapshot->xip_count; i++) {
        uint64_t xid = snapshot->xip[i];
        require(xid >= snapshot->xmin && xid < snapshot->xmax);
        require(i == 0 || xid > snapshot->xip[i - 1]);
        require(!tp_snapshot_visible(snapshot, xid));
    }
    require(!tp_snapshot_visible(snapshot, snapshot->xmax));
    require(snapshot->xmin == 0 || tp_snapshot_visible(snapshot, snapshot->xmin - 1));
    require(tp_snapshot_covers(snapshot, snapshot));
}

static void check_written(const tp_snapshot *snapshot) {
    tp_snapshot again = {.xip = NULL};
    tp_strbuf written = TP_STRBUF_INIT;
    tp_snapshot_format(snapshot, &written);
    require(tp_snapshot_parse(tp_strbuf_str(&written), &again, NULL) == TRIGPERF_OK);
    require(tp_snapshot_equal(snapshot, &again));
    tp_snapshot_free(&again);
    tp_strbuf_free(&written);
}

/* A complete page under a later snapshot: everything of it is read, and nothing that was is lost.
 */
static void check_step(const tp_snapshot *from, const tp_snapshot *target) {
    tp_snapshot after = {.xip = NULL};
    if (tp_snapshot_covers(target, from) &&
        tp_snapshot_advance(from, target, 0, 0, &after, NULL) == TRIGPERF_OK) {
        check_order(&after);
        require(tp_snapshot_covers(&after, from) && tp_snapshot_covers(&after, target));
        tp_snapshot_free(&after);
    }
}

static bool parse(const char *text, tp_snapshot *out) {
    trigperf_error *error = NULL;
    bool parsed = tp_snapshot_parse(text, out, &error) == TRIGPERF_OK;
    require(parsed == (error == NULL));
    trigperf_error_free(error);
    return parsed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tp_snapshot from = {.xip = NULL}, target = {.xip = NULL};
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *second = strchr(text, ' ');
    if (second != NULL) {
        *second++ = '\0';
    }
    check_lsn(text);
    if (parse(text, &from)) {
        check_order(&from);
        check_written(&from);
        if (second != NULL && parse(second, &target)) {
            check_order(&target);
            check_step(&from, &target);
        }
    }
    tp_snapshot_free(&from);
    tp_snapshot_free(&target);
    free(text);
    return 0;
}
