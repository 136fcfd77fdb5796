/* Sixteen commands in flight all the time, while somebody moves slots: what gets through in each
 * tenth of a second, and how often a node said MOVED. And the same by bare sockets, with keys of
 * slots that stay where they are: what the servers let through meanwhile. */
#include "speed.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { IN_FLIGHT = 16, TENTH_NS = 100000000, KEYS = 100000, COMMAND_BYTES = 96 };
enum { MOVING_SLOTS = 2000 }; /* the first ones: scripts/bench moves no others */

typedef struct load {
    uint64_t begin_ns;
    uint64_t tenths; /* to run */
    uint64_t tenth;  /* now */
    unsigned long count;
    unsigned next;
    unsigned open;
} load;

static void submit(kw_client *c, load *w);

static void on_reply(kw_client *c, kw_reply *r, const kw_error *err, void *arg) {
    load *w = arg;
    if (!r || kw_reply_is_error(r)) {
        speed_die(err ? err->message : kw_reply_string(r, NULL));
    }
    w->count++;
    w->open--;
    if (w->tenth < w->tenths) {
        submit(c, w);
    }
}

static void submit(kw_client *c, load *w) {
    kw_error err;
    char key[32];
    int len = snprintf(key, sizeof key, "load:%u", w->next++ % KEYS);
    kw_slice argv[] = {{"SET", 3}, {key, (size_t)len}, {"0123456789abcdef", 16}};
    speed_check(kw_submit(c, argv, 3, NULL, on_reply, w, &err), &err);
    w->open++;
}

static void tell_tenths(load *w) {
    uint64_t now = (speed_wall_ns() - w->begin_ns) / TENTH_NS;
    for (; w->tenth < now && w->tenth < w->tenths; w->tenth++) {
        printf("tenth %lu\n", w->count);
        w->count = 0;
    }
    (void)fflush(stdout);
}

static void tell_redirects(kw_client *c) {
    kw_stats *stats = NULL;
    if (kw_stats_new(c, &stats) != KW_OK) {
        speed_die("out of memory");
    }
    printf("moved %llu\n", (unsigned long long)kw_stats_total(stats, KW_COUNT_MOVED));
    printf("ask %llu\n", (unsigned long long)kw_stats_total(stats, KW_COUNT_ASK));
    kw_stats_free(stats);
}

static void run_client(load *w, char **ports) {
    kw_client *c = speed_open(ports, "");
    w->begin_ns = speed_wall_ns();
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        submit(c, w);
    }
    while (w->tenth < w->tenths || w->open > 0) {
        if (kw_wait(c, 10) != KW_OK) {
            speed_die("kw_wait");
        }
        tell_tenths(w);
    }
    tell_redirects(c);
    kw_close(c);
}

/* ------------------------------------------------------------------ bare sockets */

typedef struct bare_node {
    char out[IN_FLIGHT * COMMAND_BYTES]; /* to be sent in this turn */
    size_t len;
} bare_node;

/* The node of a slot, as `redis-cli --cluster create` shares them out. */
static unsigned node_of(int slot) {
    return slot < 5461 ? 0 : slot < 10923 ? 1 : 2;
}

static void add_command(load *w, bare_node nodes[SPEED_NODES]) {
    char key[32];
    int len = 0;
    int slot = 0;
    do {
        len = snprintf(key, sizeof key, "load:%u", w->next++ % KEYS);
        slot = kw_key_slot(key, (size_t)len);
    } while (slot < MOVING_SLOTS);
    bare_node *n = &nodes[node_of(slot)];
    n->len +=
        (size_t)snprintf(n->out + n->len, COMMAND_BYTES,
                         "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$16\r\n0123456789abcdef\r\n", len, key);
}

static void send_added(const struct pollfd *sockets, bare_node nodes[SPEED_NODES]) {
    for (unsigned i = 0; i < SPEED_NODES; i++) {
        if (nodes[i].len > 0 && send(sockets[i].fd, nodes[i].out, nodes[i].len, MSG_NOSIGNAL) !=
                                    (ssize_t)nodes[i].len) {
            speed_die("send");
        }
        nodes[i].len = 0;
    }
}

/* Each reply, a line, makes room for the next command. */
static void take_replies(load *w, int fd, bare_node nodes[SPEED_NODES]) {
    char in[4096];
    ssize_t got = recv(fd, in, sizeof in, 0);
    if (got <= 0 || memchr(in, '-', (size_t)got)) {
        speed_die("a node is gone, or refuses");
    }
    for (ssize_t i = 0; i < got; i++) {
        if (in[i] == '\n') {
            w->count++;
            add_command(w, nodes);
        }
    }
}

static void run_bare(load *w, char **ports) {
    static bare_node nodes[SPEED_NODES];
    struct pollfd sockets[SPEED_NODES];
    for (unsigned i = 0; i < SPEED_NODES; i++) {
        unsigned port = (unsigned)strtoul(ports[i], NULL, 10);
        sockets[i] = (struct pollfd){.fd = speed_connect(port), .events = POLLIN};
    }
    w->begin_ns = speed_wall_ns();
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        add_command(w, nodes);
    }
    while (w->tenth < w->tenths) {
        send_added(sockets, nodes);
        if (poll(sockets, SPEED_NODES, 10) < 0) {
            speed_die("poll");
        }
        for (unsigned i = 0; i < SPEED_NODES; i++) {
            if (sockets[i].revents) {
                take_replies(w, sockets[i].fd, nodes);
            }
        }
        tell_tenths(w);
    }
}

void speed_load(int argc, char **argv) {
    if (argc < 2 + SPEED_NODES) {
        speed_die("load PEER SECONDS PORT PORT PORT");
    }
    load w = {.tenths = strtoul(argv[1], NULL, 10) * 10};
    if (strcmp(argv[0], "bare") == 0) {
        run_bare(&w, argv + 2);
    } else {
        run_client(&w, argv + 2);
    }
}
