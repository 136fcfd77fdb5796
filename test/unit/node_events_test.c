#include "node/node_events.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static void events_come_in_order_with_their_lines(void **state) {
    (void)state;
    node_events e;
    node_events_init(&e, &mem_default);
    assert_null(node_events_next(&e, 0));
    node_events_add(&e, 100, EVENT_NODE_KILLED, 2, "node %d killed", 2);
    node_events_add(&e, 200, EVENT_FAILOVER_WON, 5, "node %d won", 5);
    const node_event *first = node_events_next(&e, 0);
    assert_int_equal(first->number, 1);
    assert_int_equal(first->time_us, 100);
    assert_int_equal(first->node, 2);
    assert_string_equal(first->text, "node 2 killed");
    assert_string_equal(node_event_name(first->kind), "node-killed");
    assert_string_equal(node_events_next(&e, 1)->text, "node 5 won");
    assert_null(node_events_next(&e, 2));
    node_events_done(&e);
}

static void oldest_events_make_room(void **state) {
    (void)state;
    node_events e;
    node_events_init(&e, &mem_default);
    for (int i = 1; i <= NODE_EVENTS_KEPT + 3; i++) {
        node_events_add(&e, 0, EVENT_SETTING, 0, "%d", i);
    }
    assert_string_equal(node_events_next(&e, 0)->text, "4");
    assert_string_equal(node_events_next(&e, NODE_EVENTS_KEPT + 2)->text, "1027");
    assert_null(node_events_next(&e, NODE_EVENTS_KEPT + 3));
    node_events_done(&e);
}

static void cleared_events_are_not_shown_again(void **state) {
    (void)state;
    node_events e;
    node_events_init(&e, &mem_default);
    node_events_add(&e, 0, EVENT_SETTING, 0, "one");
    node_events_clear(&e);
    assert_null(node_events_next(&e, 0));
    node_events_add(&e, 0, EVENT_SETTING, 0, "two");
    assert_string_equal(node_events_next(&e, 0)->text, "two");
    assert_int_equal(node_events_next(&e, 0)->number, 2);
    node_events_done(&e);
}

static void long_lines_are_cut(void **state) {
    (void)state;
    node_events e;
    node_events_init(&e, &mem_default);
    node_events_add(&e, 0, EVENT_SETTING, 0, "%0500d", 1);
    assert_int_equal(strlen(node_events_next(&e, 0)->text), NODE_EVENT_TEXT_SIZE - 1);
    node_events_done(&e);
}

static void short_memory_loses_events_only(void **state) {
    (void)state;
    failing_mem m;
    failing_mem_init(&m);
    failing_mem_fail_at(&m, 1);
    node_events e;
    node_events_init(&e, &m.mem);
    node_events_add(&e, 0, EVENT_SETTING, 0, "lost");
    assert_null(node_events_next(&e, 0));
    node_events_add(&e, 0, EVENT_SETTING, 0, "kept");
    assert_string_equal(node_events_next(&e, 0)->text, "kept");
    node_events_done(&e);
    assert_int_equal(m.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_order_with_their_lines),
        cmocka_unit_test(oldest_events_make_room),
        cmocka_unit_test(cleared_events_are_not_shown_again),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(short_memory_loses_events_only),
    };
    return cmocka_run_group_tests_name("node_events", tests, NULL, NULL);
}
