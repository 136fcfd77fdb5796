/* What servers may say but seldom do, and what a client may ask for but seldom does: attributes
 * before errors, redirects that lead nowhere, commands learned to be others than they seemed. */
#include "dialogue/support/dialogue.h"
#include "dialogue/support/nodes.h"

#include "core/limits.h"

#include <stdlib.h>

#define SLOT_K 7629
#define INFO(name_len, name, flag, first, last)                                                    \
    "*1\r\n*7\r\n$" #name_len "\r\n" name "\r\n:-2\r\n*1\r\n+" flag "\r\n:" #first "\r\n:" #last   \
    "\r\n:1\r\n*0\r\n"
#define INFO_MOVABLE                                                                               \
    "*1\r\n*7\r\n$5\r\nmod.x\r\n:-2\r\n*2\r\n+write\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n*0\r\n"

static void say(dialogue *d, int node, const char *bytes) {
    reply_bytes(d, node, bytes, strlen(bytes));
}

/* ---------------------------------------------------------------------------- attributes */

static void redirect_behind_an_attribute_is_followed(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    say(d, 2, "|1\r\n+ttl\r\n:3600\r\n-MOVED 7629 127.0.0.1:7003\r\n");
    expect(d, 3, "GET k");
    reply(d, 3, "v");
    ok(d, a, "v");
    assert_int_equal(owner_of(d, SLOT_K), 3);
}

static void redirect_behind_attributes_is_followed_without_memory(dialogue *d) {
    static const struct {
        int from;
        int to;
        const char *bytes;
    } redirects[] = {
        {2, 3, "|1\r\n+ttl\r\n:3600\r\n-MOVED 7629 127.0.0.1:7003\r\n"},
        {3, 2, "|1\r\n+ttl\r\n:3600\r\n!25\r\nMOVED 7629 127.0.0.1:7002\r\n"},
        {2, 3,
         "|0\r\n|2\r\n+a\r\n*2\r\n:1\r\n*0\r\n+b\r\n|1\r\n+c\r\n:2\r\n$4\r\n\r\n-x\r\n"
         "-MOVED 7629 127.0.0.1:7003\r\n"},
    };
    const cluster_submit_options options = {.slot = SLOT_NONE, .timeout_us = 1000 * 1000};
    start(d);
    for (size_t i = 0; i < sizeof redirects / sizeof *redirects; i++) {
        int a = call_with(d, &options, "GET k");
        expect(d, redirects[i].from, "GET k");
        failing_mem_fail_at(&d->mem, 1);
        say(d, redirects[i].from, redirects[i].bytes);
        failing_mem_fail_at(&d->mem, 0);
        expect(d, redirects[i].to, "GET k");
        reply(d, redirects[i].to, "v");
        ok(d, a, "v");
    }
}

static void reply_behind_an_attribute_is_the_reply(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    say(d, 2, "|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n");
    ok(d, a, "v");
}

static void nonsense_behind_an_attribute_breaks_the_connection(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    expect(d, 2, "GET k");
    advance_ms(d, 200);
    say(d, 2, "|1\r\n+ttl\r\n:3600\r\n-MOVED 99999 127.0.0.1:7003\r\n");
    expect(d, 2, "GET k"); /* a read: once more */
    reply(d, 2, "v");
    ok(d, a, "v");
}

/* ----------------------------------------------------------------------------- redirects */

static void asks_in_a_circle_come_to_an_end(dialogue *d) {
    unsigned asked = 0;
    start(d);
    int a = call(d, "SET k 1");
    for (int i = 0; i < 40 && !d->calls[a].done; i++) {
        for (int n = 2; n <= 3; n++) {
            while (hears(d, n)) {
                bool is_asking = strcmp(hear_next(d, n), "ASKING") == 0;
                asked += !is_asking;
                reply(d, n,
                      is_asking ? "+OK"
                      : n == 2  ? "-ASK 7629 127.0.0.1:7003"
                                : "-ASK 7629 127.0.0.1:7002");
            }
        }
        advance_ms(d, 110); /* from the second bounce on it waits */
    }
    failed(d, a, KW_ERR_REDIRECTS, KW_REJECTED, "the nodes disagree about slot 7629");
    assert_in_range(asked, 6, 12);
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

/* One of its slot was redirected and waits behind it: that must not wake it. */
static void refused_command_waits_though_another_one_is_ready(dialogue *d) {
    start(d);
    int a = call(d, "GET k");
    int b = call(d, "MGET k k");
    expect(d, 2, "GET k");
    expect(d, 2, "MGET k k");
    reply(d, 2, "-ASK 7629 127.0.0.1:7003");
    reply(d, 2, "-ASK 7629 127.0.0.1:7001");
    expect(d, 3, "ASKING");
    expect(d, 3, "GET k");
    reply(d, 3, "+OK");
    reply(d, 3, "-TRYAGAIN later");
    expect_nothing(d);
    advance_ms(d, 20);
    expect(d, 2, "GET k");
    expect(d, 2, "MGET k k");
    reply(d, 2, "v");
    reply(d, 2, "w");
    ok(d, a, "v");
    ok(d, b, "w");
}

/* ------------------------------------------------------------------------------ learning */

static void command_learned_to_disturb_is_not_sent(dialogue *d) {
    start(d);
    int a = call(d, "MOD.S ch");
    say(d, expect_somewhere(d, "COMMAND INFO MOD.S"), INFO(5, "mod.s", "pubsub", 0, 0));
    failed(d, a, KW_ERR_UNSUPPORTED, KW_NOT_SENT, "changes the state of its connection");
    expect_nothing(d);
}

static void keys_learned_to_be_in_two_slots_send_nothing(dialogue *d) {
    start(d);
    int a = call(d, "MOD.M k foo");
    say(d, expect_somewhere(d, "COMMAND INFO MOD.M"), INFO(5, "mod.m", "write", 1, -1));
    failed(d, a, KW_ERR_CROSSSLOT, KW_NOT_SENT, "7629 and 12182");
    refused(d, "MOD.M k foo", KW_ERR_CROSSSLOT, "7629 and 12182"); /* now it is known */
}

static void learned_slot_is_in_the_trace(dialogue *d) {
    kw_trace trace;
    cluster_submit_options options = {.slot = SLOT_NONE, .trace = &trace};
    start(d);
    int a = call_with(d, &options, "MOD.R k");
    assert_int_equal(trace.slot, SLOT_NONE);
    say(d, expect_somewhere(d, "COMMAND INFO MOD.R"), INFO(5, "mod.r", "readonly", 1, 1));
    expect(d, 2, "MOD.R k");
    reply(d, 2, "v");
    ok(d, a, "v");
    assert_int_equal(trace.slot, SLOT_K);
}

static void caller_may_know_that_a_learned_write_can_be_repeated(dialogue *d) {
    cluster_submit_options options = {.slot = SLOT_NONE, .idempotent = true};
    start(d);
    int a = call_with(d, &options, "MOD.W k");
    say(d, expect_somewhere(d, "COMMAND INFO MOD.W"), INFO(5, "mod.w", "write", 1, 1));
    expect(d, 2, "MOD.W k");
    advance_ms(d, 200);
    hang_up(d, 2);
    expect(d, 2, "MOD.W k");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
}

static void one_command_is_learned_while_another_ones_keys_are_awaited(dialogue *d) {
    start(d);
    int a = call(d, "MOD.X 1 k");
    say(d, expect_somewhere(d, "COMMAND INFO MOD.X"), INFO_MOVABLE);
    int at = expect_somewhere(d, "COMMAND GETKEYS MOD.X 1 k");
    int b = call(d, "MOD.R foo");
    int other = expect_somewhere(d, "COMMAND INFO MOD.R");
    if (other == at) { /* replies come in order */
        say(d, at, "*1\r\n$1\r\nk\r\n");
    }
    say(d, other, INFO(5, "mod.r", "readonly", 1, 1));
    expect(d, 3, "MOD.R foo");
    if (other != at) {
        say(d, at, "*1\r\n$1\r\nk\r\n");
    }
    expect(d, 2, "MOD.X 1 k");
    reply(d, 2, "+OK");
    ok(d, a, "+OK");
    reply(d, 3, "v");
    ok(d, b, "v");
}

/* -------------------------------------------------------------------------------- limits */

static void is_over_the_limit(dialogue *d, const kw_slice *argv, size_t argc, const char *what) {
    const cluster_submit_options options = {.slot = SLOT_NONE};
    kw_error err;
    assert_int_equal(cluster_check_size(argv, argc, &err), KW_ERR_LIMIT);
    assert_int_equal(cluster_submit(d->c, argv, argc, &options, d->now_us, &err), KW_ERR_LIMIT);
    assert_int_equal(err.outcome, KW_NOT_SENT);
    assert_non_null(strstr(err.message, what));
}

static void a_command_has_a_name_and_a_limit(dialogue *d) {
    static const char *const names[] = {"DEL", "SADD"}; /* with many keys, and with one */
    static char big[1 << 20];
    const cluster_submit_options options = {.slot = SLOT_NONE};
    size_t argc = LIMIT_ARGUMENTS + 1;
    size_t large = (size_t)(LIMIT_COMMAND_BYTES / sizeof big) + 3; /* all of them the same bytes */
    kw_slice *argv = calloc(argc, sizeof *argv);
    kw_error err;
    assert_non_null(argv);
    assert_true(large < argc);
    start(d);
    meet_all(d);
    assert_int_equal(cluster_submit(d->c, argv, 2, &options, d->now_us, &err), KW_ERR_INVALID);
    assert_string_equal(err.message, "a command needs a name");
    for (size_t n = 0; n < 2; n++) {
        for (size_t i = 0; i < argc; i++) {
            argv[i] = i < 2 ? slice_text(i == 0 ? names[n] : "k") : SLICE_LITERAL("");
        }
        assert_int_equal(cluster_check_size(argv, 3, &err), KW_OK);
        is_over_the_limit(d, argv, argc, "arguments");
        for (size_t i = 2; i < large; i++) {
            argv[i] = slice_of(big, sizeof big);
        }
        is_over_the_limit(d, argv, large, "bytes");
    }
    free(argv);
}

static void shared_messages_may_be_published(dialogue *d) {
    static const char *const texts[] = {"PUBLISH ch x", "SPUBLISH k x", "PUBSUB CHANNELS"};
    start(d);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int a = call(d, texts[i]);
        reply(d, expect_somewhere(d, texts[i]), "v");
        ok(d, a, "v");
    }
    refused(d, "SUBSCRIBE ch", KW_ERR_UNSUPPORTED, "not supported");
    refused(d, "SSUBSCRIBE k", KW_ERR_UNSUPPORTED, "not supported");
}

/* --------------------------------------------------------------------------- an early end */

/* The brain is freed with all that it has. A new one lets the dialogue end as usual. */
static void drop(dialogue *d) {
    cluster_free(d->c);
    assert_int_equal(d->mem.live_count, 0);
    for (size_t i = 0; i < d->call_count; i++) {
        d->calls[i].done = true;
        d->calls[i].checked = true;
    }
    for (size_t i = 0; i < DIALOGUE_LINKS; i++) {
        conversation_clear(&d->links[i]);
    }
    start_cold(d);
}

static void what_waits_for_the_map_is_dropped(dialogue *d) {
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = true;
    }
    start_cold(d);
    (void)call(d, "GET k");
    (void)call(d, "PING");
    drop(d);
}

static void what_is_anywhere_is_dropped(dialogue *d) {
    d->config.blocking_connections_max = 1;
    start(d);
    (void)call(d, "GET k"); /* on its way */
    (void)call(d, "BLPOP b 0");
    (void)call(d, "BLPOP b 0"); /* in want of a connection */
    (void)call(d, "MOD.X 1 k"); /* being learned */
    d->nodes[3].unreachable = true;
    (void)call(d, "GET foo"); /* for a connection that opens */
    view(d, "0-5460 1, 5461-10922 2", 9);
    expect(d, 2, "GET k");
    reply(d, 2, "-MOVED 7629 127.0.0.1:7003");
    (void)call(d, "GET k"); /* behind the one that was redirected */
    drop(d);
}

static void what_is_done_but_was_never_taken_is_dropped(dialogue *d) {
    start(d);
    (void)call(d, "GET k");
    (void)call(d, "GET foo");
    cluster_shutdown(d->c, KW_ERR_CLOSED, d->now_us); /* completes them, and tells of events */
    drop(d);
}

/* ------------------------------------------------------------------------------ snapshots */

static void snapshots_fail_without_memory_and_leave_nothing(dialogue *d) {
    kw_map *map = NULL;
    kw_stats *stats = NULL;
    start(d);
    size_t before = d->mem.live_count;
    for (size_t i = 1; i <= 2; i++) {
        failing_mem_fail_at(&d->mem, i);
        assert_int_equal(cluster_map_snapshot(d->c, &map), KW_ERR_NOMEM);
        failing_mem_fail_at(&d->mem, i);
        assert_int_equal(cluster_stats_snapshot(d->c, &stats), KW_ERR_NOMEM);
        assert_int_equal(d->mem.live_count, before);
    }
    failing_mem_fail_at(&d->mem, 0);
    assert_null(map);
    assert_null(stats);
    assert_int_equal(cluster_map_snapshot(d->c, &map), KW_OK);
    assert_int_equal(cluster_stats_snapshot(d->c, &stats), KW_OK);
    kw_map_free(map);
    kw_stats_free(stats);
}

static void forgetting_slots_before_there_is_a_map_does_nothing(dialogue *d) {
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = true;
    }
    start_cold(d);
    cluster_forget_slots(d->c, 0, 16383, d->now_us);
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].mute = false;
    }
    cluster_refresh(d->c, d->now_us);
    advance_ms(d, 3000);
    assert_int_equal(owner_of(d, SLOT_K), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(redirect_behind_an_attribute_is_followed),
        DIALOGUE(redirect_behind_attributes_is_followed_without_memory),
        DIALOGUE(reply_behind_an_attribute_is_the_reply),
        DIALOGUE(nonsense_behind_an_attribute_breaks_the_connection),
        DIALOGUE(asks_in_a_circle_come_to_an_end),
        DIALOGUE(refused_command_waits_though_another_one_is_ready),
        DIALOGUE(command_learned_to_disturb_is_not_sent),
        DIALOGUE(keys_learned_to_be_in_two_slots_send_nothing),
        DIALOGUE(learned_slot_is_in_the_trace),
        DIALOGUE(caller_may_know_that_a_learned_write_can_be_repeated),
        DIALOGUE(one_command_is_learned_while_another_ones_keys_are_awaited),
        DIALOGUE_IN(a_command_has_a_name_and_a_limit, WHOLE),
        DIALOGUE(shared_messages_may_be_published),
        DIALOGUE(what_waits_for_the_map_is_dropped),
        DIALOGUE(what_is_anywhere_is_dropped),
        DIALOGUE(what_is_done_but_was_never_taken_is_dropped),
        DIALOGUE(snapshots_fail_without_memory_and_leave_nothing),
        DIALOGUE(forgetting_slots_before_there_is_a_map_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
