/* The page statement has two halves joined by UNION ALL, each an index scan that stops at the page
 * size: rows of transactions that were running at the position, and rows of later ones. One OR over
 * both would scan everything. The third part of the statement tells whether rows after the position
 * were truncated; it stands in the same statement so that its answer and the rows come under the
 * same table locks.
 *
 * Most transactions of a server concern no attached table, but each moves the snapshot. So a poll
 * looks itself whether there is anything to read, which costs a fifth of finding an empty page. It
 * looks into one of the four parts of the outbox, that of the position's end: others hold later
 * rows only when the snapshot has come to the next part's transactions, and then a page is read
 * anyway.
 *
 * The method of reading between snapshots is PgQ's (Skype, PgQ/Londiste). */
#include "pg/outbox_query.h"

#include <stdio.h>

#include "base/strbuf.h"

#define PART_SHIFT 17 /* so many transactions in turn write to the same part */
#define PARTS 4u

static void build_poll_sql(tp_strbuf *sql, uint64_t xmax) {
    tp_strbuf_printf(sql,
                     "SELECT pg_catalog.pg_current_snapshot(), "
                     "pg_catalog.pg_current_wal_insert_lsn(), "
                     "(SELECT value FROM trigperf.setting WHERE name = 'registry_version'), "
                     "CASE WHEN pg_catalog.pg_current_snapshot()::text = $2::text THEN false "
                     "WHEN EXISTS (SELECT FROM trigperf.outbox_%u WHERE xid >= $1::xid8) THEN true "
                     "ELSE trigperf.reader_gap($2::text::pg_snapshot) END",
                     (uint32_t)(xmax >> PART_SHIFT) % PARTS);
}

bool tp_outbox_query_same_part(uint64_t a, uint64_t b) {
    return a >> PART_SHIFT == b >> PART_SHIFT;
}

/* fields: op and the registry's columns; blanks: as many NULLs as there are columns. */
static void build_page_sql(tp_strbuf *sql, const char *fields, const char *blanks) {
    tp_strbuf_printf(sql,
                     "(SELECT 0, xid, table_id, %s FROM trigperf.outbox "
                     "WHERE xid = ANY ($1) AND pg_catalog.pg_visible_in_snapshot(xid, $3) "
                     "ORDER BY xid LIMIT $5) UNION ALL "
                     "(SELECT 1, xid, table_id, %s FROM trigperf.outbox "
                     "WHERE xid >= $2 AND pg_catalog.pg_visible_in_snapshot(xid, $3) "
                     "ORDER BY xid LIMIT $5) UNION ALL "
                     "SELECT 2, NULL, NULL, NULL%s WHERE trigperf.reader_gap($4)",
                     fields, fields, blanks);
}

static void put_fields(tp_strbuf *out, const tp_registry *registry) {
    const char *columns = tp_registry_columns(registry);
    tp_strbuf_printf(out, "op%s%s", columns[0] == '\0' ? "" : ", ", columns);
}

static void put_blanks(tp_strbuf *out, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        tp_strbuf_puts(out, ", NULL");
    }
}

static int32_t send_text(const tp_outbox_query *query, tp_strbuf *sql, tp_result_fn done,
                         void *user, trigperf_error **err) {
    tp_statement statement = {.text = tp_strbuf_str(sql), .done = done, .user = user};
    int32_t status =
        sql->failed ? tp_error_nomem(err) : tp_connection_send(query->connection, &statement, err);
    tp_strbuf_free(sql);
    return status;
}

/* The statements of the former registry, on the same connection. */
static int32_t send_deallocate(const tp_outbox_query *query, trigperf_error **err) {
    static const char *const names[] = {"tp_page", "tp_big"};
    int32_t status = TRIGPERF_OK;
    for (int i = 0; status == TRIGPERF_OK && i < 2; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "DEALLOCATE %s_%u", names[i], query->generation);
        tp_statement statement = {.text = sql};
        status = tp_connection_send(query->connection, &statement, err);
    }
    return status;
}

static int32_t prepare_page(const tp_outbox_query *query, const tp_registry *registry,
                            tp_result_fn prepared, void *user, trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    tp_strbuf fields = TP_STRBUF_INIT;
    tp_strbuf blanks = TP_STRBUF_INIT;
    put_fields(&fields, registry);
    put_blanks(&blanks, query->columns);
    tp_strbuf_printf(&sql, "PREPARE tp_page_%u(xid8[], xid8, pg_snapshot, pg_snapshot, bigint) AS ",
                     query->generation);
    build_page_sql(&sql, tp_strbuf_str(&fields), tp_strbuf_str(&blanks));
    sql.failed = sql.failed || fields.failed || blanks.failed;
    tp_strbuf_free(&fields);
    tp_strbuf_free(&blanks);
    return send_text(query, &sql, prepared, user, err);
}

static int32_t prepare_transaction(const tp_outbox_query *query, const tp_registry *registry,
                                   tp_result_fn prepared, void *user, trigperf_error **err) {
    tp_strbuf sql = TP_STRBUF_INIT;
    tp_strbuf_printf(&sql, "PREPARE tp_big_%u(xid8) AS SELECT 1, xid, table_id, ",
                     query->generation);
    put_fields(&sql, registry);
    tp_strbuf_puts(&sql, " FROM trigperf.outbox WHERE xid = $1");
    return send_text(query, &sql, prepared, user, err);
}

int32_t tp_outbox_query_prepare(tp_outbox_query *query, const tp_registry *registry,
                                tp_result_fn prepared, void *user, trigperf_error **err) {
    int32_t status = query->prepared ? send_deallocate(query, err) : TRIGPERF_OK;
    if (status != TRIGPERF_OK) {
        return status;
    }
    query->generation++;
    query->prepared = true;
    query->columns = tp_registry_column_count(registry);
    status = prepare_page(query, registry, prepared, user, err);
    return status == TRIGPERF_OK ? prepare_transaction(query, registry, prepared, user, err)
                                 : status;
}

int32_t tp_outbox_query_poll(const tp_outbox_query *query, const tp_snapshot *from,
                             tp_result_fn done, void *user, trigperf_error **err) {
    tp_strbuf position = TP_STRBUF_INIT;
    tp_strbuf sql = TP_STRBUF_INIT;
    char xmax[24] = "";
    build_poll_sql(&sql, from == NULL ? 0 : from->xmax);
    if (from != NULL) {
        tp_snapshot_format(from, &position);
        snprintf(xmax, sizeof xmax, "%llu", (unsigned long long)from->xmax);
    }
    const char *values[] = {from == NULL ? NULL : xmax,
                            from == NULL ? NULL : tp_strbuf_str(&position)};
    tp_statement statement = {.text = tp_strbuf_str(&sql),
                              .repeated = true,
                              .count = 2,
                              .values = values,
                              .done = done,
                              .user = user};
    int32_t status = sql.failed || position.failed
                         ? tp_error_nomem(err)
                         : tp_connection_send(query->connection, &statement, err);
    tp_strbuf_free(&sql);
    tp_strbuf_free(&position);
    return status;
}

/* Of the transactions that ran at the position, those that have ended since: the others have
 * nothing to show yet, and one that has written a million rows would be scanned in vain by every
 * poll. */
static void format_ended(const tp_snapshot *from, const tp_snapshot *target, tp_strbuf *out) {
    const char *separator = "";
    tp_strbuf_putc(out, '{');
    for (uint32_t i = 0; i < from->xip_count; i++) {
        if (tp_snapshot_visible(target, from->xip[i])) {
            tp_strbuf_puts(out, separator);
            tp_strbuf_putu(out, from->xip[i]);
            separator = ",";
        }
    }
    tp_strbuf_putc(out, '}');
}

/* The name of the prepared statement, or, without keys, the statement itself. */
static void page_text(const tp_outbox_query *query, tp_strbuf *out) {
    if (!query->keyless) {
        tp_strbuf_printf(out, "tp_page_%u", query->generation);
        return;
    }
    tp_strbuf fields = TP_STRBUF_INIT;
    tp_strbuf blanks = TP_STRBUF_INIT;
    put_blanks(&blanks, query->columns);
    tp_strbuf_printf(&fields, "'%c'::\"char\"%s", TP_OUTBOX_UNREADABLE, tp_strbuf_str(&blanks));
    build_page_sql(out, tp_strbuf_str(&fields), tp_strbuf_str(&blanks));
    out->failed = out->failed || fields.failed || blanks.failed;
    tp_strbuf_free(&fields);
    tp_strbuf_free(&blanks);
}

int32_t tp_outbox_query_page(const tp_outbox_query *query, const tp_snapshot *from,
                             const tp_snapshot *target, uint32_t rows, tp_result_fn done,
                             void *user, trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    tp_strbuf ended = TP_STRBUF_INIT;
    tp_strbuf until = TP_STRBUF_INIT;
    tp_strbuf position = TP_STRBUF_INIT;
    char xmax[24];
    char limit[16];
    page_text(query, &text);
    format_ended(from, target, &ended);
    tp_snapshot_format(target, &until);
    tp_snapshot_format(from, &position);
    snprintf(xmax, sizeof xmax, "%llu", (unsigned long long)from->xmax);
    snprintf(limit, sizeof limit, "%u", rows);
    const char *values[] = {tp_strbuf_str(&ended), xmax, tp_strbuf_str(&until),
                            tp_strbuf_str(&position), limit};
    tp_statement statement = {.text = tp_strbuf_str(&text),
                              .prepared = !query->keyless,
                              .keeps = true,
                              .count = 5,
                              .values = values,
                              .done = done,
                              .user = user};
    int32_t status = text.failed || ended.failed || until.failed || position.failed
                         ? tp_error_nomem(err)
                         : tp_connection_send(query->connection, &statement, err);
    tp_strbuf_free(&text);
    tp_strbuf_free(&ended);
    tp_strbuf_free(&until);
    tp_strbuf_free(&position);
    return status;
}

/* Without keys a row tells no more than its table. */
static void transaction_text(const tp_outbox_query *query, tp_strbuf *out) {
    if (!query->keyless) {
        tp_strbuf_printf(out, "tp_big_%u", query->generation);
        return;
    }
    tp_strbuf_printf(out, "SELECT DISTINCT 1, xid, table_id, '%c'::\"char\"", TP_OUTBOX_UNREADABLE);
    put_blanks(out, query->columns);
    tp_strbuf_puts(out, " FROM trigperf.outbox WHERE xid = $1");
}

int32_t tp_outbox_query_transaction(const tp_outbox_query *query, uint64_t xid, tp_result_fn done,
                                    void *user, trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)xid);
    transaction_text(query, &text);
    const char *values[] = {number};
    tp_statement statement = {.text = tp_strbuf_str(&text),
                              .prepared = !query->keyless,
                              .streamed = true,
                              .count = 1,
                              .values = values,
                              .done = done,
                              .user = user};
    int32_t status =
        text.failed ? tp_error_nomem(err) : tp_connection_send(query->connection, &statement, err);
    tp_strbuf_free(&text);
    return status;
}
