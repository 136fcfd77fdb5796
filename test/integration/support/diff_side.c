#include "integration/support/diff_side.h"

#include "core/resp.h"
#include "integration/support/diff_neutral.h"
#include "unit/support/lab_peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 65536, ASK_TIMEOUT_MS = 20000 };

static void init(diff_side *s, const char *name) {
    memset(s, 0, sizeof *s);
    s->name = name;
    for (size_t i = 0; i < DIFF_CONNECTIONS; i++) {
        buffer_init(&s->connections[i].in, &mem_default, 0);
    }
}

void diff_side_of_cluster(diff_side *s, const redis_cluster *cluster) {
    init(s, "server");
    for (int i = 0; i < DIFF_NODES; i++) {
        s->ports[i] = cluster->nodes[i].port;
        memcpy(s->ids[i], cluster->nodes[i].id, sizeof s->ids[i]);
    }
}

void diff_side_of_lab(diff_side *s, const kw_lab *lab) {
    init(s, "lab");
    for (int i = 0; i < DIFF_NODES; i++) {
        memcpy(s->ids[i], lab_peer_node(lab, i).id, sizeof s->ids[i]);
        s->ports[i] = lab_peer_port(lab, i);
    }
}

void diff_side_done(diff_side *s) {
    for (int i = 0; i < DIFF_CONNECTIONS; i++) {
        diff_close(s, i);
        buffer_done(&s->connections[i].in);
    }
}

kw_lab *diff_lab_start(const redis_cluster *cluster, bool full_coverage) {
    kw_lab_options *options = lab_peer_options(DIFF_PRIMARIES, 1);
    kw_lab_options_set_full_coverage(options, full_coverage);
    kw_lab *lab = lab_peer_start(options);
    for (int i = 0; i < DIFF_PRIMARIES; i++) { /* their halves of a slot are not rounded alike */
        const redis_node *node = &cluster->nodes[i];
        assert_int_equal(kw_lab_assign(lab, node->first_slot, node->last_slot, i), KW_OK);
    }
    return lab;
}

void diff_wait_for_replicas(redis_cluster *cluster) {
    for (int tries = 0; tries < 300; tries++) {
        size_t listed = 0;
        for (int i = 0; i < DIFF_NODES; i++) {
            raw_reply *slots = redis_cluster_ask(cluster, i, "CLUSTER SLOTS");
            for (size_t run = 0; run < slots->count; run++) {
                listed += slots->items[run].count == 4;
            }
            raw_reply_free(slots);
        }
        if (listed == DIFF_PRIMARIES * DIFF_NODES) {
            return;
        }
        sleep_ms(100);
    }
    fail_msg("the replicas are not listed");
}

/* ------------------------------------------------------------------------------ connections */

static int open_socket(uint16_t port) {
    const int on = 1;
    int fd = lab_peer_connect(port);
    assert_true(fd > 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    return fd;
}

/* False if the node has closed the connection meanwhile. */
static bool send_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* @P0 and @ID0, when they are the whole argument, become the side's own. */
static kw_slice own_word(const diff_side *s, kw_slice word, char text[8]) {
    size_t len = word.len;
    int node = len > 0 ? word.data[len - 1] - '0' : -1;
    if (node < 0 || node >= DIFF_NODES) {
        return word;
    }
    if (len == 3 && slice_starts_with(word, "@P")) {
        return slice_of(text, (size_t)snprintf(text, 8, "%u", s->ports[node]));
    }
    if (len == 4 && slice_starts_with(word, "@ID")) {
        return slice_text(s->ids[node]);
    }
    return word;
}

void diff_send(diff_side *s, int connection, const kw_slice *argv, size_t argc) {
    diff_connection *c = &s->connections[connection];
    kw_slice own[DIFF_ARGUMENTS_MAX];
    char texts[DIFF_ARGUMENTS_MAX][8];
    assert_in_range(argc, 1, DIFF_ARGUMENTS_MAX);
    if (c->fd == 0) {
        c->fd = open_socket(s->ports[connection % DIFF_NODES]);
    }
    for (size_t i = 0; i < argc; i++) {
        own[i] = own_word(s, argv[i], texts[i]);
    }
    size_t size = (size_t)resp_command_size(own, argc);
    char *command = malloc(size);
    assert_non_null(command);
    resp_command_encode(command, own, argc);
    (void)send_all(c->fd, command, size); /* a lost connection shows when the reply is waited for */
    free(command);
}

void diff_close(diff_side *s, int connection) {
    diff_connection *c = &s->connections[connection];
    if (c->fd) {
        close(c->fd);
        c->fd = 0;
        buffer_clear(&c->in, READ_BYTES);
    }
}

void diff_close_all(diff_side *s) {
    for (int i = 0; i < DIFF_CONNECTIONS; i++) {
        diff_close(s, i);
    }
}

/* -------------------------------------------------------------------------------- receiving */

static bool take_value(diff_side *s, diff_connection *c, buffer *ret) {
    resp_scanner scanner;
    kw_slice bytes = buffer_slice(&c->in);
    resp_scanner_init(&scanner, &resp_limits_default);
    if (bytes.len == 0 || resp_scan(&scanner, bytes.data, bytes.len) != RESP_DONE) {
        return false;
    }
    diff_neutral(s, slice_of(bytes.data, (size_t)scanner.offset), ret);
    buffer_consume(&c->in, (size_t)scanner.offset);
    return true;
}

bool diff_receive(diff_side *s, int connection, int timeout_ms, buffer *ret) {
    diff_connection *c = &s->connections[connection];
    buffer_clear(ret, SIZE_MAX);
    while (c->fd && !take_value(s, c, ret)) {
        struct pollfd ready = {.fd = c->fd, .events = POLLIN};
        if (poll(&ready, 1, timeout_ms) <= 0) {
            return false;
        }
        char *to = buffer_reserve(&c->in, READ_BYTES);
        assert_non_null(to);
        ssize_t len = recv(c->fd, to, READ_BYTES, 0);
        if (len <= 0) {
            return false;
        }
        buffer_commit(&c->in, (size_t)len);
    }
    return c->fd != 0;
}

void diff_ask(diff_side *s, int connection, const char *words, buffer *ret) {
    kw_slice argv[DIFF_ARGUMENTS_MAX];
    size_t argc = 0;
    kw_slice rest = slice_text(words);
    while (argc < DIFF_ARGUMENTS_MAX && slice_split(&rest, ' ', &argv[argc])) {
        argc++;
    }
    diff_send(s, connection, argv, argc);
    if (!diff_receive(s, connection, ASK_TIMEOUT_MS, ret)) {
        fail_msg("%s: no reply from the %s", words, s->name);
    }
}
