#include "io/stream.h"

#include "io/io_error.h"
#include "io/sockaddr.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    SLICES_PER_WRITE = 64,
    TLS_PIECE_BYTES = 16 * 1024, /* one TLS record */
    ADDRESS_TEXT_BYTES = 128,
    KEEPALIVE_MAX_S = 32767, /* Linux's own cap */
    KEEPALIVE_PROBES = 3
};

struct stream {
    const mem *mem;
    loop *loop;
    void *owner;
    loop_token token; /* 0: not watched */
    int fd;
    int write_errno; /* writing failed: what came before is still to be read */
    stream_state state;
    bool is_connected; /* the socket is; TLS may still shake hands */
    bool is_blocking;  /* the socket, where a call does not say otherwise */
    bool is_drained;   /* the last read was short: another one would only say EAGAIN */
    bool want_read;
    bool want_write;
    tls_session *tls;
    net_address address;
    kw_status status;
    char message[KW_ERROR_MESSAGE_SIZE];
};

static void end(stream *s, kw_status status, const char *what, const char *reason) {
    s->state = STREAM_ENDED;
    s->status = status;
    snprintf(s->message, sizeof s->message, "%s%s%s", what, reason ? ": " : "",
             reason ? reason : "");
    loop_remove(s->loop, s->token);
    s->token = 0;
}

static void end_connect(stream *s, int error) {
    char text[ADDRESS_TEXT_BYTES];
    char what[ADDRESS_TEXT_BYTES + 32];
    snprintf(what, sizeof what, "cannot connect to %s",
             sockaddr_text(&s->address, text, sizeof text));
    end(s, error == ENOMEM ? KW_ERR_NOMEM : KW_ERR_CONNECTION, what, strerror(error));
}

static void end_read(stream *s, int error) {
    if (!error && s->write_errno != EPIPE) {
        error = s->write_errno; /* the cause; that the peer is gone only follows from it */
    }
    const char *what = s->state == STREAM_OPEN ? "connection lost" : "TLS handshake broken off";
    end(s, KW_ERR_CONNECTION, what, error ? strerror(error) : "closed by the peer");
}

static void update_watch(stream *s) {
    if (s->state == STREAM_ENDED) {
        return;
    }
    unsigned interest = 0;
    if (!s->is_connected) {
        interest = LOOP_WRITE;
    } else {
        bool tls_waits = s->tls && tls_pending(s->tls).len > 0;
        bool reads = s->want_read || s->state == STREAM_CONNECTING;
        bool writes = (s->want_write || tls_waits) && !s->write_errno;
        interest = (reads ? LOOP_READ : 0u) | (writes ? LOOP_WRITE : 0u);
    }
    if (s->token) {
        loop_change(s->loop, s->token, interest);
        return;
    }
    int error = 0;
    s->token = loop_add(s->loop, s->fd, interest, s->owner, &error);
    if (!s->token) {
        end_connect(s, error);
    }
}

/* Whoever reads learns of the end by reading, after the last bytes; nobody else would. */
static void write_failed(stream *s, int error) {
    s->write_errno = error;
    if (!s->want_read && s->state == STREAM_OPEN) {
        end_read(s, 0);
    }
}

static void flush_tls(stream *s) {
    while (!s->write_errno) {
        kw_slice out = tls_pending(s->tls);
        if (out.len == 0) {
            return;
        }
        ssize_t sent = send(s->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        int error = errno;
        if (sent >= 0) {
            tls_sent(s->tls, (size_t)sent);
        } else if (error == EAGAIN || error == EWOULDBLOCK) {
            return;
        } else if (error != EINTR) {
            write_failed(s, error);
        }
    }
}

/* 0: none now, or ended. */
static size_t receive(stream *s, char *dst, size_t size, int flags) {
    for (;;) {
        ssize_t got = recv(s->fd, dst, size, flags);
        int error = errno;
        if (got > 0) {
            s->is_drained = (size_t)got < size;
            return (size_t)got;
        }
        if (got == 0) {
            end_read(s, 0);
            return 0;
        }
        if (error == EAGAIN || error == EWOULDBLOCK || (error == EINTR && !flags)) {
            return 0; /* signals must not make a wait longer */
        }
        if (error != EINTR) {
            end_read(s, error);
            return 0;
        }
    }
}

/* Bytes of the socket; 0: none now, or ended. */
static size_t read_socket(stream *s, char *dst, size_t size) {
    return s->is_drained ? 0 : receive(s, dst, size, MSG_DONTWAIT);
}

/* Moves bytes of the socket into the TLS session; false: none now, or ended. */
static bool feed_tls(stream *s) {
    char piece[TLS_PIECE_BYTES];
    size_t len = read_socket(s, piece, sizeof piece);
    if (len == 0) {
        return false;
    }
    if (tls_feed(s->tls, piece, len) != KW_OK) {
        end(s, KW_ERR_NOMEM, "out of memory", NULL);
        return false;
    }
    return true;
}

static void shake_hands(stream *s) {
    tls_result result = TLS_AGAIN;
    do {
        result = tls_handshake(s->tls);
        flush_tls(s); /* also the alert that tells the peer what we did not like */
    } while (result == TLS_AGAIN && feed_tls(s));
    if (s->state == STREAM_ENDED || result == TLS_AGAIN) {
        return;
    }
    if (result == TLS_OK) {
        s->state = STREAM_OPEN;
    } else {
        end(s, KW_ERR_TLS, "TLS handshake", tls_error(s->tls));
    }
}

static void begin_session(stream *s) {
    s->is_connected = true;
    if (s->tls) {
        shake_hands(s);
    } else {
        s->state = STREAM_OPEN;
    }
}

static void finish_connect(stream *s) {
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    if (error) {
        end_connect(s, error);
    } else {
        begin_session(s);
    }
}

/* Best effort: a connection without them is still a connection. */
static void set_tcp_options(int fd, const stream_options *options) {
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!options) {
        return;
    }
    if (options->keepalive_s) {
        int idle = options->keepalive_s < KEEPALIVE_MAX_S ? (int)options->keepalive_s
                                                          : (int)KEEPALIVE_MAX_S;
        int interval = idle / KEEPALIVE_PROBES > 0 ? idle / KEEPALIVE_PROBES : 1;
        int probes = KEEPALIVE_PROBES;
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    }
    if (options->user_timeout_ms) {
        unsigned timeout_ms = options->user_timeout_ms;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
    }
}

static stream *stream_new(loop *l, const mem *m, void *owner) {
    stream *s = mem_calloc(m, 1, sizeof *s);
    if (s) {
        s->mem = m;
        s->loop = l;
        s->owner = owner;
        s->fd = -1;
        s->want_read = true;
    }
    return s;
}

/* Opens the socket and begins to connect; the state tells how far it went. */
static void begin_connect(stream *s, const stream_options *options) {
    struct sockaddr_storage to;
    socklen_t len = sockaddr_from(&s->address, &to);
    s->fd = socket(sockaddr_family(&s->address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        end_connect(s, errno);
        return;
    }
    if (s->address.family != NET_UNIX) {
        set_tcp_options(s->fd, options);
    }
    if (connect(s->fd, (struct sockaddr *)&to, len) == 0) {
        begin_session(s);
    } else if (errno != EINPROGRESS && errno != EINTR) {
        end_connect(s, errno);
    }
    update_watch(s);
}

kw_status stream_connect(loop *l, const mem *m, const net_address *address,
                         const stream_options *options, void *owner, stream **ret, kw_error *err) {
    stream *s = stream_new(l, m, owner);
    if (!s) {
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    s->address = *address;
    if (options->tls) {
        kw_status status = tls_session_new(options->tls, options->tls_host, &s->tls);
        if (status != KW_OK) {
            stream_free(s);
            return io_fail(err, status, "cannot make a TLS session");
        }
    }
    begin_connect(s, options);
    if (s->state == STREAM_ENDED) {
        kw_status status = io_fail(err, s->status, "%s", s->message);
        stream_free(s);
        return status;
    }
    *ret = s;
    return KW_OK;
}

kw_status stream_adopt(loop *l, const mem *m, int fd, const stream_options *options, void *owner,
                       stream **ret) {
    stream *s = stream_new(l, m, owner);
    if (!s) {
        return KW_ERR_NOMEM;
    }
    kw_status status = KW_OK;
    if (options && options->tls) {
        status = tls_session_new(options->tls, NULL, &s->tls);
    }
    if (status == KW_OK) {
        int error = 0;
        s->token = loop_add(l, fd, LOOP_READ, owner, &error);
        if (!s->token) {
            status = error == ENOMEM ? KW_ERR_NOMEM : KW_ERR_CONNECTION;
        }
    }
    if (status != KW_OK) {
        stream_free(s);
        return status;
    }
    s->fd = fd;
    s->is_connected = true;
    s->state = s->tls ? STREAM_CONNECTING : STREAM_OPEN;
    set_tcp_options(fd, options);
    *ret = s;
    return KW_OK;
}

void stream_free(stream *s) {
    if (!s) {
        return;
    }
    /* in the child of a fork the session goes on in the parent: not a byte of ours into it */
    if (s->tls && s->state == STREAM_OPEN && !loop_is_abandoned(s->loop)) {
        tls_close(s->tls);
        flush_tls(s);
    }
    tls_session_free(s->tls);
    loop_remove(s->loop, s->token);
    if (s->fd >= 0) {
        close(s->fd);
    }
    mem_free(s->mem, s);
}

void stream_reset(stream *s) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (s && s->fd >= 0 && !loop_is_abandoned(s->loop)) {
        /* if it fails, the peer sees an orderly end instead */
        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    stream_free(s);
}

stream_state stream_handle(stream *s, unsigned ready) {
    s->is_drained = false;
    if (s->state == STREAM_CONNECTING && s->is_connected) {
        shake_hands(s);
    } else if (s->state == STREAM_CONNECTING && ready & (LOOP_WRITE | LOOP_HANGUP)) {
        finish_connect(s);
    } else if (s->state == STREAM_OPEN) {
        if (s->tls) {
            flush_tls(s);
        }
        if (ready & LOOP_HANGUP && !s->want_read && !s->want_write) {
            /* epoll would tell it again and again; stream_want_read watches anew */
            loop_remove(s->loop, s->token);
            s->token = 0;
            return s->state;
        }
    }
    update_watch(s);
    return s->state;
}

stream_state stream_get_state(const stream *s) {
    return s->state;
}

static size_t read_tls(stream *s, char *dst, size_t size) {
    size_t len = 0;
    tls_result result = TLS_AGAIN;
    do {
        result = tls_read(s->tls, dst, size, &len);
    } while (result == TLS_AGAIN && feed_tls(s));
    if (s->state == STREAM_ENDED) {
        return 0;
    }
    if (result == TLS_CLOSED) {
        end_read(s, 0);
    } else if (result == TLS_FAILED) {
        end(s, KW_ERR_TLS, "TLS", tls_error(s->tls));
    }
    return result == TLS_OK ? len : 0;
}

size_t stream_read(stream *s, char *dst, size_t size) {
    if (s->state != STREAM_OPEN || size == 0) {
        return 0;
    }
    size_t len = s->tls ? read_tls(s, dst, size) : read_socket(s, dst, size);
    if (len == 0) {
        s->is_drained = false;
    }
    if (s->tls && s->state == STREAM_OPEN) {
        flush_tls(s); /* reading may make TLS answer, to a key update for one */
        update_watch(s);
    }
    return len;
}

/* Every call on the socket but the one that awaits says MSG_DONTWAIT. */
static bool make_blocking(stream *s) {
    const struct timeval wait = {.tv_usec = STREAM_AWAIT_US};
    int non_blocking = 0;
    if (!s->is_blocking) {
        s->is_blocking = setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
                         ioctl(s->fd, FIONBIO, &non_blocking) == 0;
    }
    return s->is_blocking;
}

bool stream_can_await(const stream *s) {
    return s->state == STREAM_OPEN && !s->tls;
}

size_t stream_await(stream *s, char *dst, size_t size) {
    assert(stream_can_await(s) && size > 0);
    return receive(s, dst, size, make_blocking(s) ? 0 : MSG_DONTWAIT);
}

static ssize_t send_slices(int fd, const kw_slice *slices, size_t count) {
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    if (count == 1) { /* the usual case, and cheaper */
        return send(fd, slices[0].data, slices[0].len, flags);
    }
    struct iovec parts[SLICES_PER_WRITE];
    size_t part_count = count < SLICES_PER_WRITE ? count : SLICES_PER_WRITE;
    for (size_t i = 0; i < part_count; i++) {
        /* iovec is not const because readv shares it */
        parts[i] = (struct iovec){(void *)(uintptr_t)slices[i].data, slices[i].len};
    }
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = part_count};
    return sendmsg(fd, &message, flags);
}

static size_t write_plain(stream *s, const kw_slice *slices, size_t count) {
    for (;;) {
        ssize_t sent = send_slices(s->fd, slices, count);
        int error = errno;
        if (sent >= 0) {
            return (size_t)sent;
        }
        if (error == EAGAIN || error == EWOULDBLOCK) {
            return 0;
        }
        if (error != EINTR) {
            write_failed(s, error);
            return 0;
        }
    }
}

/* Small slices are put together, so that many short commands share one TLS record. */
static kw_slice gather(const kw_slice *slices, size_t count, char *room, size_t size) {
    if (count == 1 || slices[0].len >= size) {
        return slices[0];
    }
    size_t len = 0;
    for (size_t i = 0; i < count && len < size; i++) {
        size_t part = slices[i].len < size - len ? slices[i].len : size - len;
        memcpy(room + len, slices[i].data, part);
        len += part;
    }
    return slice_of(room, len);
}

static size_t write_tls(stream *s, const kw_slice *slices, size_t count) {
    char room[TLS_PIECE_BYTES];
    kw_slice piece = gather(slices, count, room, sizeof room);
    size_t taken = 0;
    tls_result result = tls_write(s->tls, piece.data, piece.len, &taken);
    flush_tls(s);
    if (result == TLS_FAILED && s->state == STREAM_OPEN) {
        end(s, KW_ERR_TLS, "TLS", tls_error(s->tls));
    }
    return result == TLS_OK ? taken : 0;
}

size_t stream_write(stream *s, const kw_slice *slices, size_t count) {
    size_t total = 0;
    size_t skip = 0; /* bytes of slices[0] that are written */
    while (count > 0 && s->state == STREAM_OPEN && !s->write_errno) {
        kw_slice rest = slice_of(slices[0].data + skip, slices[0].len - skip);
        size_t taken = 0;
        if (rest.len == 0) {
            slices++;
            count--;
            skip = 0;
            continue;
        }
        if (!s->tls) {
            taken = write_plain(s, slices, count);
        } else if (skip > 0) {
            taken = write_tls(s, &rest, 1);
        } else {
            taken = write_tls(s, slices, count);
        }
        total += taken;
        size_t left = taken + skip;
        for (; count > 0 && left >= slices[0].len; slices++, count--) {
            left -= slices[0].len;
        }
        skip = left;
        if (taken == 0 || (skip > 0 && !s->tls)) {
            break; /* the socket is full */
        }
    }
    if (s->tls) {
        update_watch(s);
    }
    return total;
}

bool stream_is_flushed(const stream *s) {
    return !s->tls || s->state == STREAM_ENDED || s->write_errno || tls_pending(s->tls).len == 0;
}

void stream_want_write(stream *s, bool want) {
    s->want_write = want;
    update_watch(s);
}

void stream_want_read(stream *s, bool want) {
    s->want_read = want;
    update_watch(s);
}

kw_status stream_error(const stream *s, const char **ret_message) {
    *ret_message = s->message;
    return s->status;
}

int stream_fd(const stream *s) {
    return s->fd;
}
