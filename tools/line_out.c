/* Writing a line without ever blocking the loop.
 *
 * The descriptor is shared with other processes, so it must not be made non-blocking. Instead it is
 * asked first whether it is writable, and a pipe or terminal is then given no more than PIPE_BUF
 * bytes, which it takes without blocking; sockets have a flag for it, and files do not block. A
 * line of at most PIPE_BUF bytes reaches a pipe in one piece.
 */
#include "line_out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { KIND_FILE, KIND_STREAM, KIND_SOCKET };

void line_out_init(line_out *out, int fd) {
    struct stat about;
    *out = (line_out){.fd = fd, .kind = KIND_FILE};
    if (fstat(fd, &about) != 0) {
        return;
    }
    if (S_ISSOCK(about.st_mode)) {
        out->kind = KIND_SOCKET;
    } else if (S_ISFIFO(about.st_mode) || isatty(fd) == 1) {
        out->kind = KIND_STREAM;
    }
}

void line_out_begin(line_out *out, const char *text, size_t length) {
    out->text = text;
    out->length = length;
    out->written = 0;
}

bool line_out_pending(const line_out *out) {
    return out->text != NULL;
}

static bool writable(const line_out *out) {
    struct pollfd one = {.fd = out->fd, .events = POLLOUT};
    return out->kind != KIND_STREAM || poll(&one, 1, 0) != 0;
}

/* The rest of the line and its newline, at most `most` bytes. */
static int rest(const line_out *out, size_t most, struct iovec parts[2]) {
    static char newline[] = "\n";
    size_t left = out->length - out->written;
    int count = 0;
    if (out->written < out->length) {
        union {
            const char *from;
            void *to;
        } text = {.from = out->text + out->written};
        parts[count++] = (struct iovec){text.to, left < most ? left : most};
    }
    if (left < most) {
        parts[count++] = (struct iovec){newline, 1};
    }
    return count;
}

static ssize_t write_some(const line_out *out) {
    struct iovec parts[2];
    int count = rest(out, out->kind == KIND_STREAM ? PIPE_BUF : SSIZE_MAX, parts);
    if (out->kind == KIND_SOCKET) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
        return sendmsg(out->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return writev(out->fd, parts, count);
}

enum line_out_state line_out_push(line_out *out) {
    while (out->text != NULL) {
        if (!writable(out)) {
            return LINE_BLOCKED;
        }
        ssize_t taken = write_some(out);
        if (taken >= 0) {
            out->written += (size_t)taken;
            out->text = out->written > out->length ? NULL : out->text;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return LINE_BLOCKED;
        } else if (errno != EINTR) {
            out->failure = errno;
            return LINE_FAILED;
        }
    }
    return LINE_DONE;
}
