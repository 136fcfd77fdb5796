/* A primary that hangs (SIGSTOP) hurts only its own commands: they end at their deadline and say
 * what is known of them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"
#include "integration/support/load.h"

enum { VICTIM = 0, TIMEOUT_MS = 1000 };

/* A cluster that does not give the node up meanwhile. */
static int start(void **state) {
    *state = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 60000});
    return 0;
}

/* Also when the test failed halfway. */
static int resume(void **state) {
    redis_cluster_signal(*state, VICTIM, SIGCONT);
    return 0;
}

static int stop(void **state) {
    redis_cluster_stop(*state);
    return 0;
}

/* Those that were under way say so; the others are known not to be executed: they waited for the
 * node, or another one told that it owns the slot still (REJECTED). */
static void expect_right_outcomes(const load *l) {
    size_t count = load_failure_count(l);
    size_t by_outcome[4] = {0};
    for (size_t i = 0; i < count && load_failure_at(l, i); i++) {
        const load_failure *f = load_failure_at(l, i);
        bool right = f->shard == VICTIM &&
                     (f->status == KW_ERR_TIMEOUT || f->status == KW_ERR_CONNECTION) &&
                     (f->outcome == KW_NOT_SENT || f->outcome == KW_REJECTED ||
                      f->outcome == (f->write ? KW_MAYBE_EXECUTED : KW_NO_EFFECT));
        if (!right) {
            fail_msg("shard %d, %s: %s %s: %s", f->shard, f->write ? "write" : "read",
                     kw_status_name(f->status), kw_outcome_name(f->outcome), f->message);
        }
        by_outcome[f->outcome]++;
    }
    print_message("%zu failed: %zu NOT_SENT, %zu NO_EFFECT, %zu MAYBE_EXECUTED\n", count,
                  by_outcome[KW_NOT_SENT], by_outcome[KW_NO_EFFECT], by_outcome[KW_MAYBE_EXECUTED]);
    assert_true(by_outcome[KW_MAYBE_EXECUTED] > 0);
    assert_true(by_outcome[KW_NO_EFFECT] > 0);
}

static void expect_ends_at_deadline(const load *l, uint64_t stall_us) {
    uint64_t latest_us = 0;
    bool in_time = false;
    for (size_t i = 0; i < load_failure_count(l) && load_failure_at(l, i); i++) {
        const load_failure *f = load_failure_at(l, i);
        uint64_t took_us = f->ended_us - f->submitted_us;
        latest_us = took_us > latest_us ? took_us : latest_us;
        in_time |= f->status == KW_ERR_TIMEOUT && took_us >= TIMEOUT_MS * 1000ull;
    }
    print_message("latest end %llu us after submission\n", (unsigned long long)latest_us);
    assert_true(in_time);
    assert_true(latest_us <= TIMEOUT_MS * 1000ull + TIMEOUT_MS * 500ull + 2 * stall_us);
}

static void stopped_primary_hurts_only_its_own_commands(void **state) {
    redis_cluster *cluster = *state;
    kw_client *client = client_open(cluster, "timeout_ms=1000");
    load *l = load_new(client, cluster,
                       &(load_options){.groups = 600, .window = 50, .burst = 8, .seed = 5});
    load_run(l, 500);
    load_mark(l);
    load_run(l, 1000);
    load_expect_no_failure(l);
    uint64_t before_us[3];
    for (int i = 0; i < 3; i++) {
        before_us[i] = load_shard_at(l, i)->latency_us_max;
    }

    redis_cluster_signal(cluster, VICTIM, SIGSTOP);
    load_mark(l);
    load_run(l, 4 * TIMEOUT_MS);
    uint64_t stall_us = load_stall_us(l);
    for (int i = 1; i < 3; i++) {
        const load_shard *s = load_shard_at(l, i);
        uint64_t allowed_us = TIMEOUT_MS * 100 + before_us[i] + 2 * stall_us;
        print_message("shard %d: p99 %llu us, max %llu us (before %llu us)\n", i,
                      (unsigned long long)load_latency_us(s, 0.99),
                      (unsigned long long)s->latency_us_max, (unsigned long long)before_us[i]);
        assert_int_equal(s->failures, 0);
        assert_true(s->replies > 0);
        assert_true(s->latency_us_max <= allowed_us);
    }
    load_drain(l);
    expect_right_outcomes(l);
    expect_ends_at_deadline(l, stall_us);

    redis_cluster_signal(cluster, VICTIM, SIGCONT);
    redis_cluster_wait_ok(cluster);
    /* The first commands may still meet the back-off of the reconnect; then all is as before. */
    char key[32];
    kw_error err;
    kw_reply *reply = NULL;
    key_between(cluster->nodes[VICTIM].first_slot, cluster->nodes[VICTIM].last_slot, 0, key);
    int attempts = 0;
    while (kw_call(client, &reply, &err, "SET %s again", key) != KW_OK) {
        assert_true(++attempts < 30);
    }
    kw_reply_free(reply);
    size_t failures = load_failure_count(l);
    load_run(l, 500);
    load_drain(l);
    assert_int_equal(load_failure_count(l), failures);
    load_expect_no_surprise(l);
    load_verify(l);
    load_free(l);
    kw_close(client);
}

typedef struct ends {
    int count;
    int outcomes[4];
} ends;

static void on_end(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    ends *e = arg;
    e->count++;
    assert_null(reply);
    /* The first few time out; that many in a row condemn the connection with the rest. */
    assert_true(err->status == KW_ERR_TIMEOUT || err->status == KW_ERR_CONNECTION);
    e->outcomes[err->outcome]++;
}

static void writes_that_find_no_room_on_the_link_are_not_sent(void **state) {
    enum { WRITES = 400, ROOM = 100 };
    redis_cluster *cluster = *state;
    kw_client *client = client_open(cluster, "timeout_ms=1000&in_flight_max=100");
    char key[32];
    ends e = {0};
    key_between(cluster->nodes[VICTIM].first_slot, cluster->nodes[VICTIM].last_slot, 1, key);
    client_expect_text(client, "OK", "SET %s 0", key);
    redis_cluster_signal(cluster, VICTIM, SIGSTOP);
    for (int i = 0; i < WRITES; i++) {
        kw_error err;
        assert_int_equal(kw_submitf(client, on_end, &e, &err, "INCR %s", key), KW_OK);
    }
    while (kw_pending(client)) {
        assert_int_equal(kw_wait(client, 1000), KW_OK);
    }
    redis_cluster_signal(cluster, VICTIM, SIGCONT);
    assert_int_equal(e.count, WRITES);
    assert_int_equal(e.outcomes[KW_MAYBE_EXECUTED], ROOM);
    assert_int_equal(e.outcomes[KW_NOT_SENT], WRITES - ROOM);

    /* Exactly those that were sent arrived. */
    char value[32] = "";
    for (uint64_t end_us = now_us() + 60 * 1000000ull; strcmp(value, "100") && now_us() < end_us;) {
        raw_reply *reply = redis_cluster_ask(cluster, VICTIM, "GET %s", key);
        snprintf(value, sizeof value, "%s", reply->text);
        raw_reply_free(reply);
        sleep_ms(5);
    }
    assert_string_equal(value, "100");
    kw_close(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(stopped_primary_hurts_only_its_own_commands, resume),
        cmocka_unit_test_teardown(writes_that_find_no_room_on_the_link_are_not_sent, resume),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
