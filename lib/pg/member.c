/* Rows of an UNLOGGED table, renewed every few seconds; a crash of the server may empty it. A
 * durable consumer's own sign of life goes in the same statement: fifty idle contexts cost the
 * server as many transactions as there are signs. None of them needs to wait for the disk: what a
 * crash forgets is asked for again after it. */
#include "pg/member.h"

#include "base/strbuf.h"

#define SEEN_MS 10000

void tp_member_begin(tp_member *member, uint64_t now_ms) {
    member->contested = false;
    member->next_seen_ms = now_ms;
    member->next_store_ms = now_ms;
}

static int32_t send_seen(const tp_member *member, trigperf_error **err) {
    tp_strbuf text = TP_STRBUF_INIT;
    bool show = member->consumer == NULL && tp_reader_has_position(member->reader);
    if (show) {
        tp_snapshot_format(tp_reader_position(member->reader), &text);
    }
    const char *values[] = {member->instance, member->application,
                            show ? tp_strbuf_str(&text) : NULL};
    tp_statement statement = {
        .text = "SELECT trigperf.member_seen($1::uuid, $2::text, $3::pg_snapshot), "
                "pg_catalog.set_config('synchronous_commit', 'off', true)",
        .repeated = true,
        .count = 3,
        .values = values};
    int32_t status =
        text.failed ? tp_error_nomem(err) : tp_connection_send(member->connection, &statement, err);
    tp_strbuf_free(&text);
    return status;
}

static bool can_store(const tp_member *member) {
    return member->consumer != NULL && tp_consumer_can_store(member->consumer);
}

static int32_t seen(tp_member *member, uint64_t now_ms, trigperf_error **err) {
    member->next_seen_ms = now_ms + SEEN_MS;
    if (!can_store(member)) {
        return send_seen(member, err);
    }
    member->contested = false;
    return tp_consumer_seen(member->consumer, member->application, err);
}

int32_t tp_member_tick(tp_member *member, uint64_t now_ms, trigperf_error **err) {
    int32_t status = TRIGPERF_OK;
    if (now_ms >= member->next_seen_ms || (member->contested && can_store(member))) {
        status = seen(member, now_ms, err);
    }
    if (status == TRIGPERF_OK && member->consumer != NULL && now_ms >= member->next_store_ms) {
        status = tp_consumer_store(member->consumer, false, err);
    }
    if (member->consumer != NULL && tp_consumer_storing(member->consumer) &&
        now_ms >= member->next_store_ms) {
        member->next_store_ms = now_ms + member->ack_interval_ms;
    }
    return status;
}

uint64_t tp_member_deadline(const tp_member *member, uint64_t now_ms) {
    bool throttled = member->consumer != NULL && member->next_store_ms > now_ms;
    return throttled && member->next_store_ms < member->next_seen_ms ? member->next_store_ms
                                                                     : member->next_seen_ms;
}

int32_t tp_member_leave(tp_member *member, trigperf_error **err) {
    const char *values[] = {member->instance};
    tp_statement statement = {
        .text = "SELECT trigperf.member_gone($1::uuid)", .count = 1, .values = values};
    int32_t status =
        member->consumer == NULL ? TRIGPERF_OK : tp_consumer_store(member->consumer, true, err);
    return status != TRIGPERF_OK ? status : tp_connection_send(member->connection, &statement, err);
}
