/* getaddrinfo() has no non-blocking form in POSIX, and glibc's getaddrinfo_a keeps a pool of
 * threads for the whole process. So: one detached thread per lookup with all signals blocked, and a
 * shared block that the last of the two sides frees. Socket directories pass through untouched. */
#include "pg/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "pg/hosts.h"

struct tp_resolver {
    pthread_mutex_t mutex;
    int references;
    bool done;
    bool abandoned;
    void (*wake)(void *);
    void *user;
    char *hosts_in;
    char *ports_in;
    tp_strbuf hosts;
    tp_strbuf addresses;
    tp_strbuf ports;
    tp_strbuf failure;
};

static void release(tp_resolver *resolver) {
    pthread_mutex_lock(&resolver->mutex);
    int left = --resolver->references;
    pthread_mutex_unlock(&resolver->mutex);
    if (left > 0) {
        return;
    }
    pthread_mutex_destroy(&resolver->mutex);
    tp_strbuf_free(&resolver->hosts);
    tp_strbuf_free(&resolver->addresses);
    tp_strbuf_free(&resolver->ports);
    tp_strbuf_free(&resolver->failure);
    free(resolver->hosts_in);
    free(resolver->ports_in);
    free(resolver);
}

static void add_entry(tp_resolver *resolver, const char *host, const char *address,
                      const char *port) {
    if (resolver->hosts.length > 0) {
        tp_strbuf_putc(&resolver->hosts, ',');
        tp_strbuf_putc(&resolver->addresses, ',');
        tp_strbuf_putc(&resolver->ports, ',');
    }
    tp_strbuf_puts(&resolver->hosts, host);
    tp_strbuf_puts(&resolver->addresses, address);
    tp_strbuf_puts(&resolver->ports, port);
}

static void look_up(tp_resolver *resolver, const char *host, const char *port) {
    if (tp_hosts_is_local(host)) {
        add_entry(resolver, host, "", port);
        return;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int code = getaddrinfo(host, NULL, &hints, &list);
    if (code != 0) {
        tp_strbuf_printf(&resolver->failure, "%s\"%s\": %s",
                         resolver->failure.length > 0 ? "; " : "", host, gai_strerror(code));
        return;
    }
    for (struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        char address[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) == 0) {
            add_entry(resolver, host, address, port);
        }
    }
    freeaddrinfo(list);
}

/* The i-th element of a comma-separated list into out; the only one when there is just one. */
static void list_element(const char *list, uint32_t index, char *out, size_t size) {
    bool single = strchr(list, ',') == NULL;
    for (uint32_t i = 0; i < index && !single; i++) {
        const char *comma = strchr(list, ',');
        list = comma == NULL ? "" : comma + 1;
    }
    size_t length = strcspn(list, ",");
    length = length < size ? length : size - 1;
    memcpy(out, list, length);
    out[length] = '\0';
}

static void *resolver_thread(void *argument) {
    tp_resolver *resolver = argument;
    uint32_t count = 1;
    for (const char *c = resolver->hosts_in; *c != '\0'; c++) {
        count += *c == ',' ? 1 : 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        char host[NI_MAXHOST];
        char port[32];
        list_element(resolver->hosts_in, i, host, sizeof host);
        list_element(resolver->ports_in, i, port, sizeof port);
        look_up(resolver, host, port);
    }
    pthread_mutex_lock(&resolver->mutex);
    resolver->done = true;
    if (!resolver->abandoned) {
        resolver->wake(resolver->user);
    }
    pthread_mutex_unlock(&resolver->mutex);
    release(resolver);
    return NULL;
}

static int spawn(tp_resolver *resolver) {
    sigset_t all;
    sigset_t former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    pthread_t thread;
    int code = pthread_create(&thread, NULL, resolver_thread, resolver);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (code == 0) {
        pthread_detach(thread);
    }
    return code;
}

int32_t tp_resolver_start(const char *hosts, const char *ports, void (*wake)(void *), void *user,
                          tp_resolver **out, trigperf_error **err) {
    tp_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        return tp_error_nomem(err);
    }
    pthread_mutex_init(&resolver->mutex, NULL);
    resolver->references = 2;
    resolver->wake = wake;
    resolver->user = user;
    resolver->hosts_in = tp_text_copy(hosts);
    resolver->ports_in = tp_text_copy(ports == NULL ? "" : ports);
    int code = resolver->hosts_in == NULL || resolver->ports_in == NULL ? -1 : spawn(resolver);
    if (code != 0) {
        resolver->references = 1;
        release(resolver);
        return code < 0 ? tp_error_nomem(err)
                        : tp_error_set(err, TRIGPERF_E_SYSTEM,
                                       "raise the limit on threads, or give hostaddr",
                                       "cannot start a thread to look up \"%s\": %s", hosts,
                                       strerror(code));
    }
    *out = resolver;
    return TRIGPERF_OK;
}

bool tp_resolver_done(tp_resolver *resolver, tp_resolver_answer *answer) {
    pthread_mutex_lock(&resolver->mutex);
    bool done = resolver->done;
    pthread_mutex_unlock(&resolver->mutex);
    if (!done) {
        return false;
    }
    bool failed = resolver->hosts.failed || resolver->addresses.failed || resolver->ports.failed;
    answer->hosts = tp_strbuf_str(&resolver->hosts);
    answer->addresses = tp_strbuf_str(&resolver->addresses);
    answer->ports = tp_strbuf_str(&resolver->ports);
    answer->failure = failed                       ? "out of memory"
                      : resolver->hosts.length > 0 ? NULL
                                                   : tp_strbuf_str(&resolver->failure);
    return true;
}

void tp_resolver_free(tp_resolver *resolver) {
    if (resolver == NULL) {
        return;
    }
    pthread_mutex_lock(&resolver->mutex);
    resolver->abandoned = true;
    pthread_mutex_unlock(&resolver->mutex);
    release(resolver);
}
