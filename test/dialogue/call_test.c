/* The first things that a client does. */
#include "dialogue/support/dialogue.h"

static void map_is_loaded_with_first_command(dialogue *d) {
    start_cold(d);
    assert_int_equal(d->nodes[1].opens, 0);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(d->nodes[1].asks, 1);
    assert_int_equal(d->nodes[3].opens, 0);
}

static void commands_are_pipelined(dialogue *d) {
    start(d);
    int a = call(d, "SET k 1");
    int b = call(d, "GET k");
    int c = call(d, "GET foo");
    expect(d, 2, "SET k 1");
    expect(d, 2, "GET k");
    expect(d, 3, "GET foo");
    reply(d, 3, "(nil)");
    ok(d, c, "(nil)");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    is_open(d, b);
    reply(d, 2, "1");
    ok(d, b, "1");
}

static void moved_is_followed(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
    assert_int_equal(owner_of(d, 7629), 3);
    assert_int_equal(owner_of(d, 7630), 2);
    int b = call(d, "GET k");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, b, "v");
}

static void ask_is_followed_once(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    reply(d, 2, "-ASK 7629 127.0.0.1:7004");
    expect(d, 4, "ASKING");
    expect(d, 4, "GET k");
    reply(d, 4, "+OK");
    reply(d, 4, "v");
    ok(d, a, "v");
    assert_int_equal(owner_of(d, 7629), 2);
    int b = call(d, "GET k");
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, b, "v");
}

static void lost_write_is_maybe_executed(dialogue *d) {
    start(d);
    int a = call(d, "SET k 1");
    expect(d, 2, "SET k 1");
    hang_up(d, 2);
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "the connection was lost");
}

static void lost_read_is_sent_again_at_once(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    advance_ms(d, 200); /* a connection that breaks as soon as it is made is not tried so fast */
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    hang_up(d, 2);
    expect(d, 2, "GET k");
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(count_of(d, KW_COUNT_RETRIES), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(map_is_loaded_with_first_command),
        DIALOGUE(commands_are_pipelined),
        DIALOGUE(moved_is_followed),
        DIALOGUE(ask_is_followed_once),
        DIALOGUE(lost_write_is_maybe_executed),
        DIALOGUE(lost_read_is_sent_again_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
