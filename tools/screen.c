/* The terminal while something is drawn on it.
 *
 * The alternate screen keeps what stood there, so leaving brings it back, also after a signal,
 * since those only end the loop. Each drawing begins at the top left and erases the rest of every
 * line, in one write, so nothing flickers. Ctrl-Z would leave the terminal as it is here, and is
 * switched off. The change of size is read from a descriptor: no handler, nothing lost. */
#include "screen.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "say.h"

static struct termios before;
static bool keys_taken;
static int resize_fd = -1;

bool screen_possible(void) {
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && term != NULL && term[0] != '\0' &&
           strcmp(term, "dumb") != 0;
}

static void take_keys(void) {
    struct termios now;
    if (isatty(STDIN_FILENO) != 1 || tcgetattr(STDIN_FILENO, &before) != 0) {
        return;
    }
    now = before;
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VMIN] = 0;
    now.c_cc[VTIME] = 0;
    now.c_cc[VSUSP] = _POSIX_VDISABLE;
    keys_taken = tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
}

bool screen_begin(void) {
    sigset_t resize;
    sigemptyset(&resize);
    sigaddset(&resize, SIGWINCH);
    sigprocmask(SIG_BLOCK, &resize, NULL);
    resize_fd = signalfd(-1, &resize, SFD_CLOEXEC | SFD_NONBLOCK);
    take_keys();
    fputs("\033[?1049h\033[?25l", stdout);
    return fflush(stdout) == 0;
}

void screen_end(void) {
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    if (keys_taken) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
        keys_taken = false;
    }
    if (resize_fd >= 0) {
        close(resize_fd);
        resize_fd = -1;
    }
}

int screen_resized(void) {
    return resize_fd;
}

void screen_took_resize(void) {
    struct signalfd_siginfo info;
    while (resize_fd >= 0 && read(resize_fd, &info, sizeof info) == (ssize_t)sizeof info) {
    }
}

void screen_size(size_t *rows, size_t *columns) {
    struct winsize size = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
    *columns = known && size.ws_col > 0 ? size.ws_col : 80;
}

bool screen_quits(void) {
    char keys[64];
    ssize_t count = keys_taken ? read(STDIN_FILENO, keys, sizeof keys) : 0;
    if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) {
        return true;
    }
    for (ssize_t i = 0; i < count; i++) {
        bool alone = keys[i] == 27 && i + 1 == count; /* arrows begin with Escape as well */
        if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == 3 || keys[i] == 4 || alone) {
            return true;
        }
    }
    return false;
}

char *screen_fit(const char *text, size_t columns) {
    char *out = NULL;
    size_t size = 0;
    size_t used = 0;
    mbstate_t state = {0};
    FILE *stream = say_allocated(open_memstream(&out, &size));
    while (*text != '\0') {
        wchar_t letter = L'?';
        size_t length = mbrtowc(&letter, text, strlen(text), &state);
        bool broken = length == (size_t)-1 || length == (size_t)-2 || length == 0;
        int width = broken ? -1 : wcwidth(letter);
        if (used + (size_t)(width < 0 ? 1 : width) > columns) {
            break;
        }
        if (width < 0) {
            putc('?', stream); /* control characters, and what is no UTF-8 */
            memset(&state, 0, sizeof state);
        } else {
            fwrite(text, 1, length, stream);
        }
        used += (size_t)(width < 0 ? 1 : width);
        text += broken ? 1 : length;
    }
    for (; used < columns; used++) {
        putc(' ', stream);
    }
    fclose(stream);
    return say_allocated(out);
}

static const char *code_of(char style) {
    static const char *const codes[] = {"", "\033[1m", "\033[33m", "\033[1;31m", "\033[2m"};
    return style >= 1 && style <= 4 ? codes[(int)style] : "";
}

void screen_draw(const char *const *lines, size_t count) {
    size_t rows = 0;
    size_t columns = 0;
    bool colours = say_colours(stdout);
    screen_size(&rows, &columns);
    fputs("\033[H", stdout);
    for (size_t i = 0; i < rows; i++) {
        const char *line = i < count ? lines[i] : "";
        bool styled = line[0] >= 1 && line[0] <= 4;
        char *text = screen_fit(line + (styled ? 1 : 0), columns);
        printf("%s%s%s\033[K%s", colours && styled ? code_of(line[0]) : "", text,
               colours && styled ? "\033[0m" : "", i + 1 < rows ? "\r\n" : "");
        free(text);
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}
