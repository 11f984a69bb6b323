/* The token is compared in a time that does not tell where the first difference is.
 *
 * Without a token whoever reaches the port sees the figures. On loopback that would be every page
 * in a browser of this machine: it may open a WebSocket to any port (so the origin must be ours),
 * and may have its own name point here (so the host must be an address or localhost). */
#include "serve_access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "say.h"

int serve_access_load(serve_access *access, const char *path) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return say_error("the token file %s cannot be read: %s", path, strerror(errno));
    }
    char line[SERVE_TOKEN_MAX + 3] = "";
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    while (length > 0 && strchr(" \t\r\n", line[length - 1]) != NULL) {
        length--;
    }
    line[length] = '\0';
    if (length < 8 || length > SERVE_TOKEN_MAX || strpbrk(line, " \t\r\n&#%+?") != NULL) {
        say_error("the token file %s expects one token of 8 to %d characters, without blanks and "
                  "&#%%+?",
                  path, SERVE_TOKEN_MAX);
        say_hint("for instance: openssl rand -hex 24 > %s", path);
        return EXIT_RUNTIME;
    }
    memcpy(access->token, line, length + 1);
    return EXIT_FINE;
}

static bool equal(const char *token, const char *given) {
    size_t length = strlen(token);
    size_t other = strlen(given);
    unsigned difference = length == other ? 0 : 1;
    for (size_t i = 0; i < length; i++) {
        difference |= (unsigned char)token[i] ^ (unsigned char)(i < other ? given[i] : 0);
    }
    return difference == 0;
}

bool serve_access_token(const serve_access *access, const char *authorization, const char *query) {
    static const char bearer[] = "Bearer ";
    if (access->token[0] == '\0') {
        return true;
    }
    bool header = authorization != NULL &&
                  strncasecmp(authorization, bearer, sizeof bearer - 1) == 0 &&
                  equal(access->token, authorization + sizeof bearer - 1);
    return header || (query != NULL && equal(access->token, query));
}

bool serve_access_is_loopback(const char *address) {
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
           strcasecmp(address, "localhost") == 0;
}

/* The host without its port, and without brackets. */
static void bare_host(const char *host, char *out, size_t size) {
    const char *end = host[0] == '[' ? strchr(host, ']') : strrchr(host, ':');
    const char *begin = host[0] == '[' ? host + 1 : host;
    size_t length = end != NULL ? (size_t)(end - begin) : strlen(begin);
    snprintf(out, size, "%.*s", (int)(length < size ? length : size - 1), begin);
}

bool serve_access_host(const serve_access *access, const char *host) {
    struct in6_addr address;
    char bare[80];
    if (access->token[0] != '\0' || !access->local) {
        return true;
    }
    if (host == NULL) {
        return true; /* no browser leaves it out */
    }
    bare_host(host, bare, sizeof bare);
    return strcasecmp(bare, "localhost") == 0 || inet_pton(AF_INET, bare, &address) == 1 ||
           inet_pton(AF_INET6, bare, &address) == 1;
}

bool serve_access_origin(const char *origin, const char *host) {
    if (origin == NULL) {
        return true;
    }
    const char *name = strstr(origin, "://");
    return name != NULL && host != NULL && strcasecmp(name + 3, host) == 0;
}
