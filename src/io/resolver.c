#include "io/resolver.h"

#include "base/list.h"
#include "io/sockaddr.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

/* A silent server costs 1 s + 2 s, so that its error comes before a command's own deadline. */
enum { SERVER_TIMEOUT_MS = 1000, SERVER_TRIES = 2 };

typedef struct query {
    list node; /* in running or in done */
    resolver *owner;
    bool is_cancelled;
    char host[64]; /* for the message: a longer one is cut */
    resolver_result result;
} query;

typedef struct socket_watch {
    int fd;
    loop_token token;
} socket_watch;

struct resolver {
    const mem *mem;
    loop *loop;
    void *owner;
    ares_channel channel; /* NULL: none yet */
    const char *servers;  /* NULL: the system's */
    list running;
    list done;
    socket_watch *watches;
    size_t watch_count;
    size_t watch_capacity;
};

/* ------------------------------------------------------- sockets of c-ares */

static unsigned interest_of(int readable, int writable) {
    return (readable ? (unsigned)LOOP_READ : 0u) | (writable ? (unsigned)LOOP_WRITE : 0u);
}

/* Without memory the socket stays unwatched: its query then ends by its timeouts. */
static void watch_socket(resolver *r, int fd, unsigned interest) {
    if (r->watch_count == r->watch_capacity) {
        size_t capacity = r->watch_capacity ? r->watch_capacity * 2 : 4;
        socket_watch *watches = mem_resize(r->mem, r->watches, capacity, sizeof *watches);
        if (!watches) {
            return;
        }
        r->watches = watches;
        r->watch_capacity = capacity;
    }
    int error = 0;
    loop_token token = loop_add(r->loop, fd, interest, r->owner, &error);
    if (token) {
        r->watches[r->watch_count++] = (socket_watch){fd, token};
    }
}

static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable) {
    resolver *r = arg;
    size_t i = 0;
    while (i < r->watch_count && r->watches[i].fd != fd) {
        i++;
    }
    unsigned interest = interest_of(readable, writable);
    if (i == r->watch_count) {
        if (interest) {
            watch_socket(r, fd, interest);
        }
    } else if (interest) {
        loop_change(r->loop, r->watches[i].token, interest);
    } else {
        loop_remove(r->loop, r->watches[i].token);
        r->watches[i] = r->watches[--r->watch_count];
    }
}

/* c-ares writes to TCP servers by writev, which may raise SIGPIPE; these never do. */
static ares_socket_t open_socket(int family, int type, int protocol, void *arg) {
    (void)arg;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *arg) {
    (void)arg;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len,
                          void *arg) {
    (void)arg;
    return connect(fd, to, len);
}

static ares_ssize_t receive_from(ares_socket_t fd, void *dst, size_t size, int flags,
                                 struct sockaddr *from, ares_socklen_t *len, void *arg) {
    (void)arg;
    return recvfrom(fd, dst, size, flags, from, len);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int count, void *arg) {
    (void)arg;
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static const struct ares_socket_functions SOCKET_FUNCTIONS = {
    open_socket, close_socket, connect_socket, receive_from, send_parts};

/* ----------------------------------------------------------------- channel */

static void start_library(void) {
    (void)ares_library_init(ARES_LIB_INIT_ALL); /* fails on Windows only */
}

/* A new channel reads resolv.conf and the hosts file as they are now; so each burst of queries
 * gets one of its own. */
static int renew_channel(resolver *r) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_library);
    if (r->channel && !list_empty(&r->running)) {
        return ARES_SUCCESS;
    }
    if (r->channel) {
        ares_destroy(r->channel);
        r->channel = NULL;
    }
    char lookups[] = "fb"; /* the hosts file first, then DNS */
    struct ares_options options = {.timeout = SERVER_TIMEOUT_MS,
                                   .tries = SERVER_TRIES,
                                   .lookups = lookups,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = r};
    int failed = ares_init_options(&r->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                       ARES_OPT_SOCK_STATE_CB);
    if (failed) {
        r->channel = NULL;
        return failed;
    }
    ares_set_socket_functions(r->channel, &SOCKET_FUNCTIONS, NULL);
    return r->servers ? ares_set_servers_ports_csv(r->channel, r->servers) : ARES_SUCCESS;
}

/* ----------------------------------------------------------------- queries */

static void fail_query(query *q, int error) {
    q->result.status = error == ARES_ENOMEM ? KW_ERR_NOMEM : KW_ERR_RESOLVE;
    snprintf(q->result.message, sizeof q->result.message, "cannot resolve '%s': %s", q->host,
             ares_strerror(error));
}

static void collect(resolver_result *result, const struct ares_addrinfo *info) {
    const struct ares_addrinfo_node *node = info->nodes;
    for (; node && result->count < LIMIT_ADDRESSES; node = node->ai_next) {
        net_address address;
        if (sockaddr_to(node->ai_addr, &address)) {
            address.port = 0;
            result->addresses[result->count++] = address;
        }
    }
}

static void on_addresses(void *arg, int error, int timeouts, struct ares_addrinfo *info) {
    query *q = arg;
    resolver *r = q->owner;
    (void)timeouts;
    list_remove(&q->node);
    if (!error && info) {
        collect(&q->result, info);
    }
    ares_freeaddrinfo(info);
    if (q->is_cancelled || error == ARES_EDESTRUCTION) {
        mem_free(r->mem, q);
        return;
    }
    if (q->result.count > 0) {
        q->result.status = KW_OK;
    } else {
        fail_query(q, error ? error : ARES_ENODATA);
    }
    list_push_back(&r->done, &q->node);
}

kw_status resolver_new(loop *l, const mem *m, void *owner, resolver **ret) {
    resolver *r = mem_calloc(m, 1, sizeof *r);
    if (!r) {
        return KW_ERR_NOMEM;
    }
    r->mem = m;
    r->loop = l;
    r->owner = owner;
    list_init(&r->running);
    list_init(&r->done);
    *ret = r;
    return KW_OK;
}

void resolver_free(resolver *r) {
    if (!r) {
        return;
    }
    if (r->channel) {
        ares_destroy(r->channel); /* ends the running queries, which frees them */
    }
    for (list *node = NULL; (node = list_pop_front(&r->done));) {
        mem_free(r->mem, LIST_ENTRY(node, query, node));
    }
    mem_free(r->mem, r->watches);
    mem_free(r->mem, r);
}

void resolver_use_servers(resolver *r, const char *servers) {
    r->servers = servers;
}

kw_status resolver_start(resolver *r, const char *host, uint64_t id) {
    query *q = mem_calloc(r->mem, 1, sizeof *q);
    if (!q) {
        return KW_ERR_NOMEM;
    }
    q->owner = r;
    q->result.id = id;
    slice_copy(q->host, sizeof q->host, slice_text(host));
    int error = renew_channel(r);
    if (error) {
        fail_query(q, error);
        list_push_back(&r->done, &q->node);
        return KW_OK;
    }
    list_push_back(&r->running, &q->node);
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(r->channel, host, NULL, &hints, on_addresses, q);
    return KW_OK;
}

void resolver_cancel(resolver *r, uint64_t id) {
    LIST_FOR_EACH(node, after, &r->running) {
        query *q = LIST_ENTRY(node, query, node);
        q->is_cancelled = q->is_cancelled || q->result.id == id;
    }
    LIST_FOR_EACH(node, after, &r->done) {
        query *q = LIST_ENTRY(node, query, node);
        if (q->result.id == id) {
            list_remove(&q->node);
            mem_free(r->mem, q);
        }
    }
}

void resolver_handle(resolver *r, loop_token token, unsigned ready) {
    for (size_t i = 0; i < r->watch_count; i++) {
        if (r->watches[i].token != token) {
            continue;
        }
        int fd = r->watches[i].fd;
        ares_process_fd(r->channel, ready & (LOOP_READ | LOOP_HANGUP) ? fd : ARES_SOCKET_BAD,
                        ready & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
        return;
    }
}

uint64_t resolver_deadline_us(const resolver *r, uint64_t now_us) {
    if (!list_empty(&r->done)) {
        return now_us;
    }
    struct timeval room;
    if (list_empty(&r->running) || !ares_timeout(r->channel, NULL, &room)) {
        return UINT64_MAX;
    }
    return now_us + (uint64_t)room.tv_sec * 1000000u + (uint64_t)room.tv_usec;
}

void resolver_timeout(resolver *r) {
    if (r->channel) {
        ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
}

bool resolver_next(resolver *r, resolver_result *ret) {
    list *node = list_pop_front(&r->done);
    if (!node) {
        return false;
    }
    query *q = LIST_ENTRY(node, query, node);
    *ret = q->result;
    mem_free(r->mem, q);
    return true;
}
