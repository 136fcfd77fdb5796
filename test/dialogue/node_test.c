/* Connections to nodes: opening, backoff, silence, leaving (ROUTING §5). */
#include "dialogue/support/dialogue.h"

static void connection_attempt_ends_after_a_second(dialogue *d) {
    start(d);
    d->nodes[2].unreachable = true;
    int a = call(d, "GET k");
    advance_ms(d, 990);
    assert_string_equal(state_of(d, 2), "connecting");
    advance_ms(d, 14);
    assert_string_equal(state_of(d, 2), "down");
    d->nodes[2].unreachable = false;
    advance_ms(d, 125);
    expect(d, 2, "GET k");
    assert_string_equal(state_of(d, 2), "up");
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(count_of(d, KW_COUNT_CONNECT_FAILURES), 1);
}

static void reconnects_back_off_up_to_10_s(dialogue *d) {
    start(d);
    meet_all(d);
    advance_ms(d, 1000);
    d->nodes[2].refuses = true;
    hang_up(d, 2); /* at once, since it had stood for a while */
    settle(d);
    unsigned opens = d->nodes[2].opens;
    assert_int_equal(opens, 2);
    double expected_ms = 100;
    for (int i = 0; i < 10; i++) {
        unsigned ms = 0;
        while (d->nodes[2].opens == opens && ms < 13000) {
            advance_ms(d, 1);
            ms++;
        }
        assert_true(ms >= expected_ms * 0.8 - 2 && ms <= expected_ms * 1.2 + 4);
        expected_ms = expected_ms * 2 > 10000 ? 10000 : expected_ms * 2;
        opens = d->nodes[2].opens;
    }
    d->nodes[2].refuses = false;
    advance_ms(d, 12100);
    assert_string_equal(state_of(d, 2), "up");
}

static const char *still_the_second(int node, const char *text) {
    return node != 2 && strcmp(text, "GET k") == 0 ? "-MOVED 7629 127.0.0.1:7002" : NULL;
}

static void wanted_node_is_tried_each_second(dialogue *d) {
    start(d);
    meet_all(d);
    d->nodes[2].refuses = true;
    hang_up(d, 2);
    advance_ms(d, 20000);
    d->answer = still_the_second; /* who is asked for a failover */
    cluster_submit_options patient = {.slot = SLOT_NONE, .timeout_us = 60000000};
    unsigned opens = d->nodes[2].opens;
    int a = call_with(d, &patient, "GET k");
    advance_ms(d, 10000);
    assert_in_range(d->nodes[2].opens - opens, 7, 14);
    d->nodes[2].refuses = false;
    advance_ms(d, 1300);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void all_addresses_of_a_name_are_tried(dialogue *d) {
    d->nodes[2].announced = "two.test:7002";
    name(d, "two.test", "127.0.0.3 127.0.0.4 127.0.0.1");
    snprintf(d->nodes[11].address, sizeof d->nodes[11].address, "127.0.0.3:7002");
    snprintf(d->nodes[12].address, sizeof d->nodes[12].address, "127.0.0.4:7002");
    d->nodes[11].refuses = true;
    d->nodes[12].unreachable = true;
    start(d);
    int a = call(d, "GET k");
    assert_int_equal(d->nodes[11].opens, 1);
    assert_int_equal(d->nodes[12].opens, 1);
    advance_ms(d, 1004);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void name_without_address_is_tried_again(dialogue *d) {
    d->nodes[2].announced = "two.test:7002";
    name(d, "two.test", "");
    start(d);
    int a = call(d, "GET k");
    int b = call(d, "SET k 1");
    advance_ms(d, 50);
    name(d, "two.test", "127.0.0.1");
    advance_ms(d, 80);
    expect(d, 2, "GET k");
    expect(d, 2, "SET k 1");
    reply(d, 2, "v");
    reply(d, 2, "+OK");
    ok(d, a, "v");
    ok(d, b, "+OK");
}

static void name_that_takes_too_long_fails_in_the_end(dialogue *d) {
    d->nodes[2].announced = "two.test:7002";
    name(d, "two.test", NULL);
    start(d);
    int a = call(d, "SET k 1");
    advance_ms(d, 5002);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "two.test:7002 could not be reached");
    assert_true(d->names[0].asked > 1);
}

static void remap_to_loopback(void *arg, char *host, size_t size, uint16_t *port) {
    (void)arg;
    snprintf(host, size, "127.0.0.1");
    *port = (uint16_t)(*port - 1000);
}

static void endpoints_can_be_remapped(dialogue *d) {
    d->config.remap = remap_to_loopback;
    for (int n = 1; n <= 3; n++) {
        static const char *const inside[] = {"10.0.0.1:8001", "10.0.0.2:8002", "10.0.0.3:8003"};
        d->nodes[n].announced = inside[n - 1];
    }
    seeds(d, "127.0.0.1:8001");
    start(d);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 10.0.0.3:8003");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
}

static void idle_connection_is_pinged(dialogue *d) {
    d->config.refresh_interval_us = 0;
    start(d);
    meet_all(d);
    d->nodes[2].manual = true;
    advance_ms(d, 14990);
    assert_false(hears(d, 2));
    advance_ms(d, 20);
    expect(d, 2, "PING");
    reply(d, 2, "+PONG");
    advance_ms(d, 15010);
    expect(d, 2, "PING");
    assert_string_equal(state_of(d, 2), "up");
    advance_ms(d, 1300);
    assert_string_equal(state_of(d, 2), "suspect"); /* it is silent */
    advance_ms(d, 4000);
    assert_int_equal(d->nodes[2].opens, 2);
    d->nodes[2].manual = false;
    expect(d, 2, "HELLO 3");
    reply(d, 2, "(hello)");
    assert_string_equal(state_of(d, 2), "up");
}

static void pings_can_be_off(dialogue *d) {
    d->config.refresh_interval_us = 0;
    d->config.idle_ping_us = 0;
    start(d);
    meet_all(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].manual = true;
    }
    advance_ms(d, 100000);
    expect_nothing(d);
}

static void silent_node_is_suspect_until_it_speaks(dialogue *d) {
    start(d);
    meet_all(d);
    advance_ms(d, 2000);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    advance_ms(d, 990);
    assert_string_equal(state_of(d, 2), "up");
    advance_ms(d, 280);
    assert_string_equal(state_of(d, 2), "suspect");
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_string_equal(state_of(d, 2), "up");
}

static void node_that_leaves_the_map_drains(dialogue *d) {
    start(d);
    meet_all(d);
    int a = call(d, "GET k");
    int b = call(d, "GET c");
    expect(d, 2, "GET k");
    expect(d, 2, "GET c");
    view(d, "0-8000 1, 8001-16383 3", 4);
    d->nodes[2].mute = true;
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 304);
    assert_string_equal(state_of(d, 2), "");
    assert_int_equal(links_to(d, 2), 1);
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(links_to(d, 2), 1);
    reply(d, 2, "w");
    ok(d, b, "w");
    d->nodes[2].mute = false;
    settle(d);
    assert_int_equal(links_to(d, 2), 0);
    ok(d, answered_call(d, 1, "GET k", "v"), "v");
}

static void waiting_commands_of_a_node_that_leaves_go_on(dialogue *d) {
    start(d);
    meet_all(d);
    d->nodes[2].refuses = true;
    hang_up(d, 2);
    int a = call(d, "SET k 1");
    view(d, "0-8000 1, 8001-16383 3", 4);
    cluster_refresh(d->c, d->now_us);
    expect(d, 1, "SET k 1");
    reply(d, 1, "+OK");
    ok(d, a, "+OK");
    advance_ms(d, 1000);
    unsigned opens = d->nodes[2].opens;
    advance_ms(d, 20000);
    assert_int_equal(d->nodes[2].opens, opens); /* nobody wants it any more */
}

static void several_connections_share_the_slots(dialogue *d) {
    d->config.connections_per_node = 3;
    start(d);
    for (int i = 0; i < 12; i++) {
        static const char *const texts[] = {"GET k", "GET p13", "GET p18"};
        call(d, texts[i % 3]);
    }
    advance_ms(d, 200); /* one attempt a node at a time */
    assert_int_equal(links_to(d, 2), 3);
    for (int i = 0; i < 12; i++) {
        hear_next(d, 2);
        reply(d, 2, "v");
    }
    for (int i = 0; i < 12; i++) {
        ok(d, i, "v");
    }
}

static void quiet_client_keeps_its_connections(dialogue *d) {
    start(d);
    meet_all(d);
    advance_ms(d, 600000);
    for (int n = 1; n <= 3; n++) {
        assert_int_equal(links_to(d, n), 1);
        assert_in_range(d->nodes[n].opens, 1, 2); /* the seed was one of them for a moment */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(connection_attempt_ends_after_a_second),
        DIALOGUE(reconnects_back_off_up_to_10_s),
        DIALOGUE(wanted_node_is_tried_each_second),
        DIALOGUE(all_addresses_of_a_name_are_tried),
        DIALOGUE(name_without_address_is_tried_again),
        DIALOGUE(name_that_takes_too_long_fails_in_the_end),
        DIALOGUE(endpoints_can_be_remapped),
        DIALOGUE(idle_connection_is_pinged),
        DIALOGUE(pings_can_be_off),
        DIALOGUE(silent_node_is_suspect_until_it_speaks),
        DIALOGUE(node_that_leaves_the_map_drains),
        DIALOGUE(waiting_commands_of_a_node_that_leaves_go_on),
        DIALOGUE(several_connections_share_the_slots),
        DIALOGUE(quiet_client_keeps_its_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
