/* Backoffs and waits end when there is cause, neither before nor long after (ROUTING §3, §5). */
#include "dialogue/support/dialogue.h"
#include "dialogue/support/nodes.h"

static unsigned writes_sent;

static const char *serves_reads_only(int node, const char *text) {
    (void)node;
    if (strncmp(text, "SET", 3) == 0) {
        writes_sent++;
        return "-CLUSTERDOWN The cluster is down";
    }
    return "v";
}

static const char *serves(int node, const char *text) {
    (void)node;
    (void)text;
    return "v";
}

/* A cluster that is down may serve reads: that is no recovery, else each read would send the
 * write again. One of the node's commands goes again each 100 ms to see whether it has recovered.
 */
static void reads_served_do_not_end_the_backoff_of_writes(dialogue *d) {
    writes_sent = 0;
    start(d);
    d->answer = serves_reads_only;
    int a = call(d, "SET k 1");
    for (int i = 0; i < 1000; i++) {
        ok(d, call(d, "GET c"), "v");
        advance_ms(d, 1);
    }
    is_open(d, a);
    assert_in_range(writes_sent, 3, 20);
    d->answer = serves;
    advance_ms(d, 1000);
    ok(d, a, "v");
}

static void write_served_ends_the_backoffs_of_its_node(dialogue *d) {
    start(d);
    int a = answered_call(d, 2, "SET k 1", "-LOADING the dataset");
    int b = answered_call(d, 2, "SET g 1", "-LOADING the dataset");
    for (int i = 0; i < 8; i++) { /* g waits longer and longer */
        while (!hears(d, 2)) {
            advance_ms(d, 1);
        }
        hear_next(d, 2);
        reply(d, 2, "-LOADING the dataset");
    }
    ok(d, answered_call(d, 2, "SET c 1", "+OK"), "+OK");
    for (int i = 0; i < 2; i++) {
        assert_true(hears(d, 2));
        hear_next(d, 2);
        reply(d, 2, "+OK");
    }
    ok(d, a, "+OK");
    ok(d, b, "+OK");
}

static void asked_target_that_is_unreachable_is_waited_for(dialogue *d) {
    start(d);
    d->nodes[12].refuses = true;
    int a = call(d, "SET k 1");
    unsigned asks = 0;
    for (int i = 0; i < 300; i++) {
        if (hears(d, 2)) {
            expect(d, 2, "SET k 1");
            reply(d, 2, "-ASK 7629 127.0.0.1:7012");
            asks++;
        }
        advance_ms(d, 10);
        is_open(d, a);
    }
    assert_true(asks > 5);
    d->nodes[12].refuses = false;
    for (int i = 0; i < 150 && !hears(d, 12); i++) {
        if (hears(d, 2)) {
            expect(d, 2, "SET k 1");
            reply(d, 2, "-ASK 7629 127.0.0.1:7012");
        }
        advance_ms(d, 10);
    }
    expect(d, 12, "ASKING");
    expect(d, 12, "SET k 1");
    reply(d, 12, "+OK");
    reply(d, 12, "+OK");
    ok(d, a, "+OK");
}

static void asked_target_that_stays_away_costs_the_deadline(dialogue *d) {
    start(d);
    d->nodes[12].refuses = true;
    int a = call(d, "SET k 1");
    for (int i = 0; i < 501; i++) {
        if (hears(d, 2)) {
            expect(d, 2, "SET k 1");
            reply(d, 2, "-ASK 7629 127.0.0.1:7012");
        }
        advance_ms(d, 10);
    }
    failed(d, a, KW_ERR_TIMEOUT, KW_REJECTED, "within 5000 ms");
}

/* ------------------------------------------------------------- the first map */

static void comes_back_after(dialogue *d, unsigned seconds, const char *text) {
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].refuses = true;
    }
    start_cold(d);
    for (unsigned s = 0; s < seconds; s++) {
        (void)call(d, text);
        advance_ms(d, 1000);
    }
    d->lenient = true;
    size_t before = d->call_count;
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].refuses = false;
    }
    d->answer = serves;
    int a = call(d, text);
    advance_ms(d, 1500);
    ok(d, a, "v");
    assert_int_equal(before + 1, d->call_count);
}

static void first_map_is_had_within_a_second_of_a_cluster_back(dialogue *d) {
    comes_back_after(d, 120, "GET k");
}

static void commands_to_be_learned_have_the_first_map_as_soon(dialogue *d) {
    comes_back_after(d, 120, "MOD.X k");
}

static void failing_runs_are_spaced_out_while_nobody_waits(dialogue *d) {
    d->config.eager = true;
    d->nodes[1].refuses = true;
    start_cold(d);
    advance_ms(d, 60000);
    uint64_t runs = count_of(d, KW_COUNT_REFRESH_FAILED);
    assert_in_range(runs, 5, 20);
    int a = call(d, "GET k");
    d->nodes[1].refuses = false;
    advance_ms(d, 1100);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void eager_client_goes_on_after_a_run_that_failed(dialogue *d) {
    d->config.eager = true;
    d->nodes[1].refuses = true;
    start_cold(d);
    advance_ms(d, 1000);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 0);
    assert_true(count_of(d, KW_COUNT_REFRESH_FAILED) >= 1);
    d->nodes[1].refuses = false;
    advance_ms(d, 2500);
    assert_int_equal(cluster_refresh_accepted_count(d->c), 1);
}

static void full_coverage_is_there_with_the_moved_that_fills_the_last_hole(dialogue *d) {
    d->config.require_full_coverage = true;
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    cluster_forget_slots(d->c, 7629, 7629, d->now_us);
    int b = call(d, "GET foo");
    expect_nothing(d);
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "GET k");
    expect(d, 3, "GET foo");
    reply(d, 3, "v");
    reply(d, 3, "w");
    ok(d, a, "v");
    ok(d, b, "w");
}

/* -------------------------------------------------- refusals of a connection */

static void lose_attempt(dialogue *d, int node, kw_status status, const char *message) {
    for (uint32_t i = 0; i < DIALOGUE_LINKS; i++) {
        if (d->links[i].node == node) {
            conversation_clear(&d->links[i]);
            cluster_link_lost(d->c, i, status, message, d->now_us);
        }
    }
    settle(d);
}

static void tls_failure_of_a_node_that_was_up_is_waited_out(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    d->nodes[2].unreachable = true;
    advance_ms(d, 200);
    hang_up(d, 2);
    int a = call(d, "SET k 1");
    assert_int_equal(d->nodes[2].opens, 2);
    d->nodes[2].unreachable = false;
    lose_attempt(d, 2, KW_ERR_TLS, "the handshake was cut");
    is_open(d, a);
    for (int i = 0; i < 150 && !hears(d, 2); i++) {
        for (int n = 1; n <= 3; n += 2) {
            if (hears(d, n)) { /* looks for a new owner */
                expect(d, n, "SET k 1");
                reply(d, n, "-MOVED 7629 127.0.0.1:7002");
            }
        }
        advance_ms(d, 1);
    }
    expect(d, 2, "SET k 1");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
}

static void tls_failure_of_a_node_never_up_ends_its_commands(dialogue *d) {
    start(d);
    d->nodes[2].unreachable = true;
    int a = call(d, "SET k 1");
    lose_attempt(d, 2, KW_ERR_TLS, "the certificate is not trusted");
    failed(d, a, KW_ERR_TLS, KW_NOT_SENT, "127.0.0.1:7002: the certificate is not trusted");
}

static void refused_user_ends_the_commands_of_a_node_that_was_up(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    d->nodes[2].hello = "-WRONGPASS invalid username-password pair or user is disabled.";
    d->nodes[2].unreachable = true;
    advance_ms(d, 200);
    hang_up(d, 2);
    int a = call(d, "SET k 1");
    is_open(d, a);
    for (uint32_t i = 0; i < DIALOGUE_LINKS; i++) {
        if (d->links[i].node == 2) {
            d->links[i].connected = true;
            cluster_link_connected(d->c, i, d->now_us);
        }
    }
    settle(d);
    failed(d, a, KW_ERR_AUTH, KW_NOT_SENT, "127.0.0.1:7002 refused the connection: WRONGPASS");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(reads_served_do_not_end_the_backoff_of_writes),
        DIALOGUE(write_served_ends_the_backoffs_of_its_node),
        DIALOGUE(asked_target_that_is_unreachable_is_waited_for),
        DIALOGUE(asked_target_that_stays_away_costs_the_deadline),
        DIALOGUE(first_map_is_had_within_a_second_of_a_cluster_back),
        DIALOGUE(commands_to_be_learned_have_the_first_map_as_soon),
        DIALOGUE(failing_runs_are_spaced_out_while_nobody_waits),
        DIALOGUE(eager_client_goes_on_after_a_run_that_failed),
        DIALOGUE(full_coverage_is_there_with_the_moved_that_fills_the_last_hole),
        DIALOGUE(tls_failure_of_a_node_that_was_up_is_waited_out),
        DIALOGUE(tls_failure_of_a_node_never_up_ends_its_commands),
        DIALOGUE(refused_user_ends_the_commands_of_a_node_that_was_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
