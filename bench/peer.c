/* A cluster of three nodes as far as a client's hot path sees it, for counting instructions: it
 * costs nothing, and holds its replies back until a whole round of commands has come, so that the
 * client's turns are the same in each run.
 *
 * usage: bench-peer ROUND
 * Writes its three ports as a line; then a byte for each round of ROUND commands (GET, SET), after
 * their replies were written. Other commands are answered at once. Ends with its standard input. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NODES = 3, CONNECTIONS_MAX = 64, ROOM = 32 * 1024 * 1024 };

typedef struct connection {
    int fd;
    char *in;
    size_t in_len;
    char *out;
    size_t out_len;
} connection;

static int listeners[NODES];
static unsigned ports[NODES];
static connection connections[CONNECTIONS_MAX];
static size_t connection_count;
static unsigned long round_size;
static unsigned long held; /* commands of this round so far */

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void open_listener(int node) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        die("bench-peer: listen");
    }
    listeners[node] = fd;
    ports[node] = ntohs(address.sin_port);
}

static void accept_one(int node) {
    int fd = accept(listeners[node], NULL, NULL);
    if (fd < 0 || connection_count == CONNECTIONS_MAX) {
        die("bench-peer: accept");
    }
    connection *c = &connections[connection_count++];
    *c = (connection){.fd = fd, .in = malloc(ROOM), .out = malloc(ROOM)};
    if (!c->in || !c->out) {
        die("bench-peer: memory");
    }
}

static void reply(connection *c, const char *text) {
    size_t len = strlen(text);
    if (len > ROOM - c->out_len) {
        errno = ENOBUFS;
        die("bench-peer: reply");
    }
    memcpy(c->out + c->out_len, text, len);
    c->out_len += len;
}

static void flush_output(connection *c) {
    size_t sent = 0;
    while (sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + sent, c->out_len - sent, MSG_NOSIGNAL);
        if (n < 0) {
            break; /* the client left */
        }
        sent += (size_t)n;
    }
    c->out_len = 0;
}

static void reply_slots(connection *c) {
    static const unsigned bounds[NODES + 1] = {0, 5461, 10923, 16384};
    reply(c, "*3\r\n");
    for (int i = 0; i < NODES; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "*3\r\n:%u\r\n:%u\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$40\r\n%040d\r\n",
                       bounds[i], bounds[i + 1] - 1, ports[i], i + 1);
        reply(c, text);
    }
}

static void answer(connection *c, const char *name, size_t len) {
    static const char value[] = "$16\r\n0123456789abcdef\r\n";
    if (len == 3 && memcmp(name, "SET", 3) == 0) {
        held++;
        reply(c, "+OK\r\n");
    } else if (len == 3 && memcmp(name, "GET", 3) == 0) {
        held++;
        reply(c, value);
    } else if (len == 5 && memcmp(name, "HELLO", 5) == 0) {
        reply(c, "%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
    } else if (len == 7 && memcmp(name, "CLUSTER", 7) == 0 && name[len + 6] == 'S') {
        reply_slots(c);
    } else if (len == 7 && memcmp(name, "CLUSTER", 7) == 0) {
        reply(c, "$43\r\ncluster_state:ok\r\ncluster_current_epoch:3\r\n\r\n");
    } else {
        reply(c, "+OK\r\n");
    }
}

/* The first whole command of the input: its length, or 0. */
static size_t read_command(const char *in, size_t len, const char **ret_name,
                           size_t *ret_name_len) {
    const char *end = in + len;
    const char *at = in + 1;
    char *next = NULL;
    for (unsigned long i = 0, count = 1; i <= count; i++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end) {
            return 0;
        }
        unsigned long number = strtoul(i == 0 ? at : at + 1, &next, 10);
        at = line_end + 1;
        if (i == 0) {
            count = number;
            continue;
        }
        if ((size_t)(end - at) < number + 2) {
            return 0;
        }
        if (i == 1) {
            *ret_name = at;
            *ret_name_len = number;
        }
        at += number + 2;
    }
    return (size_t)(at - in);
}

/* False: the client closed it. */
static bool serve(connection *c) {
    ssize_t got = recv(c->fd, c->in + c->in_len, ROOM - c->in_len, 0);
    if (got <= 0) {
        return false;
    }
    c->in_len += (size_t)got;
    size_t at = 0;
    unsigned long before = held;
    for (;;) {
        const char *name = NULL;
        size_t name_len = 0;
        size_t len =
            c->in_len > at ? read_command(c->in + at, c->in_len - at, &name, &name_len) : 0;
        if (len == 0) {
            break;
        }
        answer(c, name, name_len);
        at += len;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    if (held == before) {
        flush_output(c);
    }
    return true;
}

static void end_round(void) {
    for (size_t i = 0; i < connection_count; i++) {
        flush_output(&connections[i]);
    }
    held -= round_size;
    if (write(STDOUT_FILENO, ".", 1) != 1) {
        exit(0);
    }
}

int main(int argc, char **argv) {
    round_size = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    for (int i = 0; i < NODES; i++) {
        open_listener(i);
    }
    printf("%u %u %u\n", ports[0], ports[1], ports[2]);
    (void)fflush(stdout);
    for (;;) {
        struct pollfd polled[1 + NODES + CONNECTIONS_MAX];
        size_t count = connection_count;
        polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        for (size_t i = 0; i < NODES; i++) {
            polled[1 + i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
        }
        for (size_t i = 0; i < count; i++) {
            polled[1 + NODES + i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        }
        if (poll(polled, 1 + NODES + count, -1) < 0 || polled[0].revents) {
            return 0;
        }
        for (int i = 0; i < NODES; i++) {
            if (polled[1 + i].revents) {
                accept_one(i);
            }
        }
        for (size_t i = 0; i < count; i++) {
            if (polled[1 + NODES + i].revents && !serve(&connections[i])) {
                close(connections[i].fd);
                connections[i].fd = -1; /* poll passes over it */
            }
        }
        if (held >= round_size) {
            end_round();
        }
    }
}
