#include "keyway/lab.h"

#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* Slots: {a} 15495 is node 2's of three, {b} 3300 node 0's. */

static kw_lab *start(int primaries, int replicas, int failover_ms) {
    kw_lab_options *options = lab_peer_options(primaries, replicas);
    kw_lab_options_set_failover_ms(options, failover_ms);
    return lab_peer_start(options);
}

static void expect_moved(uint16_t port, const char *line, int slot, uint16_t to) {
    char reply[64];
    snprintf(reply, sizeof reply, "-MOVED %d 127.0.0.1:%u\r\n", slot, to);
    lab_peer_ask(port, line, reply);
}

/* Asks until the reply begins so, for ten seconds at most. */
static void wait_for_answer(uint16_t port, const char *line, const char *beginning) {
    char got[512];
    for (int i = 0; i < 1000; i++) {
        int fd = lab_peer_connect(port);
        assert_true(fd >= 0);
        lab_peer_send(fd, line);
        ssize_t len = recv(fd, got, sizeof got - 1, 0);
        close(fd);
        assert_true(len > 0);
        got[len] = '\0';
        if (strncmp(got, beginning, strlen(beginning)) == 0) {
            return;
        }
        usleep(10000);
    }
    fail_msg("%s is still answered by %s", line, got);
}

static void a_lab_serves_and_tells_of_itself(void **state) {
    (void)state;
    kw_lab *lab = start(3, 1, 500);
    assert_int_equal(kw_lab_node_count(lab), 6);
    char url[160];
    snprintf(url, sizeof url, "redis://%s,%s,", lab_peer_node(lab, 0).endpoint,
             lab_peer_node(lab, 1).endpoint);
    assert_memory_equal(kw_lab_url(lab), url, strlen(url));
    lab_peer_ask(lab_peer_port(lab, 0), "SET {b}k v\r\nGET {b}k\r\n", "+OK\r\n$1\r\nv\r\n");
    kw_lab_node first = lab_peer_node(lab, 0);
    kw_lab_node last = lab_peer_node(lab, 5);
    assert_true(first.primary && first.alive && !first.paused && !first.stale);
    assert_int_equal(first.primary_index, -1);
    assert_int_equal(first.slot_count, 5461);
    assert_int_equal(first.key_count, 1);
    assert_int_equal(strlen(first.id), 40);
    assert_false(last.primary);
    assert_int_equal(last.primary_index, 2);
    assert_int_equal(kw_lab_owner(lab, 15495), 2);
    assert_int_equal(kw_lab_owner(lab, -1), -1);
    assert_int_equal(kw_lab_owner(lab, 16384), -1);
    kw_lab_node none;
    assert_false(kw_lab_node_at(lab, 6, &none));
    assert_false(kw_lab_node_at(lab, -1, &none));
    kw_lab_stop(lab);
}

static void options_are_checked(void **state) {
    (void)state;
    kw_lab_options *options = NULL;
    assert_int_equal(kw_lab_options_new(&options), KW_OK);
    assert_int_equal(kw_lab_options_set_size(options, 0, 0), KW_ERR_INVALID);
    assert_int_equal(kw_lab_options_set_size(options, 129, 0), KW_ERR_INVALID);
    assert_int_equal(kw_lab_options_set_size(options, 1, 9), KW_ERR_INVALID);
    assert_int_equal(kw_lab_options_set_size(options, 1, -1), KW_ERR_INVALID);
    assert_int_equal(kw_lab_options_set_auth(options, "user", NULL), KW_ERR_INVALID);
    assert_int_equal(kw_lab_options_set_tls(options, (kw_lab_tls)3), KW_ERR_INVALID);
    assert_int_equal(kw_lab_options_set_tls_files(options, NULL, "key.pem"), KW_ERR_INVALID);
    assert_int_equal(kw_lab_options_set_tls_clients(options, KW_LAB_TLS_CLIENTS_REQUIRED, NULL),
                     KW_ERR_INVALID);
    kw_lab_options_free(options);
    kw_lab_options_free(NULL);
    kw_lab_stop(NULL);
}

static void a_port_that_is_taken_is_named(void **state) {
    (void)state;
    kw_lab *lab = start(1, 0, 500);
    kw_lab_options *options = lab_peer_options(1, 0);
    kw_lab *second = NULL;
    kw_error err;
    kw_lab_options_set_port(options, lab_peer_port(lab, 0));
    assert_int_equal(kw_lab_start(options, &second, &err), KW_ERR_CONNECTION);
    assert_null(second);
    assert_non_null(strstr(err.message, lab_peer_node(lab, 0).endpoint));
    kw_lab_options_set_port(options, 65535);
    assert_int_equal(kw_lab_options_set_size(options, 2, 0), KW_OK);
    assert_int_not_equal(kw_lab_start(options, &second, &err), KW_OK);
    kw_lab_options_free(options);
    kw_lab_stop(lab);
}

static void a_password_is_asked_for(void **state) {
    (void)state;
    kw_lab_options *options = lab_peer_options(1, 0);
    assert_int_equal(kw_lab_options_set_auth(options, NULL, "secret"), KW_OK);
    kw_lab *lab = lab_peer_start(options);
    lab_peer_ask(lab_peer_port(lab, 0), "GET k\r\nAUTH secret\r\nGET k\r\n",
                 "-NOAUTH Authentication required.\r\n+OK\r\n$-1\r\n");
    kw_lab_stop(lab);
}

static void a_killed_node_resets_refuses_and_is_replaced(void **state) {
    (void)state;
    kw_lab *lab = start(3, 1, 60);
    uint16_t dead = lab_peer_port(lab, 0);
    int fd = lab_peer_connect(dead);
    lab_peer_send(fd, "SET {b}k v\r\n");
    lab_peer_expect(fd, "+OK\r\n");
    assert_int_equal(kw_lab_kill(lab, 0), KW_OK);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
    assert_int_equal(lab_peer_connect(dead), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(kw_lab_kill(lab, 0), KW_ERR_INVALID);
    assert_false(lab_peer_node(lab, 0).alive);

    wait_for_answer(lab_peer_port(lab, 3), "GET {b}k\r\n", "$1\r\nv\r\n");
    assert_int_equal(kw_lab_owner(lab, 3300), 3);
    expect_moved(lab_peer_port(lab, 1), "GET {b}k\r\n", 3300, lab_peer_port(lab, 3));

    assert_int_equal(kw_lab_revive(lab, 0), KW_OK);
    assert_int_equal(kw_lab_revive(lab, 0), KW_ERR_INVALID);
    assert_int_equal(lab_peer_port(lab, 0), dead);
    expect_moved(dead, "GET {b}k\r\n", 3300, lab_peer_port(lab, 3));
    assert_int_equal(lab_peer_node(lab, 0).primary_index, 3);
    kw_lab_stop(lab);
}

static void a_paused_node_accepts_and_is_silent(void **state) {
    (void)state;
    kw_lab *lab = start(3, 0, 500);
    uint16_t port = lab_peer_port(lab, 0);
    int before = lab_peer_connect(port);
    lab_peer_send(before, "PING\r\n");
    lab_peer_expect(before, "+PONG\r\n");
    assert_int_equal(kw_lab_pause(lab, 0, true), KW_OK);
    assert_true(lab_peer_node(lab, 0).paused);
    int during = lab_peer_connect(port);
    assert_true(during >= 0);
    lab_peer_send(before, "PING\r\n");
    lab_peer_send(during, "SET {b}k v\r\n");
    lab_peer_expect_silence(during);
    lab_peer_ask(lab_peer_port(lab, 1), "PING\r\n", "+PONG\r\n"); /* the others go on */
    assert_int_equal(kw_lab_pause(lab, 0, false), KW_OK);
    lab_peer_expect(before, "+PONG\r\n");
    lab_peer_expect(during, "+OK\r\n");
    close(before);
    close(during);
    kw_lab_stop(lab);
}

static void slots_move_while_clients_look(void **state) {
    (void)state;
    kw_lab *lab = start(3, 1, 500);
    size_t left = 9;
    uint16_t from = lab_peer_port(lab, 2);
    uint16_t to = lab_peer_port(lab, 0);
    lab_peer_ask(from, "MSET {a}1 x {a}2 y\r\n", "+OK\r\n");
    assert_int_equal(kw_lab_migrate_begin(lab, 15495, 0), KW_OK);
    assert_int_equal(kw_lab_migrate_keys(lab, 15495, 1, &left), KW_OK);
    assert_int_equal(left, 1);
    char ask[64];
    snprintf(ask, sizeof ask, "-ASK 15495 127.0.0.1:%u\r\n", to);
    lab_peer_ask(from, "GET {a}2\r\n", ask);
    lab_peer_ask(to, "ASKING\r\nGET {a}2\r\n", "+OK\r\n$1\r\ny\r\n");
    assert_int_equal(kw_lab_migrate_end(lab, 15495), KW_ERR_INVALID);
    assert_int_equal(kw_lab_migrate_keys(lab, 15495, 10, NULL), KW_OK);
    assert_int_equal(kw_lab_migrate_end(lab, 15495), KW_OK);
    expect_moved(from, "GET {a}1\r\n", 15495, to);
    assert_int_equal(kw_lab_owner(lab, 15495), 0);
    assert_int_equal(kw_lab_migrate_begin(lab, 0, 99), KW_ERR_INVALID);
    kw_lab_stop(lab);
}

static void views_can_differ(void **state) {
    (void)state;
    kw_lab *lab = start(3, 1, 500);
    assert_int_equal(kw_lab_freeze_view(lab, 1, true), KW_OK);
    assert_int_equal(kw_lab_promote(lab, 3), KW_OK);
    assert_int_equal(kw_lab_promote(lab, 3), KW_ERR_INVALID);
    expect_moved(lab_peer_port(lab, 1), "GET {b}k\r\n", 3300, lab_peer_port(lab, 0));
    expect_moved(lab_peer_port(lab, 2), "GET {b}k\r\n", 3300, lab_peer_port(lab, 3));
    assert_true(lab_peer_node(lab, 1).stale);
    assert_int_equal(kw_lab_assign(lab, 3300, 3300, -1), KW_OK);
    assert_int_equal(kw_lab_owner(lab, 3300), -1);
    lab_peer_ask(lab_peer_port(lab, 2), "GET {b}k\r\n", "-CLUSTERDOWN Hash slot not served\r\n");
    assert_int_equal(kw_lab_assign(lab, 3300, 3300, 2), KW_OK);
    assert_int_equal(kw_lab_freeze_view(lab, 1, false), KW_OK);
    expect_moved(lab_peer_port(lab, 1), "GET {b}k\r\n", 3300, lab_peer_port(lab, 2));
    assert_int_equal(kw_lab_assign(lab, 0, 0, 99), KW_ERR_INVALID);
    assert_int_equal(kw_lab_assign(lab, 0, 0, -2), KW_ERR_INVALID);
    kw_lab_stop(lab);
}

/* A client that sends and does not read is not read from any more, and gets all in the end. */
static void a_client_that_does_not_read_is_held_back(void **state) {
    (void)state;
    enum { VALUE = 100000, GETS = 2000, SENT_MAX = 64 * 1024 * 1024 };
    kw_lab *lab = start(1, 0, 500);
    uint16_t port = lab_peer_port(lab, 0);
    int fd = lab_peer_connect(port);
    lab_peer_send(fd, "SETRANGE k 99999 x\r\n");
    lab_peer_expect(fd, ":100000\r\n");
    for (int i = 0; i < GETS; i++) {
        lab_peer_send(fd, "GET k\r\n");
    }
    static char padding[65536]; /* blank lines: nothing to answer, only to be read */
    memset(padding, '\n', sizeof padding);
    size_t sent = 0;
    ssize_t len = 1;
    for (int waits = 0; sent < SENT_MAX && waits < 20;) {
        len = send(fd, padding, sizeof padding, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (len > 0) {
            sent += (size_t)len;
        } else {
            usleep(10000);
            waits++;
        }
    }
    assert_int_equal(len, -1); /* it is not read any more */
    assert_true(sent < SENT_MAX);
    lab_peer_ask(port, "PING\r\n", "+PONG\r\n");

    const uint64_t reply_bytes = 2 + 8 + VALUE + 2 - 1;
    uint64_t received = 0;
    static char sink[65536];
    while (received < reply_bytes * GETS) {
        len = recv(fd, sink, sizeof sink, 0);
        assert_true(len > 0);
        received += (uint64_t)len;
    }
    assert_int_equal(received, reply_bytes * GETS);
    close(fd);
    kw_lab_stop(lab);
}

static void *ask_often(void *arg) {
    const kw_lab *lab = arg;
    for (int i = 0; i < 300; i++) {
        kw_lab_node at;
        if (!kw_lab_node_at(lab, i % 3, &at) || kw_lab_owner(lab, i) < 0) {
            return NULL;
        }
    }
    return arg;
}

static void any_thread_may_ask(void **state) {
    (void)state;
    kw_lab *lab = start(3, 0, 500);
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, lab), 0);
    }
    for (int slot = 0; slot < 100; slot++) {
        assert_int_equal(kw_lab_migrate_begin(lab, slot, 1), KW_OK);
        assert_int_equal(kw_lab_migrate_end(lab, slot), KW_OK);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, lab);
    }
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lab_serves_and_tells_of_itself),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_port_that_is_taken_is_named),
        cmocka_unit_test(a_password_is_asked_for),
        cmocka_unit_test(a_killed_node_resets_refuses_and_is_replaced),
        cmocka_unit_test(a_paused_node_accepts_and_is_silent),
        cmocka_unit_test(slots_move_while_clients_look),
        cmocka_unit_test(views_can_differ),
        cmocka_unit_test(a_client_that_does_not_read_is_held_back),
        cmocka_unit_test(any_thread_may_ask),
    };
    return cmocka_run_group_tests_name("lab", tests, NULL, NULL);
}
