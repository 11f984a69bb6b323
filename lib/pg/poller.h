/* When the reader polls: at its pace, at once when somebody asks, and again when news came during a
 * poll. Tickets tell who asked that their poll, begun after they asked, is complete. */
#ifndef TP_PG_POLLER_H
#define TP_PG_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pg/pace.h"
#include "pg/reader.h"

typedef struct tp_poller {
    tp_reader *reader;
    tp_pace pace;
    bool again;           /* news came while a poll was under way */
    uint64_t requested;   /* newest ticket asked for */
    uint64_t ticket;      /* of the poll under way */
    uint64_t complete;    /* newest ticket whose poll is complete */
    uint64_t rows_before; /* read before the poll under way */
    uint64_t polls;
} tp_poller;

void tp_poller_init(tp_poller *poller, tp_reader *reader, uint32_t min_ms, uint32_t max_ms);
/* Begins a poll, or remembers to, when one is under way. */
int32_t tp_poller_poll(tp_poller *poller, trigperf_error **err);
/* Remembers to poll when that is possible again. */
void tp_poller_defer(tp_poller *poller);
/* A poll ended well. True when another one must begin at once. */
bool tp_poller_ended(tp_poller *poller, uint64_t now_ms, bool followed);
/* Whether a poll must begin now. */
bool tp_poller_due(const tp_poller *poller, uint64_t now_ms);
uint64_t tp_poller_deadline(const tp_poller *poller);
void tp_poller_request(tp_poller *poller, uint64_t ticket);

#endif
