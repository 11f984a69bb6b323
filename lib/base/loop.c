/* epoll holds the sockets, a timerfd and an eventfd. The epoll descriptor itself is what the host
 * waits on: it is readable whenever one of them is. It lives as long as the context, whatever
 * happens to the connections behind it.
 *
 * A wake-up that nobody has noticed yet stands for all that follow, so waking costs a system call
 * once a turn. Whoever notices it forgets it after reading the eventfd and before looking at what
 * there is to do: what was done before an omitted wake-up is seen then. */
#include "base/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct tp_loop {
    int epoll;
    int timer;
    int event;
    int nap; /* another timer, opened when it is first wanted */
    bool napping;
    atomic_bool woken; /* the eventfd is readable, or about to be */
    uint64_t deadline_ms;
};

static int32_t system_error(trigperf_error **err, const char *call) {
    return tp_error_set(err, TRIGPERF_E_SYSTEM, "raise the limit on open files (ulimit -n)",
                        "%s failed: %s", call, strerror(errno));
}

static int32_t add_own(tp_loop *loop, int fd, trigperf_error **err) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        return system_error(err, "epoll_ctl");
    }
    return TRIGPERF_OK;
}

static int32_t open_all(tp_loop *loop, trigperf_error **err) {
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        return system_error(err, "epoll_create1");
    }
    loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer < 0) {
        return system_error(err, "timerfd_create");
    }
    loop->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->event < 0) {
        return system_error(err, "eventfd");
    }
    int32_t status = add_own(loop, loop->timer, err);
    return status != TRIGPERF_OK ? status : add_own(loop, loop->event, err);
}

int32_t tp_loop_new(tp_loop **out, trigperf_error **err) {
    tp_loop *loop = malloc(sizeof *loop);
    if (loop == NULL) {
        return tp_error_nomem(err);
    }
    loop->epoll = loop->timer = loop->event = loop->nap = -1;
    loop->napping = false;
    loop->deadline_ms = UINT64_MAX;
    atomic_init(&loop->woken, false);
    int32_t status = open_all(loop, err);
    if (status != TRIGPERF_OK) {
        tp_loop_free(loop);
        return status;
    }
    *out = loop;
    return TRIGPERF_OK;
}

static void close_fd(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

void tp_loop_free(tp_loop *loop) {
    if (loop == NULL) {
        return;
    }
    close_fd(loop->nap);
    close_fd(loop->event);
    close_fd(loop->timer);
    close_fd(loop->epoll);
    free(loop);
}

int tp_loop_fd(const tp_loop *loop) {
    return loop->epoll;
}

int32_t tp_loop_watch(tp_loop *loop, int fd, uint32_t interest, trigperf_error **err) {
    struct epoll_event event = {.events = 0, .data.fd = fd};
    if (interest == 0) {
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, &event);
        return TRIGPERF_OK;
    }
    event.events |= (interest & TP_LOOP_READ) != 0 ? (uint32_t)EPOLLIN : 0;
    event.events |= (interest & TP_LOOP_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
        return TRIGPERF_OK;
    }
    if (errno == EEXIST && epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) == 0) {
        return TRIGPERF_OK;
    }
    return system_error(err, "epoll_ctl");
}

void tp_loop_deadline(tp_loop *loop, uint64_t now_ms, uint64_t deadline_ms) {
    if (loop->deadline_ms == deadline_ms) {
        return;
    }
    loop->deadline_ms = deadline_ms;
    struct itimerspec spec = {{0, 0}, {0, 0}};
    if (deadline_ms != UINT64_MAX) {
        uint64_t wait = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
        spec.it_value.tv_sec = (time_t)(wait / 1000);
        spec.it_value.tv_nsec = (long)(wait % 1000 * 1000000);
        if (wait == 0) {
            spec.it_value.tv_nsec = 1;
        }
    }
    timerfd_settime(loop->timer, 0, &spec, NULL);
}

static bool open_nap(tp_loop *loop) {
    if (loop->nap < 0) {
        loop->nap = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (loop->nap >= 0 && add_own(loop, loop->nap, NULL) != TRIGPERF_OK) {
            close(loop->nap);
            loop->nap = -1;
        }
    }
    return loop->nap >= 0;
}

bool tp_loop_nap(tp_loop *loop, uint32_t us) {
    struct itimerspec spec = {{0, 0}, {(time_t)(us / 1000000), (long)(us % 1000000) * 1000}};
    loop->napping = open_nap(loop) && timerfd_settime(loop->nap, 0, &spec, NULL) == 0;
    return loop->napping;
}

bool tp_loop_napping(const tp_loop *loop) {
    return loop->napping;
}

void tp_loop_wake(tp_loop *loop) {
    const uint64_t one = 1;
    if (atomic_exchange(&loop->woken, true)) {
        return;
    }
    ssize_t ignored = write(loop->event, &one, sizeof one);
    (void)ignored;
}

static void drain(int fd) {
    uint64_t value;
    ssize_t ignored = read(fd, &value, sizeof value);
    (void)ignored;
}

int32_t tp_loop_wait(tp_loop *loop, int32_t timeout_ms, trigperf_error **err) {
    struct epoll_event events[8];
    int count = epoll_wait(loop->epoll, events, 8, timeout_ms);
    if (count < 0 && errno != EINTR) {
        return system_error(err, "epoll_wait");
    }
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == loop->timer) {
            drain(loop->timer);
            loop->deadline_ms = UINT64_MAX;
        } else if (events[i].data.fd == loop->nap) {
            drain(loop->nap);
            loop->napping = false;
        } else if (events[i].data.fd == loop->event) {
            drain(loop->event);
            atomic_exchange(&loop->woken, false);
        }
    }
    return count > 0 ? 1 : 0;
}
