#include "node/node_lab.h"

#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* Three primaries 0..2, one replica each. {a} is node 2's (slot 15495), {b} node 0's (3300). */

/* What a client gets to see: all that may be sent at once, and then whether it is cut off. */
static void expect_wire(node_driver *d, uint16_t index, const char *line, const char *bytes,
                        bool closed) {
    node *n = fleet_node(d->fleet, index);
    node_session *s = node_session_new(n, "10.0.0.9:7", d->now_us);
    assert_non_null(s);
    assert_true(buffer_append_text(&d->in, line) && buffer_append_text(&d->in, "\r\n"));
    node_receive(n, s, &d->in, d->now_us, SIZE_MAX);
    buffer_clear(&d->in, 0);
    char got[256];
    size_t len = 0;
    kw_slice part = session_sendable(s, d->now_us);
    while (part.len > 0 && len + part.len < sizeof got) {
        memcpy(got + len, part.data, part.len);
        len += part.len;
        session_sent(s, part.len, d->now_us);
        part = session_sendable(s, d->now_us);
    }
    got[len] = '\0';
    if (strcmp(got, bytes) != 0 || session_is_over(s) != closed) {
        fail_msg("%s\n  gave: %s (%s)\n  expected: %s", line, got,
                 session_is_over(s) ? "closed" : "open", bytes);
    }
    node_session_free(n, s);
}

static void each_action_has_its_effect_on_the_wire(void **state) {
    (void)state;
    static const struct {
        const char *rule;
        const char *wire;
        bool closed;
        bool executed;
    } rows[] = {
        {"COMMAND set NONE", "+OK\r\n", false, true},
        {"COMMAND set ERROR LOADING Redis is loading", "-LOADING Redis is loading\r\n", false,
         false},
        {"COMMAND set REPLY :7\\r\\n", ":7\\r\\n", false, false},
        {"COMMAND set MOVED 1", "-MOVED 3300 10.0.0.1:7001\r\n", false, false},
        {"COMMAND set MOVED 0 77", "-MOVED 77 10.0.0.1:7000\r\n", false, false},
        {"COMMAND set ASK 2", "-ASK 3300 10.0.0.1:7002\r\n", false, false},
        {"COMMAND set DROP-BEFORE", "", true, false},
        {"COMMAND set DROP-AFTER", "", true, true},
        {"COMMAND set CUT 3", "+OK", true, true},
        {"COMMAND set CUT 300", "+OK\r\n", true, true},
        {"COMMAND set STALL 2", "+O", false, true},
        {"COMMAND set HANG", "", false, true},
        {"COMMAND set SWALLOW", "", false, true},
        {"COMMAND set TRICKLE 1", "+", false, true},
        {"COMMAND set OVERSIZED", "$1099511627776\r\n", false, true},
        {"COMMAND set OVERSIZED ARRAY 99", "*99\r\n", false, true},
        {"COMMAND set NEST 8", "*1\r\n*1\r\n", true, true},
        {"COMMAND set DELAY 10", "", false, true},
        {"COMMAND set DELAY 10 ERROR ERR no", "", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[128];
        node_driver d;
        driver_start(&d, 3, 1);
        (void)snprintf(line, sizeof line, "LAB FAULT ADD %s", rows[i].rule);
        driver_expect(&d, 0, line, ":1\r\n");
        expect_wire(&d, 0, "SET {b}x v", rows[i].wire, rows[i].closed);
        driver_expect(&d, 0, "EXISTS {b}x", rows[i].executed ? ":1\r\n" : ":0\r\n");
        driver_stop(&d);
    }
}

static void garbage_is_no_resp(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "LAB FAULT ADD COMMAND ping GARBAGE 100", ":1\r\n");
    for (int i = 0; i < 50; i++) {
        node *n = fleet_node(d.fleet, 0);
        node_session *s = node_session_new(n, "10.0.0.9:7", d.now_us);
        assert_true(buffer_append_text(&d.in, "PING\r\n"));
        node_receive(n, s, &d.in, d.now_us, SIZE_MAX);
        kw_slice bytes = session_sendable(s, d.now_us);
        assert_int_equal(bytes.len, 100);
        assert_null(memchr("+-:$*_#,(!=%~>|", bytes.data[0], 15));
        node_session_free(n, s);
    }
    driver_stop(&d);
}

static void pipelined_commands_before_and_after_the_one_that_is_hit(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "LAB FAULT ADD COMMAND get DELAY 20", ":1\r\n");
    node *n = fleet_node(d.fleet, 0);
    node_session *s = node_session_new(n, "10.0.0.9:7", d.now_us);
    buffer in;
    buffer_init(&in, &mem_default, 0);
    assert_true(buffer_append_text(&in, "PING\r\nGET k\r\nECHO z\r\n"));
    node_receive(n, s, &in, d.now_us, SIZE_MAX);
    assert_slice_is(session_sendable(s, d.now_us), "+PONG\r\n");
    session_sent(s, 7, d.now_us);
    assert_int_equal(session_sendable(s, d.now_us).len, 0);
    driver_expect(&d, 0, "PING", "+PONG\r\n"); /* others are served meanwhile */
    driver_wait_ms(&d, 20);
    assert_ptr_equal(fleet_next_ready(d.fleet), s);
    assert_slice_is(session_sendable(s, d.now_us), "$-1\r\n");
    session_sent(s, 5, d.now_us);
    node_receive(n, s, &in, d.now_us, SIZE_MAX);
    assert_slice_is(session_sendable(s, d.now_us), "$1\r\nz\r\n");
    buffer_done(&in);
    node_session_free(n, s);
    driver_stop(&d);
}

static void faults_leave_a_client_alone_that_wants_no_replies(void **state) {
    (void)state;
    static const char *const rules[] = {"DELAY 5", "GARBAGE 9", "CUT 2", "OVERSIZED", "SWALLOW"};
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        char line[64];
        node_driver d;
        driver_start(&d, 1, 0);
        (void)snprintf(line, sizeof line, "LAB FAULT ADD COMMAND get %s", rules[i]);
        driver_expect(&d, 0, line, ":1\r\n");
        node *n = fleet_node(d.fleet, 0);
        node_session *s = node_session_new(n, "10.0.0.9:7", d.now_us);
        assert_true(buffer_append_text(&d.in, "PING\r\nCLIENT REPLY OFF\r\nGET k\r\n"));
        node_receive(n, s, &d.in, d.now_us, SIZE_MAX);
        kw_slice bytes = session_sendable(s, d.now_us);
        assert_slice_is(bytes, "+PONG\r\n");
        session_sent(s, bytes.len, d.now_us);
        assert_int_equal(session_sendable(s, d.now_us + 10000).len, 0);
        buffer_clear(&d.in, 0);
        node_session_free(n, s);
        driver_stop(&d);
    }
}

static void migrate_meets_a_target_that_misbehaves(void **state) {
    (void)state;
    static const struct {
        const char *rule;
        const char *reply;
    } rows[] = {
        {"DROP-BEFORE", "-IOERR error or timeout writing to target instance\r\n"},
        {"HANG", "-IOERR error or timeout writing to target instance\r\n"},
        {"ERROR OOM no", "-ERR Target instance replied with error: OOM no\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[128];
        node_driver d;
        driver_start(&d, 3, 0);
        driver_expect(&d, 0, "SET {b}x v", "+OK\r\n");
        driver_expect(&d, 0, "LAB SLOT BEGIN 3300 1", "+OK\r\n");
        (void)snprintf(line, sizeof line, "LAB FAULT ADD NODE 1 COMMAND restore* %s", rows[i].rule);
        driver_expect(&d, 0, line, ":1\r\n");
        driver_expect(&d, 0, "MIGRATE 10.0.0.1 7001 {b}x 0 1000", rows[i].reply);
        driver_expect(&d, 0, "GET {b}x", "$1\r\nv\r\n");
        driver_stop(&d);
    }
}

static void error_while_queueing_spoils_the_transaction(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "LAB FAULT ADD COMMAND get ERROR BUSY wait", ":1\r\n");
    const driver_row rows[] = {
        {"MULTI", "+OK\r\n"},
        {"GET k", "-BUSY wait\r\n"},
        {"LAB FAULT CLEAR", "+OK\r\n"}, /* at once, also in MULTI */
        {"SET k 1", "+QUEUED\r\n"},
        {"EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void commands_are_logged_with_what_became_of_them(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *name;
        const char *outcome;
    } rows[] = {
        {"SET {b}x 1", "set", "served"},
        {"GET {a}x", "get", "MOVED"},
        {"CLUSTER MYID", "cluster|myid", "served"},
        {"FROB x", "frob", "ERR"},
        {"MULTI", "multi", "served"},
        {"GET {b}x", "get", "queued"},
        {"EXEC", "exec", "served"},
        {"MGET {b}x {a}x", "mget", "CROSSSLOT"},
    };
    node_driver d;
    driver_start(&d, 3, 1);
    uint64_t at = 0;
    const node_log_filter all = {.node = NODE_NOBODY};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        (void)driver_ask(&d, 0, rows[i].line);
        (void)driver_ask(&d, 0, "LAB NODES"); /* is not logged */
        const node_log_entry *e = node_log_next(&fleet_lab(d.fleet)->log, &all, at);
        assert_non_null(e);
        assert_string_equal(e->name, rows[i].name);
        assert_string_equal(e->outcome, rows[i].outcome);
        at = e->number;
    }
    assert_int_equal(at, COUNT_OF(rows));
    driver_stop(&d);
}

static void rule_hits_are_events_and_in_the_log(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "LAB FAULT ADD COMMAND get COUNT 1 DROP-BEFORE", ":1\r\n");
    expect_wire(&d, 0, "GET k", "", true);
    expect_wire(&d, 0, "GET k", "$-1\r\n", false);
    const node_lab *lab = fleet_lab(d.fleet);
    const node_event *event = node_events_next(&lab->events, 0);
    assert_int_equal(event->kind, EVENT_RULE_HIT);
    assert_string_equal(event->text, "rule 1 (drop-before) hits get at node 0");
    assert_null(node_events_next(&lab->events, 1));
    const node_log_filter by_rule = {.node = NODE_NOBODY, .rule = 1};
    assert_int_equal(node_log_count(&lab->log, &by_rule), 1);
    assert_string_equal(node_log_next(&lab->log, &by_rule, 0)->outcome, "dropped");
    driver_stop(&d);
}

static void rule_that_hits_often_is_told_of_now_and_then(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "LAB FAULT ADD COMMAND ping NONE", ":1\r\n");
    for (int i = 0; i < 100; i++) {
        driver_expect(&d, 0, "PING", "+PONG\r\n");
    }
    const node_events *events = &fleet_lab(d.fleet)->events;
    assert_int_equal(events->last, 33); /* 32, and the 64th */
    assert_string_equal(node_events_next(events, 32)->text,
                        "rule 1 (none) hits ping at node 0, and so on");
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_action_has_its_effect_on_the_wire),
        cmocka_unit_test(garbage_is_no_resp),
        cmocka_unit_test(pipelined_commands_before_and_after_the_one_that_is_hit),
        cmocka_unit_test(faults_leave_a_client_alone_that_wants_no_replies),
        cmocka_unit_test(migrate_meets_a_target_that_misbehaves),
        cmocka_unit_test(error_while_queueing_spoils_the_transaction),
        cmocka_unit_test(commands_are_logged_with_what_became_of_them),
        cmocka_unit_test(rule_hits_are_events_and_in_the_log),
        cmocka_unit_test(rule_that_hits_often_is_told_of_now_and_then),
    };
    return cmocka_run_group_tests_name("node_lab", tests, NULL, NULL);
}
