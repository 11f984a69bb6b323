/* Looks up host names off-thread, so that connecting never blocks the host. */
#ifndef TP_PG_RESOLVER_H
#define TP_PG_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct tp_resolver tp_resolver;

/* Starts looking up comma-separated host names, with as many ports (or one, or none). A thread of
 * its own does it and ends by itself; wake(user) is called from that thread when the answer is
 * there. user must stay valid until then or until tp_resolver_free(). */
int32_t tp_resolver_start(const char *hosts, const char *ports, void (*wake)(void *), void *user,
                          tp_resolver **out, trigperf_error **err);

/* Lists for libpq's host, hostaddr and port once done: one entry per address. */
typedef struct tp_resolver_answer {
    const char *hosts;
    const char *addresses;
    const char *ports;
    const char *failure; /* NULL, or why no address was found */
} tp_resolver_answer;

/* True when done; the answer is borrowed from the resolver. */
bool tp_resolver_done(tp_resolver *resolver, tp_resolver_answer *answer);

/* Gives up on it; never blocks: a lookup under way ends by itself later, without calling wake. */
void tp_resolver_free(tp_resolver *resolver);

#endif
