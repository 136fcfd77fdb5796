#include "node/node_output.h"

#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

#define MS 1000u

/* One session of one node; what is "sent" is taken out as a connection would. */
typedef struct setup {
    node_driver driver;
    node *node;
    node_session *session;
    uint64_t now_us;
} setup;

static void begin(setup *s) {
    driver_start(&s->driver, 1, 0);
    s->node = fleet_node(s->driver.fleet, 0);
    s->now_us = DRIVER_START_US;
    s->session = node_session_new(s->node, "10.0.0.9:1", s->now_us);
    assert_non_null(s->session);
}

static void end(setup *s) {
    node_session_free(s->node, s->session);
    driver_stop(&s->driver);
}

static void put(setup *s, const char *text) {
    assert_true(buffer_append_text(&s->session->out, text));
}

/* All that goes out at once is this. */
static void expect_sent(setup *s, const char *text) {
    size_t len = strlen(text);
    kw_slice bytes = session_sendable(s->session, s->now_us);
    size_t at = 0;
    while (bytes.len > 0) {
        assert_true(at + bytes.len <= len);
        assert_memory_equal(bytes.data, text + at, bytes.len);
        at += bytes.len;
        session_sent(s->session, bytes.len, s->now_us);
        bytes = session_sendable(s->session, s->now_us);
    }
    assert_int_equal(at, len);
}

static bool is_held(const setup *s) {
    return (s->session->holds & HOLD_FAULT) != 0;
}

static void without_a_shape_all_goes_at_once(void **state) {
    (void)state;
    setup s;
    begin(&s);
    put(&s, "+OK\r\n");
    expect_sent(&s, "+OK\r\n");
    assert_int_equal(node_shaped_deadline_us(s.node), OUTPUT_NEVER);
    end(&s);
}

static void late_bytes_let_earlier_ones_pass(void **state) {
    (void)state;
    setup s;
    begin(&s);
    put(&s, "+EARLY\r\n+LATE\r\n");
    session_shape_begin(s.node, s.session, strlen("+EARLY\r\n"))->due_us = s.now_us + 5 * MS;
    assert_true(is_held(&s));
    expect_sent(&s, "+EARLY\r\n");
    assert_int_equal(node_deadline_us(s.node), s.now_us + 5 * MS);
    s.now_us += 4 * MS;
    expect_sent(&s, "");
    s.now_us += MS;
    node_tick(s.node, s.now_us);
    assert_ptr_equal(fleet_next_ready(s.driver.fleet), s.session);
    assert_int_equal(node_deadline_us(s.node), OUTPUT_NEVER); /* it was told: no busy loop */
    expect_sent(&s, "+LATE\r\n");
    assert_false(is_held(&s));
    end(&s);
}

static void late_nothing_still_holds_until_its_time(void **state) {
    (void)state;
    setup s;
    begin(&s);
    session_shape_begin(s.node, s.session, 0)->due_us = s.now_us + 5 * MS;
    s.session->flags |= SESSION_CLOSING;
    expect_sent(&s, "");
    assert_false(session_is_over(s.session));
    s.now_us += 5 * MS;
    expect_sent(&s, "");
    assert_true(session_is_over(s.session));
    end(&s);
}

static void trickle_sends_one_byte_at_a_time(void **state) {
    (void)state;
    setup s;
    begin(&s);
    put(&s, "+OK\r\n");
    session_shape *shape = session_shape_begin(s.node, s.session, 0);
    shape->due_us = s.now_us;
    shape->trickles = true;
    shape->trickle_us = 2 * MS;
    expect_sent(&s, "+");
    expect_sent(&s, "");
    assert_int_equal(node_deadline_us(s.node), s.now_us + 2 * MS);
    for (const char *at = "OK\r\n"; *at; at++) {
        const char one[] = {*at, '\0'};
        s.now_us += 2 * MS;
        assert_true(is_held(&s));
        expect_sent(&s, one);
    }
    assert_false(is_held(&s));
    end(&s);
}

static void stall_sends_its_part_and_then_nothing(void **state) {
    (void)state;
    setup s;
    begin(&s);
    put(&s, "+O");
    session_shape *shape = session_shape_begin(s.node, s.session, 0);
    shape->due_us = s.now_us;
    shape->stalls = true;
    expect_sent(&s, "+O");
    put(&s, "+MESSAGE\r\n");
    s.now_us += 3600000 * (uint64_t)MS;
    node_tick(s.node, s.now_us);
    expect_sent(&s, "");
    assert_true(is_held(&s));
    assert_int_equal(node_deadline_us(s.node), OUTPUT_NEVER);
    end(&s);
}

static void nest_is_made_as_it_is_sent(void **state) {
    (void)state;
    setup s;
    begin(&s);
    session_shape *shape = session_shape_begin(s.node, s.session, 0);
    shape->due_us = s.now_us;
    shape->nest_left = 3 * OUTPUT_NEST_CHUNK + 8;
    size_t sent = 0;
    kw_slice bytes = session_sendable(s.session, s.now_us);
    while (bytes.len > 0) {
        assert_true(bytes.len <= OUTPUT_NEST_CHUNK);
        assert_memory_equal(bytes.data, "*1\r\n*1\r\n", 8);
        sent += bytes.len;
        session_sent(s.session, bytes.len, s.now_us);
        bytes = session_sendable(s.session, s.now_us);
    }
    assert_int_equal(sent, 3 * OUTPUT_NEST_CHUNK + 8);
    assert_true(session_is_over(s.session));
    end(&s);
}

static void a_session_may_go_while_its_output_is_shaped(void **state) {
    (void)state;
    setup s;
    begin(&s);
    session_shape_begin(s.node, s.session, 0)->due_us = s.now_us + MS;
    node_session_free(s.node, s.session);
    assert_int_equal(node_shaped_deadline_us(s.node), OUTPUT_NEVER);
    driver_stop(&s.driver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_shape_all_goes_at_once),
        cmocka_unit_test(late_bytes_let_earlier_ones_pass),
        cmocka_unit_test(late_nothing_still_holds_until_its_time),
        cmocka_unit_test(trickle_sends_one_byte_at_a_time),
        cmocka_unit_test(stall_sends_its_part_and_then_nothing),
        cmocka_unit_test(nest_is_made_as_it_is_sent),
        cmocka_unit_test(a_session_may_go_while_its_output_is_shaped),
    };
    return cmocka_run_group_tests_name("node_output", tests, NULL, NULL);
}
