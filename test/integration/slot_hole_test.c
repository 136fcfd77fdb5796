/* A slot without owner, in the cluster or only in the client's map, heals by itself: the next
 * command after the cluster is whole again succeeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"

/* The node whose slots vanish and come back. */
enum { VICTIM = 2 };

static void wait_all_know(redis_cluster *cluster, const char *state_text) {
    for (int i = 0; i < cluster->count; i++) {
        for (uint64_t end_us = now_us() + 60 * 1000000ull;;) {
            raw_reply *info = redis_cluster_ask(cluster, i, "CLUSTER INFO");
            bool known = strstr(info->text, state_text) != NULL;
            raw_reply_free(info);
            if (known) {
                break;
            }
            assert_true(now_us() < end_us);
            sleep_ms(5);
        }
    }
}

/* The owner first: what it claims in its pings would otherwise fill the hole again. */
static void make_hole(redis_cluster *cluster) {
    const redis_node *victim = &cluster->nodes[VICTIM];
    for (int i = cluster->count - 1; i >= 0; i--) {
        redis_cluster_do(cluster, i, "CLUSTER DELSLOTSRANGE %d %d", victim->first_slot,
                         victim->last_slot);
    }
}

static void fill_hole(redis_cluster *cluster) {
    const redis_node *victim = &cluster->nodes[VICTIM];
    redis_cluster_do(cluster, VICTIM, "CLUSTER ADDSLOTSRANGE %d %d", victim->first_slot,
                     victim->last_slot);
}

static void key_in_hole(const redis_cluster *cluster, int number, char key[32]) {
    const redis_node *victim = &cluster->nodes[VICTIM];
    key_between(victim->first_slot, victim->last_slot, number, key);
}

static void key_outside(const redis_cluster *cluster, char key[32]) {
    key_between(cluster->nodes[0].first_slot, cluster->nodes[0].last_slot, 0, key);
}

static void hole_at_load_heals_with_the_very_next_command(void **state) {
    redis_cluster *cluster = *state;
    char healthy[32];
    char lost[32];
    char owner[80];
    char want[80];
    key_outside(cluster, healthy);
    key_in_hole(cluster, 1, lost);
    make_hole(cluster);
    kw_client *client = client_open(cluster, "timeout_ms=30000");
    client_expect_text(client, "OK", "SET %s 1", healthy);
    int slot = kw_key_slot(lost, strlen(lost));
    assert_string_equal(client_owner(client, slot, owner), "");
    fill_hole(cluster);
    /* No wait for gossip: other nodes may still answer that nobody serves the slot. */
    client_expect_text(client, "OK", "SET %s healed", lost);
    client_expect_text(client, "healed", "GET %s", lost);
    assert_string_equal(client_owner(client, slot, owner),
                        redis_cluster_endpoint(cluster, VICTIM, want));
    assert_true(client_counter(client, KW_COUNT_SLOTS_HEALED) > 0);
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    kw_close(client);
    redis_cluster_wait_ok(cluster);
}

typedef struct answer {
    int count;
    char text[64];
} answer;

static void on_answer(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    answer *a = arg;
    a->count++;
    snprintf(a->text, sizeof a->text, "%s",
             reply ? kw_reply_string(reply, NULL) : kw_status_name(err->status));
}

static void command_waiting_in_a_hole_is_answered_when_the_slots_return(void **state) {
    redis_cluster *cluster = *state;
    char healthy[32];
    char lost[32];
    answer a = {0};
    kw_error err;
    key_outside(cluster, healthy);
    key_in_hole(cluster, 2, lost);
    make_hole(cluster);
    kw_client *client = client_open(cluster, "timeout_ms=30000");
    assert_int_equal(kw_submitf(client, on_answer, &a, &err, "SET %s 2", lost), KW_OK);
    /* Others pass it by, and it neither fails nor is forgotten. */
    for (int i = 0; i < 200; i++) {
        client_expect_text(client, "OK", "SET %s %d", healthy, i);
        assert_int_equal(kw_wait(client, 1), KW_OK);
    }
    assert_int_equal(a.count, 0);
    assert_int_equal(kw_pending(client), 1);
    fill_hole(cluster);
    while (kw_pending(client)) {
        assert_int_equal(kw_wait(client, 1000), KW_OK);
    }
    assert_int_equal(a.count, 1);
    assert_string_equal(a.text, "OK");
    kw_close(client);
    redis_cluster_wait_ok(cluster);
}

static void hole_of_the_client_alone_never_fails_a_command(void **state) {
    redis_cluster *cluster = *state;
    kw_client *client = client_open(cluster, "timeout_ms=30000");
    client_expect_text(client, "PONG", "PING");
    for (int round = 0; round < 5; round++) {
        assert_int_equal(kw_forget_slots(client, 0, KW_SLOT_COUNT - 1), KW_OK);
        for (int i = 0; i < 200; i++) {
            client_expect_text(client, "OK", "SET key:%d %d", i, round);
        }
    }
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    assert_true(client_counter(client, KW_COUNT_PROBES) > 0);
    assert_true(client_counter(client, KW_COUNT_SLOTS_HEALED) > 0);
    kw_close(client);
}

static void batch_into_a_hole_of_the_client_is_answered_in_full(void **state) {
    redis_cluster *cluster = *state;
    kw_client *client = client_open(cluster, "timeout_ms=30000");
    kw_batch *batch = NULL;
    kw_error err;
    client_expect_text(client, "PONG", "PING");
    assert_int_equal(kw_forget_slots(client, 0, KW_SLOT_COUNT - 1), KW_OK);
    assert_int_equal(kw_batch_new(client, &batch), KW_OK);
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(kw_batch_addf(batch, &err, "SET key:%d %d", i, i), KW_OK);
    }
    assert_int_equal(kw_batch_run(batch, &err), KW_OK);
    for (size_t i = 0; i < 2000; i++) {
        assert_string_equal(kw_reply_string(kw_batch_reply(batch, i), NULL), "OK");
    }
    kw_batch_free(batch);
    kw_close(client);
}

static void uncovered_fail_rejects_at_once_and_recovers(void **state) {
    redis_cluster *cluster = *state;
    char healthy[32];
    char lost[32];
    kw_error err;
    key_outside(cluster, healthy);
    key_in_hole(cluster, 3, lost);
    make_hole(cluster);
    kw_client *client = client_open(cluster, "timeout_ms=60000&uncovered=fail");
    client_expect_text(client, "OK", "SET %s 1", healthy);
    uint64_t start_us = now_us();
    client_expect_failure(client, &err, "SET %s 1", lost);
    /* At once: far from the deadline of a minute. */
    assert_true(now_us() - start_us < 30 * 1000000ull);
    assert_int_equal(err.status, KW_ERR_UNCOVERED);
    assert_int_equal(err.outcome, KW_REJECTED);
    assert_int_equal(err.slot, kw_key_slot(lost, strlen(lost)));
    assert_true(kw_error_is_retriable(&err));
    client_expect_text(client, "OK", "SET %s 2", healthy);
    fill_hole(cluster);
    redis_cluster_wait_ok(cluster);
    client_expect_text(client, "OK", "SET %s 2", lost);
    kw_close(client);
}

static void cluster_that_is_down_as_a_whole_is_waited_for(void **state) {
    redis_cluster *cluster = *state;
    char healthy[32];
    char lost[32];
    answer a = {0};
    kw_error err;
    key_outside(cluster, healthy);
    key_in_hole(cluster, 4, lost);
    for (int i = 0; i < cluster->count; i++) {
        redis_cluster_do(cluster, i, "CONFIG SET cluster-require-full-coverage yes");
    }
    make_hole(cluster);
    wait_all_know(cluster, "cluster_state:fail");
    kw_client *client = client_open(cluster, "timeout_ms=30000");
    assert_int_equal(kw_submitf(client, on_answer, &a, &err, "SET %s 1", healthy), KW_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(kw_wait(client, 2), KW_OK);
    }
    assert_int_equal(a.count, 0);
    fill_hole(cluster);
    client_expect_text(client, "OK", "SET %s 1", lost);
    while (kw_pending(client)) {
        assert_int_equal(kw_wait(client, 1000), KW_OK);
    }
    assert_string_equal(a.text, "OK");
    kw_close(client);
    for (int i = 0; i < cluster->count; i++) {
        redis_cluster_do(cluster, i, "CONFIG SET cluster-require-full-coverage no");
    }
}

static int start(void **state) {
    *state = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 2000});
    return 0;
}

static int stop(void **state) {
    redis_cluster_stop(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hole_at_load_heals_with_the_very_next_command),
        cmocka_unit_test(command_waiting_in_a_hole_is_answered_when_the_slots_return),
        cmocka_unit_test(hole_of_the_client_alone_never_fails_a_command),
        cmocka_unit_test(batch_into_a_hole_of_the_client_is_answered_in_full),
        cmocka_unit_test(uncovered_fail_rejects_at_once_and_recovers),
        cmocka_unit_test(cluster_that_is_down_as_a_whole_is_waited_for),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
