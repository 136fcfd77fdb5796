/* What a connection's owner tells the brain, and when: replies too early, a caller who was away,
 * events that cross, and requests for output that need no memory. */
#include "dialogue/support/dialogue.h"

#include <stdlib.h>

static uint32_t link_of(const dialogue *d, int node) {
    for (uint32_t i = 0; i < DIALOGUE_LINKS; i++) {
        if (d->links[i].node == node) {
            return i;
        }
    }
    fail_msg("node %d has no connection", node);
    return 0;
}

static void reply_to_half_a_command_closes_the_connection(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 2, "GET c", "v"), "v");
    advance_ms(d, 200);
    d->nodes[2].write_room = 20;
    int a = call(d, "SET k 0123456789012345678901234567890123456789");
    int b = call(d, "SET k 2");
    assert_int_equal(d->links[link_of(d, 2)].byte_count, 20);
    blurt(d, 2, "-ERR early\r\n");
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "a reply came before its command was sent");
    assert_int_equal(d->nodes[2].opens, 2);
    assert_int_equal(links_to(d, 2), 1);
    d->nodes[2].write_room = UINT64_MAX;
    expect(d, 2, "SET k 2"); /* whole, on the new connection */
    expect_nothing(d);
    reply(d, 2, "+OK");
    ok(d, b, "+OK");
}

static void reply_to_half_an_asked_command_closes_the_connection(dialogue *d) {
    start(d);
    ok(d, answered_call(d, 3, "GET foo", "v"), "v");
    advance_ms(d, 200);
    int a = answered_call(d, 2, "GET k", "v");
    ok(d, a, "v");
    int b = call(d, "SET k 1");
    expect(d, 2, "SET k 1");
    d->nodes[3].write_room = 25; /* ASKING is 17 bytes */
    reply(d, 2, "-ASK 7629 127.0.0.1:7003");
    expect(d, 3, "ASKING");
    reply(d, 3, "+OK");
    is_open(d, b);
    blurt(d, 3, "+OK\r\n");
    failed(d, b, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "a reply came before");
    d->nodes[3].write_room = UINT64_MAX;
}

/* Nothing of what lay in the sockets all the time is late. */
static void caller_who_was_away_makes_no_timeouts(dialogue *d) {
    static const char *const texts[] = {"", "GET b", "GET k", "GET foo"};
    int calls[4];
    start(d);
    for (int n = 1; n <= 3; n++) {
        calls[n] = call(d, texts[n]);
        expect(d, n, texts[n]);
        d->nodes[n].frozen = true;
        reply(d, n, "v");
    }
    d->now_us += 20000000;
    for (int n = 1; n <= 3; n++) {
        d->nodes[n].frozen = false;
    }
    settle(d);
    for (int n = 1; n <= 3; n++) {
        ok(d, calls[n], "v");
        assert_string_equal(state_of(d, n), "up");
        assert_int_equal(d->nodes[n].opens, 1);
    }
    assert_int_equal(count_of(d, KW_COUNT_TIMEOUTS), 0);
    assert_int_equal(d->events[KW_EVENT_NODE_DOWN], 0);
}

/* --------------------------------------------------------- events that cross */

static uint32_t gives_up_the_first_address(dialogue *d, int *ret_call) {
    name(d, "two.test", "127.0.0.1 127.0.0.5");
    d->nodes[2].announced = "two.test:7002";
    d->nodes[2].unreachable = true;
    snprintf(d->nodes[5].address, sizeof d->nodes[5].address, "127.0.0.5:7002");
    start(d);
    *ret_call = call(d, "SET k 1");
    assert_int_equal(d->nodes[2].opens, 1);
    uint32_t index = link_of(d, 2);
    d->now_us += 1001000;
    cluster_tick(d->c, d->now_us); /* gives up; nobody has fetched that it is to be closed */
    return index;
}

static void is_served_at_the_second_address(dialogue *d, int call) {
    expect(d, 5, "SET k 1");
    reply(d, 5, "+OK");
    ok(d, call, "+OK");
    assert_int_equal(d->nodes[5].opens, 1);
    assert_int_equal(d->nodes[2].opens, 1);
    assert_int_equal(links_to(d, 2), 0);
}

static void late_success_of_an_attempt_given_up_is_not_the_next_ones(dialogue *d) {
    int a = 0;
    uint32_t index = gives_up_the_first_address(d, &a);
    cluster_link_connected(d->c, index, d->now_us);
    kw_slice slice;
    assert_int_equal(cluster_link_output(d->c, index, &slice, 1), 0);
    is_served_at_the_second_address(d, a);
}

static void late_failure_of_an_attempt_given_up_is_not_the_next_ones(dialogue *d) {
    int a = 0;
    uint32_t index = gives_up_the_first_address(d, &a);
    cluster_link_lost(d->c, index, KW_ERR_CONNECTION, "Connection refused", d->now_us);
    is_served_at_the_second_address(d, a);
}

static void bytes_for_a_connection_given_up_are_not_taken(dialogue *d) {
    start(d);
    int a = call(d, "SET k 1");
    expect(d, 2, "SET k 1");
    uint32_t index = link_of(d, 2);
    size_t room = 0;
    char *at = cluster_link_input(d->c, index, &room);
    assert_non_null(at);
    memcpy(at, "?\r\n", 3);
    cluster_link_received(d->c, index, 3, d->now_us);
    assert_null(cluster_link_input(d->c, index, &room));
    assert_int_equal(room, 0);
    cluster_link_received(d->c, index, 3, d->now_us);
    settle(d);
    failed(d, a, KW_ERR_CONNECTION, KW_MAYBE_EXECUTED, "the connection was lost");
    assert_int_equal(links_to(d, 2), 0);
}

/* ------------------------------------------------------- effects without memory */

#define NODES 5
#define LINKS_EACH 16
#define SLOT_OF(node, i) (3277 * (node) + (i))

/* Goes to the brain without anything being fetched from it, though each allocation that it can do
 * without fails. */
static int submit_only(dialogue *d, int slot) {
    size_t index = d->call_count++;
    cluster_submit_options options = {.slot = slot, .user = (void *)(uintptr_t)index};
    kw_slice argv[] = {SLICE_LITERAL("DBSIZE")};
    kw_error err;
    d->calls = realloc(d->calls, d->call_count * sizeof *d->calls);
    d->calls[index] = (dialogue_call){.done = false};
    kw_status status = KW_ERR_NOMEM;
    for (size_t fail_at = 1; status == KW_ERR_NOMEM; fail_at++) {
        failing_mem_fail_at(&d->mem, fail_at);
        status = cluster_submit(d->c, argv, 1, &options, d->now_us, &err);
    }
    failing_mem_fail_at(&d->mem, 0);
    assert_int_equal(status, KW_OK);
    return (int)index;
}

static void start_many_connections(dialogue *d) {
    d->config.connections_per_node = LINKS_EACH;
    view(d, "0-3276 1, 3277-6553 2, 6554-9830 3, 9831-13107 4, 13108-16383 5", 3);
    start(d);
    for (int n = 0; n < NODES; n++) {
        for (int i = 0; i < LINKS_EACH; i++) {
            cluster_submit_options options = {.slot = SLOT_OF(n, i)};
            int a = call_with(d, &options, "DBSIZE");
            expect(d, n + 1, "DBSIZE");
            reply(d, n + 1, ":1");
            ok(d, a, ":1");
        }
        assert_int_equal(links_to(d, n + 1), LINKS_EACH);
    }
}

static void every_connection_is_written_to_without_memory(dialogue *d) {
    int calls[NODES * LINKS_EACH];
    start_many_connections(d);
    for (int i = 0; i < NODES * LINKS_EACH; i++) {
        calls[i] = submit_only(d, SLOT_OF(i / LINKS_EACH, i % LINKS_EACH));
    }
    for (int i = 0; i < NODES * LINKS_EACH; i++) {
        expect(d, i / LINKS_EACH + 1, "DBSIZE");
    }
    for (int i = 0; i < NODES * LINKS_EACH; i++) {
        reply(d, i / LINKS_EACH + 1, ":1");
    }
    for (int i = 0; i < NODES * LINKS_EACH; i++) {
        ok(d, calls[i], ":1");
    }
}

static void every_connection_is_closed_without_memory(dialogue *d) {
    start_many_connections(d);
    failing_mem_fail_after(&d->mem, 0);
    cluster_shutdown(d->c, KW_ERR_CLOSED, d->now_us);
    settle(d);
    for (int n = 1; n <= NODES; n++) {
        assert_int_equal(links_to(d, n), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE(reply_to_half_a_command_closes_the_connection),
        DIALOGUE(reply_to_half_an_asked_command_closes_the_connection),
        DIALOGUE(caller_who_was_away_makes_no_timeouts),
        DIALOGUE(late_success_of_an_attempt_given_up_is_not_the_next_ones),
        DIALOGUE(late_failure_of_an_attempt_given_up_is_not_the_next_ones),
        DIALOGUE(bytes_for_a_connection_given_up_are_not_taken),
        DIALOGUE(every_connection_is_written_to_without_memory),
        DIALOGUE(every_connection_is_closed_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
