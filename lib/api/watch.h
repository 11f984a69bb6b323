/* The alerts of a context: lib/core/alert.h with a lock and a clock. */
#ifndef TP_API_WATCH_H
#define TP_API_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <trigperf/context.h>

#include "core/alert.h"

typedef struct tp_watch tp_watch;

int32_t tp_watch_new(trigperf_context *context, uint32_t interval_ms, tp_watch **out,
                     trigperf_error **err);
void tp_watch_free(tp_watch *watch);

/* Adds a rule, or replaces the one of that name, and looks for the first time. */
int32_t tp_watch_rule(tp_watch *watch, const char *name, const char *text, trigperf_error **err);

/* Adds the rules that are built in for whoever follows a database. */
int32_t tp_watch_follow(tp_watch *watch, trigperf_error **err);

/* Once a turn: applies the rules when that is due. Returns when it is due again (ms, monotonic). */
uint64_t tp_watch_tick(tp_watch *watch, uint64_t now_ms);
/* Applies them now. */
int32_t tp_watch_check(tp_watch *watch, trigperf_error **err);
/* Whether events were raised since the last call, for each of those who want to know. */
typedef enum tp_watch_reader { TP_WATCH_WAIT, TP_WATCH_READY, TP_WATCH_READERS } tp_watch_reader;
bool tp_watch_take_news(tp_watch *watch, tp_watch_reader reader);

/* The engine, between lock and unlock; unlocking wakes whoever waits when events were raised. */
tp_alerts *tp_watch_lock(tp_watch *watch);
void tp_watch_unlock(tp_watch *watch);

#endif
