/* What a lab's misbehaviour looks like from the other end of a socket; and nodes that come, go, and
 * move to other ports. */
#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* A connection on which each of these gets +OK. */
static int control(const kw_lab *lab) {
    return lab_peer_connect(lab_peer_port(lab, 0));
}

static void do_all(int fd, const char *const *lines) {
    for (; *lines; lines++) {
        lab_peer_send(fd, *lines);
        lab_peer_send(fd, "\r\n");
        char got[256] = {0};
        assert_true(recv(fd, got, sizeof got - 1, 0) > 0);
        if (got[0] == '-') {
            fail_msg("%s: %s", *lines, got);
        }
    }
}

static void each_fault_is_seen_on_the_wire(void **state) {
    (void)state;
    enum after { ENDS, IS_SILENT, GOES_ON };
    static const struct {
        const char *fault;
        const char *received;
        enum after after;
        const char *counter; /* of INCR, executed or not */
    } cases[] = {
        {"ERROR \"LOADING wait\"", "-LOADING wait\r\n", GOES_ON, "$1\r\n0\r\n"},
        {"REPLY \":7\\r\\n\"", ":7\r\n", GOES_ON, "$1\r\n0\r\n"},
        {"DROP-BEFORE", "", ENDS, "$1\r\n0\r\n"},
        {"DROP-AFTER", "", ENDS, "$1\r\n1\r\n"},
        {"CUT 2", ":1", ENDS, "$1\r\n1\r\n"},
        {"STALL 2", ":1", IS_SILENT, "$1\r\n1\r\n"},
        {"SWALLOW", "", GOES_ON, "$1\r\n1\r\n"},
        {"TRICKLE 1", ":1\r\n", GOES_ON, "$1\r\n1\r\n"},
        {"OVERSIZED BULK 1000000000", "$1000000000\r\n", GOES_ON, "$1\r\n1\r\n"},
        {"NEST 20", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", ENDS, "$1\r\n1\r\n"},
    };
    kw_lab *lab = lab_peer_start_size(1, 0);
    uint16_t port = lab_peer_port(lab, 0);
    int by = control(lab);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char rule[128];
        snprintf(rule, sizeof rule, "LAB FAULT ADD COMMAND incr %s", cases[i].fault);
        const char *const before[] = {"SET k 0", rule, NULL};
        const char *const after[] = {"LAB FAULT CLEAR", NULL};
        do_all(by, before);
        int fd = lab_peer_connect(port);
        lab_peer_send(fd, "INCR k\r\nPING\r\n");
        lab_peer_expect(fd, cases[i].received);
        if (cases[i].after == ENDS) {
            assert_int_equal(lab_peer_drain(fd), 0);
        } else if (cases[i].after == IS_SILENT) {
            lab_peer_expect_silence(fd);
        } else {
            lab_peer_expect(fd, "+PONG\r\n");
        }
        close(fd);
        do_all(by, after);
        lab_peer_ask(port, "GET k\r\n", cases[i].counter);
    }
    close(by);
    kw_lab_stop(lab);
}

static void trickled_bytes_come_apart(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    int by = control(lab);
    const char *const rule[] = {"LAB FAULT ADD COMMAND ping TRICKLE 20", NULL};
    do_all(by, rule);
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    lab_peer_send(fd, "PING\r\n");
    char got[16] = {0};
    size_t len = 0;
    int pieces = 0;
    while (len < 7) {
        ssize_t more = recv(fd, got + len, sizeof got - len - 1, 0);
        assert_true(more > 0);
        len += (size_t)more;
        pieces++;
    }
    assert_string_equal(got, "+PONG\r\n");
    assert_true(pieces > 1); /* seven, unless this test was kept waiting */
    close(fd);
    close(by);
    kw_lab_stop(lab);
}

static void a_delayed_reply_comes_when_the_labs_time_has_come(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(1, 0);
    int by = control(lab);
    const char *const rule[] = {"LAB TIME FREEZE", "LAB FAULT ADD COMMAND ping DELAY 60000", NULL};
    const char *const later[] = {"LAB TIME ADVANCE 60000", NULL};
    do_all(by, rule);
    int fd = lab_peer_connect(lab_peer_port(lab, 0));
    lab_peer_send(fd, "ECHO a\r\nPING\r\n");
    lab_peer_expect(fd, "$1\r\na\r\n");
    lab_peer_expect_silence(fd);
    do_all(by, later);
    lab_peer_expect(fd, "+PONG\r\n");
    close(fd);
    close(by);
    kw_lab_stop(lab);
}

/* A port that is free now. */
static uint16_t free_port(void) {
    kw_lab *other = lab_peer_start_size(1, 0);
    uint16_t port = lab_peer_port(other, 0);
    kw_lab_stop(other);
    return port;
}

static void expect_refused(uint16_t port) {
    assert_int_equal(lab_peer_connect(port), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

static void a_node_restarts_on_another_port(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 0);
    uint16_t before = lab_peer_port(lab, 1);
    uint16_t after = free_port();
    char line[64];
    char moved[64];
    int by = control(lab);
    int fd = lab_peer_connect(before);
    snprintf(line, sizeof line, "LAB RESTART 1 PORT %u", after);
    const char *const restart[] = {line, NULL};
    do_all(by, restart);
    assert_int_equal(lab_peer_drain(fd), 0);
    expect_refused(before);
    assert_int_equal(lab_peer_port(lab, 1), after);
    lab_peer_ask(after, "PING\r\n", "+PONG\r\n");
    snprintf(moved, sizeof moved, "-MOVED 7365 127.0.0.1:%u\r\n", after);
    lab_peer_ask(lab_peer_port(lab, 2), "GET c\r\n", moved); /* the others know */
    close(fd);
    close(by);
    kw_lab_stop(lab);
}

static void nodes_are_added_and_removed(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 0);
    kw_lab_node added;
    int by = control(lab);
    for (int i = 0; i < 20; i++) { /* more than there was room for */
        const char *const add[] = {i % 2 ? "LAB ADD REPLICA-OF 0" : "LAB ADD", NULL};
        do_all(by, add);
        assert_int_equal(kw_lab_node_count(lab), 4 + i);
        assert_true(kw_lab_node_at(lab, 3 + i, &added));
        assert_true(added.alive);
        assert_int_equal(added.primary, i % 2 == 0);
        lab_peer_ask(lab_peer_port(lab, 3 + i), "PING\r\n", "+PONG\r\n");
    }
    uint16_t port = lab_peer_port(lab, 3);
    int fd = lab_peer_connect(port);
    const char *const remove[] = {"LAB REMOVE 3", NULL};
    do_all(by, remove);
    assert_int_equal(lab_peer_drain(fd), 0);
    expect_refused(port);
    lab_peer_send(by, "LAB REMOVE 0\r\n"); /* it has slots */
    lab_peer_expect(by, "-ERR");
    lab_peer_ask(lab_peer_port(lab, 0), "PING\r\n", "+PONG\r\n");
    close(fd);
    close(by);
    kw_lab_stop(lab);
}

static void a_node_may_be_told_to_end_itself(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(3, 1);
    uint16_t port = lab_peer_port(lab, 0);
    int fd = lab_peer_connect(port);
    lab_peer_send(fd, "LAB KILL 0\r\n");
    (void)lab_peer_drain(fd);
    expect_refused(port);
    kw_lab_node node;
    assert_true(kw_lab_node_at(lab, 0, &node));
    assert_false(node.alive);
    close(fd);
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_is_seen_on_the_wire),
        cmocka_unit_test(trickled_bytes_come_apart),
        cmocka_unit_test(a_delayed_reply_comes_when_the_labs_time_has_come),
        cmocka_unit_test(a_node_restarts_on_another_port),
        cmocka_unit_test(nodes_are_added_and_removed),
        cmocka_unit_test(a_node_may_be_told_to_end_itself),
    };
    return cmocka_run_group_tests_name("lab faults", tests, NULL, NULL);
}
