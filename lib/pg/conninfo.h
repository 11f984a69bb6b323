/* Connection parameters, fully expanded: conninfo string, environment, service file, defaults. */
#ifndef TP_PG_CONNINFO_H
#define TP_PG_CONNINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct tp_conninfo tp_conninfo;

typedef struct tp_conninfo_options {
    const char *connection;       /* conninfo string or URI; "" or NULL: libpq's variables alone */
    const char *application_name; /* used unless the connection names one */
    uint32_t connect_timeout_ms;
    uint32_t silence_timeout_ms; /* TCP: unanswered data for so long breaks the connection */
} tp_conninfo_options;

int32_t tp_conninfo_new(const tp_conninfo_options *options, tp_conninfo **out,
                        trigperf_error **err);
void tp_conninfo_free(tp_conninfo *info);

/* The value of a libpq keyword, or NULL. */
const char *tp_conninfo_get(const tp_conninfo *info, const char *keyword);

/* True when a host name must be looked up before connecting. */
bool tp_conninfo_needs_lookup(const tp_conninfo *info);

/* NULL-terminated arrays for PQconnectStartParams. */
const char *const *tp_conninfo_keywords(const tp_conninfo *info);
const char *const *tp_conninfo_values(const tp_conninfo *info);

#define TP_CONNINFO_MAX 72 /* entries of such an array, with its end */

/* Where a server was found: lists of the same length, separated by commas. */
typedef struct tp_conninfo_place {
    const char *hosts;
    const char *addresses;
    const char *ports;
} tp_conninfo_place;

/* Such arrays for a place that was looked up, borrowed from both. */
void tp_conninfo_at(const tp_conninfo *info, const tp_conninfo_place *place, const char **keywords,
                    const char **values);

#endif
