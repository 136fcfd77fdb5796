/* Runs of the refresh: whom each asks, what its triggers are worth, and when the next one follows
 * (ROUTING §4). */
#include "dialogue/support/dialogue.h"

static void all_are_up(dialogue *d) {
    static const char *const texts[] = {"", "GET b", "GET k", "GET foo"};
    for (int n = 1; n <= 3; n++) {
        ok(d, answered_call(d, n, texts[n], "v"), "v");
    }
}

static void seeds_are_asked_two_at_a_time_and_none_is_skipped(dialogue *d) {
    seeds(d, "127.0.0.1:7011,127.0.0.1:7012,127.0.0.1:7013,127.0.0.1:7014");
    start(d);
    all_are_up(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].frozen = true;
    }
    for (int n = 11; n <= 14; n++) {
        d->nodes[n].frozen = true;
        d->nodes[n].opens = 0;
    }
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 890);
    assert_int_equal(d->nodes[11].opens + d->nodes[12].opens, 0);
    advance_ms(d, 20); /* three nodes were asked, 300 ms apart, and none has answered */
    assert_int_equal(d->nodes[11].opens, 1);
    assert_int_equal(d->nodes[12].opens, 1);
    assert_int_equal(d->nodes[13].opens + d->nodes[14].opens, 0);
    advance_ms(d, 1100);
    assert_int_equal(d->nodes[13].opens, 1);
    assert_int_equal(d->nodes[14].opens, 1);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_FAILED), 0);
    advance_ms(d, 1000);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_FAILED), 1);
    for (int n = 11; n <= 14; n++) {
        assert_int_equal(d->nodes[n].opens, 1);
    }
}

/* ----------------------------------------------------------------- triggers */

static void three_timeouts_are_a_normal_cause(dialogue *d) {
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 20000};
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    advance_ms(d, 3000);
    uint64_t urgent = count_of(d, KW_COUNT_REFRESH_URGENT);
    for (int i = 0; i < 3; i++) {
        int a = call_with(d, &hasty, "GET c");
        expect(d, 2, "GET c");
        advance_ms(d, 21);
        failed(d, a, KW_ERR_TIMEOUT, KW_NO_EFFECT, "within 20 ms");
    }
    advance_ms(d, 3000);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_URGENT), urgent);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 1);
}

static void bytes_that_are_no_resp_are_a_normal_cause(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 3, "GET foo", "v"), "v");
    advance_ms(d, 3000);
    uint64_t urgent = count_of(d, KW_COUNT_REFRESH_URGENT);
    blurt(d, 3, "hello\r\n");
    advance_ms(d, 3000);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_URGENT), urgent);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_NORMAL), 1);
}

/* --------------------------------------------------------- one after another */

static void periodic_refresh_waits_while_fetches_are_slow(dialogue *d) {
    d->config.refresh_interval_us = 10000000;
    start_cold(d);
    d->nodes[1].manual = true;
    cluster_refresh(d->c, d->now_us);
    expect(d, 1, "HELLO 3");
    reply(d, 1, "(hello)");
    expect(d, 1, "PING");
    reply(d, 1, "+PONG");
    expect(d, 1, "CLUSTER SLOTS");
    advance_ms(d, 60); /* a cost of 60 ms: the next one is not sooner than in 60 s */
    reply(d, 1, "(view)");
    expect(d, 1, "CLUSTER INFO");
    reply(d, 1, "(info)");
    assert_int_equal(cluster_refresh_accepted_count(d->c), 1);
    d->nodes[1].manual = false;
    advance_ms(d, 59000);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_PERIODIC), 0);
    advance_ms(d, 3000);
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_PERIODIC), 1);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 2);
}

static int asks_so_far(const dialogue *d) {
    unsigned asks = 0;
    for (int n = 1; n <= DIALOGUE_NODES; n++) {
        asks += d->nodes[n].asks;
    }
    return (int)asks;
}

static void refresh_asked_for_during_a_run_is_the_next_one(dialogue *d) {
    bool accepted = false;
    start(d);
    all_are_up(d);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].frozen = true;
    }
    uint64_t first = cluster_refresh(d->c, d->now_us);
    settle(d);
    uint64_t second = cluster_refresh(d->c, d->now_us);
    assert_int_equal(second, first + 1);
    assert_int_equal(cluster_refresh(d->c, d->now_us), second);
    settle(d);
    int asks = asks_so_far(d);
    assert_false(cluster_refresh_is_over(d->c, first, &accepted));
    assert_false(cluster_refresh_is_over(d->c, second, &accepted));
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].manual = true;
        d->nodes[n].frozen = false;
    }
    settle(d); /* the first run ends with what was answered before it was asked for again */
    assert_true(cluster_refresh_is_over(d->c, first, &accepted));
    assert_true(accepted);
    assert_false(cluster_refresh_is_over(d->c, second, &accepted));
    assert_false(accepted);
    assert_int_equal(asks_so_far(d), asks + 1); /* at once, though the last was just now */
    int at = expect_somewhere(d, "PING");
    expect(d, at, "CLUSTER SLOTS");
    expect(d, at, "CLUSTER INFO");
    reply(d, at, "+PONG");
    reply(d, at, "(view)");
    reply(d, at, "(info)");
    assert_true(cluster_refresh_is_over(d->c, second, &accepted));
    assert_true(accepted);
}

static void refresh_asked_for_during_a_run_that_fails_follows_at_once(dialogue *d) {
    bool accepted = false;
    d->nodes[1].unreachable = true;
    start_cold(d);
    uint64_t first = cluster_refresh(d->c, d->now_us);
    settle(d);
    uint64_t second = cluster_refresh(d->c, d->now_us);
    advance_ms(d, 900);
    assert_false(cluster_refresh_is_over(d->c, first, &accepted));
    d->nodes[1].unreachable = false;
    advance_ms(d, 110);
    assert_true(cluster_refresh_is_over(d->c, first, &accepted));
    assert_int_equal(count_of(d, KW_COUNT_REFRESH_FAILED), 1);
    advance_ms(d, 130);
    assert_true(cluster_refresh_is_over(d->c, second, &accepted));
    assert_true(accepted);
}

static int node_asked_since(const dialogue *d, const unsigned asks[4]) {
    for (int n = 1; n <= 3; n++) {
        if (d->nodes[n].asks > asks[n]) {
            return n;
        }
    }
    fail_msg("nobody was asked");
    return 0;
}

/* Who is asked is drawn: in so many rounds it would be drawn at least once. */
static void who_gave_cause_during_a_run_is_spared_in_the_next(dialogue *d) {
    unsigned asks[4];
    start(d);
    all_are_up(d);
    for (int round = 0; round < 12; round++) {
        advance_ms(d, 5000);
        for (int n = 1; n <= 3; n++) {
            asks[n] = d->nodes[n].asks;
            d->nodes[n].frozen = true;
        }
        cluster_refresh(d->c, d->now_us);
        settle(d);
        int asked = node_asked_since(d, asks);
        int lost = asked % 3 + 1;
        d->nodes[lost].frozen = false;
        hang_up(d, lost);
        assert_string_equal(state_of(d, lost), "up"); /* again */
        for (int n = 1; n <= 3; n++) {
            d->nodes[n].frozen = false;
            asks[n] = d->nodes[n].asks;
        }
        uint64_t accepted = cluster_refresh_accepted_count(d->c);
        settle(d);
        assert_int_equal(cluster_refresh_accepted_count(d->c), accepted + 1);
        advance_ms(d, 1200);
        assert_int_equal(cluster_refresh_accepted_count(d->c), accepted + 2);
        assert_int_not_equal(node_asked_since(d, asks), lost);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(seeds_are_asked_two_at_a_time_and_none_is_skipped),
        DIALOGUE(three_timeouts_are_a_normal_cause),
        DIALOGUE(bytes_that_are_no_resp_are_a_normal_cause),
        DIALOGUE(periodic_refresh_waits_while_fetches_are_slow),
        DIALOGUE(refresh_asked_for_during_a_run_is_the_next_one),
        DIALOGUE(refresh_asked_for_during_a_run_that_fails_follows_at_once),
        DIALOGUE(who_gave_cause_during_a_run_is_spared_in_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
