#include "tool/out.h"

#include "tool/tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FLUSH_BYTES = 64 * 1024, KEEP_BYTES = 256 * 1024 };

void out_init(out *o, int fd) {
    buffer_init(&o->bytes, &mem_default, 0);
    o->fd = fd;
}

void out_done(out *o) {
    out_flush(o);
    buffer_done(&o->bytes);
}

void out_bytes(out *o, const char *data, size_t len) {
    if (!buffer_append(&o->bytes, data, len)) {
        give_up("out of memory");
    }
    if (o->fd >= 0 && buffer_len(&o->bytes) >= FLUSH_BYTES) {
        out_flush(o);
    }
}

void out_text(out *o, const char *text) {
    out_bytes(o, text, strlen(text));
}

void out_char(out *o, char c) {
    out_bytes(o, &c, 1);
}

void out_fill(out *o, const char *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        out_text(o, text);
    }
}

void out_printf(out *o, const char *format, ...) {
    char stack[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(stack, sizeof stack, format, args);
    va_end(args);
    if (len < 0) {
        return;
    }
    if ((size_t)len < sizeof stack) {
        out_bytes(o, stack, (size_t)len);
        return;
    }
    char *heap = malloc((size_t)len + 1);
    if (!heap) {
        give_up("out of memory");
    }
    va_start(args, format);
    vsnprintf(heap, (size_t)len + 1, format, args);
    va_end(args);
    out_bytes(o, heap, (size_t)len);
    free(heap);
}

static void write_failed(int error) {
    if (error == EPIPE) {
        exit(128 + SIGPIPE); /* as the shell reports a filter whose reader has left */
    }
    complain("cannot write: %s", strerror(error));
    exit(STATUS_NO_REPLY);
}

void out_flush(out *o) {
    while (o->fd >= 0 && buffer_len(&o->bytes) > 0) {
        kw_slice rest = buffer_slice(&o->bytes);
        ssize_t written = write(o->fd, rest.data, rest.len);
        int error = errno;
        if (written > 0) {
            buffer_consume(&o->bytes, (size_t)written);
        } else if (error == EAGAIN) {
            struct pollfd writable = {.fd = o->fd, .events = POLLOUT};
            (void)poll(&writable, 1, -1); /* woken by a signal: the write is tried again */
        } else if (error != EINTR) {
            write_failed(error);
        }
    }
    if (o->fd >= 0) {
        buffer_clear(&o->bytes, KEEP_BYTES);
    }
}
