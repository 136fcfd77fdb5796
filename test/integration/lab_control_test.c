/* Each misbehaviour of a lab's nodes as a bare socket sees it, byte for byte, asked for by LAB over
 * the wire; and Keyway's own client living through each. */
#include "integration/support/client.h"
#include "unit/support/lab_peer.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define PATIENCE_MS 10000
#define TRIES_MAX 5
#define QUIET_MS 60 /* nothing more comes */

/* Slots: {a} 15495 is node 2's of three, {b} 3300 node 0's. */

typedef struct heard {
    char bytes[4096];
    size_t len;
    size_t pieces; /* how many times something came */
    bool closed;
} heard;

/* What comes until `want` bytes are there, the peer closes, or nothing more comes. */
static void listen_for(int fd, size_t want, heard *ret) {
    *ret = (heard){.len = 0};
    while (ret->len < sizeof ret->bytes - 1) {
        struct pollfd waits = {.fd = fd, .events = POLLIN};
        int ms = ret->len < want ? PATIENCE_MS : QUIET_MS;
        if (poll(&waits, 1, ms) == 0) {
            break;
        }
        ssize_t len = recv(fd, ret->bytes + ret->len, sizeof ret->bytes - 1 - ret->len, 0);
        if (len <= 0) {
            ret->closed = true;
            break;
        }
        ret->len += (size_t)len;
        ret->pieces++;
    }
    ret->bytes[ret->len] = '\0';
}

/* A connection on which a line was sent and answered so. */
static void ask(int fd, const char *line, const char *reply) {
    heard h;
    lab_peer_send(fd, line);
    lab_peer_send(fd, "\r\n");
    listen_for(fd, strlen(reply), &h);
    if (strcmp(h.bytes, reply) != 0) {
        fail_msg("%s\n  answered: %s\n  expected: %s", line, h.bytes, reply);
    }
}

/* ------------------------------------------------------------------------------ misbehaviour */

static void each_misbehaviour_is_seen_on_the_wire(void **state) {
    (void)state;
    static const struct {
        const char *rule;
        const char *bytes; /* of the answer to SET {b}x v */
        bool closed;
        const char *found; /* of GET {b}x afterwards */
    } rows[] = {
        {"DELAY 30", "+OK\r\n", false, "$1\r\nv\r\n"},
        {"ERROR LOADING Redis is loading", "-LOADING Redis is loading\r\n", false, "$-1\r\n"},
        {"DROP-BEFORE", "", true, "$-1\r\n"},
        {"DROP-AFTER", "", true, "$1\r\nv\r\n"},
        {"DELAY 20 DROP-AFTER", "", true, "$1\r\nv\r\n"},
        {"CUT 0", "", true, "$1\r\nv\r\n"},
        {"CUT 4", "+OK\r", true, "$1\r\nv\r\n"},
        {"STALL 1", "+", false, "$1\r\nv\r\n"},
        {"TRICKLE 5", "+OK\r\n", false, "$1\r\nv\r\n"},
        {"SWALLOW", "", false, "$1\r\nv\r\n"},
        {"OVERSIZED", "$1099511627776\r\n", false, "$1\r\nv\r\n"},
        {"OVERSIZED ARRAY 2147483648", "*2147483648\r\n", false, "$1\r\nv\r\n"},
        {"NEST 12", "*1\r\n*1\r\n*1\r\n", true, "$1\r\nv\r\n"},
        {"ASK 0", NULL, false, "$-1\r\n"},
        {"MOVED me", NULL, false, "$-1\r\n"},
        {"REPLY \"$-1\\r\\n\"", "$-1\r\n", false, "$-1\r\n"},
        {"REPLY \"*2\\r\\n:1\\r\\n\"", "*2\r\n:1\r\n", false, "$-1\r\n"},
    };
    kw_lab *lab = lab_peer_start_size(3, 0);
    int control = lab_peer_connect(lab_peer_port(lab, 0));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[256];
        char redirect[64];
        const char *bytes = rows[i].bytes;
        if (!bytes) {
            (void)snprintf(redirect, sizeof redirect, "-%.*s 3300 127.0.0.1:%u\r\n",
                           (int)strcspn(rows[i].rule, " "), rows[i].rule, lab_peer_port(lab, 0));
            bytes = redirect;
        }
        ask(control, "LAB FAULT CLEAR", "+OK\r\n");
        ask(control, "LAB FLUSH", "+OK\r\n");
        (void)snprintf(line, sizeof line, "LAB FAULT ADD COMMAND set COUNT 1 %s\r\n", rows[i].rule);
        heard h;
        lab_peer_send(control, line);
        listen_for(control, 4, &h);
        assert_int_equal(h.bytes[0], ':');

        int fd = lab_peer_connect(lab_peer_port(lab, 0));
        lab_peer_send(fd, "SET {b}x v\r\n");
        listen_for(fd, strlen(bytes) + (rows[i].closed ? 1 : 0), &h);
        if (strcmp(h.bytes, bytes) != 0 || h.closed != rows[i].closed) {
            fail_msg("%s\n  gave: %s (%s)\n  expected: %s", rows[i].rule, h.bytes,
                     h.closed ? "closed" : "open", bytes);
        }
        close(fd);
        ask(control, "GET {b}x", rows[i].found);
    }
    close(control);
    kw_lab_stop(lab);
}

static void trickled_reply_comes_in_pieces(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    ask(fd, "LAB FAULT ADD COMMAND ping TRICKLE 5", ":1\r\n");
    lab_peer_send(fd, "PING\r\nECHO a\r\n");
    heard h;
    listen_for(fd, 7 + 7, &h);
    assert_string_equal(h.bytes, "+PONG\r\n$1\r\na\r\n");
    assert_true(h.pieces >= 4); /* 7 unless this thread sleeps too long */
    close(fd);
    kw_lab_stop(lab);
}

static void nest_goes_on_until_its_end_or_the_clients(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    int control = lab_peer_connect(lab_peer_port(lab, 0));
    ask(control, "LAB FAULT ADD COMMAND ping NEST 1000000", ":1\r\n");
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    lab_peer_send(fd, "PING\r\n");
    size_t total = 0;
    for (heard h = {.closed = false}; !h.closed;) {
        listen_for(fd, sizeof h.bytes - 1, &h);
        for (size_t i = 0; i < h.len; i++) {
            assert_int_equal(h.bytes[i], "*1\r\n"[(total + i) % 4]);
        }
        total += h.len;
        assert_true(h.len > 0 || h.closed);
    }
    assert_int_equal(total, 1000000);
    close(fd);

    fd = lab_peer_connect(lab_peer_port(lab, 0));
    lab_peer_send(fd, "PING\r\n");
    close(fd); /* gone before its end */
    ask(control, "ECHO still", "$5\r\nstill\r\n");
    close(control);
    kw_lab_stop(lab);
}

static void hung_connection_holds_up_no_other(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    int hung = lab_peer_connect(lab_peer_port(lab, 0));
    int other = lab_peer_connect(lab_peer_port(lab, 0));
    ask(other, "LAB FAULT ADD COMMAND get HANG", ":1\r\n");
    lab_peer_send(hung, "ECHO a\r\nGET k\r\nECHO b\r\n");
    heard h;
    listen_for(hung, 7, &h);
    assert_string_equal(h.bytes, "$1\r\na\r\n");
    assert_false(h.closed);
    ask(other, "ECHO c", "$1\r\nc\r\n");
    close(hung);
    close(other);
    kw_lab_stop(lab);
}

static void delayed_pipeline_keeps_its_order(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    ask(fd, "LAB FAULT ADD COMMAND get DELAY 30", ":1\r\n");
    lab_peer_send(fd, "ECHO a\r\nGET k\r\nECHO b\r\nGET k\r\nECHO c\r\n");
    heard h;
    listen_for(fd, 3 * 7 + 2 * 5, &h);
    assert_string_equal(h.bytes, "$1\r\na\r\n$-1\r\n$1\r\nb\r\n$-1\r\n$1\r\nc\r\n");
    close(fd);
    kw_lab_stop(lab);
}

/* ---------------------------------------------------------------------------- control over the
 * wire */

static void delays_and_expiry_follow_the_labs_time(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    int control = lab_peer_connect(lab_peer_port(lab, 0));
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    assert_int_equal(kw_lab_freeze_time(lab, true), KW_OK);
    uint64_t before_ms = kw_lab_time_ms(lab);
    ask(control, "SET k v PX 5000", "+OK\r\n");
    ask(control, "LAB FAULT ADD COMMAND ping DELAY 60000", ":1\r\n");
    lab_peer_send(fd, "PING\r\n");
    heard h;
    listen_for(fd, 0, &h);
    assert_int_equal(h.len, 0);
    assert_int_equal(kw_lab_advance_time(lab, 4999), KW_OK);
    ask(control, "PTTL k", ":1\r\n");
    assert_int_equal(kw_lab_advance_time(lab, 55001), KW_OK);
    listen_for(fd, 7, &h);
    assert_string_equal(h.bytes, "+PONG\r\n");
    ask(control, "EXISTS k", ":0\r\n");
    assert_int_equal(kw_lab_time_ms(lab), before_ms + 60000);
    close(fd);
    close(control);
    kw_lab_stop(lab);
}

static void node_that_ends_itself_closes_its_connections(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 1);
    uint16_t port = lab_peer_port(lab, 1);
    int fd = lab_peer_connect(port);
    lab_peer_send(fd, "LAB KILL me\r\n");
    heard h;
    listen_for(fd, sizeof h.bytes, &h);
    assert_true(h.closed);
    close(fd);
    assert_int_equal(lab_peer_connect(port), -1);
    kw_lab_node node;
    assert_true(kw_lab_node_at(lab, 1, &node));
    assert_false(node.alive);
    kw_lab_stop(lab);
}

static void node_comes_back_on_another_port(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 0);
    uint16_t port = port_reserve();
    uint16_t before = lab_peer_port(lab, 2);
    assert_int_equal(kw_lab_restart(lab, 2, port), KW_OK);
    assert_int_equal(lab_peer_port(lab, 2), port);
    assert_int_equal(lab_peer_connect(before), -1);
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    char moved[64];
    (void)snprintf(moved, sizeof moved, "-MOVED 15495 127.0.0.1:%u\r\n", port);
    ask(fd, "GET {a}x", moved);
    close(fd);
    fd = lab_peer_connect(port);
    ask(fd, "GET {a}x", "$-1\r\n");
    close(fd);
    kw_lab_stop(lab);
}

static void node_that_is_added_serves(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 0);
    int added = -1;
    int replica = -1;
    assert_int_equal(kw_lab_add_node(lab, -1, 0, &added), KW_OK);
    assert_int_equal(added, 3);
    assert_int_equal(kw_lab_add_node(lab, 3, 0, &replica), KW_OK);
    assert_int_equal(kw_lab_node_count(lab), 5);
    assert_int_equal(kw_lab_move(lab, 3300, 3300, added), KW_OK);
    int fd = lab_peer_connect(lab_peer_port(lab, added));
    ask(fd, "SET {b}x v", "+OK\r\n");
    close(fd);
    fd = lab_peer_connect(lab_peer_port(lab, replica));
    ask(fd, "READONLY", "+OK\r\n");
    ask(fd, "GET {b}x", "$1\r\nv\r\n");
    close(fd);
    assert_int_equal(kw_lab_remove_node(lab, added), KW_ERR_INVALID);
    assert_int_equal(kw_lab_remove_node(lab, replica), KW_OK);
    assert_int_equal(kw_lab_add_node(lab, 77, 0, &added), KW_ERR_INVALID);
    kw_lab_stop(lab);
}

/* ------------------------------------------------------------------- Keyway's client lives through
 * it */

typedef struct survival {
    const char *rule;
    bool read_succeeds; /* at once, since a read may be repeated */
} survival;

static const survival survivals[] = {
    {"DELAY 50", true},
    {"ERROR LOADING Redis is loading the dataset in memory", true},
    {"ERROR TRYAGAIN wait", true},
    {"ERROR CLUSTERDOWN The cluster is down", true},
    {"DROP-BEFORE", true},
    {"DROP-AFTER", true},
    {"CUT 3", true},
    {"TRICKLE 2", true},
    {"MOVED 0", true},
    {"ASK 2", true}, /* which knows nothing of it, and sends it back */
    {"ASK me", true},
    {"STALL 2", false},
    {"HANG", false},
    {"GARBAGE 64", true},
    {"OVERSIZED", false}, /* what is over a limit is not asked for again */
    {"OVERSIZED ARRAY", false},
    {"NEST", false},
    {"REPLY \"$5\\r\\nab\"", false},
};

/* False: no reply came; one that comes must be the right one. */
static bool answers(kw_client *client, const char *value) {
    kw_reply *reply = NULL;
    kw_error err;
    bool came = kw_call(client, &reply, &err, "GET {b}x") == KW_OK;
    if (came) {
        assert_string_equal(kw_reply_string(reply, NULL), value);
        kw_reply_free(reply);
    }
    return came;
}

/* A read that is hit once either succeeds or fails with a reason; whatever comes next succeeds. */
static void live_through(kw_lab *lab, kw_client *client, const survival *s) {
    char line[256];
    (void)snprintf(line, sizeof line, "LAB FAULT ADD COMMAND get COUNT 1 %s", s->rule);
    assert_int_equal(kw_lab_clear_faults(lab), KW_OK);
    int control = lab_peer_connect(lab_peer_port(lab, 1));
    lab_peer_send(control, line);
    lab_peer_send(control, "\r\n");
    heard h;
    listen_for(control, 4, &h);
    close(control);
    assert_int_equal(h.bytes[0], ':');

    client_expect_text(client, "OK", "SET {b}x %s", s->rule);
    kw_reply *reply = NULL;
    kw_error err = {.status = KW_OK};
    kw_status status = kw_call(client, &reply, &err, "GET {b}x");
    bool got = status == KW_OK && !kw_reply_is_error(reply);
    if (got != s->read_succeeds) {
        fail_msg("%s: %s %s", s->rule, status == KW_OK ? "a reply" : kw_status_name(status),
                 status == KW_OK ? kw_reply_string(reply, NULL) : err.message);
    }
    if (got) {
        assert_string_equal(kw_reply_string(reply, NULL), s->rule);
    } else if (status != KW_OK) {
        assert_int_equal(err.outcome, KW_NO_EFFECT);
        assert_true(err.message[0] != '\0');
    }
    kw_reply_free(reply);
    int tries = 1;
    while (!answers(client, s->rule)) {
        if (++tries > TRIES_MAX) {
            fail_msg("%s: still no answer", s->rule);
        }
    }
    client_expect_text(client, "OK", "SET {b}x after");
}

static void keyway_lives_through_each_misbehaviour(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 0);
    char url[512]; /* a connection that is silent for half a second is given up */
    (void)snprintf(url, sizeof url, "%s?timeout_ms=700&idle_ping_ms=500", kw_lab_url(lab));
    kw_client *client = client_open_url(url);
    for (size_t i = 0; i < COUNT_OF(survivals); i++) {
        live_through(lab, client, &survivals[i]);
    }
    kw_close(client);
    kw_lab_stop(lab);
}

static void keyway_takes_no_other_commands_reply_when_one_is_missing(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    char url[512];
    (void)snprintf(url, sizeof url, "%s?timeout_ms=200", kw_lab_url(lab));
    kw_client *client = client_open_url(url);
    for (int i = 0; i < 5; i++) {
        client_expect_text(client, "OK", "SET k%d %d", i, i);
    }
    kw_lab_fault fault;
    kw_lab_fault_init(&fault);
    fault.command = "get";
    fault.count = 1;
    fault.action = KW_LAB_SWALLOW;
    assert_int_equal(kw_lab_add_fault(lab, &fault, NULL), KW_OK);
    for (int i = 0; i < 5; i++) {
        char value[8];
        kw_reply *reply = NULL;
        kw_error err;
        (void)snprintf(value, sizeof value, "%d", i);
        if (kw_call(client, &reply, &err, "GET k%d", i) == KW_OK) {
            assert_string_equal(kw_reply_string(reply, NULL), value);
            kw_reply_free(reply);
        } else {
            assert_int_equal(err.status, KW_ERR_TIMEOUT);
        }
    }
    kw_close(client);
    kw_lab_stop(lab);
}

static void keyway_leaves_a_moved_loop(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 0);
    kw_client *client = client_open_url(kw_lab_url(lab));
    kw_error err;
    kw_reply *reply = NULL;
    client_expect_text(client, "OK", "SET {b}x v");
    assert_int_equal(kw_lab_command(lab, NULL, &err, "LOOP %d 0 1 2", 3300), KW_OK);
    assert_int_equal(kw_call(client, &reply, &err, "GET {b}x"), KW_ERR_REDIRECTS);
    assert_int_equal(err.outcome, KW_REJECTED);
    assert_int_equal(kw_lab_clear_faults(lab), KW_OK);
    client_expect_text(client, "v", "GET {b}x");
    kw_close(client);
    kw_lab_stop(lab);
}

static void keyway_finds_its_way_when_views_disagree(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 1);
    kw_client *client = client_open_url(kw_lab_url(lab));
    client_expect_text(client, "OK", "SET {b}x v");
    assert_int_equal(kw_lab_force_view(lab, 1, 3300, 3300, 2), KW_OK); /* wrong, and stubborn */
    client_expect_text(client, "v", "GET {b}x");
    assert_int_equal(kw_lab_freeze_view(lab, 1, false), KW_OK);
    assert_int_equal(kw_lab_move(lab, 3300, 3300, 1), KW_OK);
    client_expect_text(client, "v", "GET {b}x");
    assert_int_equal(kw_lab_set_endpoint(lab, -1, KW_LAB_ENDPOINT_UNKNOWN), KW_OK);
    assert_int_equal(kw_lab_move(lab, 3300, 3300, 2), KW_OK);
    client_expect_text(client, "v", "GET {b}x");
    kw_close(client);
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_misbehaviour_is_seen_on_the_wire),
        cmocka_unit_test(trickled_reply_comes_in_pieces),
        cmocka_unit_test(nest_goes_on_until_its_end_or_the_clients),
        cmocka_unit_test(hung_connection_holds_up_no_other),
        cmocka_unit_test(delayed_pipeline_keeps_its_order),
        cmocka_unit_test(delays_and_expiry_follow_the_labs_time),
        cmocka_unit_test(node_that_ends_itself_closes_its_connections),
        cmocka_unit_test(node_comes_back_on_another_port),
        cmocka_unit_test(node_that_is_added_serves),
        cmocka_unit_test(keyway_lives_through_each_misbehaviour),
        cmocka_unit_test(keyway_takes_no_other_commands_reply_when_one_is_missing),
        cmocka_unit_test(keyway_leaves_a_moved_loop),
        cmocka_unit_test(keyway_finds_its_way_when_views_disagree),
    };
    return cmocka_run_group_tests_name("lab_control", tests, NULL, NULL);
}
