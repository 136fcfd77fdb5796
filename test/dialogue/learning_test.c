/* Commands that the table does not know: what they are, and where their keys are, is asked once. */
#include "dialogue/support/dialogue.h"

/* One key, the first argument. */
#define INFO(name_len, name, flag)                                                                 \
    "*1\r\n*7\r\n$" #name_len "\r\n" name "\r\n:-2\r\n*1\r\n+" flag "\r\n:1\r\n:1\r\n:1\r\n*0\r\n"
#define INFO_MOVABLE                                                                               \
    "*1\r\n*7\r\n$5\r\nmod.x\r\n:-2\r\n*2\r\n+write\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n*0\r\n"
#define UNKNOWN "*1\r\n*-1\r\n"
#define KEY_IS_K "*1\r\n$1\r\nk\r\n"

static void say(dialogue *d, int node, const char *bytes) {
    reply_bytes(d, node, bytes, strlen(bytes));
}

/* For how long it blocks nobody says: its deadline is the usual one. */
static void blocking_command_gets_its_own_connection_as_soon_as_it_is_learned(dialogue *d) {
    start(d);
    int a = call(d, "MOD.B k 100");
    int at = expect_somewhere(d, "COMMAND INFO MOD.B");
    say(d, at, INFO(5, "mod.b", "blocking"));
    expect(d, 2, "MOD.B k 100");
    int b = call(d, "MOD.B k 200");
    expect(d, 2, "MOD.B k 200");
    ok(d, answered_call(d, 1, "GET b", "v"), "v");
    assert_int_equal(links_to(d, 2), 3);
    reply_to(d, 2, "MOD.B k 200", "1");
    ok(d, b, "1");
    advance_ms(d, 5010);
    failed(d, a, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "within 5000 ms");
    assert_int_equal(links_to(d, 2), 2);
}

static void learned_read_goes_again_after_a_loss(dialogue *d) {
    start(d);
    int a = call(d, "MOD.R k");
    int at = expect_somewhere(d, "COMMAND INFO MOD.R");
    say(d, at, INFO(5, "mod.r", "readonly"));
    expect(d, 2, "MOD.R k");
    advance_ms(d, 200);
    hang_up(d, 2);
    expect(d, 2, "MOD.R k");
    reply(d, 2, "v");
    ok(d, a, "v");
}

static void learned_write_may_have_been_executed(dialogue *d) {
    start(d);
    int a = call(d, "MOD.W k");
    int at = expect_somewhere(d, "COMMAND INFO MOD.W");
    say(d, at, INFO(5, "mod.w", "write"));
    expect(d, 2, "MOD.W k");
    hang_up(d, 2);
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "the connection was lost");
}

static int waits_for_its_keys(dialogue *d, int call) {
    int at = expect_somewhere(d, "COMMAND INFO MOD.X");
    say(d, at, INFO_MOVABLE);
    is_open(d, call);
    return expect_somewhere(d, "COMMAND GETKEYS MOD.X 1 k");
}

static void keys_that_come_after_the_deadline_send_nothing(dialogue *d) {
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 50000};
    start(d);
    int a = call_with(d, &hasty, "MOD.X 1 k");
    int at = waits_for_its_keys(d, a);
    advance_ms(d, 60);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "no node said within 50 ms");
    say(d, at, KEY_IS_K);
    expect_nothing(d);
    assert_int_equal(links_to(d, at), 1);
}

/* The caller was away: the deadline and the answer are met in one turn, the deadline first. */
static void keys_that_come_with_the_deadline_send_nothing(dialogue *d) {
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 50000};
    start(d);
    int a = call_with(d, &hasty, "MOD.X 1 k");
    int at = waits_for_its_keys(d, a);
    d->now_us += 60000;
    cluster_tick(d->c, d->now_us);
    blurt(d, at, KEY_IS_K);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "no node said within 50 ms");
    expect_nothing(d);
    d->lenient = true; /* the answer was given past the script */
}

static void what_a_command_is_is_asked_elsewhere_after_a_second(dialogue *d) {
    start(d);
    int a = call(d, "MOD.X 1 k");
    int b = call(d, "MOD.X 1 k");
    int hung = expect_somewhere(d, "COMMAND INFO MOD.X");
    d->nodes[hung].frozen = true;
    advance_ms(d, 990);
    expect_nothing(d);
    advance_ms(d, 20);
    int other = expect_somewhere(d, "COMMAND INFO MOD.X");
    assert_int_not_equal(other, hung);
    say(d, other, UNKNOWN);
    for (int i = 0; i < 2; i++) {
        int at = expect_somewhere(d, "MOD.X 1 k"); /* any node: the key is not known */
        assert_int_not_equal(at, hung);
        reply(d, at, "+OK");
    }
    ok(d, a, "+OK");
    ok(d, b, "+OK");
    d->nodes[hung].frozen = false;
    say(d, hung, INFO(5, "mod.x", "write")); /* too late to matter */
    expect_nothing(d);
    assert_int_equal(links_to(d, hung), 1);
}

static void keys_are_asked_for_elsewhere_after_a_second(dialogue *d) {
    start(d);
    int a = call(d, "MOD.X 1 k");
    int hung = waits_for_its_keys(d, a);
    d->nodes[hung].frozen = true;
    advance_ms(d, 1010);
    int other = expect_somewhere(d, "COMMAND GETKEYS MOD.X 1 k");
    assert_int_not_equal(other, hung);
    d->nodes[hung].frozen = false;
    say(d, other, KEY_IS_K);
    expect(d, 2, "MOD.X 1 k");
    say(d, hung, "*1\r\n$1\r\nb\r\n");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    expect_nothing(d);
}

static void command_that_nobody_explains_ends_with_its_deadline(dialogue *d) {
    start(d);
    for (int n = 1; n <= 3; n++) {
        ok(d, answered_call(d, n, n == 1 ? "GET b" : n == 2 ? "GET k" : "GET foo", "v"), "v");
    }
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].frozen = true;
    }
    int a = call(d, "MOD.X 1 k");
    unsigned asked = 0;
    for (int i = 0; i < 50; i++) {
        advance_ms(d, 100);
        for (int n = 1; n <= 3; n++) {
            while (hears(d, n)) {
                assert_string_equal(hear_next(d, n), "COMMAND INFO MOD.X");
                asked++;
            }
        }
    }
    advance_ms(d, 10);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "no node said within 5000 ms");
    assert_in_range(asked, 3, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(blocking_command_gets_its_own_connection_as_soon_as_it_is_learned),
        DIALOGUE(learned_read_goes_again_after_a_loss),
        DIALOGUE(learned_write_may_have_been_executed),
        DIALOGUE(keys_that_come_after_the_deadline_send_nothing),
        DIALOGUE(keys_that_come_with_the_deadline_send_nothing),
        DIALOGUE(what_a_command_is_is_asked_elsewhere_after_a_second),
        DIALOGUE(keys_are_asked_for_elsewhere_after_a_second),
        DIALOGUE(command_that_nobody_explains_ends_with_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
