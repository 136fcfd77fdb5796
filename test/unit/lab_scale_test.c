/* Labs of many nodes. */
#include "lab/lab_options.h"
#include "unit/support/failing_mem.h"
#include "unit/support/lab_peer.h"
#include "unit/support/unit.h"

#include <unistd.h>

/* Counts what it holds; *mem must outlive it. */
static kw_lab *start_counted(failing_mem *t, int primaries, int replicas) {
    kw_lab_options *options = NULL;
    failing_mem_init(t);
    assert_int_equal(kw_lab_options_new(&options), KW_OK);
    assert_int_equal(kw_lab_options_set_size(options, primaries, replicas), KW_OK);
    kw_lab_options_set_failover_ms(options, 50);
    options->mem = &t->mem;
    return lab_peer_start(options);
}

static void set_all(kw_client *client, int count) {
    for (int i = 0; i < count; i++) {
        kw_reply *reply = NULL;
        kw_error err;
        if (kw_call(client, &reply, &err, "SET key:%d %d", i, i) != KW_OK) {
            fail_msg("%s", err.message);
        }
        assert_false(kw_reply_is_error(reply));
        kw_reply_free(reply);
    }
}

static void a_hundred_nodes_serve_all_slots(void **state) {
    (void)state;
    enum { PRIMARIES = 50, KEYS = 3000 };
    failing_mem t;
    kw_lab *lab = start_counted(&t, PRIMARIES, 1);
    kw_client *client = NULL;
    kw_error err;
    assert_int_equal(kw_lab_node_count(lab), 2 * PRIMARIES);
    assert_int_equal(kw_open(kw_lab_url(lab), NULL, &client, &err), KW_OK);
    set_all(client, KEYS);
    kw_lab_node primary;
    uint64_t keys = 0;
    int slots = 0;
    for (int i = 0; i < PRIMARIES; i++) {
        assert_true(kw_lab_node_at(lab, i, &primary));
        assert_true(primary.key_count > 0);
        keys += primary.key_count;
        slots += primary.slot_count;
    }
    assert_int_equal(keys, KEYS);
    assert_int_equal(slots, 16384);
    for (int i = PRIMARIES; i < 2 * PRIMARIES; i++) { /* replicas hold the same */
        kw_lab_node replica;
        assert_true(kw_lab_node_at(lab, i, &replica));
        assert_true(kw_lab_node_at(lab, replica.primary_index, &primary));
        assert_int_equal(replica.key_count, primary.key_count);
    }
    assert_int_equal(kw_lab_kill(lab, 7), KW_OK);
    for (int i = 0; i < 1000 && kw_lab_owner(lab, 7 * 16384 / 50 + 1) == 7; i++) {
        usleep(10000);
    }
    assert_int_equal(kw_lab_owner(lab, 7 * 16384 / 50 + 1), PRIMARIES + 7);
    set_all(client, KEYS);
    kw_close(client);
    kw_lab_stop(lab);
    assert_int_equal(t.live_count, 0);
}

/* Each node knows of all others, so some of it is their square; most of it must not be. */
static void memory_grows_with_the_nodes_not_with_their_square(void **state) {
    (void)state;
    failing_mem small;
    failing_mem large;
    kw_lab *lab = start_counted(&small, 16, 1);
    size_t small_bytes = small.live_bytes;
    kw_lab_stop(lab);
    lab = start_counted(&large, 64, 1);
    size_t large_bytes = large.live_bytes;
    kw_lab_stop(lab);
    assert_true(large_bytes < 7 * small_bytes);
    assert_true(large_bytes < 64u * 1024 * 1024);
}

static size_t bytes_of_nodes(int count) {
    failing_mem t;
    kw_lab *lab = start_counted(&t, count, 0);
    size_t bytes = t.live_bytes;
    kw_lab_stop(lab);
    assert_int_equal(t.live_count, 0);
    return bytes;
}

/* What grows with the square of the nodes: in the difference of differences all else falls out. */
static void what_a_node_knows_of_another_is_little(void **state) {
    (void)state;
    enum { NODES = 40, PAIRS = 2 * NODES * NODES };
    size_t square =
        bytes_of_nodes(3 * NODES) + bytes_of_nodes(NODES) - 2 * bytes_of_nodes(2 * NODES);
    assert_in_range(square / PAIRS, 1, 128);
}

static void a_lab_of_hundreds_of_nodes_starts_and_answers(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start_size(128, 2);
    assert_int_equal(kw_lab_node_count(lab), 384);
    lab_peer_ask(lab_peer_port(lab, 383), "PING\r\n", "+PONG\r\n");
    assert_int_equal(kw_lab_owner(lab, 16383), 127);
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_nodes_serve_all_slots),
        cmocka_unit_test(memory_grows_with_the_nodes_not_with_their_square),
        cmocka_unit_test(what_a_node_knows_of_another_is_little),
        cmocka_unit_test(a_lab_of_hundreds_of_nodes_starts_and_answers),
    };
    return cmocka_run_group_tests_name("lab scale", tests, NULL, NULL);
}
