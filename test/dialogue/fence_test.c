/* Which views are believed (ROUTING §4): a node may be behind, cut off, or of a cluster that was
 * reset. */
#include "dialogue/support/dialogue.h"

#define SLOT_K 7629
#define OLD "0-8000 1, 8001-10922 2, 10923-16383 3" /* slot of k: node 1 */
#define HOLE "0-5460 1, 5461-7628 2, 7630-10922 2, 10923-16383 3"

static void ask_again(dialogue *d) {
    cluster_refresh(d->c, d->now_us);
    settle(d);
}

static void view_with_a_lower_epoch_is_refused(dialogue *d) {
    view(d, THREE_NODES, 5);
    start(d);
    node_view(d, 1, OLD, 4);
    for (int i = 0; i < 20; i++) {
        ask_again(d);
        assert_int_equal(owner_of(d, SLOT_K), 2);
    }
    assert_true(count_of(d, KW_COUNT_REFUSED_EPOCH) > 0);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_ACCEPTED), 21);
}

static void three_refusals_that_agree_are_believed(dialogue *d) {
    view(d, THREE_NODES, 5);
    start(d);
    view(d, OLD, 1); /* the cluster was reset */
    ask_again(d);
    assert_int_equal(count_of(d, KW_COUNT_REFUSED_EPOCH), 3);
    assert_int_equal(owner_of(d, SLOT_K), 1);
    view(d, THREE_NODES, 2); /* its epochs count from now on */
    ask_again(d);
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

static void refusals_that_differ_are_not_believed(dialogue *d) {
    seeds(d, "127.0.0.1:7001,127.0.0.1:7002");
    view(d, THREE_NODES, 5);
    start(d);
    node_view(d, 1, OLD, 1);
    node_view(d, 2, "0-5460 1, 5461-16383 2", 2);
    node_view(d, 3, "0-16383 3", 3);
    ask_again(d);
    assert_int_equal(owner_of(d, SLOT_K), 2);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_FAILED), 1);
}

static void all_seeds_that_agree_are_believed(dialogue *d) {
    seeds(d, "127.0.0.1:7008,127.0.0.1:7009");
    view(d, THREE_NODES, 5);
    start(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].refuses = true;
    }
    view(d, "0-16383 8", 1);
    ask_again(d);
    assert_int_equal(count_of(d, KW_COUNT_REFUSED_EPOCH), 2);
    assert_int_equal(owner_of(d, SLOT_K), 8);
}

static void one_of_two_seeds_is_not_enough(dialogue *d) {
    seeds(d, "127.0.0.1:7008,127.0.0.1:7009");
    view(d, THREE_NODES, 5);
    start(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].refuses = true;
    }
    d->nodes[9].refuses = true;
    view(d, "0-16383 8", 1);
    ask_again(d);
    assert_int_equal(owner_of(d, SLOT_K), 2);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_FAILED), 1);
}

static void smaller_view_needs_a_second_node(dialogue *d) {
    start(d);
    view(d, HOLE, 4);
    ask_again(d);
    assert_int_equal(count_of(d, KW_COUNT_REFUSED_COVERAGE), 1);
    assert_int_equal(owner_of(d, SLOT_K), 0); /* it agreed */
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_KNOWN), 16383);
}

static void smaller_view_that_nobody_else_shares_is_not_taken(dialogue *d) {
    start(d);
    node_view(d, 1, HOLE, 4);
    node_view(d, 2, THREE_NODES, 4);
    node_view(d, 3, THREE_NODES, 4);
    for (int i = 0; i < 20; i++) {
        ask_again(d);
        assert_int_equal(owner_of(d, SLOT_K), 2);
        assert_false(is_suspect(d, SLOT_K));
    }
    assert_true(count_of(d, KW_COUNT_REFUSED_COVERAGE) > 0);
}

static void smaller_view_of_the_only_node_keeps_old_owners_suspect(dialogue *d) {
    start(d);
    meet_all(d);
    view(d, HOLE, 4);
    d->nodes[2].refuses = true;
    d->nodes[3].refuses = true;
    hang_up(d, 2);
    hang_up(d, 3);
    ask_again(d);
    advance_ms(d, 2100);
    assert_int_equal(owner_of(d, SLOT_K), 2);
    assert_true(is_suspect(d, SLOT_K));
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_SUSPECT), 1);
    view(d, THREE_NODES, 5);
    ask_again(d);
    assert_false(is_suspect(d, SLOT_K));
}

static void smaller_views_that_differ_keep_the_holes(dialogue *d) {
    start(d);
    node_view(d, 1, HOLE, 4);
    node_view(d, 2, "0-5460 1, 5461-10922 2", 4);
    node_view(d, 3, "0-5460 1", 4);
    ask_again(d);
    assert_int_equal(owner_of(d, SLOT_K), 2);
    assert_int_equal(owner_of(d, 16383), 3);
}

static void view_asked_for_before_a_moved_cannot_undo_it(dialogue *d) {
    start(d);
    meet_all(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = true;
    }
    ask_again(d);
    int at = d->nodes[1].asks == 2 ? 1 : d->nodes[2].asks == 1 ? 2 : 3;
    int a = -1;
    if (at != 2) { /* the node that is asked may not answer commands before that */
        a = answered_call(d, 2, "GET k", "-MOVED 7629 127.0.0.1:7009");
        expect(d, 9, "GET k");
        reply(d, 9, "v");
        ok(d, a, "v");
        assert_int_equal(owner_of(d, SLOT_K), 9);
    }
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = false;
    }
    settle(d);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_ACCEPTED), 2);
    assert_int_equal(owner_of(d, SLOT_K), at != 2 ? 9 : 2);
    ask_again(d); /* asked for after it: believed */
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

static void hole_that_a_view_fills_is_healed(dialogue *d) {
    view(d, HOLE, 3);
    start(d);
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_HEALED), 0);
    view(d, THREE_NODES, 3);
    ask_again(d);
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_HEALED), 1);
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

static void host_that_is_not_known_leaves_its_slots_uncovered(dialogue *d) {
    d->nodes[2].announced = "?:7002";
    start(d);
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_UNKNOWN), 5462);
    int a = call(d, "GET k");
    int at = expect_somewhere(d, "GET k");
    reply(d, at, "-MOVED 7629 127.0.0.1:7002");
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void host_left_out_is_the_one_asked(dialogue *d) {
    seeds(d, "seed.test:7001");
    name(d, "seed.test", "127.0.0.1");
    d->nodes[2].announced = ":7002";
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(d->names[0].asked, 2); /* as seed, and as node 2's host */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(view_with_a_lower_epoch_is_refused),
        DIALOGUE(three_refusals_that_agree_are_believed),
        DIALOGUE(refusals_that_differ_are_not_believed),
        DIALOGUE(all_seeds_that_agree_are_believed),
        DIALOGUE(one_of_two_seeds_is_not_enough),
        DIALOGUE(smaller_view_needs_a_second_node),
        DIALOGUE(smaller_view_that_nobody_else_shares_is_not_taken),
        DIALOGUE(smaller_view_of_the_only_node_keeps_old_owners_suspect),
        DIALOGUE(smaller_views_that_differ_keep_the_holes),
        DIALOGUE(view_asked_for_before_a_moved_cannot_undo_it),
        DIALOGUE(hole_that_a_view_fills_is_healed),
        DIALOGUE(host_that_is_not_known_leaves_its_slots_uncovered),
        DIALOGUE(host_left_out_is_the_one_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
