/* What can be watched: traces, events, counters, the map (ROUTING §8). */
#include "dialogue/support/dialogue.h"

static void trace_shows_each_hop(dialogue *d) {
    kw_trace trace;
    cluster_submit_options traced = {.slot = SLOT_NONE, .trace = &trace};
    start(d);
    int a = call_with(d, &traced, "GET k");
    expect(d, 2, "GET k");
    advance_ms(d, 3);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "GET k");
    advance_ms(d, 4);
    reply(d, 3, "-ASK 7629 127.0.0.1:7001");
    expect(d, 1, "ASKING");
    expect(d, 1, "GET k");
    reply(d, 1, "+OK");
    reply(d, 1, "v");
    ok(d, a, "v");
    assert_int_equal(trace.slot, 7629);
    assert_int_equal(trace.generation, 1);
    assert_int_equal(trace.total_us, 7000);
    assert_int_equal(trace.hop_count, 3);
    static const char *const nodes[] = {"127.0.0.1:7002", "127.0.0.1:7003", "127.0.0.1:7001"};
    static const char *const reasons[] = {"map", "moved", "ask"};
    static const char *const answers[] = {"MOVED", "ASK", "reply"};
    static const uint64_t ends_us[] = {3000, 7000, 7000};
    for (int i = 0; i < 3; i++) {
        assert_string_equal(trace.hops[i].node, nodes[i]);
        assert_string_equal(trace.hops[i].reason, reasons[i]);
        assert_string_equal(trace.hops[i].answer, answers[i]);
        assert_int_equal(trace.hops[i].end_us, ends_us[i]);
    }
}

static void trace_keeps_the_last_hops(dialogue *d) {
    kw_trace trace;
    cluster_submit_options traced = {.slot = SLOT_NONE, .trace = &trace, .timeout_us = 60000000};
    start(d);
    int a = call_with(d, &traced, "GET k");
    for (int i = 0; i < 2 * LIMIT_TRACE_HOPS; i++) {
        expect(d, 2, "GET k");
        reply(d, 2, "-TRYAGAIN later");
        advance_ms(d, 1002);
    }
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(trace.hop_count, 2 * LIMIT_TRACE_HOPS + 1);
    assert_string_equal(trace.hops[0].answer, "reply");
    assert_string_equal(trace.hops[1].answer, "TRYAGAIN");
}

static void overlay_and_retry_are_told_apart(dialogue *d) {
    kw_trace trace;
    cluster_submit_options traced = {.slot = SLOT_NONE, .trace = &trace};
    start(d);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
    int b = call_with(d, &traced, "GET k");
    expect(d, 3, "GET k");
    reply(d, 3, "-TRYAGAIN later");
    advance_ms(d, 12);
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, b, "v");
    assert_string_equal(trace.hops[0].reason, "overlay");
    assert_string_equal(trace.hops[1].reason, "retry");
}

static void events_tell_what_happens(dialogue *d) {
    start(d);
    assert_int_equal(d->events[KW_EVENT_REFRESH_STARTED], 1);
    assert_int_equal(d->events[KW_EVENT_REFRESH_ACCEPTED], 1);
    assert_int_equal(d->events[KW_EVENT_MAP_CHANGED], 1);
    assert_int_equal(d->events[KW_EVENT_NODE_ADDED], 3);
    meet_all(d);
    assert_int_equal(d->events[KW_EVENT_NODE_UP], 3);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 127.0.0.1:7009");
    assert_int_equal(d->events[KW_EVENT_REDIRECTED], 1);
    assert_int_equal(d->events[KW_EVENT_NODE_ADDED], 4);
    expect(d, 9, "GET k");
    reply(d, 9, "v");
    ok(d, a, "v");
    advance_ms(d, 200);
    hang_up(d, 2);
    assert_int_equal(d->events[KW_EVENT_NODE_DOWN], 1);
    cluster_refresh(d->c, d->now_us);
    settle(d);
    assert_int_equal(d->events[KW_EVENT_NODE_REMOVED], 1);
    assert_int_equal(d->events[KW_EVENT_MAP_CHANGED], 2);
}

static void each_setback_is_an_event(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    reply(d, 2, "-TRYAGAIN later");
    assert_int_equal(d->events[KW_EVENT_HELD_BACK], 1);
    advance_ms(d, 13);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
    int b = call(d, "GET k");
    int w = call(d, "SET k 1");
    expect(d, 2, "GET k");
    expect(d, 2, "SET k 1");
    advance_ms(d, 200); /* the connection stood for a while: it is made anew at once */
    hang_up(d, 2);
    failed(d, w, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "the connection was lost");
    assert_int_equal(d->events[KW_EVENT_RETRIED], 1);
    assert_int_equal(d->events[KW_EVENT_FAILED], 1);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, b, "v");
}

static void events_that_nobody_takes_are_dropped(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    static const char push[] = ">1\r\n+hello\r\n";
    size_t room = 0;
    for (int i = 0; i < 2 * LIMIT_EVENTS; i++) { /* past the dialogue, which takes them */
        for (uint32_t link = 0; link < DIALOGUE_LINKS; link++) {
            if (d->links[link].node == 2) {
                char *at = cluster_link_input(d->c, link, &room);
                memcpy(at, push, sizeof push - 1);
                cluster_link_received(d->c, link, sizeof push - 1, d->now_us);
            }
        }
    }
    settle(d);
    assert_int_equal(d->events[KW_EVENT_PUSH], LIMIT_EVENTS);
    assert_int_equal(count_of(d, KW_COUNT_PUSHES), 2 * LIMIT_EVENTS);
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void counters_count(dialogue *d) {
    start(d);
    meet_all(d);
    int a = call(d, "GET k");
    int b = call(d, "SET c 1");
    expect(d, 2, "GET k");
    expect(d, 2, "SET c 1");
    assert_int_equal(count_of(d, KW_COUNT_IN_FLIGHT), 2);
    assert_int_equal(node_count_of(d, 2, KW_COUNT_IN_FLIGHT), 2);
    assert_int_equal(node_count_of(d, 2, KW_COUNT_COMMANDS), 3);
    assert_int_equal(node_count_of(d, 3, KW_COUNT_COMMANDS), 1);
    assert_int_equal(count_of(d, KW_COUNT_COMMANDS), 5);
    assert_int_equal(count_of(d, KW_COUNT_REPLIES), 3);
    assert_int_equal(count_of(d, KW_COUNT_LINKS), 3);
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_KNOWN), 16384);
    reply(d, 2, "-ERR no");
    hang_up(d, 2);
    ok(d, a, "-ERR no");
    failed(d, b, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "");
    assert_int_equal(count_of(d, KW_COUNT_REPLIES), 4);
    assert_int_equal(count_of(d, KW_COUNT_FAILURES), 1);
    assert_int_equal(count_of(d, KW_COUNT_DISCONNECTS), 1);
    assert_int_equal(count_of(d, KW_COUNT_IN_FLIGHT), 0);
    assert_true(count_of(d, KW_COUNT_BYTES_OUT) > 0);
    assert_true(count_of(d, KW_COUNT_BYTES_IN) > 0);
}

static void generation_grows_with_each_change(dialogue *d) {
    kw_map *map = NULL;
    start(d);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 127.0.0.1:7003");
    assert_int_equal(cluster_map_snapshot(d->c, &map), KW_OK);
    assert_int_equal(map->generation, 2);
    assert_int_equal(map->node_count, 3);
    mem_free(map->mem, map->nodes);
    mem_free(map->mem, map);
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(trace_shows_each_hop),
        DIALOGUE(trace_keeps_the_last_hops),
        DIALOGUE(overlay_and_retry_are_told_apart),
        DIALOGUE(events_tell_what_happens),
        DIALOGUE(each_setback_is_an_event),
        DIALOGUE(events_that_nobody_takes_are_dropped),
        DIALOGUE(counters_count),
        DIALOGUE(generation_grows_with_each_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
