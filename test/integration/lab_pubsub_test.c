/* One conversation of many connections with the nodes of a lab, and with those of a real cluster:
 * both must send every connection the same bytes, asked for or not. */
#include "integration/support/redis_cluster.h"

#include "core/resp.h"
#include "unit/support/lab_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NODES = 6, NAMES = 26, LINE_SIZE = 256 };

/* The slot of foo is 12182, of the last primary (node 2, its replica is node 5). */
typedef struct row {
    const char *who;   /* a node and the name of a connection to it */
    const char *line;  /* NULL: it only listens. @0 is the id of node 0 */
    const char *reply; /* what it gets then; NULL: one value, whatever it is */
} row;

#define CUT "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n"
#define SMESSAGE "$8\r\nsmessage\r\n$3\r\nfoo\r\n"
#define GONE "$12\r\nsunsubscribe\r\n$3\r\nfoo\r\n:0\r\n"
#define KEY_CHANGED ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nfoo\r\n"
#define MOVED "-MOVED 12182 "

static const row rows[] = {
    /* across the cluster */
    {"2a", "SUBSCRIBE news a",
     "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
     "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n"},
    {"5b", "HELLO 3", NULL},
    {"5b", "PSUBSCRIBE n*s", ">3\r\n$10\r\npsubscribe\r\n$3\r\nn*s\r\n:1\r\n"},
    {"0c", "PUBLISH news one", ":0\r\n"},
    {"2a", NULL, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n"},
    {"5b", NULL, ">4\r\n$8\r\npmessage\r\n$3\r\nn*s\r\n$4\r\nnews\r\n$3\r\none\r\n"},
    {"5b", "PUBLISH news two",
     ">4\r\n$8\r\npmessage\r\n$3\r\nn*s\r\n$4\r\nnews\r\n$3\r\ntwo\r\n:1\r\n"},
    {"2a", NULL, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\ntwo\r\n"},
    {"2c", "PUBSUB NUMSUB news b", "*4\r\n$4\r\nnews\r\n:1\r\n$1\r\nb\r\n:0\r\n"},
    {"5c", "PUBSUB NUMPAT", ":1\r\n"},
    {"2a", "UNSUBSCRIBE a", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n"},
    {"2a", "GET foo",
     "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
     "allowed in this context\r\n"},
    {"2a", "RESET", "+RESET\r\n"},

    /* in a shard */
    {"2a", "SSUBSCRIBE foo", "*3\r\n$10\r\nssubscribe\r\n$3\r\nfoo\r\n:1\r\n"},
    {"5d", "SSUBSCRIBE foo", "*3\r\n$10\r\nssubscribe\r\n$3\r\nfoo\r\n:1\r\n"},
    {"0c", "SSUBSCRIBE foo", NULL},
    {"2c", "SPUBLISH foo x", ":1\r\n"},
    {"2a", NULL, "*3\r\n" SMESSAGE "$1\r\nx\r\n"},
    {"5d", NULL, "*3\r\n" SMESSAGE "$1\r\nx\r\n"},
    {"5c", "SPUBLISH foo y", ":1\r\n"},
    {"2a", NULL, "*3\r\n" SMESSAGE "$1\r\ny\r\n"},
    {"5d", NULL, "*3\r\n" SMESSAGE "$1\r\ny\r\n"},
    {"2c", "MULTI", "+OK\r\n"},
    {"2c", "SSUBSCRIBE foo", "+QUEUED\r\n"},
    {"2c", "SPUBLISH foo z", "+QUEUED\r\n"},
    {"2c", "EXEC", "*2\r\n" CUT ":1\r\n"},
    {"2a", NULL, "*3\r\n" SMESSAGE "$1\r\nz\r\n"},
    {"5d", NULL, "*3\r\n" SMESSAGE "$1\r\nz\r\n"},

    /* client-side caching */
    {"2e", "HELLO 3", NULL},
    {"2e", "CLIENT TRACKING on", "+OK\r\n"},
    {"2e", "GET foo", "_\r\n"},
    {"2c", "SET foo 1", "+OK\r\n"},
    {"2e", NULL, KEY_CHANGED},
    {"2c", "SET foo 2", "+OK\r\n"},
    {"2e", "GET foo", "$1\r\n2\r\n"},
    {"2e", "INCR foo", ":3\r\n" KEY_CHANGED},
    {"5f", "HELLO 3", NULL},
    {"5f", "READONLY", "+OK\r\n"},
    {"5f", "CLIENT TRACKING on BCAST PREFIX fo", "+OK\r\n"},
    {"2c", "WAIT 1 10000", ":1\r\n"},
    {"2c", "APPEND foo 0", ":2\r\n"},
    {"5f", NULL, KEY_CHANGED},
    {"2e", "GET foo", "$2\r\n30\r\n"},

    /* a slot that moves: its channels live until it has moved */
    {"0c", "CLUSTER SETSLOT 12182 IMPORTING @2", "+OK\r\n"},
    {"2c", "CLUSTER SETSLOT 12182 MIGRATING @0", "+OK\r\n"},
    {"2c", "SPUBLISH foo m", ":1\r\n"},
    {"2a", NULL, "*3\r\n" SMESSAGE "$1\r\nm\r\n"},
    {"5d", NULL, "*3\r\n" SMESSAGE "$1\r\nm\r\n"},
    {"2g", "WATCH foo", "+OK\r\n"},
    {"2h", "MULTI", "+OK\r\n"},
    {"2h", "GET foo", "+QUEUED\r\n"},
    {"2c", "MIGRATE 127.0.0.1 @P0 foo 0 10000", "+OK\r\n"},
    {"2e", NULL, KEY_CHANGED},
    {"5f", NULL, KEY_CHANGED},
    {"2g", "MULTI", "+OK\r\n"},
    {"2g", "PING", "+QUEUED\r\n"},
    {"2g", "EXEC", "*-1\r\n"},
    {"0c", "CLUSTER SETSLOT 12182 NODE @0", "+OK\r\n"},
    {"2c", "CLUSTER SETSLOT 12182 NODE @0", "+OK\r\n"},
    {"2a", NULL, "*3\r\n" GONE},
    {"5d", NULL, "*3\r\n" GONE},
    {"2h", "EXEC", MOVED "127.0.0.1:@P0\r\n"},
    {"2h", "EXEC", "-ERR EXEC without MULTI\r\n"},
    {"0c", "SPUBLISH foo n", ":0\r\n"},

    /* nobody got anything else */
    {"2a", "PING", "+PONG\r\n"},
    {"5b", "PING", "+PONG\r\n"},
    {"5d", "PING", "+PONG\r\n"},
    {"2e", "PING", "+PONG\r\n"},
    {"5f", "PING", "+PONG\r\n"},
};

typedef struct side {
    const char *name;
    uint16_t ports[NODES];
    char ids[NODES][41];
    int sockets[NODES][NAMES]; /* 0: not open */
} side;

/* Puts a side's ports (@P0) and ids (@0) in. */
static void fill_in(const side *s, const char *text, char dst[LINE_SIZE]) {
    size_t at = 0;
    while (*text) {
        assert_true(at + 48 < LINE_SIZE);
        if (text[0] == '@' && text[1] == 'P') {
            at += (size_t)sprintf(dst + at, "%u", s->ports[text[2] - '0']);
            text += 3;
        } else if (text[0] == '@') {
            at += (size_t)sprintf(dst + at, "%s", s->ids[text[1] - '0']);
            text += 2;
        } else {
            dst[at++] = *text++;
        }
    }
    dst[at] = '\0';
}

static void skip_value(const side *s, const row *r, int fd) {
    char bytes[4096];
    size_t len = 0;
    resp_scanner scanner;
    resp_scanner_init(&scanner, &resp_limits_default);
    while (len == 0 || resp_scan(&scanner, bytes, len) != RESP_DONE) {
        assert_true(len < sizeof bytes);
        if (recv(fd, bytes + len, 1, 0) != 1) {
            fail_msg("%s %s: no reply from the %s", r->who, r->line, s->name);
        }
        len++;
    }
}

static void expect_bytes(const side *s, const row *r, int fd) {
    char expected[LINE_SIZE];
    char got[LINE_SIZE];
    size_t len = 0;
    fill_in(s, r->reply, expected);
    while (len < strlen(expected) && strncmp(got, expected, len) == 0) {
        if (recv(fd, got + len, 1, 0) != 1) {
            break;
        }
        len++;
    }
    got[len] = '\0';
    if (strcmp(got, expected) != 0) {
        fail_msg("%s %s: the %s sent:\n%s\nexpected:\n%s", r->who, r->line ? r->line : "(listens)",
                 s->name, got, expected);
    }
}

static void converse(side *s) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const row *r = &rows[i];
        int *fd = &s->sockets[r->who[0] - '0'][r->who[1] - 'a'];
        if (*fd == 0) {
            *fd = lab_peer_connect(s->ports[r->who[0] - '0']);
            assert_true(*fd > 0);
        }
        if (r->line) {
            char line[LINE_SIZE];
            fill_in(s, r->line, line);
            strcat(line, "\r\n"); /* fill_in leaves room */
            assert_int_equal(send(*fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
        }
        if (r->reply) {
            expect_bytes(s, r, *fd);
        } else {
            skip_value(s, r, *fd);
        }
    }
    for (int node = 0; node < NODES; node++) {
        for (int name = 0; name < NAMES; name++) {
            if (s->sockets[node][name]) {
                close(s->sockets[node][name]);
            }
        }
    }
}

static void the_servers_push_these_bytes(void **state) {
    (void)state;
    const redis_cluster_options options = {.primaries = 3, .replicas = 3};
    redis_cluster *cluster = redis_cluster_start(&options);
    side s = {.name = "server"};
    for (int i = 0; i < NODES; i++) {
        s.ports[i] = cluster->nodes[i].port;
        memcpy(s.ids[i], cluster->nodes[i].id, sizeof s.ids[i]);
    }
    redis_cluster_wait_ok(cluster);
    converse(&s);
    redis_cluster_stop(cluster);
}

static void the_lab_pushes_these_bytes(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    side s = {.name = "lab"};
    for (int i = 0; i < NODES; i++) {
        memcpy(s.ids[i], lab_peer_node(lab, i).id, sizeof s.ids[i]);
        s.ports[i] = lab_peer_port(lab, i);
    }
    converse(&s);
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lab_pushes_these_bytes),
        cmocka_unit_test(the_servers_push_these_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
