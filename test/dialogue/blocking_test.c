/* Commands that may block: on connections of their own, beside the order of their slot, with the
 * time for which they block added to their deadline. */
#include "dialogue/support/dialogue.h"

#define SLOT_K 7629 /* of node 2 */
#define SLOT_K_ON_NODE_3 "0-5460 1, 5461-7628 2, 7629-7629 3, 7630-10922 2, 10923-16383 3"

static int own_links(const dialogue *d, int node) {
    return (int)links_to(d, node) - 1; /* beside the shared one */
}

/* The shared connection to node 2 is there. */
static void start_with_node_2(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
}

/* --------------------------------------------------------------- connections */

static void does_not_hold_others_back(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    int b = call(d, "GET c");
    int e = call(d, "LPUSH k 1"); /* the same slot: outside its order */
    expect(d, 2, "GET c");
    expect(d, 2, "LPUSH k 1");
    assert_true(link_with(d, 2, "BLPOP k 10") != link_with(d, 2, "GET c"));
    assert_int_equal(link_with(d, 2, "LPUSH k 1"), link_with(d, 2, "GET c"));
    assert_int_equal(count_of(d, KW_COUNT_BLOCKED), 1);
    assert_int_equal(node_count_of(d, 2, KW_COUNT_BLOCKED), 1);
    assert_int_equal(count_of(d, KW_COUNT_IN_FLIGHT), 3);
    reply_to(d, 2, "GET c", "v");
    reply_to(d, 2, "LPUSH k 1", ":1");
    is_open(d, a);
    reply_to(d, 2, "BLPOP k 10", "1");
    ok(d, a, "1");
    ok(d, b, "v");
    ok(d, e, ":1");
    assert_int_equal(count_of(d, KW_COUNT_BLOCKED), 0);
}

static void goes_over_a_connection_that_was_greeted(dialogue *d) {
    d->config.password = "secret";
    start_with_node_2(d);
    d->nodes[2].manual = true;
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "HELLO 3 AUTH default secret");
    reply(d, 2, "(hello)");
    expect(d, 2, "BLPOP k 10");
    reply(d, 2, "1");
    ok(d, a, "1");
}

static void comes_first_of_all(dialogue *d) {
    start_cold(d);
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    reply(d, 2, "1");
    ok(d, a, "1");
}

static void connection_is_used_again_and_closed_when_idle(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    int link = link_with(d, 2, "BLPOP k 10");
    reply(d, 2, "1");
    ok(d, a, "1");
    advance_ms(d, 29000);
    int b = call(d, "BRPOP k 10");
    expect(d, 2, "BRPOP k 10");
    assert_int_equal(link_with(d, 2, "BRPOP k 10"), link);
    reply(d, 2, "2");
    ok(d, b, "2");
    advance_ms(d, 29000);
    assert_int_equal(own_links(d, 2), 1);
    advance_ms(d, 1100);
    assert_int_equal(own_links(d, 2), 0);
    assert_int_equal(count_of(d, KW_COUNT_DISCONNECTS), 0);
}

static void each_has_one(dialogue *d) {
    start_with_node_2(d);
    int calls[4];
    for (int i = 0; i < 4; i++) {
        calls[i] = call(d, "BLPOP k 10");
        expect(d, 2, "BLPOP k 10");
    }
    assert_int_equal(own_links(d, 2), 4);
    for (int i = 0; i < 4; i++) {
        reply(d, 2, "1");
    }
    for (int i = 0; i < 4; i++) {
        ok(d, calls[i], "1");
    }
}

static void view_does_not_take_it_from_a_connection_that_is_being_made(dialogue *d) {
    start_with_node_2(d);
    d->nodes[2].unreachable = true;
    unsigned opens = d->nodes[2].opens;
    int a = call(d, "BLPOP k 10");
    for (int i = 0; i < 3; i++) {
        cluster_refresh(d->c, d->now_us);
        advance_ms(d, 100);
    }
    assert_int_equal(d->nodes[2].opens, opens + 1);
    d->nodes[2].unreachable = false;
    advance_ms(d, 2000);
    expect(d, 2, "BLPOP k 10");
    reply(d, 2, "1");
    ok(d, a, "1");
}

static void past_the_most_they_wait_in_order(dialogue *d) {
    d->config.blocking_connections_max = 2;
    start_with_node_2(d);
    int a = call(d, "BLPOP k 1");
    int b = call(d, "BLPOP k 2");
    int e = call(d, "BLPOP k 3");
    int f = call(d, "BLPOP k 4");
    expect(d, 2, "BLPOP k 1");
    expect(d, 2, "BLPOP k 2");
    expect_nothing(d);
    assert_int_equal(own_links(d, 2), 2);
    assert_int_equal(count_of(d, KW_COUNT_WAITING), 2);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    reply_to(d, 2, "BLPOP k 2", "x");
    ok(d, b, "x");
    expect(d, 2, "BLPOP k 3");
    reply_to(d, 2, "BLPOP k 3", "y");
    ok(d, e, "y");
    expect(d, 2, "BLPOP k 4");
    reply_to(d, 2, "BLPOP k 1", "z");
    reply_to(d, 2, "BLPOP k 4", "z");
    ok(d, a, "z");
    ok(d, f, "z");
    assert_int_equal(own_links(d, 2), 2);
}

static void waiting_for_a_connection_ends_at_the_deadline(dialogue *d) {
    d->config.blocking_connections_max = 1;
    start_with_node_2(d);
    int a = call(d, "BLPOP k 0");
    expect(d, 2, "BLPOP k 0");
    int b = call(d, "BLPOP k 1");
    int e = call(d, "BLPOP k 0");
    advance_ms(d, 4990);
    is_open(d, e);
    advance_ms(d, 20);
    failed(d, e, KW_ERR_TIMEOUT, KW_NOT_SENT,
           "all 1 connections for blocking commands to its node were in use for 5000 ms");
    is_open(d, b);
    advance_ms(d, 1000);
    failed(d, b, KW_ERR_TIMEOUT, KW_NOT_SENT, "in use for 6000 ms");
    is_open(d, a);
    reply(d, 2, "1");
    ok(d, a, "1");
}

static void xread_without_block_shares(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "XREAD COUNT 1 STREAMS k 0");
    expect(d, 2, "XREAD COUNT 1 STREAMS k 0");
    assert_int_equal(own_links(d, 2), 0);
    reply(d, 2, "(nil)");
    ok(d, a, "(nil)");
    int b = call(d, "XREAD BLOCK 100 STREAMS k 0");
    expect(d, 2, "XREAD BLOCK 100 STREAMS k 0");
    assert_int_equal(own_links(d, 2), 1);
    reply(d, 2, "(nil)");
    ok(d, b, "(nil)");
}

static void what_concerns_its_connection_is_refused(dialogue *d) {
    start(d);
    refused(d, "WAIT 1 0", KW_ERR_UNSUPPORTED, "WAIT is not supported: it is about what its");
    refused(d, "WAITAOF 0 1 0", KW_ERR_UNSUPPORTED, "WAITAOF is not supported: it is about");
    refused(d, "SUBSCRIBE k", KW_ERR_UNSUPPORTED, "it leaves commands without replies");
    refused(d, "MULTI", KW_ERR_UNSUPPORTED, "it changes the state");
    refused(d, "BLPOP k c 1", KW_ERR_CROSSSLOT, "different slots");
}

/* ------------------------------------------------------------------ deadlines */

/* At its deadline its connection is closed. */
static void ends_after(dialogue *d, const char *text, unsigned ms, kw_outcome outcome) {
    start_with_node_2(d);
    int a = call(d, text);
    expect(d, 2, text);
    advance_ms(d, ms - 10);
    is_open(d, a);
    assert_int_equal(own_links(d, 2), 1);
    advance_ms(d, 20);
    failed(d, a, KW_ERR_TIMEOUT, outcome, "127.0.0.1:7002 did not answer within");
    assert_int_equal(own_links(d, 2), 0);
    assert_int_equal(count_of(d, KW_COUNT_BLOCKED), 0);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    assert_string_equal(state_of(d, 2), "up");
}

static void deadline_comes_after_its_own_time(dialogue *d) {
    ends_after(d, "BLPOP k 2.5", 7500, KW_MAYBE_EXECUTED);
}

static void deadline_of_a_pop_with_its_time_first(dialogue *d) {
    ends_after(d, "BZMPOP 1 1 k MIN", 6000, KW_MAYBE_EXECUTED);
}

static void deadline_of_a_read_has_no_effect(dialogue *d) {
    ends_after(d, "XREAD BLOCK 300 STREAMS k $", 5300, KW_NO_EFFECT);
}

static void deadline_of_a_group_is_a_write(dialogue *d) {
    ends_after(d, "XREADGROUP GROUP g c BLOCK 300 STREAMS k >", 5300, KW_MAYBE_EXECUTED);
}

static void deadline_of_what_no_server_takes_is_the_usual_one(dialogue *d) {
    ends_after(d, "BLPOP k soon", 5000, KW_MAYBE_EXECUTED);
}

static void for_ever_has_no_deadline(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLMOVE k k LEFT RIGHT 0");
    int b = call(d, "XREAD BLOCK 0 STREAMS k $");
    expect(d, 2, "BLMOVE k k LEFT RIGHT 0");
    expect(d, 2, "XREAD BLOCK 0 STREAMS k $");
    advance_ms(d, 3600000);
    is_open(d, a);
    is_open(d, b);
    reply_to(d, 2, "BLMOVE k k LEFT RIGHT 0", "1");
    reply_to(d, 2, "XREAD BLOCK 0 STREAMS k $", "2");
    ok(d, a, "1");
    ok(d, b, "2");
}

static void for_ever_ends_when_the_caller_says(dialogue *d) {
    start_with_node_2(d);
    cluster_submit_options options = {.slot = SLOT_NONE, .timeout_us = 700000};
    int a = call_with(d, &options, "BLPOP k 0");
    expect(d, 2, "BLPOP k 0");
    advance_ms(d, 690);
    is_open(d, a);
    advance_ms(d, 20);
    failed(d, a, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "within 700 ms");
    assert_int_equal(own_links(d, 2), 0);
}

static void on_its_way_for_ever_has_a_deadline(dialogue *d) {
    start_with_node_2(d);
    d->nodes[2].unreachable = true;
    int a = call(d, "BLPOP k 0");
    advance_ms(d, 5010);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "within 5000 ms");
}

static void refused_while_blocked_it_has_a_deadline_again(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 0");
    expect(d, 2, "BLPOP k 0");
    advance_ms(d, 100000);
    view(d, SLOT_K_ON_NODE_3, 4);
    d->nodes[3].unreachable = true;
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    advance_ms(d, 4900);
    is_open(d, a);
    advance_ms(d, 110);
    failed(d, a, KW_ERR_TIMEOUT, KW_REJECTED, "within 5000 ms");
}

static void not_yet_written_it_is_withdrawn(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 1");
    expect(d, 2, "BLPOP k 1");
    reply(d, 2, "(nil)");
    ok(d, a, "(nil)");
    d->nodes[2].write_room = 0;
    int b = call(d, "BLPOP k 1");
    advance_ms(d, 6010);
    failed(d, b, KW_ERR_TIMEOUT, KW_NOT_SENT, "within 6000 ms");
    d->nodes[2].write_room = UINT64_MAX;
    assert_int_equal(own_links(d, 2), 1);
    int e = call(d, "BLPOP k 2");
    expect(d, 2, "BLPOP k 2");
    reply(d, 2, "1");
    ok(d, e, "1");
}

/* ------------------------------------------------------------------- redirects */

static void moved_while_blocked_goes_on_for_the_time_left(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    advance_ms(d, 4000);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "BLPOP k 6.000");
    assert_int_equal(owner_of(d, SLOT_K), 3);
    ok(d, answered_call(d, 3, "GET k", "v"), "v");
    advance_ms(d, 6500);
    is_open(d, a);
    reply(d, 3, "(nil)");
    ok(d, a, "(nil)");
    assert_int_equal(count_of(d, KW_COUNT_MOVED), 1);
}

static void time_left_is_never_for_ever(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "XREAD BLOCK 100 STREAMS k $");
    expect(d, 2, "XREAD BLOCK 100 STREAMS k $");
    advance_ms(d, 200);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "XREAD BLOCK 1 STREAMS k $");
    reply(d, 3, "(nil)");
    ok(d, a, "(nil)");
}

static void redirects_do_not_move_the_deadline(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    advance_ms(d, 9000);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "BLPOP k 1.000");
    advance_ms(d, 5990);
    is_open(d, a);
    advance_ms(d, 20);
    failed(d, a, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "within 15000 ms");
}

static void for_ever_stays_for_ever(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 0");
    expect(d, 2, "BLPOP k 0");
    advance_ms(d, 4000);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "BLPOP k 0");
    advance_ms(d, 100000);
    reply(d, 3, "1");
    ok(d, a, "1");
}

static void ask_goes_over_a_connection_of_its_own(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    advance_ms(d, 1500);
    reply(d, 2, "-ASK 7629 127.0.0.1:7003");
    expect(d, 3, "ASKING");
    expect(d, 3, "BLPOP k 8.500");
    assert_int_equal(own_links(d, 3), 1);
    assert_int_equal(owner_of(d, SLOT_K), 2);
    int b = call(d, "GET foo");
    expect(d, 3, "GET foo");
    reply_to(d, 3, "GET foo", "v");
    ok(d, b, "v");
    advance_ms(d, 6000); /* the map says otherwise, and the command stays */
    is_open(d, a);
    reply_to(d, 3, "ASKING", "+OK");
    reply_to(d, 3, "BLPOP k 8.500", "1");
    ok(d, a, "1");
}

static void refusals_are_tried_again(dialogue *d) {
    static const char *const refusals[] = {
        "-TRYAGAIN Multiple keys request during rehashing of slot",
        "-CLUSTERDOWN The cluster is down",
        "-LOADING Redis is loading the dataset in memory",
    };
    start_with_node_2(d);
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        int a = call(d, "BLPOP k 10");
        expect(d, 2, "BLPOP k 10");
        reply(d, 2, refusals[i]);
        int b = call(d, "LPUSH k 1"); /* is not held back by it */
        expect(d, 2, "LPUSH k 1");
        reply(d, 2, ":1");
        ok(d, b, ":1");
        advance_ms(d, 15);
        assert_memory_equal(hear_next(d, 2), "BLPOP k 9.9", 11);
        reply(d, 2, "1");
        ok(d, a, "1");
    }
}

/* A primary that becomes a replica unblocks its clients, and closes their connections. */
static void unblocked_by_a_failover_finds_the_new_primary(dialogue *d) {
    view(d, THREE_NODES_WITH_REPLICAS, 3);
    start_with_node_2(d);
    advance_ms(d, 1000);
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    advance_ms(d, 2000);
    view(d, "0-5460 1 4, 5461-10922 5 2, 10923-16383 3 6", 4);
    reply(d, 2,
          "-UNBLOCKED force unblock from blocking operation, instance state changed "
          "(master -> replica?)");
    assert_int_equal(own_links(d, 2), 0);
    for (int i = 0; i < 2000 && !hears(d, 5); i++) {
        advance_ms(d, 1);
        if (hears(d, 1) || hears(d, 3)) {
            int at = hears(d, 1) ? 1 : 3;
            (void)hear_next(d, at);
            reply(d, at, "-MOVED 7629 127.0.0.1:7005");
        }
    }
    assert_memory_equal(hear_next(d, 5), "BLPOP k 7.", 10);
    reply(d, 5, "1");
    ok(d, a, "1");
}

static void unblocked_by_somebody_is_the_reply(dialogue *d) {
    start_with_node_2(d);
    int a = answered_call(d, 2, "BLPOP k 10", "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    ok(d, a, "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    assert_int_equal(own_links(d, 2), 1);
    int b = answered_call(d, 2, "EVAL x 1 k", "-UNBLOCKED force unblock");
    ok(d, b, "-UNBLOCKED force unblock");
}

/* ------------------------------------------------------------------------ loss */

static void lost_while_blocked_may_have_popped(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    advance_ms(d, 3000);
    hang_up_on(d, 2, "BLPOP k 10");
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "the connection was lost before the reply");
    assert_int_equal(own_links(d, 2), 0);
    ok(d, answered_call(d, 2, "GET c", "v"), "v"); /* the shared one still stands */
    assert_string_equal(state_of(d, 2), "up");
}

static void lost_read_goes_again_for_the_time_left(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "XREAD BLOCK 10000 STREAMS k $");
    expect(d, 2, "XREAD BLOCK 10000 STREAMS k $");
    advance_ms(d, 3000);
    hang_up_on(d, 2, "XREAD BLOCK 10000 STREAMS k $");
    expect(d, 2, "XREAD BLOCK 7000 STREAMS k $");
    reply(d, 2, "1");
    ok(d, a, "1");
    assert_int_equal(count_of(d, KW_COUNT_RETRIES), 1);
}

static void idle_connection_may_be_lost(dialogue *d) {
    start_with_node_2(d);
    ok(d, answered_call(d, 2, "BLPOP k 1", "1"), "1");
    advance_ms(d, 1000);
    hang_up(d, 2);
    assert_int_equal(links_to(d, 2), 1); /* the shared one, made anew */
    ok(d, answered_call(d, 2, "BLPOP k 2", "1"), "1");
}

static void node_dies_while_they_wait_and_others_are_blocked(dialogue *d) {
    d->config.blocking_connections_max = 1;
    view(d, THREE_NODES_WITH_REPLICAS, 3);
    start_with_node_2(d);
    int a = call(d, "BLPOP k 10");
    int b = call(d, "BLPOP k 20");
    expect(d, 2, "BLPOP k 10");
    advance_ms(d, 1000);
    d->nodes[2].refuses = true;
    hang_up(d, 2);
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "");
    is_open(d, b);
    view(d, "0-5460 1 4, 5461-10922 5, 10923-16383 3 6", 4);
    advance_ms(d, 1200);
    expect(d, 5, "BLPOP k 20");
    reply(d, 5, "1");
    ok(d, b, "1");
}

/* Nothing comes from it any more, and its connection is not lost either. */
static void silent_node_that_was_replaced_is_given_up(dialogue *d) {
    view(d, THREE_NODES_WITH_REPLICAS, 3);
    start_with_node_2(d);
    int a = call(d, "BLPOP k 0");
    int b = call(d, "XREAD BLOCK 0 STREAMS k $");
    expect(d, 2, "BLPOP k 0");
    expect(d, 2, "XREAD BLOCK 0 STREAMS k $");
    advance_ms(d, 5000);
    d->nodes[2].frozen = true;
    view(d, "0-5460 1 4, 5461-10922 5, 10923-16383 3 6", 4);
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 1000);
    is_open(d, a);
    advance_ms(d, 6000);
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "the node was replaced");
    expect(d, 5, "XREAD BLOCK 0 STREAMS k $");
    reply(d, 5, "1");
    ok(d, b, "1");
    assert_int_equal(links_to(d, 2), 0);
}

/* It says itself that the slot has left, within a second or so. */
static void node_that_still_answers_is_let_speak(dialogue *d) {
    start_with_node_2(d);
    int a = call(d, "BLPOP k 0");
    expect(d, 2, "BLPOP k 0");
    view(d, SLOT_K_ON_NODE_3, 4);
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 20000);
    is_open(d, a);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "BLPOP k 0");
    reply(d, 3, "1");
    ok(d, a, "1");
}

/* What is blocked over the connections to the old address stays there; others need not wait for it.
 */
static void node_that_moves_has_room_at_its_new_address(dialogue *d) {
    d->config.blocking_connections_max = 1;
    start_with_node_2(d);
    int a = call(d, "BLPOP k 0");
    int b = call(d, "BLPOP k 20");
    expect(d, 2, "BLPOP k 0");
    snprintf(d->nodes[7].id, sizeof d->nodes[7].id, "id2");
    view(d, "0-5460 1, 5461-10922 7, 10923-16383 3", 4);
    cluster_refresh(d->c, d->now_us);
    settle(d);
    expect(d, 7, "BLPOP k 20");
    reply(d, 7, "1");
    ok(d, b, "1");
    is_open(d, a);
    reply(d, 2, "2");
    ok(d, a, "2");
    assert_int_equal(links_to(d, 2), 0);
}

static void no_more_connections_are_let_in(dialogue *d) {
    start_with_node_2(d);
    d->nodes[2].hello = "-ERR max number of clients reached";
    int a = call(d, "BLPOP k 10");
    expect_nothing(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    advance_ms(d, 100);
    d->nodes[2].hello = NULL;
    advance_ms(d, 1000);
    expect(d, 2, "BLPOP k 10"); /* no server has had it before */
    reply(d, 2, "1");
    ok(d, a, "1");
    assert_true(count_of(d, KW_COUNT_CONNECT_FAILURES) > 0);
    assert_string_equal(state_of(d, 2), "up");
}

static void shutdown_ends_them(dialogue *d) {
    d->config.blocking_connections_max = 2;
    start_with_node_2(d);
    int a = call(d, "BLPOP k 10");
    int b = call(d, "XREAD BLOCK 0 STREAMS k $");
    int e = call(d, "BLPOP k 20");
    expect(d, 2, "BLPOP k 10");
    expect(d, 2, "XREAD BLOCK 0 STREAMS k $");
    cluster_shutdown(d->c, KW_ERR_CLOSED, d->now_us);
    settle(d);
    failed(d, a, KW_ERR_CLOSED, KW_MAYBE_EXECUTED, "the handle was closed");
    failed(d, b, KW_ERR_CLOSED, KW_NO_EFFECT, "the handle was closed");
    failed(d, e, KW_ERR_CLOSED, KW_NOT_SENT, "the handle was closed");
}

/* ------------------------------------------------------------------- watching */

static void trace_tells_each_hop(dialogue *d) {
    kw_trace trace;
    cluster_submit_options options = {.slot = SLOT_NONE, .trace = &trace};
    start_with_node_2(d);
    int a = call_with(d, &options, "BLPOP k 10");
    expect(d, 2, "BLPOP k 10");
    advance_ms(d, 2000);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "BLPOP k 8.000");
    advance_ms(d, 1000);
    reply(d, 3, "1");
    ok(d, a, "1");
    assert_int_equal(trace.slot, SLOT_K);
    assert_int_equal(trace.hop_count, 2);
    assert_string_equal(trace.hops[0].answer, "MOVED");
    assert_string_equal(trace.hops[1].reason, "moved");
    assert_string_equal(trace.hops[1].answer, "reply");
    assert_true(trace.total_us >= 3000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(does_not_hold_others_back),
        DIALOGUE(goes_over_a_connection_that_was_greeted),
        DIALOGUE(comes_first_of_all),
        DIALOGUE(connection_is_used_again_and_closed_when_idle),
        DIALOGUE(each_has_one),
        DIALOGUE(view_does_not_take_it_from_a_connection_that_is_being_made),
        DIALOGUE(past_the_most_they_wait_in_order),
        DIALOGUE(waiting_for_a_connection_ends_at_the_deadline),
        DIALOGUE(xread_without_block_shares),
        DIALOGUE(what_concerns_its_connection_is_refused),
        DIALOGUE(deadline_comes_after_its_own_time),
        DIALOGUE(deadline_of_a_pop_with_its_time_first),
        DIALOGUE(deadline_of_a_read_has_no_effect),
        DIALOGUE(deadline_of_a_group_is_a_write),
        DIALOGUE(deadline_of_what_no_server_takes_is_the_usual_one),
        DIALOGUE(for_ever_has_no_deadline),
        DIALOGUE(for_ever_ends_when_the_caller_says),
        DIALOGUE(on_its_way_for_ever_has_a_deadline),
        DIALOGUE(refused_while_blocked_it_has_a_deadline_again),
        DIALOGUE(not_yet_written_it_is_withdrawn),
        DIALOGUE(moved_while_blocked_goes_on_for_the_time_left),
        DIALOGUE(time_left_is_never_for_ever),
        DIALOGUE(redirects_do_not_move_the_deadline),
        DIALOGUE(for_ever_stays_for_ever),
        DIALOGUE(ask_goes_over_a_connection_of_its_own),
        DIALOGUE(refusals_are_tried_again),
        DIALOGUE(unblocked_by_a_failover_finds_the_new_primary),
        DIALOGUE(unblocked_by_somebody_is_the_reply),
        DIALOGUE(lost_while_blocked_may_have_popped),
        DIALOGUE(lost_read_goes_again_for_the_time_left),
        DIALOGUE(idle_connection_may_be_lost),
        DIALOGUE(node_dies_while_they_wait_and_others_are_blocked),
        DIALOGUE(silent_node_that_was_replaced_is_given_up),
        DIALOGUE(node_that_still_answers_is_let_speak),
        DIALOGUE(node_that_moves_has_room_at_its_new_address),
        DIALOGUE(no_more_connections_are_let_in),
        DIALOGUE(shutdown_ends_them),
        DIALOGUE(trace_tells_each_hop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
