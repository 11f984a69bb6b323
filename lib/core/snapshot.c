/* A position is a set of transaction ids: everything below xmax except xip. Advancing it over a
 * page adds exactly the transactions whose rows the page is sure to hold in full; the others
 * become, or stay, members of xip and are asked for again. One long or prepared transaction
 * therefore costs one number in the position and delays nobody (the method of PgQ's batches, Skype
 * 2007).
 *
 * xmin is kept as PostgreSQL defines it, the lowest id that is not in the set, so that the server
 * accepts the text as a pg_snapshot. */
#include "core/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int32_t syntax_error(const char *text, trigperf_error **err) {
    return tp_error_set(err, TRIGPERF_E_INVALID,
                        "positions are written by this library; if it was edited, start anew",
                        "a snapshot as xmin:xmax:xip,xip was expected, got '%.100s'", text);
}

static bool parse_number(const char **at, uint64_t *out) {
    const char *digit = *at;
    uint64_t number = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        uint64_t value = (uint64_t)(*digit - '0');
        if (number > (UINT64_MAX - value) / 10) {
            return false;
        }
        number = number * 10 + value;
    }
    bool some = digit != *at;
    *at = digit;
    *out = number;
    return some;
}

static bool parse_bounds(const char **at, tp_snapshot *out) {
    if (!parse_number(at, &out->xmin) || *(*at)++ != ':' || !parse_number(at, &out->xmax) ||
        *(*at)++ != ':') {
        return false;
    }
    return out->xmin > 0 && out->xmin <= out->xmax;
}

static bool append(tp_snapshot *snapshot, uint32_t *capacity, uint64_t xid) {
    uint64_t *xip = tp_array_reserve(snapshot->xip, capacity, snapshot->xip_count + 1, sizeof *xip);
    if (xip == NULL) {
        return false;
    }
    snapshot->xip = xip;
    xip[snapshot->xip_count++] = xid;
    return true;
}

/* The next running transaction; equal neighbours are taken once, as the server does. */
static int32_t parse_running(const char **at, tp_snapshot *out, uint32_t *capacity) {
    uint64_t xid = 0;
    if (!parse_number(at, &xid) || xid < out->xmin || xid >= out->xmax) {
        return TRIGPERF_E_INVALID;
    }
    uint64_t last = out->xip_count == 0 ? 0 : out->xip[out->xip_count - 1];
    if (xid < last) {
        return TRIGPERF_E_INVALID;
    }
    return xid == last || append(out, capacity, xid) ? TRIGPERF_OK : TRIGPERF_E_NOMEM;
}

static int32_t parse_all(const char *text, tp_snapshot *out) {
    const char *at = text;
    uint32_t capacity = 0;
    if (!parse_bounds(&at, out)) {
        return TRIGPERF_E_INVALID;
    }
    while (*at != '\0') {
        int32_t status = parse_running(&at, out, &capacity);
        if (status != TRIGPERF_OK) {
            return status;
        }
        if (*at == '\0') {
            break;
        }
        if (*at++ != ',' || *at == '\0') {
            return TRIGPERF_E_INVALID;
        }
    }
    return TRIGPERF_OK;
}

int32_t tp_snapshot_parse(const char *text, tp_snapshot *out, trigperf_error **err) {
    tp_snapshot parsed = {0, 0, NULL, 0};
    int32_t status = parse_all(text, &parsed);
    if (status != TRIGPERF_OK) {
        tp_snapshot_free(&parsed);
        return status == TRIGPERF_E_NOMEM ? tp_error_nomem(err) : syntax_error(text, err);
    }
    *out = parsed;
    return TRIGPERF_OK;
}

void tp_snapshot_free(tp_snapshot *snapshot) {
    free(snapshot->xip);
    *snapshot = (tp_snapshot){0, 0, NULL, 0};
}

void tp_snapshot_format(const tp_snapshot *snapshot, tp_strbuf *out) {
    tp_strbuf_putu(out, snapshot->xmin);
    tp_strbuf_putc(out, ':');
    tp_strbuf_putu(out, snapshot->xmax);
    tp_strbuf_putc(out, ':');
    for (uint32_t i = 0; i < snapshot->xip_count; i++) {
        if (i > 0) {
            tp_strbuf_putc(out, ',');
        }
        tp_strbuf_putu(out, snapshot->xip[i]);
    }
}

bool tp_snapshot_equal(const tp_snapshot *a, const tp_snapshot *b) {
    return a->xmin == b->xmin && a->xmax == b->xmax && a->xip_count == b->xip_count &&
           (a->xip_count == 0 || memcmp(a->xip, b->xip, a->xip_count * sizeof *a->xip) == 0);
}

static bool is_running(const tp_snapshot *snapshot, uint64_t xid) {
    uint32_t low = 0;
    uint32_t high = snapshot->xip_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (snapshot->xip[middle] < xid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < snapshot->xip_count && snapshot->xip[low] == xid;
}

bool tp_snapshot_visible(const tp_snapshot *snapshot, uint64_t xid) {
    return xid < snapshot->xmin || (xid < snapshot->xmax && !is_running(snapshot, xid));
}

static int32_t check_cuts(const tp_snapshot *from, const tp_snapshot *target, uint64_t old_last,
                          uint64_t new_last, trigperf_error **err) {
    if (old_last > TP_SNAPSHOT_NOTHING &&
        (!is_running(from, old_last) || !tp_snapshot_visible(target, old_last))) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "restart the reader from its stored position",
                            "a page of rows of transactions that ran at the position was expected, "
                            "got transaction %" PRIu64,
                            old_last);
    }
    if (new_last > TP_SNAPSHOT_NOTHING &&
        (new_last < from->xmax || !tp_snapshot_visible(target, new_last))) {
        return tp_error_set(err, TRIGPERF_E_INVALID, "restart the reader from its stored position",
                            "a page of rows of transactions from %" PRIu64
                            " on was expected, got transaction %" PRIu64,
                            from->xmax, new_last);
    }
    return TRIGPERF_OK;
}

static bool still_to_read(const tp_snapshot *target, uint64_t last, uint64_t xid) {
    return !tp_snapshot_visible(target, xid) || (last != 0 && xid > last);
}

static bool collect_running(const tp_snapshot *from, const tp_snapshot *target, uint64_t old_last,
                            tp_snapshot *out) {
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < from->xip_count; i++) {
        uint64_t xid = from->xip[i];
        if (still_to_read(target, old_last, xid) && !append(out, &capacity, xid)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < target->xip_count; i++) {
        uint64_t xid = target->xip[i];
        if (xid >= from->xmax && xid < out->xmax && !append(out, &capacity, xid)) {
            return false;
        }
    }
    return true;
}

int32_t tp_snapshot_advance(const tp_snapshot *from, const tp_snapshot *target, uint64_t old_last,
                            uint64_t new_last, tp_snapshot *out, trigperf_error **err) {
    int32_t status = check_cuts(from, target, old_last, new_last, err);
    if (status != TRIGPERF_OK) {
        return status;
    }
    uint64_t end = new_last != 0 ? new_last + 1 : target->xmax;
    tp_snapshot next = {0, end > from->xmax ? end : from->xmax, NULL, 0};
    if (!collect_running(from, target, old_last, &next)) {
        tp_snapshot_free(&next);
        return tp_error_nomem(err);
    }
    next.xmin = next.xip_count > 0 ? next.xip[0] : next.xmax;
    *out = next;
    return TRIGPERF_OK;
}

/* Transactions from a's end to b's end, none of which is visible in a, must run in b. */
static bool all_running(const tp_snapshot *b, uint64_t first) {
    uint64_t running = 0;
    for (uint32_t i = 0; i < b->xip_count; i++) {
        running += b->xip[i] >= first ? 1 : 0;
    }
    return running == b->xmax - first;
}

bool tp_snapshot_covers(const tp_snapshot *a, const tp_snapshot *b) {
    if (b->xmax > a->xmax && !all_running(b, a->xmax)) {
        return false;
    }
    for (uint32_t i = 0; i < a->xip_count; i++) {
        if (tp_snapshot_visible(b, a->xip[i])) {
            return false;
        }
    }
    return true;
}
