/* trigperf serve: metrics for Prometheus, a live page, and whether all is well.
 *
 * Three threads: one asks the database, one follows batches, this one answers. They meet in texts
 * that are made once for everybody.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <trigperf.h>

#include "command.h"
#include "names.h"
#include "say.h"
#include "serve_access.h"
#include "serve_feed.h"
#include "serve_http.h"
#include "serve_source.h"
#include "serve_stream.h"
#include "settings.h"
#include "stop.h"

enum { PORT = 9846, INTERVAL_MS = 5000 };

static const args_option options[] = {
    {"listen", "ADDRESS", "where to listen (default 127.0.0.1)", 0},
    {"port", "NUMBER", "its port (default 9846); 0: any that is free", 0},
    {"token-file", "FILE", "who asks must know the token in this file", 0},
    {"no-token", NULL, "on other addresses than loopback: open to whoever reaches them", 0},
    {"every", "DURATION", "how often the database is asked (default 5s)", 0},
    {"no-batches", NULL, "do not show batches as they are delivered", 0},
    {NULL, NULL, NULL, 0},
};

typedef struct serving {
    const char *address;
    uint64_t port;
    uint32_t interval_ms;
    bool batches;
    serve_access access;
    trigperf_config *config;
    serve_feed *feed;
    serve_http *http;
    serve_source *source;
    serve_stream *stream;
} serving;

static int read_options(const args *given, serving *own) {
    const char *token = args_get(given, "token-file", NULL);
    const char *every = args_get(given, "every", NULL);
    own->address = args_get(given, "listen", "127.0.0.1");
    own->port = PORT;
    own->interval_ms = INTERVAL_MS;
    own->batches = !args_has(given, "no-batches");
    own->access.local = serve_access_is_loopback(own->address);
    if (args_number(given, "port", 65535, &own->port) != EXIT_FINE ||
        (every != NULL && names_duration(every, &own->interval_ms) != EXIT_FINE)) {
        return EXIT_USAGE;
    }
    if (own->interval_ms < 100 || own->interval_ms > 3600000) {
        return say_wrong("--every expects 100ms to 1h, got '%s'", every);
    }
    if (token == NULL && !own->access.local && !args_has(given, "no-token")) {
        say_wrong("without a token, %s would show the figures to whoever reaches it", own->address);
        say_hint("give --token-file FILE, or --no-token if that is meant");
        return EXIT_USAGE;
    }
    return token != NULL ? serve_access_load(&own->access, token) : EXIT_FINE;
}

/* The page's own context has no consumer's name, and is told apart in the list of members. */
static int load_config(const args *given, serving *own) {
    int code = settings_load(given, &own->config);
    if (code == EXIT_FINE) {
        code = settings_set(own->config, "consumer", "");
    }
    return code == EXIT_FINE ? settings_set(own->config, "application_name", "trigperf serve")
                             : code;
}

static bool start(serving *own) {
    own->http = serve_http_new(own->address, (uint16_t)own->port, &own->access);
    if (own->http == NULL) {
        return false;
    }
    own->feed = serve_feed_new();
    own->source = serve_source_start(own->config, own->interval_ms, serve_http_wake, own->http);
    if (own->source == NULL) {
        return false;
    }
    serve_http_connect(own->http, own->source, own->feed);
    if (own->batches) {
        own->stream = serve_stream_start(own->config, own->feed, serve_http_wake, own->http);
    }
    bool six = strchr(own->address, ':') != NULL;
    printf("http://%s%s%s:%u/\n", six ? "[" : "", own->address, six ? "]" : "",
           (unsigned)serve_http_port(own->http));
    return fflush(stdout) == 0;
}

static void stop(serving *own) {
    serve_stream_stop(own->stream);
    serve_source_stop(own->source);
    if (own->http != NULL) {
        serve_http_free(own->http);
    }
    if (own->feed != NULL) {
        serve_feed_free(own->feed);
    }
    trigperf_config_free(own->config);
}

static int run(const args *given) {
    serving own = {0};
    int code = read_options(given, &own);
    if (code == EXIT_FINE) {
        code = load_config(given, &own);
    }
    if (code == EXIT_FINE && stop_install() < 0) {
        code = say_error("signals cannot be taken over: %s", strerror(errno));
    }
    if (code == EXIT_FINE && !start(&own)) {
        code = EXIT_RUNTIME;
    }
    while (code == EXIT_FINE && !stop_requested()) {
        if (!serve_http_turn(own.http)) {
            code = say_error("the server cannot go on");
        }
    }
    stop(&own);
    return code;
}

const command command_serve = {
    .name = "serve",
    .summary = "Serve metrics for Prometheus, a live page and a health check.",
    .usage = "serve [--listen ADDRESS] [--port NUMBER] [--token-file FILE | --no-token]\n"
             "      [--every DURATION] [--no-batches]",
    .details =
        "/metrics is for Prometheus, /healthz answers 200 or 503, / is a page with charts, alerts\n"
        "and batches as they come, /report.json the report of the last day. The page follows\n"
        "without a name: no consumer misses anything through it. A token is given as\n"
        "'Authorization: Bearer TOKEN', or for the page as /?token=TOKEN. The address is printed\n"
        "once the port is open; the database may come later. SIGINT and SIGTERM end it.",
    .options = options,
    .run = run,
};
