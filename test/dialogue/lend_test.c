/* Large arguments that are written from where their caller has them: wherever the command goes, and
 * whenever its caller goes. The caller's memory is spoilt as soon as the call is done (dialogue.c),
 * so what is read of it too late is heard. */
#include "dialogue/support/dialogue.h"

#include <stdlib.h>

enum { VALUE_BYTES = 20000 };

static const cluster_submit_options lends = {.slot = SLOT_NONE, .lends = true};
static const cluster_submit_options lends_briefly = {
    .slot = SLOT_NONE, .lends = true, .timeout_us = 100000};
static const cluster_submit_options lends_again = {
    .slot = SLOT_NONE, .lends = true, .idempotent = true};

/* "SET k aaaa... EX 9": what was written tells how far it came. */
static const char *set_of(char letter) {
    static char texts[26][VALUE_BYTES + 16];
    char *text = texts[letter - 'a'];
    char value[VALUE_BYTES + 1];
    memset(value, letter, VALUE_BYTES);
    value[VALUE_BYTES] = '\0';
    snprintf(text, sizeof texts[0], "SET k %s EX 9", value);
    return text;
}

static size_t held_bytes(const dialogue *d) {
    return d->mem.live_bytes;
}

/* Before the first byte of a command, as most connections are. */
static void meet(dialogue *d, int node) {
    static const char *const keys[] = {"GET b", "GET c", "GET foo"};
    ok(d, answered_call(d, node, keys[node - 1], "v"), "v");
}

static void lent_argument_is_sent_and_not_held(dialogue *d) {
    start(d);
    meet(d, 2);
    d->nodes[2].write_room = 0;
    size_t before = held_bytes(d);
    int a = call_with(d, &lends, set_of('a'));
    assert_true(held_bytes(d) - before < VALUE_BYTES / 2);
    d->nodes[2].write_room = UINT64_MAX;
    expect(d, 2, set_of('a'));
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
}

static void argument_that_is_not_lent_is_held(dialogue *d) {
    start(d);
    meet(d, 2);
    d->nodes[2].write_room = 0;
    int a = call(d, set_of('a'));
    d->nodes[2].write_room = UINT64_MAX;
    expect(d, 2, set_of('a'));
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
}

static void lent_and_other_commands_go_out_in_order(dialogue *d) {
    start(d);
    meet(d, 2);
    d->nodes[2].write_room = 0;
    static const char *const between[] = {"GET k", "SET k 1", "APPEND k 2"};
    int calls[6];
    for (int i = 0; i < 3; i++) {
        calls[2 * i] = call(d, between[i]);
        calls[2 * i + 1] = call_with(d, &lends, set_of((char)('a' + i)));
    }
    d->nodes[2].write_room = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        expect(d, 2, between[i]);
        expect(d, 2, set_of((char)('a' + i)));
    }
    for (int i = 0; i < 6; i++) {
        reply(d, 2, ":1");
    }
    for (int i = 0; i < 6; i++) {
        ok(d, calls[i], ":1");
    }
}

static void longest_argument_is_lent_whichever_it_is(dialogue *d) {
    static char text[3 * VALUE_BYTES];
    char value[VALUE_BYTES + 1];
    start(d);
    meet(d, 2);
    for (int place = 0; place < 3; place++) {
        char *words[] = {"{k}", "v", "1"};
        memset(value, 'x', VALUE_BYTES);
        value[VALUE_BYTES] = '\0';
        memcpy(value, "{k}", 3); /* as a key it is of this slot */
        words[place] = value;
        snprintf(text, sizeof text, "MSET %s %s {k}2 %s", words[0], words[1], words[2]);
        int a = call_with(d, &lends, text);
        expect(d, 2, text);
        reply(d, 2, "+OK");
        ok(d, a, "+OK");
    }
}

static void redirected_lent_command_is_sent_whole(dialogue *d) {
    start(d);
    int a = call_with(d, &lends, set_of('a'));
    expect(d, 2, set_of('a'));
    reply(d, 2, "-ASK 7629 127.0.0.1:7003");
    expect(d, 3, "ASKING");
    expect(d, 3, set_of('a'));
    reply(d, 3, "+OK");
    reply(d, 3, "-TRYAGAIN later");
    advance_ms(d, 50);
    expect(d, 2, set_of('a')); /* as it was before */
    reply(d, 2, "-ASK 7629 127.0.0.1:7001");
    expect(d, 1, "ASKING");
    expect(d, 1, set_of('a'));
    reply(d, 1, "+OK");
    reply(d, 1, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, set_of('a'));
    reply(d, 3, "+OK");
    ok(d, a, "+OK");
}

static void caller_who_goes_half_way_leaves_the_rest(dialogue *d) {
    static const uint64_t rooms[] = {1, 30, 5000, VALUE_BYTES + 40, VALUE_BYTES + 60};
    start(d);
    meet(d, 2);
    for (size_t i = 0; i < COUNT_OF(rooms); i++) {
        d->nodes[2].write_room = rooms[i];
        int a = call_with(d, &lends_briefly, set_of('a'));
        int b = call(d, "GET k");
        advance_ms(d, 110);
        failed(d, a, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "did not answer within 100 ms");
        d->nodes[2].write_room = UINT64_MAX;
        expect(d, 2, set_of('a'));
        expect(d, 2, "GET k");
        reply(d, 2, "+OK");
        reply(d, 2, "v");
        ok(d, b, "v");
    }
    assert_int_equal(d->nodes[2].opens, 1);
}

static void caller_who_goes_before_the_first_byte_leaves_nothing(dialogue *d) {
    start(d);
    meet(d, 2);
    d->nodes[2].write_room = 0;
    int a = call_with(d, &lends_briefly, set_of('a'));
    advance_ms(d, 110);
    failed(d, a, KW_ERR_TIMEOUT, KW_NOT_SENT, "");
    d->nodes[2].write_room = UINT64_MAX;
    ok(d, answered_call(d, 2, "GET k", "v"), "v");
}

static void caller_who_goes_after_the_last_byte_is_not_held(dialogue *d) {
    start(d);
    meet(d, 2);
    size_t before = held_bytes(d);
    int a = call_with(d, &lends_briefly, set_of('a'));
    expect(d, 2, set_of('a'));
    advance_ms(d, 110);
    failed(d, a, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "");
    assert_true(held_bytes(d) - before < VALUE_BYTES / 2);
    int b = call(d, "GET k");
    expect(d, 2, "GET k");
    reply(d, 2, "+OK"); /* late */
    reply(d, 2, "v");
    ok(d, b, "v");
}

static void without_memory_for_the_rest_the_connection_is_ended(dialogue *d) {
    start(d);
    meet(d, 2);
    advance_ms(d, 200);
    d->nodes[2].write_room = 5000;
    int a = call_with(d, &lends_briefly, set_of('a'));
    int b = call(d, "GET k");
    failing_mem_fail_after(&d->mem, 0);
    advance_ms(d, 110);
    failing_mem_fail_after(&d->mem, SIZE_MAX);
    failed(d, a, KW_ERR_TIMEOUT, KW_MAYBE_EXECUTED, "memory was too short");
    d->nodes[2].write_room = UINT64_MAX;
    advance_ms(d, 1500);
    assert_true(d->nodes[2].opens > 1);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, b, "v");
}

static void lent_command_of_a_lost_connection_is_sent_again_whole(dialogue *d) {
    start(d);
    meet(d, 2);
    advance_ms(d, 200);
    d->nodes[2].write_room = 5000;
    int a = call_with(d, &lends_again, set_of('a'));
    int b = call_with(d, &lends, set_of('b'));
    hang_up(d, 2);
    d->nodes[2].write_room = UINT64_MAX;
    expect(d, 2, set_of('a'));
    expect(d, 2, set_of('b'));
    reply(d, 2, "+OK");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    ok(d, b, "+OK");
}

static void lent_write_of_a_lost_connection_may_be_executed(dialogue *d) {
    start(d);
    meet(d, 2);
    advance_ms(d, 200);
    d->nodes[2].write_room = 5000;
    int a = call_with(d, &lends, set_of('a'));
    hang_up(d, 2);
    d->nodes[2].write_room = UINT64_MAX;
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "");
    ok(d, answered_call(d, 2, "GET k", "v"), "v");
}

static void lent_command_waits_for_its_node(dialogue *d) {
    start_cold(d);
    int a = call_with(d, &lends, set_of('a'));
    expect_somewhere(d, set_of('a'));
    for (int n = 1; n <= 3; n++) {
        reply_if_owed(d, n, "+OK");
    }
    ok(d, a, "+OK");
}

static void unknown_command_is_held_while_it_is_learned(dialogue *d) {
    static const char info[] =
        "*1\r\n*7\r\n$4\r\njump\r\n:3\r\n*1\r\n+write\r\n:1\r\n:1\r\n:1\r\n*0\r\n";
    static char text[VALUE_BYTES + 16];
    snprintf(text, sizeof text, "JUMP k %s", set_of('a') + strlen("SET k "));
    start(d);
    int a = call_with(d, &lends, text);
    int at = expect_somewhere(d, "COMMAND INFO JUMP");
    reply_bytes(d, at, info, sizeof info - 1);
    expect(d, 2, text);
    reply(d, 2, ":1");
    ok(d, a, ":1");
    a = call_with(d, &lends, text); /* it is known by now */
    expect(d, 2, text);
    reply(d, 2, ":2");
    ok(d, a, ":2");
}

static void handle_that_is_closed_half_way_lets_go(dialogue *d) {
    start(d);
    meet(d, 2);
    d->nodes[2].write_room = 5000;
    int a = call_with(d, &lends, set_of('a'));
    int b = call_with(d, &lends_briefly, set_of('b'));
    advance_ms(d, 110);
    failed(d, b, KW_ERR_TIMEOUT, KW_NOT_SENT, "");
    cluster_shutdown(d->c, KW_ERR_CLOSED, d->now_us);
    settle(d);
    failed(d, a, KW_ERR_CLOSED, KW_MAYBE_EXECUTED, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(lent_argument_is_sent_and_not_held),
        DIALOGUE(argument_that_is_not_lent_is_held),
        DIALOGUE(lent_and_other_commands_go_out_in_order),
        DIALOGUE(longest_argument_is_lent_whichever_it_is),
        DIALOGUE(redirected_lent_command_is_sent_whole),
        DIALOGUE(caller_who_goes_half_way_leaves_the_rest),
        DIALOGUE(caller_who_goes_before_the_first_byte_leaves_nothing),
        DIALOGUE(caller_who_goes_after_the_last_byte_is_not_held),
        DIALOGUE(without_memory_for_the_rest_the_connection_is_ended),
        DIALOGUE(lent_command_of_a_lost_connection_is_sent_again_whole),
        DIALOGUE(lent_write_of_a_lost_connection_may_be_executed),
        DIALOGUE(lent_command_waits_for_its_node),
        DIALOGUE(unknown_command_is_held_while_it_is_learned),
        DIALOGUE(handle_that_is_closed_half_way_lets_go),
    };
    return cmocka_run_group_tests_name("dialogue_lend", tests, NULL, NULL);
}
