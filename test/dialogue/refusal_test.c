/* Answers that mean "not now" or "not here": the command waits and goes again (ROUTING §3). */
#include "dialogue/support/dialogue.h"

#define SLOT_K 7629

/* Lets time pass until a command comes; the milliseconds that it took. */
static unsigned wait_for(dialogue *d, int node, const char *text, unsigned ms_max) {
    for (unsigned ms = 0; ms <= ms_max; ms++) {
        if (hears(d, node)) {
            expect(d, node, text);
            return ms;
        }
        advance_ms(d, 1);
    }
    fail_msg("node %d has not heard %s within %u ms", node, text, ms_max);
    return 0;
}

static void what_was_refused_until_the_deadline_says_what_was_answered(dialogue *d) {
    start(d);
    int a = call(d, "SET k 1");
    for (int i = 0; i < 501; i++) {
        if (hears(d, 2)) {
            expect(d, 2, "SET k 1");
            reply(d, 2, "-TRYAGAIN later");
        }
        advance_ms(d, 10);
    }
    failed(d, a, KW_ERR_TIMEOUT, KW_REJECTED,
           "slot 7629 was not served within 5000 ms: the last answer was TRYAGAIN");
}

static void command_without_keys_that_is_refused_names_no_slot(dialogue *d) {
    start(d);
    int a = call(d, "DBSIZE");
    for (int i = 0; i < 501; i++) {
        for (int node = 1; node <= 3; node++) {
            if (hears(d, node)) {
                expect(d, node, "DBSIZE");
                reply(d, node, "-LOADING Redis is loading the dataset in memory");
            }
        }
        advance_ms(d, 10);
    }
    failed(d, a, KW_ERR_TIMEOUT, KW_REJECTED,
           "the command was not served within 5000 ms: the last answer was CLUSTERDOWN or LOADING");
}

static void tryagain_backs_off_up_to_a_second(dialogue *d) {
    start(d);
    d->config.timeout_us = 0;
    cluster_submit_options patient = {.slot = SLOT_NONE, .timeout_us = 60000000};
    int a = call_with(d, &patient, "MGET k k");
    unsigned longest_ms = 0;
    expect(d, 2, "MGET k k");
    for (unsigned i = 0; i < 20; i++) {
        reply(d, 2, "-TRYAGAIN Multiple keys request during rehashing of slot");
        expect_nothing(d);
        unsigned ms = wait_for(d, 2, "MGET k k", 1002);
        longest_ms = ms > longest_ms ? ms : longest_ms;
        assert_true(i > 0 || ms <= 12);
        assert_true(i > 4 || ms <= (10u << i) + 2);
    }
    assert_true(longest_ms > 300);
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(count_of(d, KW_COUNT_TRYAGAIN), 20);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 0);
}

static void refusals_with_refresh(dialogue *d, const char *refusal) {
    start(d);
    advance_ms(d, 1000);
    int a = answered_call(d, 2, "SET k 1", refusal);
    wait_for(d, 2, "SET k 1", 12);
    reply(d, 2, refusal);
    wait_for(d, 2, "SET k 1", 22);
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    advance_ms(d, 1100);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 1);
    assert_int_equal(count_of(d, KW_COUNT_CLUSTERDOWN), 2);
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

static void clusterdown_is_tried_again(dialogue *d) {
    refusals_with_refresh(d, "-CLUSTERDOWN The cluster is down");
}

static void loading_is_tried_again(dialogue *d) {
    refusals_with_refresh(d, "-LOADING Redis is loading the dataset in memory");
}

static void masterdown_is_tried_again(dialogue *d) {
    refusals_with_refresh(d, "-MASTERDOWN Link with MASTER is down");
}

static void refusals_end_with_the_deadline(dialogue *d) {
    start(d);
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 20000};
    int a = call_with(d, &hasty, "SET k 1");
    for (int i = 0; i < 40 && !d->calls[a].done; i++) {
        if (hears(d, 2)) {
            expect(d, 2, "SET k 1");
            reply(d, 2, "-TRYAGAIN later");
        }
        advance_ms(d, 1);
    }
    failed(d, a, KW_ERR_TIMEOUT, KW_REJECTED, "within 20 ms");
}

static void keyless_commands_are_tried_again_elsewhere(dialogue *d) {
    start(d);
    int a = call(d, "DBSIZE");
    int at = expect_somewhere(d, "DBSIZE");
    reply(d, at, "-LOADING Redis is loading the dataset in memory");
    advance_ms(d, 12);
    at = expect_somewhere(d, "DBSIZE");
    reply(d, at, ":7");
    ok(d, a, ":7");
}

static void redirects_count_afresh_after_a_pause(dialogue *d) {
    start(d);
    cluster_submit_options patient = {.slot = SLOT_NONE, .timeout_us = 60000000};
    int a = call_with(d, &patient, "MGET k k");
    for (unsigned i = 0; i < 8; i++) {
        wait_for(d, 2, "MGET k k", 1002);
        reply(d, 2, "-ASK 7629 127.0.0.1:7003");
        expect(d, 3, "ASKING");
        expect(d, 3, "MGET k k");
        reply(d, 3, "+OK");
        reply(d, 3, "-TRYAGAIN Multiple keys request during rehashing of slot");
    }
    wait_for(d, 2, "MGET k k", 1002);
    reply(d, 2, "v");
    ok(d, a, "v");
}

/* ---------------------------------------------------------------- READONLY */

static void readonly_looks_for_the_new_primary(dialogue *d) {
    view(d, THREE_NODES_WITH_REPLICAS, 3);
    start(d);
    advance_ms(d, 1000);
    int a =
        answered_call(d, 2, "SET k 1", "-READONLY You can't write against a read only replica.");
    assert_true(is_suspect(d, SLOT_K));
    view(d, "0-5460 1 4, 5461-10922 5 2, 10923-16383 3 6", 4);
    advance_ms(d, 150);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_URGENT), 2);
    assert_int_equal(count_of(d, KW_COUNT_READONLY), 1);
    for (int at = 1; at <= 3; at += 2) { /* it may have asked another node before the view came */
        if (hears(d, at)) {
            expect(d, at, "SET k 1");
            reply(d, at, "-MOVED 7629 127.0.0.1:7005");
        }
    }
    expect(d, 5, "SET k 1");
    reply(d, 5, "+OK");
    ok(d, a, "+OK");
    assert_false(is_suspect(d, SLOT_K));
}

/* --------------------------------------------------------- slots not covered */

#define HOLE "0-5460 1, 5461-7628 2, 7630-10922 2, 10923-16383 3"

static void uncovered_slot_probe_is_served_and_heals(dialogue *d) {
    view(d, HOLE, 3);
    start(d);
    assert_int_equal(owner_of(d, SLOT_K), 0);
    int a = call(d, "SET k 1");
    int at = expect_somewhere(d, "SET k 1");
    reply(d, at, "+OK");
    ok(d, a, "+OK");
    assert_int_equal(owner_of(d, SLOT_K), at);
    assert_int_equal(count_of(d, KW_COUNT_PROBES), 1);
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_HEALED), 1);
    ok(d, answered_call(d, at, "GET k", "1"), "1");
}

static void uncovered_slot_probe_is_moved_and_heals(dialogue *d) {
    view(d, HOLE, 3);
    start(d);
    int a = call(d, "SET k 1");
    int at = expect_somewhere(d, "SET k 1");
    int owner = at == 2 ? 3 : 2;
    reply(d, at, owner == 2 ? "-MOVED 7629 127.0.0.1:7002" : "-MOVED 7629 127.0.0.1:7003");
    expect(d, owner, "SET k 1");
    assert_int_equal(owner_of(d, SLOT_K), owner);
    reply(d, owner, "+OK");
    ok(d, a, "+OK");
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_HEALED), 1);
}

static void commands_for_uncovered_slot_keep_their_order(dialogue *d) {
    view(d, HOLE, 3);
    start(d);
    int a = call(d, "SET k 1");
    int b = call(d, "SET k 2");
    int at = expect_somewhere(d, "SET k 1");
    int c = call(d, "GET d"); /* other slots do not wait */
    expect_somewhere(d, "GET d");
    if (at != 2) {
        reply(d, at, "-MOVED 7629 127.0.0.1:7002");
        expect(d, 2, "SET k 1");
    }
    is_open(d, a);
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    expect(d, 2, "SET k 2");
    reply(d, 2, "+OK");
    ok(d, b, "+OK");
    reply(d, 3, "w");
    ok(d, c, "w");
}

static void uncovered_slot_not_served_waits_for_its_owner(dialogue *d) {
    view(d, HOLE, 3);
    start(d);
    int a = call(d, "SET k 1");
    for (int i = 0; i < 5; i++) {
        int at = expect_somewhere(d, "SET k 1");
        reply(d, at, "-CLUSTERDOWN Hash slot not served");
        is_open(d, a);
        expect_nothing(d);
        advance_ms(d, (10u << i) + 2);
    }
    assert_true(count_of(d, KW_COUNT_REFRESH_URGENT) >= 1);
    int at = expect_somewhere(d, "SET k 1");
    reply(d, at, "+OK");
    ok(d, a, "+OK");
}

static void uncovered_slot_goes_on_as_soon_as_a_view_names_its_owner(dialogue *d) {
    view(d, HOLE, 3);
    start(d);
    int a = call(d, "SET k 1");
    for (int i = 0; i < 6; i++) {
        reply(d, expect_somewhere(d, "SET k 1"), "-CLUSTERDOWN Hash slot not served");
        advance_ms(d, (10u << i) + 2);
    }
    reply(d, expect_somewhere(d, "SET k 1"), "-CLUSTERDOWN Hash slot not served");
    int b = call(d, "SET {k}2 1");
    view(d, THREE_NODES, 4);
    cluster_refresh(d->c, d->now_us);
    expect(d, 2, "SET k 1");
    expect(d, 2, "SET {k}2 1");
    reply(d, 2, "+OK");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    ok(d, b, "+OK");
}

static void uncovered_slot_fails_fast_when_asked_to(dialogue *d) {
    view(d, HOLE, 3);
    d->config.uncovered = UNCOVERED_FAIL;
    start(d);
    int a = call(d, "SET k 1");
    int at = expect_somewhere(d, "SET k 1"); /* the hole may be only ours: one probe */
    reply(d, at, "-CLUSTERDOWN Hash slot not served");
    failed(d, a, KW_ERR_UNCOVERED, KW_REJECTED, "no node serves slot 7629");
}

static void full_coverage_can_be_required(dialogue *d) {
    view(d, HOLE, 3);
    d->config.require_full_coverage = true;
    start_cold(d);
    int a = call(d, "GET foo");
    advance_ms(d, 1500);
    expect_nothing(d);
    view(d, THREE_NODES, 3);
    advance_ms(d, 1200);
    expect(d, 3, "GET foo");
    reply(d, 3, "v");
    ok(d, a, "v");
}

static void forgotten_slots_are_probed(dialogue *d) {
    start(d);
    cluster_forget_slots(d->c, 0, 16383, d->now_us);
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_UNKNOWN), 16384);
    int a = call(d, "GET k");
    int at = expect_somewhere(d, "GET k");
    if (at != 2) {
        reply(d, at, "-MOVED 7629 127.0.0.1:7002");
        expect(d, 2, "GET k");
    }
    reply(d, 2, "v");
    ok(d, a, "v");
    advance_ms(d, 1200); /* the urgent refresh mends the rest */
    assert_int_equal(count_of(d, KW_COUNT_SLOTS_UNKNOWN), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(what_was_refused_until_the_deadline_says_what_was_answered),
        DIALOGUE(command_without_keys_that_is_refused_names_no_slot),
        DIALOGUE(tryagain_backs_off_up_to_a_second),
        DIALOGUE(clusterdown_is_tried_again),
        DIALOGUE(loading_is_tried_again),
        DIALOGUE(masterdown_is_tried_again),
        DIALOGUE(refusals_end_with_the_deadline),
        DIALOGUE(keyless_commands_are_tried_again_elsewhere),
        DIALOGUE(redirects_count_afresh_after_a_pause),
        DIALOGUE(readonly_looks_for_the_new_primary),
        DIALOGUE(uncovered_slot_probe_is_served_and_heals),
        DIALOGUE(uncovered_slot_probe_is_moved_and_heals),
        DIALOGUE(commands_for_uncovered_slot_keep_their_order),
        DIALOGUE(uncovered_slot_not_served_waits_for_its_owner),
        DIALOGUE(uncovered_slot_goes_on_as_soon_as_a_view_names_its_owner),
        DIALOGUE(uncovered_slot_fails_fast_when_asked_to),
        DIALOGUE(full_coverage_can_be_required),
        DIALOGUE(forgotten_slots_are_probed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
