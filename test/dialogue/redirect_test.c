/* MOVED and ASK: what they do to the map and to the command (ROUTING §3, limits). */
#include "dialogue/support/dialogue.h"

#define SLOT_K 7629

static void moved_patches_only_its_slot(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
    assert_int_equal(owner_of(d, SLOT_K), 3);
    assert_int_equal(owner_of(d, SLOT_K - 1), 2);
    assert_int_equal(owner_of(d, SLOT_K + 1), 2);
    ok(d, answered_call(d, 3, "GET k", "v"), "v");
    assert_int_equal(count_of(d, KW_COUNT_MOVED), 1);
    assert_int_equal(node_count_of(d, 2, KW_COUNT_MOVED), 1);
}

static void moved_to_unknown_node_opens_link(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "SET k 1", "-MOVED 7629 127.0.0.1:7009");
    expect(d, 9, "SET k 1");
    reply(d, 9, "+OK");
    ok(d, a, "+OK");
    assert_int_equal(owner_of(d, SLOT_K), 9);
}

static void moved_to_a_node_for_which_there_is_no_room_causes_a_refresh(dialogue *d) {
    const cluster_submit_options options = {.slot = SLOT_NONE, .timeout_us = 1000 * 1000};
    start(d);
    int a = call_with(d, &options, "GET k");
    expect(d, 2, "GET k");
    view(d, "0-5460 1, 5461-7000 2, 7001-10922 9, 10923-16383 3", 4);
    failing_mem_fail_at(&d->mem, 1);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7009");
    failing_mem_fail_at(&d->mem, 0);
    failed(d, a, KW_ERR_LIMIT, KW_REJECTED, "memory is short");
    assert_int_equal(owner_of(d, SLOT_K), 2);
    advance_ms(d, 2100);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 1);
    ok(d, answered_call(d, 9, "GET k", "v"), "v");
}

static void moved_causes_one_normal_refresh(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 127.0.0.1:7003");
    int b = answered_call(d, 2, "GET c", "-MOVED 7365 127.0.0.1:7003");
    view(d, "0-5460 1, 5461-7000 2, 7001-16383 3", 4);
    expect(d, 3, "GET k");
    expect(d, 3, "GET c");
    reply(d, 3, "v");
    reply(d, 3, "w");
    ok(d, a, "v");
    ok(d, b, "w");
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 0);
    advance_ms(d, 2100); /* at least 1 s after the last, and up to 1 s later */
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 1);
    assert_int_equal(owner_of(d, SLOT_K), 3);
    assert_int_equal(owner_of(d, 10000), 3);
}

static void moved_with_empty_host_keeps_host_asked(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 :7005");
    expect(d, 5, "GET k");
    reply(d, 5, "v");
    ok(d, a, "v");
    assert_int_equal(owner_of(d, SLOT_K), 5);
}

static void moved_with_unknown_host_waits_as_if_uncovered(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "GET k", "-MOVED 7629 ?:7005");
    is_open(d, a);
    advance_ms(d, 50);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void moved_to_itself_resolves_and_connects_anew(dialogue *d) {
    name(d, "two.test", "127.0.0.1");
    d->nodes[2].announced = "two.test:7002";
    start(d);
    int a = call(d, "SET k 1");
    int b = call(d, "SET k 2");
    int c = call(d, "SET c 1");
    expect(d, 2, "SET k 1");
    expect(d, 2, "SET k 2");
    expect(d, 2, "SET c 1");
    assert_int_equal(d->names[0].asked, 1);
    name(d, "two.test", "127.0.0.5");
    snprintf(d->nodes[5].address, sizeof d->nodes[5].address, "127.0.0.5:7002");
    reply(d, 2, "-MOVED 7629 two.test:7002");
    assert_int_equal(d->names[0].asked, 2);
    expect(d, 5, "SET k 1");
    reply(d, 2, "-MOVED 7629 two.test:7002");
    expect(d, 5, "SET k 2");
    reply(d, 2, "+OK"); /* the old connection still gives what it owes */
    ok(d, c, "+OK");
    assert_int_equal(links_to(d, 2), 0);
    assert_int_equal(d->nodes[5].opens, 1);
    reply(d, 5, "+OK");
    reply(d, 5, "+OK");
    ok(d, a, "+OK");
    ok(d, b, "+OK");
}

static void moved_to_itself_again_and_again_waits_and_gives_up(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "SET k 1", "-MOVED 7629 127.0.0.1:7002");
    for (int i = 1; i < 5; i++) {
        if (i > 1) {
            expect_nothing(d);
            advance_ms(d, 102);
        }
        expect(d, 2, "SET k 1");
        reply(d, 2, "-MOVED 7629 127.0.0.1:7002");
    }
    advance_ms(d, 102);
    expect(d, 2, "SET k 1");
    reply(d, 2, "-MOVED 7629 127.0.0.1:7002");
    failed(d, a, KW_ERR_REDIRECTS, KW_REJECTED, "redirected more than 5 times");
}

static void ask_sends_asking_and_leaves_map_alone(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "SET k 1", "-ASK 7629 127.0.0.1:7003");
    expect(d, 3, "ASKING");
    expect(d, 3, "SET k 1");
    reply(d, 3, "+OK");
    is_open(d, a);
    reply(d, 3, "+OK");
    ok(d, a, "+OK");
    assert_int_equal(owner_of(d, SLOT_K), 2);
    ok(d, answered_call(d, 2, "GET k", "1"), "1");
    advance_ms(d, 3000);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 0);
    assert_int_equal(count_of(d, KW_COUNT_ASK), 1);
}

static void ask_to_unknown_node_opens_link(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "GET k", "-ASK 7629 :7008");
    expect(d, 8, "ASKING");
    expect(d, 8, "GET k");
    reply(d, 8, "+OK");
    reply(d, 8, "v");
    ok(d, a, "v");
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

static void ask_after_ask_asks_once_each(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "GET k", "-ASK 7629 127.0.0.1:7003");
    expect(d, 3, "ASKING");
    expect(d, 3, "GET k");
    reply(d, 3, "+OK");
    reply(d, 3, "-ASK 7629 127.0.0.1:7001");
    expect(d, 1, "ASKING");
    expect(d, 1, "GET k");
    reply(d, 1, "+OK");
    reply(d, 1, "v");
    ok(d, a, "v");
}

static void moved_after_ask_sends_no_asking(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "GET k", "-ASK 7629 127.0.0.1:7003");
    expect(d, 3, "ASKING");
    expect(d, 3, "GET k");
    reply(d, 3, "+OK");
    reply(d, 3, "-MOVED 7629 127.0.0.1:7001");
    expect(d, 1, "GET k");
    reply(d, 1, "v");
    ok(d, a, "v");
    assert_int_equal(owner_of(d, SLOT_K), 1);
}

static void refused_asking_still_gives_the_commands_own_reply(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "GET k", "-ASK 7629 127.0.0.1:7003");
    int b = call(d, "GET foo");
    expect(d, 3, "ASKING");
    expect(d, 3, "GET k");
    expect(d, 3, "GET foo");
    reply(d, 3, "-ERR unknown command 'ASKING'");
    reply(d, 3, "-MOVED 7629 127.0.0.1:7002");
    reply(d, 3, "w");
    ok(d, b, "w");
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void five_redirects_are_followed_and_the_sixth_is_not(dialogue *d) {
    static const char *const moved[] = {"-MOVED 7629 127.0.0.1:7003", "-MOVED 7629 127.0.0.1:7004",
                                        "-MOVED 7629 127.0.0.1:7005", "-MOVED 7629 127.0.0.1:7006",
                                        "-MOVED 7629 127.0.0.1:7007", "-MOVED 7629 127.0.0.1:7008"};
    start(d);
    int a = call(d, "SET k 1");
    for (int i = 0; i < 6; i++) {
        int at = i + 2;
        expect(d, at, "SET k 1");
        is_open(d, a);
        reply(d, at, moved[i]);
    }
    failed(d, a, KW_ERR_REDIRECTS, KW_REJECTED, "the nodes disagree about slot 7629");
    assert_int_equal(d->nodes[8].opens, 0);
}

static void second_bounce_waits(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "SET k 1", "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "SET k 1");
    reply(d, 3, "-MOVED 7629 127.0.0.1:7002"); /* the first bounce goes back at once */
    expect(d, 2, "SET k 1");
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect_nothing(d);
    advance_ms(d, 48);
    expect_nothing(d);
    advance_ms(d, 54);
    expect(d, 3, "SET k 1");
    reply(d, 3, "+OK");
    ok(d, a, "+OK");
}

static void redirects_that_wait_for_a_node_end_with_the_deadline(dialogue *d) {
    start(d);
    view(d, "0-5460 1, 5461-7628 2, 7629-7629 9, 7630-10922 2, 10923-16383 3", 4);
    d->nodes[9].unreachable = true;
    int a = answered_call(d, 2, "SET k 1", "-MOVED 7629 127.0.0.1:7009");
    advance_ms(d, 5002);
    failed(d, a, KW_ERR_TIMEOUT, KW_REJECTED, "127.0.0.1:7009 could not be reached");
}

static void redirect_by_error_of_resp3_counts_too(dialogue *d) {
    static const char bytes[] = "!25\r\nMOVED 7629 127.0.0.1:7003\r\n";
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    reply_bytes(d, 2, bytes, sizeof bytes - 1);
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
}

static void redirect_inside_a_reply_is_data(dialogue *d) {
    static const char bytes[] = "*1\r\n-MOVED 7629 127.0.0.1:7003\r\n";
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    reply_bytes(d, 2, bytes, sizeof bytes - 1);
    ok(d, a, "[-MOVED 7629 127.0.0.1:7003]");
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

static void other_errors_are_replies(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "INCR k", "-WRONGTYPE Operation against a key"),
       "-WRONGTYPE Operation against a key");
    ok(d, answered_call(d, 2, "GET k", "-ERR MOVED house"), "-ERR MOVED house");
    ok(d, answered_call(d, 2, "GET k", "-NOPERM no"), "-NOPERM no");
    assert_int_equal(count_of(d, KW_COUNT_FAILURES), 0);
    assert_int_equal(count_of(d, KW_COUNT_REPLIES), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(moved_patches_only_its_slot),
        DIALOGUE(moved_to_unknown_node_opens_link),
        DIALOGUE(moved_to_a_node_for_which_there_is_no_room_causes_a_refresh),
        DIALOGUE(moved_causes_one_normal_refresh),
        DIALOGUE(moved_with_empty_host_keeps_host_asked),
        DIALOGUE(moved_with_unknown_host_waits_as_if_uncovered),
        DIALOGUE(moved_to_itself_resolves_and_connects_anew),
        DIALOGUE(moved_to_itself_again_and_again_waits_and_gives_up),
        DIALOGUE(ask_sends_asking_and_leaves_map_alone),
        DIALOGUE(ask_to_unknown_node_opens_link),
        DIALOGUE(ask_after_ask_asks_once_each),
        DIALOGUE(moved_after_ask_sends_no_asking),
        DIALOGUE(refused_asking_still_gives_the_commands_own_reply),
        DIALOGUE(five_redirects_are_followed_and_the_sixth_is_not),
        DIALOGUE(second_bounce_waits),
        DIALOGUE(redirects_that_wait_for_a_node_end_with_the_deadline),
        DIALOGUE(redirect_by_error_of_resp3_counts_too),
        DIALOGUE(redirect_inside_a_reply_is_data),
        DIALOGUE(other_errors_are_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
