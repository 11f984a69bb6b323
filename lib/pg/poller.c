/* A poll that was under way when somebody asked may have taken its snapshot before; only one that
 * begins afterwards counts. */
#include "pg/poller.h"

void tp_poller_init(tp_poller *poller, tp_reader *reader, uint32_t min_ms, uint32_t max_ms) {
    *poller = (tp_poller){.reader = reader};
    tp_pace_init(&poller->pace, min_ms, max_ms);
}

void tp_poller_defer(tp_poller *poller) {
    poller->again = true;
}

int32_t tp_poller_poll(tp_poller *poller, trigperf_error **err) {
    if (tp_reader_busy(poller->reader)) {
        tp_poller_defer(poller);
        return TRIGPERF_OK;
    }
    poller->again = false;
    poller->ticket = poller->requested;
    poller->rows_before = tp_reader_rows(poller->reader);
    poller->polls++;
    return tp_reader_poll(poller->reader, err);
}

bool tp_poller_ended(tp_poller *poller, uint64_t now_ms, bool followed) {
    bool found = tp_reader_rows(poller->reader) != poller->rows_before;
    poller->complete = poller->ticket;
    tp_pace_polled(&poller->pace, now_ms, found, followed);
    return poller->again || poller->requested > poller->complete;
}

bool tp_poller_due(const tp_poller *poller, uint64_t now_ms) {
    return !tp_reader_busy(poller->reader) &&
           (tp_pace_due(&poller->pace, now_ms) || poller->requested > poller->complete);
}

uint64_t tp_poller_deadline(const tp_poller *poller) {
    return tp_reader_busy(poller->reader) ? UINT64_MAX : poller->pace.next_ms;
}

void tp_poller_request(tp_poller *poller, uint64_t ticket) {
    poller->requested = ticket > poller->requested ? ticket : poller->requested;
}
