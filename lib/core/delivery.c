/* A queue in the order of numbers, a list of what is out, a heap of what waits for another attempt,
 * and a heap of all of them by their oldest arrival. A batch that comes again keeps its number and
 * therefore goes before younger ones. */
#include "core/delivery.h"

#include <stddef.h>
#include <stdlib.h>

typedef struct queue {
    tp_batch *first;
    tp_batch *last;
} queue;

struct tp_delivery {
    uint32_t delay_ms;
    uint32_t delay_max_ms;
    queue ready;
    queue out;
    tp_heap waiting;
    tp_heap holds;
    uint64_t numbers;
    uint32_t pending;
    uint64_t bytes;
    uint64_t dropped_arrival;
};

#define LINK_OF_RETRY(node)                                                                        \
    ((tp_batch_link *)(void *)((char *)(node)-offsetof(tp_batch_link, retry)))

static tp_batch_link *link_of(tp_batch *batch) {
    return tp_batch_link_of(batch);
}

/* Puts a batch behind another one; NULL: at the front. */
static void insert_after(queue *to, tp_batch *before, tp_batch *batch) {
    tp_batch *after = before == NULL ? to->first : link_of(before)->next;
    link_of(batch)->previous = before;
    link_of(batch)->next = after;
    *(before == NULL ? &to->first : &link_of(before)->next) = batch;
    *(after == NULL ? &to->last : &link_of(after)->previous) = batch;
}

static void take_out(queue *from, tp_batch *batch) {
    tp_batch *before = link_of(batch)->previous;
    tp_batch *after = link_of(batch)->next;
    *(before == NULL ? &from->first : &link_of(before)->next) = after;
    *(after == NULL ? &from->last : &link_of(after)->previous) = before;
    link_of(batch)->previous = NULL;
    link_of(batch)->next = NULL;
}

tp_delivery *tp_delivery_new(uint32_t delay_ms, uint32_t delay_max_ms) {
    tp_delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery != NULL) {
        delivery->delay_ms = delay_ms;
        delivery->delay_max_ms = delay_max_ms;
        delivery->dropped_arrival = UINT64_MAX;
    }
    return delivery;
}

void tp_delivery_free(tp_delivery *delivery) {
    if (delivery == NULL) {
        return;
    }
    tp_delivery_retry(delivery, UINT64_MAX);
    while (delivery->ready.first != NULL) {
        tp_batch *batch = delivery->ready.first;
        take_out(&delivery->ready, batch);
        tp_batch_free(batch);
    }
    tp_heap_free(&delivery->waiting);
    tp_heap_free(&delivery->holds);
    free(delivery);
}

bool tp_delivery_reserve(tp_delivery *delivery, uint32_t more) {
    uint32_t count = delivery->pending + more;
    return tp_heap_reserve(&delivery->holds, count) && tp_heap_reserve(&delivery->waiting, count);
}

void tp_delivery_add(tp_delivery *delivery, tp_batch *batch, uint64_t arrival) {
    tp_batch_link *link = link_of(batch);
    link->number = ++delivery->numbers;
    link->arrival = arrival;
    delivery->bytes += tp_batch_bytes(batch);
    tp_heap_push(&delivery->holds, &link->hold, arrival);
    insert_after(&delivery->ready, delivery->ready.last, batch);
    delivery->pending++;
}

void tp_delivery_add_all(tp_delivery *delivery, tp_batch *first, uint64_t arrival) {
    while (first != NULL) {
        tp_batch *batch = first;
        first = link_of(batch)->next;
        tp_delivery_add(delivery, batch, arrival);
    }
}

tp_batch *tp_delivery_next(tp_delivery *delivery) {
    tp_batch *batch = delivery->ready.first;
    if (batch != NULL) {
        take_out(&delivery->ready, batch);
        insert_after(&delivery->out, delivery->out.last, batch);
    }
    return batch;
}

bool tp_delivery_has_next(const tp_delivery *delivery) {
    return delivery->ready.first != NULL;
}

void tp_delivery_ack(tp_delivery *delivery, tp_batch *batch) {
    take_out(&delivery->out, batch);
    tp_heap_remove(&delivery->holds, &link_of(batch)->hold);
    delivery->bytes -= tp_batch_bytes(batch);
    delivery->pending--;
    tp_batch_free(batch);
}

static uint64_t retry_at(const tp_delivery *delivery, uint64_t now_ms, uint32_t attempt) {
    uint64_t delay = delivery->delay_ms;
    for (uint32_t i = 1; i < attempt && delay < delivery->delay_max_ms; i++) {
        delay *= 2;
    }
    delay = delay < delivery->delay_max_ms ? delay : delivery->delay_max_ms;
    return now_ms + delay < now_ms ? UINT64_MAX : now_ms + delay;
}

static bool is_held(tp_batch *batch) {
    return link_of(batch)->hold.at != TP_HEAP_NOWHERE;
}

void tp_delivery_nack(tp_delivery *delivery, uint64_t now_ms, tp_batch *batch) {
    tp_batch_link *link = link_of(batch);
    take_out(&delivery->out, batch);
    if (!is_held(batch)) {
        tp_heap_push(&delivery->holds, &link->hold, link->arrival);
    }
    tp_heap_push(&delivery->waiting, &link->retry, retry_at(delivery, now_ms, link->attempt));
    link->attempt += link->attempt < UINT32_MAX ? 1 : 0;
    tp_batch_forget_json(batch);
}

void tp_delivery_drop(tp_delivery *delivery, tp_batch *batch) {
    uint64_t arrival = is_held(batch) ? link_of(batch)->arrival : UINT64_MAX;
    if (arrival < delivery->dropped_arrival) {
        delivery->dropped_arrival = arrival;
    }
    tp_delivery_ack(delivery, batch);
}

static tp_batch *place_of_number(const tp_delivery *delivery, uint64_t number) {
    tp_batch *before = NULL;
    tp_batch *at = delivery->ready.first;
    while (at != NULL && link_of(at)->number < number) {
        before = at;
        at = link_of(at)->next;
    }
    return before;
}

uint32_t tp_delivery_retry(tp_delivery *delivery, uint64_t now_ms) {
    uint32_t count = 0;
    for (tp_heap_node *top; (top = tp_heap_top(&delivery->waiting)) != NULL; count++) {
        if (top->rank > now_ms) {
            break;
        }
        tp_batch *batch = LINK_OF_RETRY(top)->batch;
        tp_heap_remove(&delivery->waiting, top);
        insert_after(&delivery->ready, place_of_number(delivery, link_of(batch)->number), batch);
    }
    return count;
}

void tp_delivery_let_go(tp_delivery *delivery) {
    for (tp_batch *batch = delivery->out.first; batch != NULL; batch = link_of(batch)->next) {
        tp_heap_remove(&delivery->holds, &link_of(batch)->hold);
    }
    delivery->dropped_arrival = UINT64_MAX;
}

uint32_t tp_delivery_pending(const tp_delivery *delivery) {
    return delivery->pending;
}

uint64_t tp_delivery_bytes(const tp_delivery *delivery) {
    return delivery->bytes;
}

uint64_t tp_delivery_arrival(const tp_delivery *delivery) {
    uint64_t oldest = tp_heap_rank(&delivery->holds);
    return oldest < delivery->dropped_arrival ? oldest : delivery->dropped_arrival;
}

uint64_t tp_delivery_deadline(const tp_delivery *delivery) {
    return tp_heap_rank(&delivery->waiting);
}
