/* Batches on their way: ready, handed out, waiting for another attempt. */
#ifndef TP_CORE_DELIVERY_H
#define TP_CORE_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"

typedef struct tp_delivery tp_delivery;

/* A batch that is given back waits delay_ms, doubled with each attempt up to delay_max_ms. NULL
 * when memory is short. */
tp_delivery *tp_delivery_new(uint32_t delay_ms, uint32_t delay_max_ms);
/* Batches handed out stay valid; each is freed by tp_batch_free(). */
void tp_delivery_free(tp_delivery *delivery);

/* Room for so many more batches. False when memory is short. */
bool tp_delivery_reserve(tp_delivery *delivery, uint32_t more);
/* Takes a sealed batch, numbers it, and queues it. Cannot fail after reserving. */
void tp_delivery_add(tp_delivery *delivery, tp_batch *batch, uint64_t arrival);
/* The same for several, linked by next. */
void tp_delivery_add_all(tp_delivery *delivery, tp_batch *first, uint64_t arrival);

tp_batch *tp_delivery_next(tp_delivery *delivery); /* hands out; NULL when none is ready */
bool tp_delivery_has_next(const tp_delivery *delivery);

/* Each consumes a batch that was handed out. */
void tp_delivery_ack(tp_delivery *delivery, tp_batch *batch);
void tp_delivery_nack(tp_delivery *delivery, uint64_t now_ms, tp_batch *batch);
/* Neither delivered nor to be delivered again: holds the low-water mark until let_go. */
void tp_delivery_drop(tp_delivery *delivery, tp_batch *batch);

/* Moves what has waited long enough back into the queue; returns how many batches. */
uint32_t tp_delivery_retry(tp_delivery *delivery, uint64_t now_ms);
/* Batches handed out, and dropped ones, hold the low-water mark no longer. */
void tp_delivery_let_go(tp_delivery *delivery);

uint32_t tp_delivery_pending(const tp_delivery *delivery); /* ready, out or waiting */
uint64_t tp_delivery_bytes(const tp_delivery *delivery);
uint64_t tp_delivery_arrival(const tp_delivery *delivery);  /* the oldest; UINT64_MAX */
uint64_t tp_delivery_deadline(const tp_delivery *delivery); /* of the next retry; UINT64_MAX */

#endif
