/* Rows connect to a reader's position when that position covers the announcement's start: nothing
 * between the two is missing. Rows of transactions that the reader has seen already are left out,
 * so readers that polled for themselves fall in step without a fetch.
 *
 * The channel's name is random and readable by consumers only, so that nobody else can forge an
 * announcement, which could move readers past changes. */
#include "pg/wake.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "core/lsn.h"
#include "pg/outbox_query.h"

#define FIXED_COLUMNS 4

struct tp_wake {
    json_t *root;
    tp_wake_kind kind;
    tp_snapshot from;
    tp_snapshot to;
    uint64_t lsn;
};

static void put_snapshot(tp_strbuf *out, const char *key, const tp_snapshot *snapshot) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_snapshot_format(snapshot, &text);
    tp_json_text(out, key, tp_strbuf_str(&text));
    out->failed = out->failed || text.failed;
    tp_strbuf_free(&text);
}

static void put_row(tp_strbuf *out, const PGresult *result, int row) {
    tp_json_open(out, NULL, '[');
    for (int column = 1; column < PQnfields(result); column++) {
        tp_json_text(out, NULL,
                     PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column));
    }
    tp_json_close(out, ']');
}

static void encode(const tp_reader_page *page, const tp_registry *registry, bool rows,
                   tp_strbuf *out) {
    tp_strbuf lsn = TP_STRBUF_INIT;
    tp_lsn_format(page->lsn, &lsn);
    tp_json_open(out, NULL, '{');
    tp_json_text(out, "k", rows ? "r" : "w");
    if (rows) {
        put_snapshot(out, "f", page->from);
    }
    put_snapshot(out, "t", page->to);
    tp_json_text(out, "l", tp_strbuf_str(&lsn));
    if (rows) {
        tp_json_text(out, "v", tp_registry_version(registry));
        tp_json_open(out, "r", '[');
        for (int row = 0; row < (int)page->rows && out->length <= TP_WAKE_PAYLOAD_MAX; row++) {
            put_row(out, page->result, row);
        }
        tp_json_close(out, ']');
    }
    tp_json_close(out, '}');
    tp_strbuf_free(&lsn);
}

/* What is no text in UTF-8 would arrive as another one. */
static bool is_text(const tp_reader_page *page) {
    for (int row = 0; row < (int)page->rows; row++) {
        for (int column = TP_OUTBOX_FIXED_COLUMNS; column < PQnfields(page->result); column++) {
            if (!tp_text_is_utf8(PQgetvalue(page->result, row, column),
                                 (size_t)PQgetlength(page->result, row, column))) {
                return false;
            }
        }
    }
    return true;
}

void tp_wake_encode(const tp_reader_page *page, const tp_registry *registry, tp_strbuf *out) {
    if (page->complete) {
        encode(page, registry, true, out);
        if (out->length <= TP_WAKE_PAYLOAD_MAX && is_text(page)) {
            return;
        }
        tp_strbuf_reset(out);
    }
    encode(page, registry, false, out);
}

static const char *text_of(const tp_wake *wake, const char *key) {
    return json_string_value(json_object_get(wake->root, key));
}

static bool read_position(tp_wake *wake) {
    const char *from = text_of(wake, "f");
    const char *to = text_of(wake, "t");
    const char *lsn = text_of(wake, "l");
    return to != NULL && lsn != NULL && tp_lsn_parse(lsn, &wake->lsn) &&
           tp_snapshot_parse(to, &wake->to, NULL) == TRIGPERF_OK &&
           (wake->kind == TP_WAKE_POSITION ||
            (from != NULL && tp_snapshot_parse(from, &wake->from, NULL) == TRIGPERF_OK));
}

static tp_wake_kind kind_of(const char *letter) {
    static const char letters[] = "bqsrwc";
    const char *at = letter == NULL || letter[0] == '\0' ? NULL : strchr(letters, letter[0]);
    return at == NULL ? TP_WAKE_UNKNOWN : (tp_wake_kind)(at - letters + 1);
}

tp_wake *tp_wake_decode(const char *payload) {
    tp_wake *wake = calloc(1, sizeof *wake);
    if (wake == NULL) {
        return NULL;
    }
    wake->root = json_loads(payload, 0, NULL);
    wake->kind = wake->root == NULL ? TP_WAKE_UNKNOWN : kind_of(text_of(wake, "k"));
    bool positioned = wake->kind == TP_WAKE_ROWS || wake->kind == TP_WAKE_POSITION;
    if (wake->kind == TP_WAKE_UNKNOWN || (positioned && !read_position(wake))) {
        tp_wake_free(wake);
        return NULL;
    }
    return wake;
}

void tp_wake_free(tp_wake *wake) {
    if (wake != NULL) {
        json_decref(wake->root);
        tp_snapshot_free(&wake->from);
        tp_snapshot_free(&wake->to);
        free(wake);
    }
}

tp_wake_kind tp_wake_kind_of(const tp_wake *wake) {
    return wake->kind;
}

bool tp_wake_claims(const tp_wake *wake, const char *name) {
    const char *claimed = text_of(wake, "c");
    return wake->kind == TP_WAKE_CLAIM && claimed != NULL &&
           strncmp(name, claimed, strlen(claimed)) == 0;
}

static bool read_row(const json_t *row, uint32_t column_count, tp_outbox_row *out,
                     const char **columns) {
    if (json_array_size(row) != FIXED_COLUMNS - 1 + column_count) {
        return false;
    }
    const char *fixed[FIXED_COLUMNS - 1];
    for (size_t i = 0; i < FIXED_COLUMNS - 1; i++) {
        fixed[i] = json_string_value(json_array_get(row, i));
        if (fixed[i] == NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < column_count; i++) {
        columns[i] = json_string_value(json_array_get(row, FIXED_COLUMNS - 1 + i));
    }
    out->xid = strtoull(fixed[0], NULL, 10);
    out->table_id = (int32_t)strtol(fixed[1], NULL, 10);
    out->op = fixed[2][0];
    out->columns = columns;
    return true;
}

/* All rows are checked before the first is applied. */
static bool apply_rows(const tp_wake *wake, const tp_snapshot *position,
                       const tp_registry *registry, tp_engine *engine, uint64_t now_ms,
                       const tp_log *log) {
    const char *columns[TP_REGISTRY_COLUMNS_MAX];
    uint32_t count = tp_registry_column_count(registry);
    const json_t *rows = json_object_get(wake->root, "r");
    tp_outbox_row row;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (!read_row(json_array_get(rows, i), count, &row, columns)) {
            return false;
        }
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        read_row(json_array_get(rows, i), count, &row, columns);
        if (!tp_snapshot_visible(position, row.xid)) {
            tp_outbox_row_apply(&row, registry, engine, now_ms, wake->lsn, log);
        }
    }
    return true;
}

tp_wake_use tp_wake_apply(const tp_wake *wake, tp_reader *reader, const tp_registry *registry,
                          tp_engine *engine, uint64_t now_ms, const tp_log *log) {
    const tp_snapshot *position = tp_reader_position(reader);
    if (tp_snapshot_covers(position, &wake->to)) {
        return TP_WAKE_OLD;
    }
    const char *version = text_of(wake, "v");
    bool full = tp_engine_full(engine);
    bool connects = wake->kind == TP_WAKE_ROWS && version != NULL && !full &&
                    strcmp(version, tp_registry_version(registry)) == 0 &&
                    tp_snapshot_covers(position, &wake->from) &&
                    tp_snapshot_covers(&wake->to, position);
    if (!connects || !apply_rows(wake, position, registry, engine, now_ms, log) ||
        tp_reader_jump(reader, &wake->to, wake->lsn, NULL) != TRIGPERF_OK) {
        return TP_WAKE_FETCH;
    }
    return TP_WAKE_APPLIED;
}
