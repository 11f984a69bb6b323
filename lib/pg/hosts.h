/* Lists of hosts, as libpq takes them: separated by commas. */
#ifndef TP_PG_HOSTS_H
#define TP_PG_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Whether one of them is a Unix socket's folder, or its name in the abstract namespace. */
bool tp_hosts_is_local(const char *host);
/* How many there are; 0 for NULL. */
uint32_t tp_hosts_count(const char *list);
/* Appends the same list beginning with another element, counted from 0 and around. */
void tp_hosts_rotate(const char *list, uint32_t first, tp_strbuf *out);

/* The parameters of one attempt to connect that begins with a certain host. Starts as zeroes but
 * for first. */
typedef struct tp_hosts {
    uint32_t first;
    uint32_t count;
    tp_strbuf lists[3];
} tp_hosts;

/* The value to use for a parameter; valid until the lists are freed. */
const char *tp_hosts_value(tp_hosts *hosts, const char *keyword, const char *value);
void tp_hosts_free(tp_hosts *hosts);

#endif
