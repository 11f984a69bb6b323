/* Who may see the figures. */
#ifndef TRIGPERF_TOOL_SERVE_ACCESS_H
#define TRIGPERF_TOOL_SERVE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#define SERVE_TOKEN_MAX 512

typedef struct serve_access {
    char token[SERVE_TOKEN_MAX + 1]; /* "": none is asked for */
    bool local;                      /* listens on loopback */
} serve_access;

/* Reads the token; returns an exit code. */
int serve_access_load(serve_access *access, const char *path);

/* Whether one of the two is the token; NULL: not given. authorization: the header's value. */
bool serve_access_token(const serve_access *access, const char *authorization, const char *query);

/* Whether the host that a browser believes to talk to can be meant: pages of others may reach
 * loopback under a name of their own. */
bool serve_access_host(const serve_access *access, const char *host);

/* Whether a WebSocket was opened by our own page, or by no page at all. */
bool serve_access_origin(const char *origin, const char *host);

/* Whether an address is loopback. */
bool serve_access_is_loopback(const char *address);

#endif
