/* A primary is lost: its commands look for its successor themselves, before the map knows. */
#include "dialogue/support/dialogue.h"

#define SLOT_K 7629
#define SLOT_C 7365

static void lose_node_2(dialogue *d) {
    view(d, THREE_NODES_WITH_REPLICAS, 3);
    start(d);
    meet_all(d);
    advance_ms(d, 2000);
    d->nodes[2].refuses = true;
    hang_up(d, 2);
}

static void replica_that_serves_takes_all_slots(dialogue *d) {
    lose_node_2(d);
    int a = call(d, "SET k 1");
    int b = call(d, "SET c 1");
    expect_nothing(d);
    advance_ms(d, 125);
    expect(d, 5, "SET k 1");
    expect_nothing(d); /* only one of them asks */
    reply(d, 5, "+OK");
    ok(d, a, "+OK");
    expect(d, 5, "SET c 1");
    reply(d, 5, "+OK");
    ok(d, b, "+OK");
    assert_int_equal(owner_of(d, SLOT_K), 5);
    assert_int_equal(owner_of(d, SLOT_C), 5);
    assert_int_equal(owner_of(d, 10922), 5);
    assert_int_equal(owner_of(d, 10923), 3);
    ok(d, answered_call(d, 5, "GET k", "1"), "1");
    assert_true(count_of(d, KW_COUNT_PROBES) >= 1);
    view(d, "0-5460 1 4, 5461-10922 5, 10923-16383 3 6", 4);
    ms_until(d, KW_EVENT_REFRESH_ACCEPTED, 1102);
}

static void asked_command_goes_back_to_the_owner_while_its_target_is_lost(dialogue *d) {
    unsigned returns = 0;
    view(d, THREE_NODES_WITH_REPLICAS, 3);
    start(d);
    meet_all(d);
    advance_ms(d, 2000);
    d->nodes[3].refuses = true;
    hang_up(d, 3);
    int a = call(d, "SET k 1");
    for (int i = 0; i < 20; i++) {
        while (hears(d, 2)) {
            expect(d, 2, "SET k 1");
            reply(d, 2, "-ASK 7629 127.0.0.1:7003");
            returns++;
        }
        advance_ms(d, 125);
        is_open(d, a);
    }
    assert_in_range(returns, 3, 15); /* with each connection that fails */
    d->nodes[3].refuses = false;
    advance_ms(d, 1000);
    while (hears(d, 2)) {
        expect(d, 2, "SET k 1");
        reply(d, 2, "-ASK 7629 127.0.0.1:7003");
    }
    expect(d, 3, "ASKING");
    expect(d, 3, "SET k 1");
    expect_nothing(d);
    reply(d, 3, "+OK");
    reply(d, 3, "+OK");
    ok(d, a, "+OK");
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

static void replica_that_is_none_yet_is_asked_again(dialogue *d) {
    lose_node_2(d);
    int a = call(d, "SET k 1");
    for (int i = 0; i < 20; i++) {
        advance_ms(d, i == 0 ? 125 : 245); /* 100 ms, and the answers' time is none here */
        expect(d, 5, "SET k 1");
        is_open(d, a);
        reply(d, 5, "-MOVED 7629 127.0.0.1:7002");
        if (i % 2 == 0) {
            advance_ms(d, 0);
        }
    }
    advance_ms(d, 125);
    expect(d, 5, "SET k 1");
    reply(d, 5, "+OK");
    ok(d, a, "+OK");
}

static void replica_that_names_its_successor_moves_all_slots(dialogue *d) {
    view(d, "0-5460 1 4, 5461-10922 2 5 6, 10923-16383 3", 3);
    start(d);
    meet_all(d);
    advance_ms(d, 2000);
    d->nodes[2].refuses = true;
    hang_up(d, 2);
    int a = call(d, "SET k 1");
    int b = call(d, "SET c 1");
    advance_ms(d, 125);
    int at = expect_somewhere(d, "SET k 1");
    int leader = at == 5 ? 6 : 5;
    reply(d, at, leader == 5 ? "-MOVED 7629 127.0.0.1:7005" : "-MOVED 7629 127.0.0.1:7006");
    expect(d, leader, "SET k 1");
    expect(d, leader, "SET c 1");
    reply(d, leader, "+OK");
    reply(d, leader, "+OK");
    ok(d, a, "+OK");
    ok(d, b, "+OK");
    assert_int_equal(owner_of(d, 5461), leader);
    assert_int_equal(owner_of(d, 10922), leader);
}

static void primary_that_comes_back_goes_on(dialogue *d) {
    lose_node_2(d);
    int a = call(d, "SET k 1");
    int b = call(d, "SET k 2");
    d->nodes[2].refuses = false;
    advance_ms(d, 130);
    if (hears(d, 5)) {
        expect(d, 5, "SET k 1");
        reply(d, 5, "-MOVED 7629 127.0.0.1:7002");
    }
    expect(d, 2, "SET k 1");
    expect(d, 2, "SET k 2");
    reply(d, 2, "+OK");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    ok(d, b, "+OK");
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

static void without_replica_another_primary_is_asked(dialogue *d) {
    start(d);
    meet_all(d);
    advance_ms(d, 2000);
    d->nodes[2].refuses = true;
    hang_up(d, 2);
    int a = call(d, "SET k 1");
    advance_ms(d, 125);
    int at = expect_somewhere(d, "SET k 1");
    assert_int_not_equal(at, 2);
    reply(d, at, "-MOVED 7629 127.0.0.1:7009"); /* a node that the map does not know */
    expect(d, 9, "SET k 1");
    reply(d, 9, "+OK");
    ok(d, a, "+OK");
}

static const char *still_the_second(int node, const char *text) {
    return node != 2 && strcmp(text, "SET k 1") == 0 ? "-MOVED 7629 127.0.0.1:7002" : NULL;
}

static void other_shards_never_notice(dialogue *d) {
    lose_node_2(d);
    d->answer = still_the_second;
    d->nodes[5].unreachable = true;
    int a = call(d, "SET k 1");
    for (int i = 0; i < 60; i++) {
        ok(d, answered_call(d, 1, "GET b", "v"), "v");
        ok(d, answered_call(d, 3, "GET foo", "v"), "v");
        advance_ms(d, 100);
    }
    failed(d, a, KW_ERR_TIMEOUT, KW_REJECTED, "127.0.0.1:7002 could not be reached");
}

/* ----------------------------------------- found by the simulation (test/sim) */

static void later_commands_do_not_pass_the_one_that_asked(dialogue *d) {
    lose_node_2(d);
    int a = call(d, "SET k 1");
    int b = call(d, "SET k 2");
    int c = call(d, "SET k 3");
    advance_ms(d, 125);
    expect(d, 5, "SET k 1");
    reply(d, 5, "-MOVED 7629 127.0.0.1:7009");
    expect(d, 9, "SET k 1");
    expect(d, 9, "SET k 2");
    expect(d, 9, "SET k 3");
    for (int i = 0; i < 3; i++) {
        reply(d, 9, "+OK");
    }
    ok(d, a, "+OK");
    ok(d, b, "+OK");
    ok(d, c, "+OK");
}

static void connection_that_comes_back_waits_for_the_one_that_asks(dialogue *d) {
    d->config.in_flight_max = 1;
    lose_node_2(d);
    int a = call(d, "SET k 1");
    int b = call(d, "SET k 2");
    int c = call(d, "SET k 3");
    advance_ms(d, 125);
    expect(d, 5, "SET k 1");
    d->nodes[2].refuses = false;
    advance_ms(d, 500);
    assert_int_equal(links_to(d, 2), 1);
    expect_nothing(d);
    reply(d, 5, "-MOVED 7629 127.0.0.1:7002");
    expect(d, 2, "SET k 1");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    expect(d, 2, "SET k 2");
    reply(d, 2, "+OK");
    ok(d, b, "+OK");
    expect(d, 2, "SET k 3");
    reply(d, 2, "+OK");
    ok(d, c, "+OK");
}

static void one_command_of_a_slot_asks_at_a_time(dialogue *d) {
    view(d, "0-5460 1 4, 5461-10922 2 5 6, 10923-16383 3", 3);
    start(d);
    meet_all(d);
    advance_ms(d, 2000);
    d->nodes[2].refuses = true;
    hang_up(d, 2);
    int a = call(d, "SET k 1");
    int b = call(d, "SET k 2");
    advance_ms(d, 125);
    int at = expect_somewhere(d, "SET k 1");
    advance_ms(d, 700);
    expect_nothing(d);
    reply(d, at, "+OK");
    ok(d, a, "+OK");
    expect(d, at, "SET k 2");
    reply(d, at, "+OK");
    ok(d, b, "+OK");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(replica_that_serves_takes_all_slots),
        DIALOGUE(asked_command_goes_back_to_the_owner_while_its_target_is_lost),
        DIALOGUE(replica_that_is_none_yet_is_asked_again),
        DIALOGUE(replica_that_names_its_successor_moves_all_slots),
        DIALOGUE(primary_that_comes_back_goes_on),
        DIALOGUE(without_replica_another_primary_is_asked),
        DIALOGUE(other_shards_never_notice),
        DIALOGUE(later_commands_do_not_pass_the_one_that_asked),
        DIALOGUE(connection_that_comes_back_waits_for_the_one_that_asks),
        DIALOGUE(one_command_of_a_slot_asks_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
