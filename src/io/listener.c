#include "io/listener.h"

#include "io/io_error.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 511, ADDRESS_TEXT_BYTES = 128 };

struct listener {
    const mem *mem;
    loop *loop;
    loop_token token;
    int fd;
    uint16_t port;
};

/* Returns 0, or errno; *ret_step names what failed. */
static int start(listener *s, const net_address *address, const char **ret_step) {
    struct sockaddr_storage storage;
    socklen_t len = sockaddr_from(address, &storage);
    const int on = 1;

    *ret_step = "socket";
    s->fd = socket(sockaddr_family(address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        return errno;
    }
    *ret_step = "setsockopt";
    if (setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (address->family == NET_IPV6 &&
         setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)) {
        return errno;
    }
    *ret_step = "bind";
    if (bind(s->fd, (struct sockaddr *)&storage, len) != 0) {
        return errno;
    }
    *ret_step = "listen";
    if (listen(s->fd, BACKLOG) != 0) {
        return errno;
    }
    *ret_step = "getsockname";
    net_address bound = *address;
    len = sizeof storage;
    if (getsockname(s->fd, (struct sockaddr *)&storage, &len) != 0) {
        return errno;
    }
    s->port = sockaddr_to((struct sockaddr *)&storage, &bound) ? bound.port : 0;
    return 0;
}

kw_status listener_new(loop *l, const mem *m, const net_address *address, void *owner,
                       listener **ret, kw_error *err) {
    listener *s = mem_calloc(m, 1, sizeof *s);
    if (!s) {
        return io_fail(err, KW_ERR_NOMEM, "out of memory");
    }
    s->mem = m;
    s->loop = l;
    const char *step = NULL;
    int error = start(s, address, &step);
    if (!error) {
        step = "epoll_ctl";
        s->token = loop_add(l, s->fd, LOOP_READ, owner, &error);
    }
    if (!s->token) {
        char text[ADDRESS_TEXT_BYTES];
        listener_free(s);
        return io_fail(err, error == ENOMEM ? KW_ERR_NOMEM : KW_ERR_CONNECTION,
                       "cannot listen on %s: %s: %s", sockaddr_text(address, text, sizeof text),
                       step, strerror(error));
    }
    *ret = s;
    return KW_OK;
}

void listener_free(listener *s) {
    if (!s) {
        return;
    }
    loop_remove(s->loop, s->token);
    if (s->fd >= 0) {
        close(s->fd);
    }
    mem_free(s->mem, s);
}

uint16_t listener_port(const listener *s) {
    return s->port;
}

int listener_accept(listener *s, net_address *ret_peer, int *ret_errno) {
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    int fd = -1;
    int error = 0;
    do {
        fd = accept4(s->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        error = fd < 0 ? errno : 0;
    } while (error == EINTR || error == ECONNABORTED);
    *ret_errno = error == EAGAIN || error == EWOULDBLOCK ? 0 : error;
    if (fd >= 0 && ret_peer && !sockaddr_to((struct sockaddr *)&peer, ret_peer)) {
        *ret_peer = (net_address){.family = NET_UNIX}; /* whose peers have no name */
    }
    return fd;
}

void listener_refuse(int fd, const char *text) {
    ssize_t sent = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* whoever does not get it sees the end all the same */
    close(fd);
}

void listener_want_accept(listener *s, bool want) {
    loop_change(s->loop, s->token, want ? LOOP_READ : 0);
}
