/* When the client asks for a view, and whom (ROUTING §4). */
#include "dialogue/support/dialogue.h"

static void start_met(dialogue *d) {
    start(d);
    meet_all(d);
    advance_ms(d, 5000); /* the last refresh is long past */
}

/* ------------------------------------------------------------------- triggers */

static void lost_primary_is_urgent(dialogue *d) {
    start_met(d);
    hang_up(d, 2);
    assert_true(ms_until(d, KW_EVENT_REFRESH_ACCEPTED, 102) <= 102);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_URGENT), 2);
}

static void urgent_refreshes_are_a_second_apart(dialogue *d) {
    start_met(d);
    for (int i = 0; i < 3; i++) {
        hang_up(d, 2);
        unsigned ms = ms_until(d, KW_EVENT_REFRESH_STARTED, 1102);
        assert_true(i == 0 || ms >= 998);
    }
}

static void moved_is_normal(dialogue *d) {
    start_met(d);
    view(d, "0-5460 1, 5461-7000 2, 7001-16383 3", 4);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
    ms_until(d, KW_EVENT_REFRESH_STARTED, 1002);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 1);
    int b = answered_call(d, 1, "GET b", "-MOVED 3300 127.0.0.1:7003");
    expect(d, 3, "GET b");
    reply(d, 3, "v");
    ok(d, b, "v");
    assert_true(ms_until(d, KW_EVENT_REFRESH_STARTED, 2002) >= 998);
}

static void urgent_trigger_pulls_a_normal_one_earlier(dialogue *d) {
    start_met(d);
    int a = answered_call(d, 2, "GET k", "-CLUSTERDOWN The cluster is down");
    hang_up(d, 1);
    assert_true(ms_until(d, KW_EVENT_REFRESH_STARTED, 102) <= 102);
    advance_ms(d, 1);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void periodic_refresh_comes_every_minute(dialogue *d) {
    start(d);
    for (int i = 0; i < 3; i++) {
        unsigned ms = ms_until(d, KW_EVENT_REFRESH_STARTED, 75010);
        assert_true(ms >= 44990);
    }
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_PERIODIC), 3);
}

static void periodic_refresh_can_be_off(dialogue *d) {
    d->config.refresh_interval_us = 0;
    start(d);
    advance_ms(d, 300000);
    assert_int_equal(all_asks(d), 1);
}

static void eager_client_loads_its_map_at_once(dialogue *d) {
    d->config.eager = true;
    start_cold(d);
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_KNOWN), 16384);
}

static void asked_for_refresh_is_not_held_back(dialogue *d) {
    start(d);
    for (unsigned i = 2; i < 5; i++) {
        cluster_refresh(d->c, d->now_us);
        settle(d);
        assert_int_equal(all_asks(d), i);
    }
}

/* ---------------------------------------------------------------- whom to ask */

static void one_run_at_a_time(dialogue *d) {
    start_met(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = true;
    }
    unsigned before = all_asks(d);
    hang_up(d, 2);
    ms_until(d, KW_EVENT_REFRESH_STARTED, 102);
    hang_up(d, 2); /* again, while it runs */
    advance_ms(d, 250);
    assert_int_equal(all_asks(d), before + 1);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = false;
    }
    settle(d);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_ACCEPTED), 2);
    ms_until(d, KW_EVENT_REFRESH_STARTED, 1102); /* what came meanwhile is not forgotten */
}

static void slow_node_is_doubled_after_300_ms(dialogue *d) {
    seeds(d, "127.0.0.1:7008,127.0.0.1:7009");
    start_met(d);
    for (int n = 1; n <= 9; n++) {
        d->nodes[n].mute = true;
    }
    unsigned before = all_asks(d);
    cluster_refresh(d->c, d->now_us);
    settle(d);
    static const unsigned asked_ms[] = {0, 300, 600, 900, 900}; /* the last two are the seeds */
    for (unsigned ms = 0; ms < 990; ms += 10) {
        unsigned count = 0;
        for (unsigned i = 0; i < COUNT_OF(asked_ms); i++) {
            count += asked_ms[i] + 4 <= ms || (asked_ms[i] == 0);
        }
        if (ms % 100 >= 10) {
            assert_int_equal(all_asks(d) - before, count);
        }
        advance_ms(d, 10);
    }
    d->nodes[9].mute = false;
    settle(d);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_ACCEPTED), 2);
}

static void node_that_refuses_is_followed_by_the_next_at_once(dialogue *d) {
    start_met(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].refuses = n != 2;
        hang_up(d, n);
    }
    cluster_refresh(d->c, d->now_us);
    settle(d);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_ACCEPTED), 2);
}

static void suspected_node_is_not_asked(dialogue *d) {
    start_met(d);
    unsigned asks = d->nodes[2].asks;
    for (int i = 0; i < 20; i++) {
        advance_ms(d, 2000);
        hang_up(d, 2);
        ms_until(d, KW_EVENT_REFRESH_ACCEPTED, 102);
    }
    assert_int_equal(d->nodes[2].asks, asks);
}

static void slow_fetch_stretches_the_gap(dialogue *d) {
    d->config.refresh_interval_us = 0;
    start_met(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = true;
    }
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 50);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = false;
    }
    settle(d);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_ACCEPTED), 2);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
    assert_true(ms_until(d, KW_EVENT_REFRESH_STARTED, 51002) >= 49000);
    advance_ms(d, 5000);
    hang_up(d, 1); /* urgent ones are exempt */
    ms_until(d, KW_EVENT_REFRESH_STARTED, 102);
}

/* -------------------------------------------------------------------- failure */

static void failures_back_off(dialogue *d) {
    start_met(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].refuses = true;
        hang_up(d, n);
    }
    ms_until(d, KW_EVENT_REFRESH_FAILED, 1200);
    double expected_ms = 500;
    for (int i = 0; i < 14; i++) {
        unsigned failures = d->events[KW_EVENT_REFRESH_FAILED];
        unsigned ms = ms_until(d, KW_EVENT_REFRESH_STARTED, 36010);
        if (d->events[KW_EVENT_REFRESH_FAILED] == failures) {
            ms_until(d, KW_EVENT_REFRESH_FAILED, 1100);
        }
        assert_true(ms >= expected_ms * 0.8 - 10 && ms <= expected_ms * 1.2 + 10);
        expected_ms = expected_ms * 1.5 > 30000 ? 30000 : expected_ms * 1.5;
    }
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].refuses = false;
    }
    ms_until(d, KW_EVENT_REFRESH_ACCEPTED, 36010);
    hang_up(d, 2);
    ms_until(d, KW_EVENT_REFRESH_STARTED, 1102); /* the backoff is forgotten */
}

static void command_without_map_fails_at_its_deadline(dialogue *d) {
    seeds(d, "127.0.0.1:7001,127.0.0.1:7002");
    d->nodes[1].refuses = true;
    d->nodes[2].refuses = true;
    start_cold(d);
    int a = call(d, "SET k 1");
    advance_ms(d, 5002);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "no slot map could be had");
    assert_true(strstr(d->calls[a].err.message, "Connection refused") != NULL);
}

static void command_waits_for_a_seed_to_come_up(dialogue *d) {
    d->nodes[1].refuses = true;
    start_cold(d);
    int a = call(d, "SET k 1");
    advance_ms(d, 1000);
    d->nodes[1].refuses = false;
    advance_ms(d, 2000);
    expect(d, 2, "SET k 1");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
}

static void seeds_are_asked_two_at_a_time(dialogue *d) {
    seeds(d, "127.0.0.1:7011,127.0.0.1:7012,127.0.0.1:7013,127.0.0.1:7014");
    for (int n = 11; n <= 14; n++) {
        d->nodes[n].unreachable = true;
    }
    start_cold(d);
    int a = call(d, "SET k 1");
    assert_int_equal(d->nodes[11].opens + d->nodes[12].opens, 2);
    advance_ms(d, 990);
    assert_int_equal(d->nodes[13].opens + d->nodes[14].opens, 0);
    d->nodes[14].unreachable = false;
    advance_ms(d, 14);
    assert_int_equal(d->nodes[13].opens + d->nodes[14].opens, 2);
    expect(d, 2, "SET k 1");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
}

static void seeds_are_resolved_anew_each_time(dialogue *d) {
    seeds(d, "seed.test:7001");
    name(d, "seed.test", "");
    start_cold(d);
    int a = call(d, "SET k 1");
    assert_int_equal(d->names[0].asked, 1);
    advance_ms(d, 610);
    assert_int_equal(d->names[0].asked, 2);
    name(d, "seed.test", "127.0.0.1");
    advance_ms(d, 910);
    expect(d, 2, "SET k 1");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    assert_int_equal(links_to(d, 1), 0); /* the seed's own connection drained: node 1 has none */
}

static void cluster_on_other_ports_is_found_by_its_seed(dialogue *d) {
    seeds(d, "127.0.0.1:7001");
    start_met(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].refuses = true;
        hang_up(d, n);
    }
    view(d, "0-5460 11, 5461-10922 12, 10923-16383 13", 9);
    d->nodes[1].refuses = false; /* behind the seed's address is one of the new ones */
    int a = call(d, "SET k 1");
    advance_ms(d, 1000);
    if (hears(d, 1)) { /* it was asked for a failover */
        expect(d, 1, "SET k 1");
        reply(d, 1, "-MOVED 7629 127.0.0.1:7012");
    }
    expect(d, 12, "SET k 1");
    reply(d, 12, "+OK");
    ok(d, a, "+OK");
}

static void no_cluster_is_said_so(dialogue *d) {
    d->nodes[1].manual = true;
    start_cold(d);
    int a = call(d, "SET k 1");
    expect(d, 1, "HELLO 3");
    reply(d, 1, "(hello)");
    expect(d, 1, "PING");
    expect(d, 1, "CLUSTER SLOTS");
    expect(d, 1, "CLUSTER INFO");
    reply(d, 1, "+PONG");
    reply(d, 1, "-ERR This instance has cluster support disabled");
    failed(d, a, KW_ERR_NOT_CLUSTER, KW_NOT_SENT, "cluster support is disabled");
    reply_if_owed(d, 1, "-ERR This instance has cluster support disabled");
}

static void malformed_view_is_refused(dialogue *d) {
    static const char twice[] = "*2\r\n*3\r\n:0\r\n:9\r\n*2\r\n$1\r\na\r\n:1\r\n"
                                "*3\r\n:9\r\n:10\r\n*2\r\n$1\r\na\r\n:1\r\n";
    seeds(d, "127.0.0.1:7001,127.0.0.1:7002");
    d->nodes[1].manual = true;
    d->nodes[2].mute = true;
    start_cold(d);
    int a = call(d, "SET k 1");
    expect(d, 1, "HELLO 3");
    reply(d, 1, "(hello)");
    expect(d, 1, "PING");
    expect(d, 1, "CLUSTER SLOTS");
    expect(d, 1, "CLUSTER INFO");
    reply(d, 1, "+PONG");
    reply_bytes(d, 1, twice, sizeof twice - 1);
    assert_int_equal(count_of(d, KW_COUNT_REFUSED_MALFORMED), 1);
    d->nodes[2].mute = false;
    expect(d, 2, "SET k 1");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    reply_if_owed(d, 1, "(info)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(lost_primary_is_urgent),
        DIALOGUE(urgent_refreshes_are_a_second_apart),
        DIALOGUE(moved_is_normal),
        DIALOGUE(urgent_trigger_pulls_a_normal_one_earlier),
        DIALOGUE(periodic_refresh_comes_every_minute),
        DIALOGUE(periodic_refresh_can_be_off),
        DIALOGUE(eager_client_loads_its_map_at_once),
        DIALOGUE(asked_for_refresh_is_not_held_back),
        DIALOGUE(one_run_at_a_time),
        DIALOGUE(slow_node_is_doubled_after_300_ms),
        DIALOGUE(node_that_refuses_is_followed_by_the_next_at_once),
        DIALOGUE(suspected_node_is_not_asked),
        DIALOGUE(slow_fetch_stretches_the_gap),
        DIALOGUE(failures_back_off),
        DIALOGUE(command_without_map_fails_at_its_deadline),
        DIALOGUE(command_waits_for_a_seed_to_come_up),
        DIALOGUE(seeds_are_asked_two_at_a_time),
        DIALOGUE(seeds_are_resolved_anew_each_time),
        DIALOGUE(cluster_on_other_ports_is_found_by_its_seed),
        DIALOGUE(no_cluster_is_said_so),
        DIALOGUE(malformed_view_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
