#include "node/node.h"

#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* Sends bytes to node 0 and compares what comes back and what is left unread. */
static void expect_bytes(node_driver *d, const char *bytes, const char *reply, size_t left) {
    (void)driver_ask(d, 0, "PING");
    assert_true(buffer_append_text(&d->in, bytes));
    node_receive(fleet_node(d->fleet, 0), d->sessions[0], &d->in, d->now_us, SIZE_MAX);
    assert_slice_is(buffer_slice(&d->sessions[0]->out), reply);
    assert_int_equal(buffer_len(&d->in), left);
    buffer_clear(&d->sessions[0]->out, SIZE_MAX);
    buffer_clear(&d->in, SIZE_MAX);
}

static void pipelines_are_answered_in_order(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    expect_bytes(&d,
                 "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n\r\nping x\r\n*1\r\n$4\r\nPI",
                 "+PONG\r\n$2\r\nhi\r\n$1\r\nx\r\n", 10);
    driver_stop(&d);
}

static void a_command_may_come_byte_by_byte(void **state) {
    (void)state;
    static const char command[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhe\r\no\r\n";
    node_driver d;
    driver_start(&d, 1, 0);
    (void)driver_ask(&d, 0, "PING");
    for (size_t i = 0; i < sizeof command - 1; i++) {
        assert_int_equal(buffer_len(&d.sessions[0]->out), 0);
        assert_true(buffer_append(&d.in, &command[i], 1));
        node_receive(fleet_node(d.fleet, 0), d.sessions[0], &d.in, d.now_us, SIZE_MAX);
    }
    assert_slice_is(buffer_slice(&d.sessions[0]->out), "+OK\r\n");
    buffer_clear(&d.sessions[0]->out, SIZE_MAX);
    driver_expect(&d, 0, "GET k", "$5\r\nhe\r\no\r\n");
    driver_stop(&d);
}

static void what_is_no_command_ends_the_session(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *reply;
    } rows[] = {
        {"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"PING\r\n*1\r\n$600000000000\r\n",
         "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"},
        {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
        {"QUIT\r\nPING\r\n", "+OK\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        node_driver d;
        driver_start(&d, 1, 0);
        (void)driver_ask(&d, 0, "PING");
        assert_true(buffer_append_text(&d.in, rows[i].bytes));
        node_receive(fleet_node(d.fleet, 0), d.sessions[0], &d.in, d.now_us, SIZE_MAX);
        assert_slice_is(buffer_slice(&d.sessions[0]->out), rows[i].reply);
        assert_true(d.sessions[0]->flags & SESSION_CLOSING);
        driver_stop(&d);
    }
}

static void nothing_is_run_while_the_output_is_full(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    (void)driver_ask(&d, 0, "PING");
    assert_true(buffer_append_text(&d.in, "PING\r\nPING\r\nPING\r\n"));
    node_receive(fleet_node(d.fleet, 0), d.sessions[0], &d.in, d.now_us, 10);
    assert_slice_is(buffer_slice(&d.sessions[0]->out), "+PONG\r\n+PONG\r\n");
    buffer_clear(&d.sessions[0]->out, SIZE_MAX);
    node_receive(fleet_node(d.fleet, 0), d.sessions[0], &d.in, d.now_us, 10);
    assert_slice_is(buffer_slice(&d.sessions[0]->out), "+PONG\r\n");
    buffer_clear(&d.sessions[0]->out, SIZE_MAX);
    driver_stop(&d);
}

static void a_command_may_have_many_arguments(void **state) {
    (void)state;
    enum { KEYS = 5000 };
    node_driver d;
    driver_start(&d, 1, 0);
    (void)driver_ask(&d, 0, "PING");
    assert_true(buffer_printf(&d.in, "*%d\r\n$3\r\nDEL\r\n", KEYS + 1));
    for (int i = 0; i < KEYS; i++) {
        assert_true(buffer_append_text(&d.in, "$3\r\n{t}\r\n"));
    }
    node_receive(fleet_node(d.fleet, 0), d.sessions[0], &d.in, d.now_us, SIZE_MAX);
    assert_slice_is(buffer_slice(&d.sessions[0]->out), ":0\r\n");
    driver_stop(&d);
}

static void unknown_commands_show_their_arguments(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n"},
        {"\"f\\r\\no\"", "-ERR unknown command 'f  o', with args beginning with: \r\n"},
        {"\"\"", "-ERR unknown command '', with args beginning with: \r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelines_are_answered_in_order),
        cmocka_unit_test(a_command_may_come_byte_by_byte),
        cmocka_unit_test(what_is_no_command_ends_the_session),
        cmocka_unit_test(nothing_is_run_while_the_output_is_full),
        cmocka_unit_test(a_command_may_have_many_arguments),
        cmocka_unit_test(unknown_commands_show_their_arguments),
    };
    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
