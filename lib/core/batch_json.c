/* The order of the fields is part of the interface. Written through the reading functions of a
 * batch, so that nothing appears here that a host cannot read there. */
#include "core/batch_json.h"

#include "base/json.h"
#include "core/lsn.h"

static void write_ops(tp_strbuf *out, uint32_t ops) {
    tp_json_open(out, "ops", '[');
    for (uint32_t op = 1; op <= TP_OP_ALL; op <<= 1) {
        if ((ops & op) != 0) {
            tp_json_text(out, NULL, tp_op_name(op));
        }
    }
    tp_json_close(out, ']');
}

static void write_change(const tp_batch *batch, uint32_t i, tp_strbuf *out) {
    tp_json_open(out, NULL, '{');
    tp_json_text(out, "table", tp_batch_change_table(batch, i));
    write_ops(out, tp_batch_change_ops(batch, i));
    tp_json_open(out, "keys", '{');
    for (uint32_t j = 0; j < tp_batch_change_value_count(batch, i); j++) {
        size_t length = 0;
        const char *value = tp_batch_change_value(batch, i, j, &length);
        tp_json_bytes(out, tp_batch_change_name(batch, i, j), value, length);
    }
    tp_json_close(out, '}');
    tp_json_uint(out, "count", tp_batch_change_merged(batch, i));
    tp_json_close(out, '}');
}

static void write_resync(const tp_batch *batch, uint32_t i, tp_strbuf *out) {
    static const char *const levels[] = {"", "group", "table", "all"};
    tp_json_open(out, NULL, '{');
    tp_json_text(out, "table", tp_batch_resync_table(batch, i));
    tp_json_open(out, "templates", '[');
    for (uint32_t j = 0; j < tp_batch_resync_template_count(batch, i); j++) {
        tp_json_text(out, NULL, tp_batch_resync_template(batch, i, j));
    }
    tp_json_close(out, ']');
    tp_json_open(out, "prefixes", '[');
    for (uint32_t j = 0; j < tp_batch_resync_prefix_count(batch, i); j++) {
        tp_json_text(out, NULL, tp_batch_resync_prefix(batch, i, j));
    }
    tp_json_close(out, ']');
    tp_json_text(out, "level", levels[tp_batch_resync_level(batch, i)]);
    tp_json_close(out, '}');
}

static void write_lists(const tp_batch *batch, tp_strbuf *out) {
    tp_json_open(out, "keys", '[');
    for (uint32_t i = 0; i < tp_batch_key_count(batch); i++) {
        size_t length = 0;
        const char *key = tp_batch_key(batch, i, &length);
        tp_json_bytes(out, NULL, key, length);
    }
    tp_json_close(out, ']');
    tp_json_open(out, "changes", '[');
    for (uint32_t i = 0; i < tp_batch_change_count(batch); i++) {
        write_change(batch, i, out);
    }
    tp_json_close(out, ']');
    tp_json_open(out, "resync", '[');
    for (uint32_t i = 0; i < tp_batch_resync_count(batch); i++) {
        write_resync(batch, i, out);
    }
    tp_json_close(out, ']');
}

void tp_batch_write_json(const tp_batch *batch, tp_strbuf *out) {
    static const char *const reasons[] = {"window", "size", "flush", "resync"};
    tp_json_open(out, NULL, '{');
    tp_json_uint(out, "batch", tp_batch_number(batch));
    tp_json_uint(out, "attempt", tp_batch_attempt(batch));
    tp_json_text(out, "reason", reasons[tp_batch_reason_of(batch)]);
    write_lists(batch, out);
    tp_lsn_json(out, "lsn", tp_batch_lsn(batch));
    tp_json_text(out, "position", tp_batch_position(batch));
    tp_json_close(out, '}');
}
