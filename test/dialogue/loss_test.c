/* A connection is lost, or breaks the protocol, or is silent: what becomes of its commands (ROUTING
 * §6). */
#include "dialogue/support/dialogue.h"

static void good_connection_breaks(dialogue *d, int node) {
    advance_ms(d, 200); /* it had stood for a while: it is made anew at once */
    hang_up(d, node);
}

static void unwritten_write_goes_again(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    d->nodes[2].write_room = 0;
    int a = call(d, "SET k 1");
    expect_nothing(d);
    d->nodes[2].write_room = UINT64_MAX;
    hang_up(d, 2);
    advance_ms(d, 130);
    expect_somewhere(d, "SET k 1");
    for (int at = 1; at <= 3; at++) {
        if (owes(d, at)) {
            reply(d, at, "+OK");
        }
    }
    ok(d, a, "+OK");
    assert_int_equal(count_of(d, KW_COUNT_RETRIES), 0); /* it was not sent before */
}

static void partly_written_write_is_maybe_executed(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    d->nodes[2].write_room = 1;
    int a = call(d, "SET k 1");
    int b = call(d, "SET k 2");
    advance_ms(d, 200);
    d->nodes[2].write_room = UINT64_MAX;
    hang_up(d, 2);
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "Connection reset by peer");
    expect(d, 2, "SET k 2"); /* not a byte of it was sent */
    reply(d, 2, "+OK");
    ok(d, b, "+OK");
}

static void reads_and_idempotent_writes_go_again_in_order(dialogue *d) {
    start(d);
    cluster_submit_options idempotent = {.slot = SLOT_NONE, .idempotent = true};
    int a = call(d, "GET k");
    int b = call(d, "SET k 1");
    int c = call_with(d, &idempotent, "SET k 2");
    int e = call(d, "GET k");
    expect(d, 2, "GET k");
    expect(d, 2, "SET k 1");
    expect(d, 2, "SET k 2");
    expect(d, 2, "GET k");
    good_connection_breaks(d, 2);
    failed(d, b, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "");
    expect(d, 2, "GET k");
    expect(d, 2, "SET k 2");
    expect(d, 2, "GET k");
    reply(d, 2, "0");
    reply(d, 2, "+OK");
    reply(d, 2, "2");
    ok(d, a, "0");
    ok(d, c, "+OK");
    ok(d, e, "2");
    assert_int_equal(count_of(d, KW_COUNT_RETRIES), 3);
    assert_int_equal(count_of(d, KW_COUNT_DISCONNECTS), 1);
}

static void answered_commands_are_not_sent_again(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    int b = call(d, "GET c");
    expect(d, 2, "GET k");
    expect(d, 2, "GET c");
    reply(d, 2, "v");
    good_connection_breaks(d, 2);
    ok(d, a, "v");
    expect(d, 2, "GET c");
    expect_nothing(d);
    reply(d, 2, "w");
    ok(d, b, "w");
}

static void lost_read_that_finds_nobody_had_no_effect(dialogue *d) {
    start(d);
    for (int n = 1; n <= 3; n++) {
        ok(d, answered_call(d, n, n == 1 ? "GET b" : n == 2 ? "GET c" : "GET foo", "v"), "v");
        d->nodes[n].refuses = true;
    }
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    cluster_submit_options idempotent = {.slot = SLOT_NONE, .idempotent = true};
    int b = call_with(d, &idempotent, "SET k 1");
    expect(d, 2, "SET k 1");
    for (int n = 1; n <= 3; n++) {
        hang_up(d, n);
    }
    int c = call(d, "SET k 2");
    advance_ms(d, 5010);
    failed(d, a, KW_ERR_TIMEOUT, KW_NO_EFFECT, "within 5000 ms");
    failed(d, b, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "within 5000 ms");
    failed(d, c, KW_ERR_TIMEOUT, KW_NOT_SENT, "within 5000 ms");
}

static void retries_are_a_tenth_of_the_traffic(dialogue *d) {
    static int calls[150];
    start(d);
    for (int i = 0; i < 150; i++) {
        calls[i] = call(d, "GET k");
        expect(d, 2, "GET k");
    }
    good_connection_breaks(d, 2);
    for (int i = 0; i < 115; i++) { /* 100 to begin with, and a tenth of 150 */
        expect(d, 2, "GET k");
        reply(d, 2, "v");
        ok(d, calls[i], "v");
    }
    expect_nothing(d);
    for (int i = 115; i < 150; i++) {
        failed(d, calls[i], KW_ERR_CONNECTION, KW_NO_EFFECT, "too many commands were sent again");
    }
}

static void retries_can_be_turned_off(dialogue *d) {
    d->config.retry_percent = 0;
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    good_connection_breaks(d, 2);
    failed(d, a, KW_ERR_CONNECTION, KW_NO_EFFECT, "the connection was lost");
}

/* ----------------------------------------------------------------- nonsense */

static void nonsense_is_a_lost_connection(dialogue *d, const char *bytes) {
    start(d);
    int a = call(d, "SET k 1");
    int b = call(d, "GET c");
    expect(d, 2, "SET k 1");
    expect(d, 2, "GET c");
    advance_ms(d, 200);
    reply_bytes(d, 2, bytes, strlen(bytes));
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "the connection was lost");
    assert_int_equal(links_to(d, 2), 1);
    assert_int_equal(d->nodes[2].opens, 2);
    expect(d, 2, "GET c");
    reply(d, 2, "v");
    ok(d, b, "v");
    assert_int_equal(owner_of(d, 7629), 2);
}

static void bytes_that_are_no_resp_close(dialogue *d) {
    nonsense_is_a_lost_connection(d, "HTTP/1.1 400 Bad Request\r\n");
}

static void redirect_with_slot_out_of_range_closes(dialogue *d) {
    nonsense_is_a_lost_connection(d, "-MOVED 16384 127.0.0.1:7003\r\n");
}

static void redirect_with_port_out_of_range_closes(dialogue *d) {
    nonsense_is_a_lost_connection(d, "-ASK 7629 127.0.0.1:70000\r\n");
}

static void redirect_without_target_closes(dialogue *d) {
    nonsense_is_a_lost_connection(d, "-MOVED 7629\r\n");
}

static void negative_length_closes(dialogue *d) {
    nonsense_is_a_lost_connection(d, "$-2\r\n");
}

static void reply_that_nobody_asked_for_closes(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET k", "v"), "v");
    blurt(d, 2, "+OK\r\n");
    assert_int_equal(links_to(d, 2), 0);
    advance_ms(d, 130);
    ok(d, answered_call(d, 2, "GET k", "v"), "v");
}

static void pushes_are_no_replies(dialogue *d) {
    static const char push[] = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    blurt(d, 2, push);
    reply(d, 2, "v");
    ok(d, a, "v");
    blurt(d, 2, push);
    assert_int_equal(count_of(d, KW_COUNT_PUSHES), 2);
    assert_int_equal(d->events[KW_EVENT_PUSH], 2);
    assert_int_equal(links_to(d, 2), 1);
}

static void reply_over_the_limit_fails_its_command_only(dialogue *d) {
    d->config.reply_bytes_max = 4096;
    start(d);
    int a = call(d, "GET k");
    int b = call(d, "GET c");
    expect(d, 2, "GET k");
    expect(d, 2, "GET c");
    advance_ms(d, 200);
    reply_bytes(d, 2, "$1000000\r\n", 10);
    failed(d, a, KW_ERR_LIMIT, KW_NO_EFFECT, "the reply is too large");
    expect(d, 2, "GET c");
    reply(d, 2, "v");
    ok(d, b, "v");
}

/* ----------------------------------------------------------------- silence */

static void sent_command_ends_at_its_deadline(dialogue *d) {
    start(d);
    int a = call(d, "SET k 1");
    int b = call(d, "GET k");
    expect(d, 2, "SET k 1");
    expect(d, 2, "GET k");
    advance_ms(d, 4990);
    is_open(d, a);
    advance_ms(d, 12);
    failed(d, a, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "127.0.0.1:7002 did not answer within 5000 ms");
    failed(d, b, KW_ERR_TIMEOUT, KW_NO_EFFECT, "127.0.0.1:7002 did not answer within 5000 ms");
    assert_int_equal(count_of(d, KW_COUNT_TIMEOUTS), 2);
}

static void late_reply_is_not_the_next_commands(dialogue *d) {
    start(d);
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 100000};
    int a = call_with(d, &hasty, "GET k");
    int b = call(d, "GET c");
    expect(d, 2, "GET k");
    expect(d, 2, "GET c");
    advance_ms(d, 102);
    failed(d, a, KW_ERR_TIMEOUT, KW_NO_EFFECT, "within 100 ms");
    reply(d, 2, "late");
    is_open(d, b);
    reply(d, 2, "w");
    ok(d, b, "w");
}

static void unwritten_command_that_times_out_is_never_sent(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    d->nodes[2].write_room = 0;
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 100000};
    int a = call_with(d, &hasty, "SET k 1");
    int b = call(d, "SET k 2");
    advance_ms(d, 102);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "within 100 ms");
    d->nodes[2].write_room = UINT64_MAX;
    expect(d, 2, "SET k 2");
    reply(d, 2, "+OK");
    ok(d, b, "+OK");
}

static void three_timeouts_in_a_row_make_a_new_connection(dialogue *d) {
    start(d);
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 100000};
    int calls[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = call_with(d, &hasty, "SET k 1");
        expect(d, 2, "SET k 1");
    }
    int b = call(d, "GET c");
    expect(d, 2, "GET c");
    advance_ms(d, 102);
    for (int i = 0; i < 3; i++) {
        failed(d, calls[i], KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "within 100 ms");
    }
    advance_ms(d, 2);
    assert_int_equal(links_to(d, 2), 0);
    assert_string_equal(state_of(d, 2), "suspect");
    advance_ms(d, 130);
    for (int at = 1; at <= 3; at++) {
        if (hears(d, at)) {
            expect(d, at, "GET c");
            reply(d, at, "v");
        }
    }
    ok(d, b, "v");
}

static void replies_between_timeouts_keep_the_connection(dialogue *d) {
    start(d);
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 100000};
    for (int i = 0; i < 5; i++) {
        int a = call_with(d, &hasty, "GET k");
        expect(d, 2, "GET k");
        advance_ms(d, 102);
        failed(d, a, KW_ERR_TIMEOUT, KW_NO_EFFECT, "");
        reply(d, 2, "late");
    }
    assert_int_equal(d->nodes[2].opens, 1);
    assert_string_equal(state_of(d, 2), "up");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(unwritten_write_goes_again),
        DIALOGUE(partly_written_write_is_maybe_executed),
        DIALOGUE(reads_and_idempotent_writes_go_again_in_order),
        DIALOGUE(answered_commands_are_not_sent_again),
        DIALOGUE(lost_read_that_finds_nobody_had_no_effect),
        DIALOGUE(retries_are_a_tenth_of_the_traffic),
        DIALOGUE(retries_can_be_turned_off),
        DIALOGUE(bytes_that_are_no_resp_close),
        DIALOGUE(redirect_with_slot_out_of_range_closes),
        DIALOGUE(redirect_with_port_out_of_range_closes),
        DIALOGUE(redirect_without_target_closes),
        DIALOGUE(negative_length_closes),
        DIALOGUE(reply_that_nobody_asked_for_closes),
        DIALOGUE(pushes_are_no_replies),
        DIALOGUE(reply_over_the_limit_fails_its_command_only),
        DIALOGUE(sent_command_ends_at_its_deadline),
        DIALOGUE(late_reply_is_not_the_next_commands),
        DIALOGUE(unwritten_command_that_times_out_is_never_sent),
        DIALOGUE(three_timeouts_in_a_row_make_a_new_connection),
        DIALOGUE(replies_between_timeouts_keep_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
