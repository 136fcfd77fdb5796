/* A command sent to the owner of a slot by the caller's word: any other node would execute it, too,
 * so that it neither asks around nor tells who owns what. */
#include "dialogue/support/dialogue.h"

static void is_refused(dialogue *d, int slot, const char *message) {
    cluster_submit_options options = {.slot = slot};
    kw_slice argv[] = {SLICE_LITERAL("DBSIZE")};
    kw_error err;
    assert_int_equal(cluster_submit(d->c, argv, 1, &options, d->now_us, &err), KW_ERR_INVALID);
    assert_int_equal(err.status, KW_ERR_INVALID);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    assert_string_equal(err.message, message);
}

static void slots_out_of_range_are_refused(dialogue *d) {
    start(d);
    is_refused(d, 16384, "slot 16384: slots go from 0 to 16383");
    is_refused(d, 20000, "slot 20000: slots go from 0 to 16383");
    is_refused(d, -2, "slot -2: slots go from 0 to 16383");
    assert_int_equal(cluster_pending(d->c), 0);
    cluster_submit_options last = {.slot = 16383};
    int a = call_with(d, &last, "DBSIZE");
    expect(d, 3, "DBSIZE");
    reply(d, 3, ":1");
    ok(d, a, ":1");
}

static void waits_while_nobody_is_known_to_own_the_slot(dialogue *d) {
    cluster_submit_options options = {.slot = 100};
    view(d, "5461-10922 2, 10923-16383 3", 3);
    start(d);
    int a = call_with(d, &options, "DBSIZE");
    advance_ms(d, 3000);
    is_open(d, a);
    expect_nothing(d);
    assert_int_equal(count_of(d, KW_COUNT_PROBES), 0);
    assert_int_equal(owner_of(d, 100), 0);
    view(d, THREE_NODES, 3);
    advance_ms(d, 1200);
    expect(d, 1, "DBSIZE");
    reply(d, 1, ":7");
    ok(d, a, ":7");
}

static void reply_teaches_no_owner(dialogue *d) {
    cluster_submit_options options = {.slot = 100};
    start(d);
    int a = call_with(d, &options, "DBSIZE");
    expect(d, 1, "DBSIZE");
    cluster_forget_slots(d->c, 0, 5460, d->now_us);
    reply(d, 1, ":7");
    ok(d, a, ":7");
    assert_int_equal(owner_of(d, 100), 0);
}

/* A replica does not refuse a command without keys: it would execute it. */
static void waits_for_an_owner_that_is_lost(dialogue *d) {
    cluster_submit_options options = {.slot = 3300};
    view(d, THREE_NODES_WITH_REPLICAS, 3);
    start(d);
    ok(d, answered_call(d, 1, "GET b", "v"), "v");
    d->nodes[1].refuses = true;
    advance_ms(d, 200);
    hang_up(d, 1);
    int a = call_with(d, &options, "DBSIZE");
    advance_ms(d, 2000);
    is_open(d, a);
    expect_nothing(d);
    assert_int_equal(count_of(d, KW_COUNT_PROBES), 0);
    assert_int_equal(owner_of(d, 3300), 1);
    view(d, "0-5460 4, 5461-10922 2 5, 10923-16383 3 6", 4);
    advance_ms(d, 2000);
    expect(d, 4, "DBSIZE");
    reply(d, 4, ":9");
    ok(d, a, ":9");
}

static void commands_with_keys_behind_it_look_for_the_new_primary(dialogue *d) {
    cluster_submit_options options = {.slot = 3300};
    view(d, THREE_NODES_WITH_REPLICAS, 3);
    start(d);
    ok(d, answered_call(d, 1, "GET b", "v"), "v");
    d->nodes[1].refuses = true;
    advance_ms(d, 200);
    hang_up(d, 1);
    int a = call_with(d, &options, "DBSIZE");
    int b = call(d, "GET b");
    advance_ms(d, 250);
    expect(d, 4, "GET b"); /* it was promoted */
    reply(d, 4, "w");
    ok(d, b, "w");
    assert_int_equal(owner_of(d, 3300), 4);
    expect(d, 4, "DBSIZE");
    reply(d, 4, ":9");
    ok(d, a, ":9");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(slots_out_of_range_are_refused),
        DIALOGUE(waits_while_nobody_is_known_to_own_the_slot),
        DIALOGUE(reply_teaches_no_owner),
        DIALOGUE(waits_for_an_owner_that_is_lost),
        DIALOGUE(commands_with_keys_behind_it_look_for_the_new_primary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
