#include "io/stream.h"

#include "io/listener.h"
#include "unit/support/failing_mem.h"
#include "unit/support/test_net.h"
#include "unit/support/unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const stream_options PLAIN = {0};

/* Two ends of one connection, both driven by one loop. */
typedef struct pair {
    loop *loop;
    listener *listener;
    stream *near;
    stream *far;
} pair;

/* Handles what is ready; false when nothing was within a round. */
static bool turn(loop *l, int timeout_ms) {
    loop_event events[8];
    size_t count = loop_wait(l, events, 8, timeout_ms);
    for (size_t i = 0; i < count; i++) {
        stream **owner = events[i].owner;
        if (owner && *owner && loop_alive(l, events[i].token)) {
            stream_handle(*owner, events[i].ready);
        }
    }
    return count > 0;
}

static void open_pair(pair *p, const net_address *address, const stream_options *options) {
    kw_error err;
    *p = (pair){0};
    assert_int_equal(loop_new(&mem_default, &p->loop), KW_OK);
    assert_int_equal(listener_new(p->loop, &mem_default, address, NULL, &p->listener, &err), KW_OK);
    net_address to = *address;
    to.port = listener_port(p->listener);
    assert_int_equal(stream_connect(p->loop, &mem_default, &to, options, &p->near, &p->near, &err),
                     KW_OK);
    int fd = -1;
    for (int i = 0; i < TEST_ROUNDS && (fd < 0 || stream_get_state(p->near) != STREAM_OPEN); i++) {
        turn(p->loop, TEST_ROUND_MS);
        fd = fd < 0 ? test_accept(p->listener) : fd;
    }
    assert_int_equal(stream_get_state(p->near), STREAM_OPEN);
    assert_true(fd >= 0);
    assert_int_equal(stream_adopt(p->loop, &mem_default, fd, NULL, &p->far, &p->far), KW_OK);
}

static void close_pair(pair *p) {
    stream_free(p->near);
    stream_free(p->far);
    listener_free(p->listener);
    loop_free(p->loop);
}

static size_t write_text(stream *s, const char *text) {
    kw_slice slice = slice_text(text);
    return stream_write(s, &slice, 1);
}

/* Reads until `want` bytes are there or the stream has ended. */
static size_t read_some(pair *p, stream *s, char *dst, size_t want) {
    size_t len = 0;
    for (int i = 0; i < TEST_ROUNDS && len < want && stream_get_state(s) == STREAM_OPEN; i++) {
        size_t got = stream_read(s, dst + len, want - len);
        len += got;
        if (got == 0) {
            turn(p->loop, TEST_ROUND_MS);
        }
    }
    return len;
}

static void wait_end(pair *p, stream *s) {
    char byte;
    for (int i = 0; i < TEST_ROUNDS && stream_get_state(s) != STREAM_ENDED; i++) {
        turn(p->loop, TEST_ROUND_MS);
        assert_int_equal(stream_read(s, &byte, 1), 0);
    }
    assert_int_equal(stream_get_state(s), STREAM_ENDED);
}

static void talk_both_ways(const net_address *address) {
    pair p;
    char text[16] = {0};
    open_pair(&p, address, &PLAIN);
    assert_int_equal(write_text(p.near, "ping"), 4);
    assert_int_equal(read_some(&p, p.far, text, 4), 4);
    assert_string_equal(text, "ping");
    assert_int_equal(write_text(p.far, "pong"), 4);
    assert_int_equal(read_some(&p, p.near, text, 4), 4);
    assert_string_equal(text, "pong");
    close_pair(&p);
}

static void talks_over_ipv4_ipv6_and_unix_sockets(void **state) {
    (void)state;
    net_address address = test_ipv4(0);
    talk_both_ways(&address);
    if (test_has_ipv6()) {
        address = test_ipv6(0);
        talk_both_ways(&address);
    }
    char directory[] = "/tmp/keyway-stream-XXXXXX";
    assert_non_null(mkdtemp(directory));
    address = (net_address){.family = NET_UNIX};
    snprintf(address.path, sizeof address.path, "%s/socket", directory);
    talk_both_ways(&address);
    unlink(address.path);
    rmdir(directory);
}

static void refused_connection_names_address_and_reason(void **state) {
    (void)state;
    loop *l = NULL;
    listener *s = NULL;
    kw_error err = {0};
    net_address address = test_ipv4(0);
    assert_int_equal(loop_new(&mem_default, &l), KW_OK);
    assert_int_equal(listener_new(l, &mem_default, &address, NULL, &s, &err), KW_OK);
    address.port = listener_port(s);
    listener_free(s);

    stream *near = NULL;
    kw_status status = stream_connect(l, &mem_default, &address, &PLAIN, &near, &near, &err);
    const char *message = err.message;
    for (int i = 0; status == KW_OK && i < TEST_ROUNDS; i++) {
        turn(l, TEST_ROUND_MS);
        if (stream_get_state(near) == STREAM_ENDED) {
            status = stream_error(near, &message);
        }
    }
    assert_int_equal(status, KW_ERR_CONNECTION);
    char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)address.port);
    assert_non_null(strstr(message, text));
    assert_non_null(strstr(message, "refused"));
    assert_false(turn(l, 0)); /* an ended stream makes no more events */
    stream_free(near);
    loop_free(l);
}

static void socket_has_the_options_asked_for(void **state) {
    (void)state;
    pair p;
    stream_options options = {.keepalive_s = 30, .user_timeout_ms = 7000};
    net_address address = test_ipv4(0);
    open_pair(&p, &address, &options);
    const struct {
        int level, name, want;
    } cases[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},   {IPPROTO_TCP, TCP_USER_TIMEOUT, 7000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int value = -1;
        socklen_t len = sizeof value;
        assert_int_equal(getsockopt(stream_fd(p.near), cases[i].level, cases[i].name, &value, &len),
                         0);
        assert_int_equal(value, cases[i].want);
    }
    assert_true(fcntl(stream_fd(p.near), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(stream_fd(p.near), F_GETFL) & O_NONBLOCK);
    close_pair(&p);
}

static void bytes_before_the_end_are_read_before_it(void **state) {
    (void)state;
    pair p;
    char text[32] = {0};
    net_address address = test_ipv4(0);
    open_pair(&p, &address, &PLAIN);
    assert_int_equal(write_text(p.far, "last words"), 10);
    stream_free(p.far);
    p.far = NULL;
    assert_int_equal(read_some(&p, p.near, text, 10), 10);
    assert_string_equal(text, "last words");
    assert_int_equal(stream_get_state(p.near), STREAM_OPEN);
    wait_end(&p, p.near);
    const char *message = NULL;
    assert_int_equal(stream_error(p.near, &message), KW_ERR_CONNECTION);
    assert_string_equal(message, "connection lost: closed by the peer");
    assert_int_equal(write_text(p.near, "too late"), 0);
    close_pair(&p);
}

static void reset_connection_ends_with_its_reason(void **state) {
    (void)state;
    pair p;
    net_address address = test_ipv4(0);
    const struct linger hard = {.l_onoff = 1};
    open_pair(&p, &address, &PLAIN);
    setsockopt(stream_fd(p.far), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    stream_free(p.far);
    p.far = NULL;
    wait_end(&p, p.near);
    const char *message = NULL;
    assert_int_equal(stream_error(p.near, &message), KW_ERR_CONNECTION);
    assert_non_null(strstr(message, "reset"));
    close_pair(&p);
}

/* The default action of SIGPIPE would end this program. */
static void failed_write_raises_no_signal_and_keeps_what_came_before(void **state) {
    (void)state;
    pair p;
    char text[8] = {0};
    net_address address = test_ipv4(0);
    open_pair(&p, &address, &PLAIN);
    assert_int_equal(write_text(p.far, "bye"), 3);
    stream_free(p.far);
    p.far = NULL;
    size_t taken = 1;
    for (int i = 0; i < TEST_ROUNDS && taken > 0; i++) {
        taken = write_text(p.near, "anybody there?");
    }
    assert_int_equal(taken, 0);
    assert_int_equal(stream_get_state(p.near), STREAM_OPEN);
    assert_int_equal(read_some(&p, p.near, text, 3), 3);
    assert_string_equal(text, "bye");
    wait_end(&p, p.near);
    close_pair(&p);
}

static char pattern_at(size_t i) {
    return (char)(i % 251);
}

static void large_write_goes_on_when_the_socket_takes_more(void **state) {
    (void)state;
    enum { TOTAL = 8 * 1024 * 1024, PIECE = 64 * 1024 };
    pair p;
    net_address address = test_ipv4(0);
    open_pair(&p, &address, &PLAIN);
    char *bytes = malloc(TOTAL);
    char *piece = malloc(PIECE);
    assert_non_null(bytes);
    assert_non_null(piece);
    for (size_t i = 0; i < TOTAL; i++) {
        bytes[i] = pattern_at(i);
    }
    size_t sent = 0;
    size_t received = 0;
    bool was_full = false;
    stream_want_write(p.near, true);
    for (int i = 0; i < TEST_ROUNDS * 10 && received < TOTAL; i++) {
        kw_slice rest = slice_of(bytes + sent, TOTAL - sent);
        sent += stream_write(p.near, &rest, 1);
        was_full = was_full || sent < TOTAL;
        stream_want_write(p.near, sent < TOTAL);
        turn(p.loop, TEST_ROUND_MS);
        size_t got = 0;
        while ((got = stream_read(p.far, piece, PIECE)) > 0) {
            assert_memory_equal(piece, bytes + received, got);
            received += got;
        }
    }
    assert_int_equal(received, TOTAL);
    assert_true(was_full);
    free(bytes);
    free(piece);
    close_pair(&p);
}

static void many_slices_are_written_in_order(void **state) {
    enum { COUNT = 300 };
    (void)state;
    pair p;
    kw_slice slices[COUNT];
    char bytes[COUNT];
    char back[COUNT];
    size_t len = 0;
    net_address address = test_ipv4(0);
    open_pair(&p, &address, &PLAIN);
    for (size_t i = 0; i < COUNT; i++) {
        bytes[i] = pattern_at(i);
        slices[i] = slice_of(bytes + i, i % 7 != 3); /* empty ones between */
        len += slices[i].len;
    }
    assert_int_equal(stream_write(p.near, slices, COUNT), len);
    assert_int_equal(read_some(&p, p.far, back, len), len);
    size_t at = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (slices[i].len) {
            assert_int_equal(back[at++], bytes[i]);
        }
    }
    close_pair(&p);
}

static void unwanted_bytes_make_no_event_until_wanted(void **state) {
    (void)state;
    pair p;
    char text[8] = {0};
    net_address address = test_ipv4(0);
    open_pair(&p, &address, &PLAIN);
    stream_want_read(p.near, false);
    assert_int_equal(write_text(p.far, "later"), 5);
    assert_false(turn(p.loop, 20));
    stream_want_read(p.near, true);
    assert_true(turn(p.loop, 2000));
    assert_int_equal(stream_read(p.near, text, 5), 5);
    assert_string_equal(text, "later");
    close_pair(&p);
}

static void hangup_while_not_reading_is_told_once(void **state) {
    (void)state;
    pair p;
    char text[8] = {0};
    net_address address = test_ipv4(0);
    const struct linger hard = {.l_onoff = 1};
    open_pair(&p, &address, &PLAIN);
    stream_want_read(p.near, false);
    setsockopt(stream_fd(p.far), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    stream_free(p.far);
    p.far = NULL;
    assert_true(turn(p.loop, 2000));
    assert_int_equal(stream_get_state(p.near), STREAM_OPEN);
    assert_false(turn(p.loop, 20));
    stream_want_read(p.near, true);
    assert_int_equal(read_some(&p, p.near, text, 1), 0);
    assert_int_equal(stream_get_state(p.near), STREAM_ENDED);
    close_pair(&p);
}

static void failing_allocator_is_reported(void **state) {
    (void)state;
    net_address address = test_ipv4(0);
    loop *keeper = NULL;
    listener *s = NULL;
    kw_error err;
    assert_int_equal(loop_new(&mem_default, &keeper), KW_OK);
    assert_int_equal(listener_new(keeper, &mem_default, &address, NULL, &s, &err), KW_OK);
    address.port = listener_port(s);
    for (size_t budget = 0; budget < 2; budget++) {
        failing_mem t;
        loop *l = NULL;
        stream *near = NULL;
        failing_mem_init(&t);
        assert_int_equal(loop_new(&t.mem, &l), KW_OK);
        failing_mem_fail_after(&t, budget);
        assert_int_equal(stream_connect(l, &t.mem, &address, &PLAIN, &near, &near, &err),
                         KW_ERR_NOMEM);
        assert_int_equal(err.status, KW_ERR_NOMEM);
        loop_free(l);
        assert_int_equal(t.live_count, 0);
    }
    listener_free(s);
    loop_free(keeper);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_over_ipv4_ipv6_and_unix_sockets),
        cmocka_unit_test(refused_connection_names_address_and_reason),
        cmocka_unit_test(socket_has_the_options_asked_for),
        cmocka_unit_test(bytes_before_the_end_are_read_before_it),
        cmocka_unit_test(reset_connection_ends_with_its_reason),
        cmocka_unit_test(failed_write_raises_no_signal_and_keeps_what_came_before),
        cmocka_unit_test(large_write_goes_on_when_the_socket_takes_more),
        cmocka_unit_test(many_slices_are_written_in_order),
        cmocka_unit_test(unwanted_bytes_make_no_event_until_wanted),
        cmocka_unit_test(hangup_while_not_reading_is_told_once),
        cmocka_unit_test(failing_allocator_is_reported),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
