/* libwebsockets calls back for each step of each connection, all on one thread. What is sent is cut
 * into pieces, the next of which is written when the socket has room: a slow reader holds one text,
 * which it shares with the others, and a few kilobytes of its own; who takes nothing for a while is
 * cut off. Connections are limited by number: browsers have their own places, so that many of them
 * leave room for requests, and of all others the newest are served.
 *
 * libwebsockets upgrades whoever asks to the first protocol where no other is named. So every
 * upgrade is judged, whatever protocol it ends in, and only browsers' own one is left.
 *
 * A browser gets the view whenever there is a new one (the newest alone), and in between the
 * messages of the feed. */
#include "serve_http.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "page.h"
#include "say.h"
#include "serve_metrics.h"
#include "serve_places.h"

enum {
    BROWSERS_MAX = SERVE_CONNECTIONS_MAX - SERVE_PLACES_MAX - 16, /* those that end, and our own */
    PIECE = 8192,
    SEND_PATIENCE_S = 20,
    HEADER_MAX = 2048,
    WAKE_US = 500000
};

struct serve_http {
    struct lws_context *lws;
    struct lws_vhost *vhost;
    const serve_access *access;
    serve_source *source;
    serve_feed *feed;
    lws_sorted_usec_list_t timer;
    serve_places places;
    uint64_t requests;
    uint64_t refused;
    uint64_t clients;
    uint64_t missed;
};

/* One connection: a request whose answer is sent, or a browser. */
typedef struct session {
    serve_body *sending;
    size_t sent;
    uint64_t place;   /* in the feed */
    uint64_t version; /* of the view that was sent last */
    uint64_t state;   /* likewise */
    bool browser;
} session;

static const char *last_error(const char *line, int keep) {
    static char kept[200]; /* libwebsockets says why it cannot listen in its log alone */
    if (keep) {
        snprintf(kept, sizeof kept, "%.*s", (int)strcspn(line, "\n"), line);
    }
    return kept;
}

static void log_line(int level, const char *line) {
    (void)level;
    last_error(line, 1);
}

/* --- answers
 * ------------------------------------------------------------------------------------*/

typedef struct answer {
    unsigned status;
    const char *type;
    serve_body *body;
    bool close;
} answer;

static const char report_type[] = "application/json; charset=utf-8";
static const char plain_type[] = "text/plain; charset=utf-8";

static serve_body *body_of(const char *text) {
    return serve_body_new(text, strlen(text));
}

static int put_header(struct lws *wsi, const char *name, const char *value, unsigned char **at,
                      unsigned char *end) {
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), at, end);
}

static int put_headers(struct lws *wsi, const answer *given, unsigned char **at,
                       unsigned char *end) {
    static const char *const headers[][2] = {
        {"cache-control:", "no-store"},
        {"x-content-type-options:", "nosniff"},
        {"x-frame-options:", "DENY"},
        {"referrer-policy:", "no-referrer"},
        {"content-security-policy:",
         "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
         "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    };
    int failed = lws_add_http_common_headers(wsi, given->status, given->type,
                                             serve_body_length(given->body), at, end);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        failed |= put_header(wsi, headers[i][0], headers[i][1], at, end);
    }
    if (given->status == 401) {
        failed |= put_header(wsi, "www-authenticate:", "Bearer", at, end);
    }
    if (given->status == 405) {
        failed |= put_header(wsi, "allow:", "GET, HEAD", at, end);
    }
    return failed;
}

/* Takes the body over. */
static int send_answer(struct lws *wsi, session *own, const answer *given, bool head) {
    unsigned char buffer[LWS_PRE + HEADER_MAX];
    unsigned char *start = buffer + LWS_PRE;
    unsigned char *at = start;
    unsigned char *end = buffer + sizeof buffer - 1;
    int failed = put_headers(wsi, given, &at, end);
    if (failed != 0 || lws_finalize_write_http_header(wsi, start, &at, end) != 0) {
        serve_body_release(given->body);
        return -1;
    }
    if (head || serve_body_length(given->body) == 0 || given->close) {
        if (given->close) {
            serve_body_release(given->body);
            return -1;
        }
        serve_body_release(given->body);
        return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
    }
    serve_body_release(own->sending);
    own->sending = given->body;
    own->sent = 0;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SEND_PATIENCE_S);
    lws_callback_on_writable(wsi);
    return 0;
}

static int write_piece(struct lws *wsi, session *own) {
    unsigned char buffer[LWS_PRE + PIECE];
    if (own->sending == NULL) {
        return 0;
    }
    size_t left = serve_body_length(own->sending) - own->sent;
    size_t length = left < PIECE ? left : PIECE;
    memcpy(buffer + LWS_PRE, serve_body_text(own->sending) + own->sent, length);
    enum lws_write_protocol mode = length == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP;
    if (lws_write(wsi, buffer + LWS_PRE, length, mode) != (int)length) {
        return -1;
    }
    own->sent += length;
    if (length < left) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SEND_PATIENCE_S);
        lws_callback_on_writable(wsi);
        return 0;
    }
    serve_body_release(own->sending);
    own->sending = NULL;
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

/* --- what is asked for
 * --------------------------------------------------------------------------*/

static serve_figures figures_of(const serve_http *http, const serve_texts *texts) {
    return (serve_figures){.requests = http->requests,
                           .refused = http->refused,
                           .clients = http->clients,
                           .missed = http->missed,
                           .reconnects = texts->reconnects,
                           .age_s = texts->age_s};
}

static answer answer_metrics(const serve_http *http, const serve_texts *texts) {
    serve_figures figures = figures_of(http, texts);
    char *own = serve_metrics_own(&figures, texts->up);
    const char *more = texts->metrics != NULL ? serve_body_text(texts->metrics) : "";
    size_t length = strlen(own) + strlen(more);
    char *all = say_allocated(malloc(length + 1));
    snprintf(all, length + 1, "%s%s", own, more);
    answer given = {200, "text/plain; version=0.0.4; charset=utf-8", serve_body_new(all, length),
                    false};
    free(all);
    free(own);
    return given;
}

/* Why it is unwell is told to those alone who may see the figures. */
static answer answer_health(const serve_texts *texts, bool allowed) {
    char text[400];
    if (texts->up) {
        return (answer){200, plain_type, body_of("ok\n"), false};
    }
    snprintf(text, sizeof text, "unavailable%s%s\n", allowed ? ": " : "",
             !allowed                   ? ""
             : texts->reason[0] == '\0' ? "the database was not asked yet"
                                        : texts->reason);
    return (answer){503, plain_type, body_of(text), false};
}

static answer answer_report(const serve_texts *texts) {
    if (texts->report == NULL) {
        return (answer){503, plain_type, body_of("the database does not answer\n"), false};
    }
    return (answer){200, report_type, serve_body_hold(texts->report), false};
}

static const page_file *find_file(const char *path) {
    for (const page_file *file = page_files; file->path != NULL; file++) {
        if (strcmp(file->path, path) == 0) {
            return file;
        }
    }
    return NULL;
}

static answer answer_path(serve_http *http, const char *path, bool allowed) {
    const page_file *file = find_file(path);
    bool open = strcmp(path, "/healthz") == 0 || (file != NULL && strcmp(path, "/") != 0);
    serve_texts texts;
    answer given = {404, plain_type, NULL, false};
    if (!allowed && !open) {
        http->refused++;
        return (answer){401, plain_type,
                        body_of("a token is needed: Authorization: Bearer .., or ?token=..\n"),
                        false};
    }
    if (file != NULL) {
        return (answer){200, file->type, serve_body_new(file->text, file->length), false};
    }
    serve_source_texts(http->source, &texts);
    if (strcmp(path, "/metrics") == 0) {
        given = answer_metrics(http, &texts);
    } else if (strcmp(path, "/healthz") == 0) {
        given = answer_health(&texts, allowed);
    } else if (strcmp(path, "/report.json") == 0) {
        given = answer_report(&texts);
    } else {
        given.body = body_of("there is /, /metrics, /healthz and /report.json\n");
    }
    serve_texts_release(&texts);
    return given;
}

/* A header that was given, NULL otherwise; one that is too long is as good as wrong. */
static const char *header(struct lws *wsi, enum lws_token_indexes token, char *buffer, int size) {
    if (lws_hdr_total_length(wsi, token) == 0) {
        return NULL;
    }
    if (lws_hdr_copy(wsi, buffer, size, token) < 0) {
        buffer[0] = '\0';
    }
    return buffer;
}

static bool has_token(const serve_http *http, struct lws *wsi) {
    char authorization[SERVE_TOKEN_MAX + 16];
    char query[SERVE_TOKEN_MAX + 16];
    const char *given =
        header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, authorization, (int)sizeof authorization);
    const char *asked = lws_get_urlarg_by_name(wsi, "token=", query, (int)sizeof query);
    return serve_access_token(http->access, given, asked);
}

static bool has_host(const serve_http *http, struct lws *wsi) {
    char host[128];
    return serve_access_host(http->access, header(wsi, WSI_TOKEN_HOST, host, (int)sizeof host));
}

static int answer_request(serve_http *http, struct lws *wsi, session *own) {
    char *path = NULL;
    int length = 0;
    char name[32];
    int method = lws_http_get_uri_and_method(wsi, &path, &length);
    if (!serve_places_ask(&http->places, wsi)) {
        return -1;
    }
    http->requests++;
    if (!has_host(http, wsi)) {
        http->refused++;
        answer refusal = {403, plain_type, body_of("ask for this server by its address\n"), false};
        return send_answer(wsi, own, &refusal, false);
    }
    if (method != LWSHUMETH_GET && method != LWSHUMETH_HEAD) {
        answer refusal = {405, plain_type, body_of(""), true};
        return send_answer(wsi, own, &refusal, false);
    }
    snprintf(name, sizeof name, "%.*s", length < 0 ? 0 : length, path == NULL ? "" : path);
    answer given = answer_path(http, name, has_token(http, wsi));
    return send_answer(wsi, own, &given, method == LWSHUMETH_HEAD);
}

/* --- browsers
 * -----------------------------------------------------------------------------------*/

static bool may_watch(serve_http *http, struct lws *wsi) {
    char host[128];
    char origin[160];
    const char *name = header(wsi, WSI_TOKEN_HOST, host, (int)sizeof host);
    bool fine =
        http->clients < BROWSERS_MAX && has_host(http, wsi) && has_token(http, wsi) &&
        serve_access_origin(header(wsi, WSI_TOKEN_ORIGIN, origin, (int)sizeof origin), name);
    http->refused += fine ? 0 : 1;
    return fine;
}

static serve_body *missed_message(serve_http *http, uint64_t missed) {
    char text[80];
    http->missed += missed;
    snprintf(text, sizeof text, "{\"type\":\"missed\",\"count\":%llu}", (unsigned long long)missed);
    return body_of(text);
}

/* What a browser gets next, NULL: it has everything. */
static serve_body *next_message(serve_http *http, session *own) {
    uint64_t version = serve_source_version(http->source);
    if (own->version != version) {
        serve_texts texts;
        serve_source_texts(http->source, &texts);
        serve_body *view = serve_body_hold(texts.view);
        own->version = texts.version;
        serve_texts_release(&texts);
        return view;
    }
    serve_body *state = serve_feed_state_since(http->feed, &own->state);
    if (state != NULL) {
        return state;
    }
    uint64_t missed = 0;
    uint64_t before = own->place;
    serve_body *body = serve_feed_next(http->feed, &own->place, &missed);
    if (missed > 0) {
        serve_body_release(body);
        own->place = before + missed;
        return missed_message(http, missed);
    }
    return body;
}

static int write_message(serve_http *http, struct lws *wsi, session *own) {
    unsigned char buffer[LWS_PRE + PIECE];
    if (own->sending == NULL) {
        own->sending = next_message(http, own);
        own->sent = 0;
    }
    if (own->sending == NULL) {
        return 0;
    }
    size_t left = serve_body_length(own->sending) - own->sent;
    size_t length = left < PIECE ? left : PIECE;
    int mode = lws_write_ws_flags(LWS_WRITE_TEXT, own->sent == 0, length == left);
    memcpy(buffer + LWS_PRE, serve_body_text(own->sending) + own->sent, length);
    if (lws_write(wsi, buffer + LWS_PRE, length, (enum lws_write_protocol)mode) < (int)length) {
        return -1;
    }
    own->sent += length;
    if (length == left) {
        serve_body_release(own->sending);
        own->sending = NULL;
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    } else {
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, SEND_PATIENCE_S);
    }
    lws_callback_on_writable(wsi);
    return 0;
}

static void begin_watching(serve_http *http, struct lws *wsi, session *own) {
    memset(own, 0, sizeof *own);
    own->browser = true;
    own->place = serve_feed_end(http->feed);
    http->clients++;
    serve_places_leave(&http->places, wsi);
    lws_callback_on_writable(wsi);
}

/* --- callbacks
 * ----------------------------------------------------------------------------------*/

static void release(session *own) {
    if (own != NULL) {
        serve_body_release(own->sending);
        own->sending = NULL;
    }
}

static serve_http *http_of(struct lws *wsi) {
    return lws_context_user(lws_get_context(wsi));
}

/* WebSockets are judged once their protocol is known; HTTP/2 is not spoken, and would go past what
 * is checked here. */
static int confirm_upgrade(struct lws *wsi, const char *protocol) {
    if (strcasecmp(protocol, "websocket") == 0) {
        return 0;
    }
    http_of(wsi)->refused++;
    bool two = strcasecmp(protocol, "h2c") == 0; /* others have been answered */
    return two && lws_return_http_status(wsi, HTTP_STATUS_NOT_IMPLEMENTED, NULL) == 0 ? 1 : -1;
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t length) {
    switch ((int)reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        serve_places_come(&http_of(wsi)->places, wsi);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        serve_places_leave(&http_of(wsi)->places, wsi);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return confirm_upgrade(wsi, in);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        http_of(wsi)->refused++; /* a WebSocket that names no protocol, or this one */
        return 1;
    case LWS_CALLBACK_HTTP:
        return answer_request(http_of(wsi), wsi, user);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return write_piece(wsi, user);
    case LWS_CALLBACK_CLOSED_HTTP:
        release(user);
        return 0;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, length);
    }
}

static int on_browser(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                      size_t length) {
    session *own = user;
    (void)in;
    (void)length;
    switch ((int)reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return may_watch(http_of(wsi), wsi) ? 0 : 1;
    case LWS_CALLBACK_ESTABLISHED:
        begin_watching(http_of(wsi), wsi, own);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return write_message(http_of(wsi), wsi, own);
    case LWS_CALLBACK_RECEIVE:
        return -1; /* nothing is expected */
    case LWS_CALLBACK_CLOSED:
        http_of(wsi)->clients -= own->browser ? 1 : 0;
        release(own);
        return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        lws_callback_on_writable_all_protocol(lws_get_context(wsi), lws_get_protocol(wsi));
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {"http", on_http, sizeof(session), 0, 0, NULL, PIECE},
    {"trigperf", on_browser, sizeof(session), 256, 1, NULL, PIECE},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

/* --- the server
 * ---------------------------------------------------------------------------------*/

/* A browser that does not answer a ping within a minute is gone. */
static const lws_retry_bo_t patience = {.secs_since_valid_ping = 20, .secs_since_valid_hangup = 60};

static void on_timer(lws_sorted_usec_list_t *timer) {
    serve_http *http = lws_container_of(timer, serve_http, timer);
    lws_sul_schedule(http->lws, 0, timer, on_timer, WAKE_US);
}

/* libwebsockets waits for an address that is not there, and does not say why a port is not to be
 * had: so it is tried first. */
static bool may_listen(const char *address, uint16_t port) {
    struct addrinfo *found = NULL;
    struct addrinfo wanted = {.ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    char service[8];
    const int one = 1;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(address, service, &wanted, &found) != 0) {
        say_error("cannot listen at %s: expected an address such as 127.0.0.1 or ::1", address);
        return false;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fine = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
    if (!fine) {
        say_error("cannot listen at %s port %u: %s", address, (unsigned)port, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    freeaddrinfo(found);
    return fine;
}

static bool create(serve_http *http, const char *address, uint16_t port) {
    bool any = strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.user = http;
    info.fd_limit_per_thread = SERVE_CONNECTIONS_MAX;
    info.pt_serv_buf_size = PIECE;
    info.timeout_secs = SEND_PATIENCE_S;
    http->lws = lws_create_context(&info);
    if (http->lws == NULL) {
        return false;
    }
    info.options = strcmp(address, "::") == 0 || strchr(address, ':') != NULL
                       ? 0
                       : LWS_SERVER_OPTION_DISABLE_IPV6;
    info.iface = any ? NULL : address;
    info.port = port;
    info.protocols = protocols;
    info.keepalive_timeout = SEND_PATIENCE_S;
    info.retry_and_idle_policy = &patience;
    http->vhost = lws_create_vhost(http->lws, &info);
    return http->vhost != NULL;
}

serve_http *serve_http_new(const char *given, uint16_t port, const serve_access *access) {
    const char *address = strcasecmp(given, "localhost") == 0 ? "127.0.0.1" : given;
    if (!may_listen(address, port)) {
        return NULL;
    }
    serve_http *http = say_allocated(calloc(1, sizeof *http));
    http->access = access;
    lws_set_log_level(LLL_ERR, log_line);
    if (!create(http, address, port) || lws_get_vhost_listen_port(http->vhost) <= 0) {
        say_error("cannot listen at %s port %u: %s", address, (unsigned)port, last_error("", 0));
        serve_http_free(http);
        return NULL;
    }
    lws_set_log_level(0, NULL);
    lws_sul_schedule(http->lws, 0, &http->timer, on_timer, WAKE_US);
    return http;
}

void serve_http_connect(serve_http *http, serve_source *source, serve_feed *feed) {
    http->source = source;
    http->feed = feed;
}

void serve_http_free(serve_http *http) {
    if (http->lws != NULL) {
        lws_context_destroy(http->lws);
    }
    free(http);
}

uint16_t serve_http_port(const serve_http *http) {
    return (uint16_t)lws_get_vhost_listen_port(http->vhost);
}

/* Whatever else happens to a connection within the same turn takes this timeout back: so it is set
 * between turns, which begin with the timeouts. */
static void close_losers(serve_http *http) {
    for (size_t i = 0; i < http->places.losers; i++) {
        lws_set_timeout(http->places.lost[i], PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
}

bool serve_http_turn(serve_http *http) {
    bool going = lws_service(http->lws, 0) >= 0;
    close_losers(http);
    return going;
}

void serve_http_wake(void *http) {
    lws_cancel_service(((serve_http *)http)->lws);
}
