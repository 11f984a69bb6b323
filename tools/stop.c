/* SIGINT, SIGTERM and SIGHUP as something to wait for.
 *
 * The handler writes to an eventfd, so the signal is neither lost between a check and a wait nor
 * needs a lock. A second signal ends the process by its default action, wherever it hangs.
 * Launchers such as timeout(1) send theirs to the process and to its group, that is twice: what
 * comes within half a second of the first counts as the same wish.
 */
#include "stop.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { SAME_WISH_MS = 500 };

static volatile sig_atomic_t requested;
static volatile int64_t requested_at;
static int stop_fd = -1;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_signal(int number) {
    int saved = errno;
    if (!requested) {
        requested = 1;
        requested_at = now_ms();
        uint64_t one = 1;
        (void)!write(stop_fd, &one, sizeof one);
    } else if (now_ms() - requested_at > SAME_WISH_MS) {
        signal(number, SIG_DFL);
        raise(number);
    }
    errno = saved;
}

static bool ignored(int number) {
    struct sigaction old;
    return sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

int stop_install(void) {
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_fd < 0) {
        return -1;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t mine;
    sigemptyset(&mine);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (signals[i] != SIGHUP || !ignored(SIGHUP)) { /* nohup(1) is respected */
            sigaddset(&mine, signals[i]);
        }
    }
    action.sa_mask = mine;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (sigismember(&mine, signals[i]) == 1) {
            sigaction(signals[i], &action, NULL);
        }
    }
    sigprocmask(SIG_UNBLOCK, &mine, NULL);
    return stop_fd;
}

bool stop_requested(void) {
    return requested != 0;
}
