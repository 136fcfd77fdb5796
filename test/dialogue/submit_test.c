/* Which commands are taken, and which learned (ROUTING §1); the limits on what waits. */
#include "dialogue/support/dialogue.h"

static void commands_that_need_their_own_connection_are_refused(dialogue *d) {
    static const char *const texts[] = {
        "SUBSCRIBE ch", "PSUBSCRIBE ch*", "SSUBSCRIBE ch",
        "MULTI",        "EXEC",           "WATCH k",
        "MONITOR",      "SELECT 1",       "CLIENT REPLY OFF",
        "WAIT 1 0",     "WAITAOF 0 1 0",  "READONLY",
        "ASKING",       "QUIT",           "RESET",
    };
    start(d);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        refused(d, texts[i], KW_ERR_UNSUPPORTED, "not supported");
    }
}

static void their_harmless_neighbours_are_not(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "XREAD STREAMS k $", "(nil)"), "(nil)");
    ok(d, answered_call(d, 2, "LPOP k", "(nil)"), "(nil)");
    int a = call(d, "PUBLISH ch hello");
    reply(d, expect_somewhere(d, "PUBLISH ch hello"), ":0");
    ok(d, a, ":0");
}

static void keys_in_two_slots_are_refused(dialogue *d) {
    start(d);
    refused(d, "MSET k 1 foo 2", KW_ERR_CROSSSLOT, "7629 and 12182");
    refused(d, "EVAL return 2 k foo", KW_ERR_CROSSSLOT, "");
    ok(d, answered_call(d, 2, "MSET {k}1 1 {k}2 2", "+OK"), "+OK");
}

static void slot_can_be_named(dialogue *d) {
    start(d);
    cluster_submit_options at = {.slot = 12182};
    int a = call_with(d, &at, "GET k");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
}

/* ------------------------------------------------------------------- learning */

static const char info[] =
    "*1\r\n*7\r\n$4\r\njump\r\n:3\r\n*1\r\n+write\r\n:2\r\n:2\r\n:1\r\n*0\r\n";

static void unknown_command_is_learned_once(dialogue *d) {
    start(d);
    int a = call(d, "JUMP x k");
    int b = call(d, "JUMP y k");
    int at = expect_somewhere(d, "COMMAND INFO JUMP");
    expect_nothing(d);
    reply_bytes(d, at, info, sizeof info - 1);
    expect(d, 2, "JUMP x k");
    expect(d, 2, "JUMP y k");
    reply(d, 2, ":1");
    reply(d, 2, ":2");
    ok(d, a, ":1");
    ok(d, b, ":2");
    ok(d, answered_call(d, 2, "jump z k", ":3"), ":3");
}

static void learned_write_is_maybe_executed_when_lost(dialogue *d) {
    start(d);
    int a = call(d, "JUMP x k");
    int at = expect_somewhere(d, "COMMAND INFO JUMP");
    reply_bytes(d, at, info, sizeof info - 1);
    expect(d, 2, "JUMP x k");
    hang_up(d, 2);
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "");
}

static void command_that_nobody_knows_goes_anywhere(dialogue *d) {
    start(d);
    int a = call(d, "WHAT k");
    int at = expect_somewhere(d, "COMMAND INFO WHAT");
    reply_bytes(d, at, "*1\r\n_\r\n", 7);
    at = expect_somewhere(d, "WHAT k");
    reply(d, at, "-ERR unknown command 'WHAT'");
    ok(d, a, "-ERR unknown command 'WHAT'");
}

static void question_that_is_lost_is_asked_again_or_given_up(dialogue *d) {
    start(d);
    meet_all(d);
    int a = call(d, "JUMP x k");
    int at = expect_somewhere(d, "COMMAND INFO JUMP");
    advance_ms(d, 200);
    hang_up(d, at);
    advance_ms(d, 200);
    for (int n = 1; n <= 3 && !d->calls[a].done; n++) {
        for (int i = 0; i < 3 && hears(d, n); i++) {
            const char *text = hear_next(d, n);
            if (strncmp(text, "COMMAND", 7) == 0) {
                reply_bytes(d, n, info, sizeof info - 1);
            } else {
                assert_string_equal(text, "JUMP x k");
                reply(d, n, n == 2 ? ":1" : "-MOVED 7629 127.0.0.1:7002");
            }
            n = 1;
        }
    }
    settle(d);
    ok(d, a, ":1");
}

static void unknown_command_times_out_while_it_is_learned(dialogue *d) {
    start(d);
    cluster_submit_options hasty = {.slot = SLOT_NONE, .timeout_us = 100000};
    int a = call_with(d, &hasty, "JUMP x k");
    int at = expect_somewhere(d, "COMMAND INFO JUMP");
    advance_ms(d, 102);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT,
           "no node said within 100 ms what this command's keys are");
    reply_bytes(d, at, info, sizeof info - 1);
    ok(d, answered_call(d, 2, "JUMP x k", ":1"), ":1");
}

static void keys_that_only_the_server_finds_are_asked_for(dialogue *d) {
    static const char movable[] =
        "*1\r\n*7\r\n$4\r\nhunt\r\n:-2\r\n*2\r\n+write\r\n+movablekeys\r\n"
        ":0\r\n:0\r\n:0\r\n*0\r\n";
    static const char keys[] = "*1\r\n$1\r\nk\r\n";
    start(d);
    int a = call(d, "HUNT here k there");
    reply_bytes(d, expect_somewhere(d, "COMMAND INFO HUNT"), movable, sizeof movable - 1);
    int at = expect_somewhere(d, "COMMAND GETKEYS HUNT here k there");
    reply_bytes(d, at, keys, sizeof keys - 1);
    expect(d, 2, "HUNT here k there");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    int b = call(d, "HUNT k foo");
    at = expect_somewhere(d, "COMMAND GETKEYS HUNT k foo");
    reply_bytes(d, at, "*2\r\n$1\r\nk\r\n$3\r\nfoo\r\n", 20);
    failed(d, b, KW_ERR_CROSSSLOT, KW_NOT_SENT, "7629 and 12182");
}

/* --------------------------------------------------------------------- limits */

static void too_many_waiting_commands_are_refused(dialogue *d) {
    d->config.waiting_max = 3;
    start(d);
    d->nodes[2].unreachable = true;
    int calls[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = call(d, "SET k 1");
    }
    refused(d, "SET k 1", KW_ERR_LIMIT, "3 commands");
    advance_ms(d, 5002);
    for (int i = 0; i < 3; i++) {
        failed(d, calls[i], KW_ERR_TIMEOUT, KW_NOT_SENT, "");
    }
    d->nodes[2].unreachable = false;
    int a = call(d, "SET k 1");
    advance_ms(d, 2100);
    expect(d, 2, "SET k 1");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
}

static void too_many_waiting_bytes_are_refused(dialogue *d) {
    d->config.waiting_bytes_max = 100;
    start(d);
    d->nodes[2].unreachable = true;
    int a = call(d, "SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    refused(d, "SET k bbbbbbbbbbbbbbbbbbbbbbbbbbbbb", KW_ERR_LIMIT, "1 commands");
    advance_ms(d, 5002);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "");
}

static void in_flight_is_limited_for_each_node(dialogue *d) {
    d->config.in_flight_max = 2;
    start(d);
    int calls[5];
    for (int i = 0; i < 5; i++) {
        calls[i] = call(d, "GET k");
    }
    expect(d, 2, "GET k");
    expect(d, 2, "GET k");
    expect_nothing(d);
    ok(d, answered_call(d, 3, "GET foo", "v"), "v");
    for (int i = 0; i < 5; i++) {
        reply(d, 2, "v");
        ok(d, calls[i], "v");
        if (i < 3) {
            expect(d, 2, "GET k");
            expect_nothing(d);
        }
    }
}

static void empty_command_is_refused(dialogue *d) {
    start(d);
    refused(d, "", KW_ERR_INVALID, "a command needs a name");
}

static void large_command_and_reply_go_whole(dialogue *d) {
    static char text[100100];
    memcpy(text, "SET k ", 6);
    memset(text + 6, 'x', 100000);
    start(d);
    int a = call(d, text);
    expect(d, 2, text);
    reply(d, 2, text + 6);
    ok(d, a, text + 6);
}

/* ------------------------------------------------------------------- the end */

static void shutdown_completes_everything(dialogue *d) {
    start(d);
    name(d, "far.test", NULL);
    d->nodes[1].announced = "far.test:7001";
    cluster_refresh(d->c, d->now_us);
    settle(d);
    int sent = call(d, "SET k 1");
    expect(d, 2, "SET k 1");
    int waits = call(d, "SET b 1"); /* for a name */
    int refused_once = answered_call(d, 3, "SET foo 1", "-TRYAGAIN later");
    int unknown = call(d, "JUMP x");
    d->nodes[3].unreachable = true;
    cluster_shutdown(d->c, KW_ERR_CLOSED, d->now_us);
    settle(d);
    failed(d, sent, KW_ERR_CLOSED, KW_MAYBE_EXECUTED, "the handle was closed");
    failed(d, waits, KW_ERR_CLOSED, KW_NOT_SENT, "the handle was closed");
    failed(d, refused_once, KW_ERR_CLOSED, KW_REJECTED, "the handle was closed");
    failed(d, unknown, KW_ERR_CLOSED, KW_NOT_SENT, "the handle was closed");
    refused(d, "GET k", KW_ERR_CLOSED, "closed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(commands_that_need_their_own_connection_are_refused),
        DIALOGUE(their_harmless_neighbours_are_not),
        DIALOGUE(keys_in_two_slots_are_refused),
        DIALOGUE(slot_can_be_named),
        DIALOGUE(unknown_command_is_learned_once),
        DIALOGUE(learned_write_is_maybe_executed_when_lost),
        DIALOGUE(command_that_nobody_knows_goes_anywhere),
        DIALOGUE(question_that_is_lost_is_asked_again_or_given_up),
        DIALOGUE(unknown_command_times_out_while_it_is_learned),
        DIALOGUE(keys_that_only_the_server_finds_are_asked_for),
        DIALOGUE(too_many_waiting_commands_are_refused),
        DIALOGUE(too_many_waiting_bytes_are_refused),
        DIALOGUE(in_flight_is_limited_for_each_node),
        DIALOGUE(empty_command_is_refused),
        DIALOGUE(large_command_and_reply_go_whole),
        DIALOGUE(shutdown_completes_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
