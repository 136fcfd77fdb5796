/* A node is its id: its endpoint may change, go to another id, or be shared (ROUTING §2, §5). */
#include "dialogue/support/dialogue.h"

#define SLOT_B 3300    /* node 1 */
#define SLOT_K 7629    /* node 2 */
#define SLOT_FOO 12182 /* node 3 */
#define KEY_EVEN "ac"  /* two keys of node 2 that use different connections of two */
#define KEY_ODD "k"

static const int slots[] = {0, SLOT_B, SLOT_K, SLOT_FOO};

static void is_lost(dialogue *d, int node) {
    d->nodes[node].refuses = true;
    advance_ms(d, 200);
    hang_up(d, node);
}

static void endpoint_may_go_to_another_id_in_one_view(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 1, "GET b", "v"), "v");
    is_lost(d, 1);
    int a = call(d, "SET b 1");
    expect_nothing(d);
    d->nodes[1].refuses = false;
    d->nodes[2].announced = "127.0.0.1:7001";
    d->nodes[1].announced = "127.0.0.1:7011";
    view(d, "5461-10922 2, 0-5460 1, 10923-16383 3", 4);
    cluster_refresh(d->c, d->now_us);
    expect(d, 11, "SET b 1");
    reply(d, 11, "+OK");
    ok(d, a, "+OK");
    assert_int_equal(owner_of(d, SLOT_B), 11);
    assert_int_equal(owner_of(d, SLOT_K), 1);
    ok(d, answered_call(d, 1, "GET k", "v"), "v");
    advance_ms(d, 5000);
    assert_int_equal(owner_of(d, SLOT_B), 11);
}

/* It is not lost: it has moved, and its first connection there takes its time. */
static void replica_is_not_asked_while_a_moved_node_is_connected_to(dialogue *d) {
    view(d, THREE_NODES_WITH_REPLICAS, 4);
    start(d);
    ok(d, answered_call(d, 1, "GET b", "v"), "v");
    d->nodes[1].announced = "127.0.0.1:7011";
    d->nodes[11].unreachable = true;
    cluster_refresh(d->c, d->now_us);
    settle(d);
    int a = call(d, "GET b");
    advance_ms(d, 900);
    expect_nothing(d);
    advance_ms(d, 400); /* the attempt was given up: now it may have been replaced */
    expect(d, 4, "GET b");
    reply(d, 4, "v");
    ok(d, a, "v");
}

static void two_ids_may_exchange_their_endpoints(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 1, "GET b", "v"), "v");
    ok(d, answered_call(d, 2, "GET k", "v"), "v");
    d->nodes[2].announced = "127.0.0.1:7001";
    d->nodes[1].announced = "127.0.0.1:7002";
    view(d, THREE_NODES, 4);
    cluster_refresh(d->c, d->now_us);
    settle(d);
    assert_int_equal(owner_of(d, SLOT_B), 2);
    assert_int_equal(owner_of(d, SLOT_K), 1);
    ok(d, answered_call(d, 2, "GET b", "v"), "v");
    ok(d, answered_call(d, 1, "GET k", "v"), "v");
    assert_int_equal(links_to(d, 1), 1);
    assert_int_equal(links_to(d, 2), 1);
}

/* The slot was moved to a node known by its endpoint only, after the view was asked for; the view
 * then gives that endpoint to a node that moves. */
static void newer_moved_survives_that_its_target_gets_an_id(dialogue *d) {
    static const char *const keys[] = {"", "b", "k", "foo"};
    char set[32];
    char moved[64];
    start(d);
    for (int n = 1; n <= 3; n++) {
        snprintf(set, sizeof set, "GET %s", keys[n]);
        ok(d, answered_call(d, n, set, "v"), "v");
        d->nodes[n].manual = true;
    }
    cluster_refresh(d->c, d->now_us);
    int asked = expect_somewhere(d, "PING");
    int other = asked == 1 ? 2 : 1;
    int mover = 6 - asked - other;
    snprintf(set, sizeof set, "SET %s 1", keys[other]);
    snprintf(moved, sizeof moved, "-MOVED %d 127.0.0.1:7012", slots[other]);
    int a = answered_call(d, other, set, moved);
    expect(d, 12, set);
    reply(d, 12, "+OK");
    ok(d, a, "+OK");
    d->nodes[mover].announced = "127.0.0.1:7012";
    reply(d, asked, "+PONG");
    expect(d, asked, "CLUSTER SLOTS");
    reply(d, asked, "(view)");
    expect(d, asked, "CLUSTER INFO");
    reply(d, asked, "(info)");
    assert_int_equal(cluster_refresh_accepted_count(d->c), 2);
    assert_int_equal(owner_of(d, slots[other]), 12);
    assert_int_equal(owner_of(d, slots[other] + 1), other);
    assert_int_equal(owner_of(d, slots[mover]), 12);
    ok(d, answered_call(d, 12, set, "+OK"), "+OK");
}

static void two_ids_at_one_endpoint_are_one_node(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET k", "v"), "v");
    d->nodes[2].announced = "127.0.0.1:7001";
    view(d, THREE_NODES, 4);
    cluster_refresh(d->c, d->now_us);
    settle(d);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 2);
    assert_int_equal(owner_of(d, SLOT_B), 1);
    assert_int_equal(owner_of(d, SLOT_K), 1);
    assert_int_equal(owner_of(d, SLOT_FOO), 3);
    ok(d, answered_call(d, 1, "GET k", "v"), "v");
    assert_int_equal(links_to(d, 1), 1);
    assert_int_equal(links_to(d, 2), 0);
}

static void what_waits_on_all_connections_of_a_node_moves_with_it(dialogue *d) {
    d->config.connections_per_node = 2;
    start(d);
    ok(d, answered_call(d, 2, "GET " KEY_EVEN, "v"), "v");
    ok(d, answered_call(d, 2, "GET " KEY_ODD, "v"), "v");
    assert_int_equal(links_to(d, 2), 2);
    is_lost(d, 2);
    int calls[8];
    for (int i = 0; i < 8; i++) {
        calls[i] = call(d, i % 2 ? "SET " KEY_ODD " 1" : "SET " KEY_EVEN " 1");
    }
    expect_nothing(d);
    d->nodes[2].announced = "127.0.0.1:7012";
    cluster_refresh(d->c, d->now_us);
    settle(d);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 2);
    advance_ms(d, 60); /* one attempt a node at a time */
    for (int i = 0; i < 8; i++) {
        assert_true(hears(d, 12));
        hear_next(d, 12);
    }
    expect_nothing(d);
    for (int i = 0; i < 8; i++) {
        reply(d, 12, "+OK");
    }
    for (int i = 0; i < 8; i++) {
        ok(d, calls[i], "+OK");
    }
    assert_int_equal(links_to(d, 12), 2);
    assert_string_equal(state_of(d, 2), "up");
}

static void node_that_moves_leaves_no_connection_behind(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET k", "v"), "v");
    is_lost(d, 2);
    int a = call(d, "GET k");
    d->nodes[2].announced = "127.0.0.1:7012";
    cluster_refresh(d->c, d->now_us);
    expect(d, 12, "GET k");
    reply(d, 12, "v");
    ok(d, a, "v");
    unsigned opens = d->nodes[2].opens;
    d->nodes[2].refuses = false;
    advance_ms(d, 3000);
    assert_int_equal(d->nodes[2].opens, opens); /* nobody tries the old place any more */
    assert_int_equal(links_to(d, 2), 0);
    assert_int_equal(links_to(d, 12), 1);
    assert_int_equal(d->nodes[12].opens, 1);
}

static void old_connection_gives_what_it_owes_and_closes(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    d->nodes[2].announced = "127.0.0.1:7012";
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 310); /* if it was the busy node that was asked */
    ok(d, answered_call(d, 12, "GET c", "w"), "w");
    assert_int_equal(links_to(d, 2), 1);
    is_open(d, a);
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(links_to(d, 2), 0);
}

/* -------------------------------------------------- draining is no sickness */

/* Its old connection still owes a reply; the new one is up. */
static int moves_while_it_owes(dialogue *d, const char *text) {
    start(d);
    int a = call(d, text);
    expect(d, 2, text);
    d->nodes[2].announced = "127.0.0.1:7012";
    advance_ms(d, 200);
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 310);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 2);
    ok(d, answered_call(d, 12, "GET c", "w"), "w");
    assert_string_equal(state_of(d, 2), "up");
    assert_int_equal(links_to(d, 2), 1);
    return a;
}

static void loss_of_a_draining_connection_blames_nobody(dialogue *d) {
    int a = moves_while_it_owes(d, "SET k 1");
    uint64_t urgent = count_of(d, KW_COUNT_REFRESH_URGENT);
    hang_up(d, 2);
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "the connection was lost");
    advance_ms(d, 3000);
    assert_string_equal(state_of(d, 2), "up");
    assert_int_equal(d->events[KW_EVENT_NODE_DOWN], 0);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_URGENT), urgent);
    assert_int_equal(links_to(d, 2), 0);
    assert_int_equal(links_to(d, 12), 1);
}

static void silence_of_a_draining_connection_blames_nobody(dialogue *d) {
    int a = moves_while_it_owes(d, "SET k 1");
    advance_ms(d, 4000);
    assert_string_equal(state_of(d, 2), "up");
    assert_int_equal(d->events[KW_EVENT_NODE_DOWN], 0);
    is_open(d, a);
    advance_ms(d, 500);
    failed(d, a, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "within 5000 ms");
    assert_string_equal(state_of(d, 2), "up");
}

static void bytes_on_a_draining_connection_prove_nothing(dialogue *d) {
    int a = moves_while_it_owes(d, "GETRANGE k 0 1");
    d->nodes[12].refuses = true;
    hang_up(d, 12);
    advance_ms(d, 130);
    assert_string_equal(state_of(d, 2), "down");
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_string_equal(state_of(d, 2), "down");
}

static void draining_connection_closes_when_its_last_command_times_out(dialogue *d) {
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 500000};
    name(d, "two.test", "127.0.0.1");
    d->nodes[2].announced = "two.test:7002";
    start(d);
    int a = call(d, "GET c");
    expect(d, 2, "GET c");
    d->nodes[2].write_room = 0;
    int b = call_with(d, &hasty, "SET k 1");
    name(d, "two.test", "127.0.0.5");
    snprintf(d->nodes[5].address, sizeof d->nodes[5].address, "127.0.0.5:7002");
    reply(d, 2, "-MOVED 7365 two.test:7002"); /* to itself: the name is looked up again */
    expect(d, 5, "GET c");
    reply(d, 5, "v");
    ok(d, a, "v");
    assert_int_equal(links_to(d, 2), 1);
    advance_ms(d, 501);
    failed(d, b, KW_ERR_TIMEOUT, KW_NOT_SENT, "within 500 ms");
    assert_int_equal(links_to(d, 2), 0);
}

/* ------------------------------------------------------- one view at a time */

static const char *const without_one[] = {"", "5461-10922 2, 10923-16383 3",
                                          "0-5460 1, 10923-16383 3", "0-5460 1, 5461-10922 2"};
static const char *const with_nine_for[] = {"", "0-5460 9, 5461-10922 2, 10923-16383 3",
                                            "0-5460 1, 5461-10922 9, 10923-16383 3",
                                            "0-5460 1, 5461-10922 2, 10923-16383 9"};

/* Opens the connection that the brain wants, and takes the questions. */
static int asked_node(dialogue *d) {
    int n = expect_somewhere(d, "HELLO 3");
    reply(d, n, "(hello)");
    expect(d, n, "PING");
    expect(d, n, "CLUSTER SLOTS");
    expect(d, n, "CLUSTER INFO");
    return n;
}

static void answer_questions(dialogue *d, int node, const char *its_view) {
    node_view(d, node, its_view, 3);
    reply(d, node, "+PONG");
    reply(d, node, "(view)");
    reply(d, node, "(info)");
}

/* The last of three nodes asked cannot be reached. The first one's view waits for a second opinion;
 * the second one's says that the last left, or moved, so that the questions to it end. */
static int taken_while_another_waits(dialogue *d, bool moves) {
    seeds(d, "127.0.0.1:7011");
    start(d);
    d->nodes[11].frozen = true;
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].manual = true;
    }
    cluster_refresh(d->c, d->now_us);
    int first = asked_node(d);
    advance_ms(d, 302);
    int second = asked_node(d);
    int last = 6 - first - second;
    d->nodes[last].unreachable = true;
    advance_ms(d, 302);
    assert_int_equal(d->nodes[last].opens, 1);
    answer_questions(d, first, without_one[last]);
    assert_int_equal(count_of(d, KW_COUNT_REFUSED_COVERAGE), 1);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 1);
    d->nodes[last].announced = "127.0.0.1:7012";
    answer_questions(d, second, moves ? THREE_NODES : with_nine_for[last]);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 2);
    advance_ms(d, 3000);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 2);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_FAILED), 0);
    assert_int_equal(d->nodes[last].opens, 1);
    assert_false(is_suspect(d, slots[last]));
    return owner_of(d, slots[last]);
}

/* Found by fuzzing: the node served a slot that nobody seemed to own, and left meanwhile. */
static void probe_served_by_a_node_that_left_does_not_bring_it_back(dialogue *d) {
    static const char *const without[] = {"", "0-8000 2, 8001-16383 3", "0-8000 1, 8001-16383 3",
                                          "0-8000 1, 8001-16383 2"};
    start(d);
    cluster_forget_slots(d->c, SLOT_K, SLOT_K, d->now_us);
    int a = call(d, "GET k");
    int gone = expect_somewhere(d, "GET k");
    int owner = gone == 1 ? 2 : 1;
    view(d, without[gone], 4);
    cluster_refresh(d->c, d->now_us);
    settle(d);
    assert_int_equal(owner_of(d, SLOT_K), owner);
    assert_string_equal(state_of(d, gone), "");
    reply(d, gone, "v");
    ok(d, a, "v");
    assert_int_equal(owner_of(d, SLOT_K), owner);
    ok(d, answered_call(d, owner, "GET k", "w"), "w");
}

static void node_that_leaves_ends_questions_and_brings_no_other_view(dialogue *d) {
    assert_int_equal(taken_while_another_waits(d, false), 9);
}

static void node_that_moves_ends_questions_and_brings_no_other_view(dialogue *d) {
    assert_int_equal(taken_while_another_waits(d, true), 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(probe_served_by_a_node_that_left_does_not_bring_it_back),
        DIALOGUE(endpoint_may_go_to_another_id_in_one_view),
        DIALOGUE(replica_is_not_asked_while_a_moved_node_is_connected_to),
        DIALOGUE(two_ids_may_exchange_their_endpoints),
        DIALOGUE(newer_moved_survives_that_its_target_gets_an_id),
        DIALOGUE(two_ids_at_one_endpoint_are_one_node),
        DIALOGUE(what_waits_on_all_connections_of_a_node_moves_with_it),
        DIALOGUE(node_that_moves_leaves_no_connection_behind),
        DIALOGUE(old_connection_gives_what_it_owes_and_closes),
        DIALOGUE(loss_of_a_draining_connection_blames_nobody),
        DIALOGUE(silence_of_a_draining_connection_blames_nobody),
        DIALOGUE(bytes_on_a_draining_connection_prove_nothing),
        DIALOGUE(draining_connection_closes_when_its_last_command_times_out),
        DIALOGUE(node_that_leaves_ends_questions_and_brings_no_other_view),
        DIALOGUE(node_that_moves_ends_questions_and_brings_no_other_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
