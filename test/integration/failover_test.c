/* A primary dies under load. Its commands fail only in ways that say what is known, its first
 * command after the cluster's own failover succeeds, and the other shards never notice. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"
#include "integration/support/load.h"

enum { VICTIM = 0, REPLICA = 3, ADDED_OUTAGE_US = 200000 };

/* Asks the replica with bare SETs, every few milliseconds, when it serves the slots. */
typedef struct prober {
    pthread_t thread;
    raw *replica;
    char key[32];
    atomic_bool stop;
    _Atomic uint64_t served_us;
} prober;

static void *probe(void *arg) {
    prober *p = arg;
    while (!atomic_load(&p->stop)) {
        if (raw_do(p->replica, "SET %s x", p->key)) {
            atomic_store(&p->served_us, now_us());
            break;
        }
        sleep_ms(2);
    }
    return NULL;
}

static void prober_start(prober *p, const redis_cluster *cluster) {
    const redis_node *victim = &cluster->nodes[VICTIM];
    *p = (prober){.replica = redis_cluster_connect(cluster, REPLICA, 20000)};
    assert_non_null(p->replica);
    key_between(victim->first_slot, victim->last_slot, 0, p->key);
    assert_int_equal(pthread_create(&p->thread, NULL, probe, p), 0);
}

static void prober_join(prober *p) {
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    raw_close(p->replica);
}

/* Only writes, and only those that were under way when the client saw the connection go. */
static void expect_typed_failures(const load *l, uint64_t killed_us) {
    uint64_t seen_us = load_failure_count(l) ? load_failure_at(l, 0)->ended_us : 0;
    size_t maybe = 0;
    for (size_t i = 0; i < load_failure_count(l); i++) {
        const load_failure *f = load_failure_at(l, i);
        if (!f) {
            break;
        }
        if (f->shard != VICTIM || f->status != KW_ERR_CONNECTION || !f->write ||
            f->outcome != KW_MAYBE_EXECUTED || f->submitted_us > seen_us) {
            fail_msg("shard %d, %s: %s %s, submitted %lld us after the kill: %s", f->shard,
                     f->write ? "write" : "read", kw_status_name(f->status),
                     kw_outcome_name(f->outcome), (long long)f->submitted_us - (long long)killed_us,
                     f->message);
        }
        maybe++;
    }
    print_message("%zu writes in flight reported as MAYBE_EXECUTED\n", maybe);
}

static void run_until_served(load *l, prober *p) {
    const load_shard *shard = load_shard_at(l, VICTIM);
    uint64_t end_us = now_us() + 60 * 1000000ull;
    while (!atomic_load(&p->served_us) || !shard->first_reply_us) {
        load_pump(l);
        if (now_us() > end_us) {
            fail_msg("the cluster %s, the client %s", p->served_us ? "serves again" : "is down",
                     shard->first_reply_us ? "too" : "is not");
        }
    }
}

/* Nothing of the others failed, and the slowest of their commands waited for nothing like the
 * outage: a share of it, or what the machine itself made the test wait. */
static void expect_others_untouched(const load *l, uint64_t outage_us, uint64_t before_us) {
    for (int shard = 0; shard < 3; shard++) {
        if (shard == VICTIM) {
            continue;
        }
        const load_shard *s = load_shard_at(l, shard);
        uint64_t allowed_us = outage_us / 10 + before_us + 2 * load_stall_us(l);
        print_message("shard %d: p99 %llu us, max %llu us (before %llu, allowed %llu)\n", shard,
                      (unsigned long long)load_latency_us(s, 0.99),
                      (unsigned long long)s->latency_us_max, (unsigned long long)before_us,
                      (unsigned long long)allowed_us);
        assert_int_equal(s->failures, 0);
        assert_true(s->replies > 0);
        assert_true(s->latency_us_max <= allowed_us);
    }
}

static uint64_t slowest_us(const load *l) {
    uint64_t slowest = 0;
    for (int shard = 0; shard < 3; shard++) {
        uint64_t us = load_shard_at(l, shard)->latency_us_max;
        slowest = us > slowest ? us : slowest;
    }
    return slowest;
}

static void killed_primary_costs_its_shard_the_failover_and_little_more(void **state) {
    (void)state;
    redis_cluster *cluster =
        redis_cluster_start(&(redis_cluster_options){.replicas = 3, .node_timeout_ms = 1500});
    kw_client *client = client_open(cluster, "timeout_ms=30000");
    load *l = load_new(client, cluster,
                       &(load_options){.groups = 600, .window = 50, .burst = 8, .seed = 3});
    load_run(l, 500);
    load_mark(l);
    load_run(l, 1000);
    load_expect_no_failure(l);
    uint64_t before_us = slowest_us(l);

    prober p;
    redis_cluster_kill(cluster, VICTIM);
    uint64_t killed_us = now_us();
    load_mark(l);
    load_forget_expectations(l, VICTIM);
    prober_start(&p, cluster);
    run_until_served(l, &p);
    uint64_t served_us = atomic_load(&p.served_us);
    uint64_t client_us = load_shard_at(l, VICTIM)->first_reply_us;
    uint64_t stall_us = load_stall_us(l);
    uint64_t outage_us = served_us - killed_us;
    expect_others_untouched(l, outage_us, before_us);
    load_drain(l);
    prober_join(&p);

    print_message("the cluster's outage %llu ms, the client's %llu ms (longest stall of the test "
                  "%llu ms)\n",
                  (unsigned long long)outage_us / 1000,
                  (unsigned long long)(client_us - killed_us) / 1000,
                  (unsigned long long)stall_us / 1000);
    expect_typed_failures(l, killed_us);
    /* What the machine kept from this process is not the client's. */
    assert_true(client_us <= served_us + ADDED_OUTAGE_US + 2 * stall_us);

    /* And from here on nothing fails any more. */
    size_t failures = load_failure_count(l);
    load_run(l, 500);
    load_drain(l);
    assert_int_equal(load_failure_count(l), failures);
    load_expect_no_surprise(l);
    char owner[80];
    char want[80];
    assert_string_equal(client_owner(client, cluster->nodes[VICTIM].first_slot, owner),
                        redis_cluster_endpoint(cluster, REPLICA, want));
    load_free(l);
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void first_command_of_a_client_opened_during_the_outage_succeeds(void **state) {
    (void)state;
    redis_cluster *cluster =
        redis_cluster_start(&(redis_cluster_options){.replicas = 1, .node_timeout_ms = 1000});
    char key[32];
    key_between(cluster->nodes[VICTIM].first_slot, cluster->nodes[VICTIM].last_slot, 0, key);
    redis_cluster_kill(cluster, VICTIM);
    kw_client *client = client_open(cluster, "timeout_ms=30000");
    client_expect_text(client, "OK", "SET %s 1", key);
    client_expect_text(client, "1", "GET %s", key);
    kw_close(client);
    redis_cluster_stop(cluster);
}

static void wait_for(redis_cluster *cluster, int node, const char *command, const char *want) {
    for (uint64_t end_us = now_us() + 60 * 1000000ull;; sleep_ms(5)) {
        raw_reply *reply = redis_cluster_ask(cluster, node, "%s", command);
        bool found = reply->text && strstr(reply->text, want) != NULL;
        raw_reply_free(reply);
        if (found) {
            return;
        }
        if (now_us() > end_us) {
            fail_msg("%s of node %d never shows %s", command, node, want);
        }
    }
}

static bool has_role(redis_cluster *cluster, int node, const char *role) {
    raw_reply *info = redis_cluster_ask(cluster, node, "INFO replication");
    bool has = info->text && strstr(info->text, role) != NULL;
    raw_reply_free(info);
    return has;
}

/* Asks once: a second wish before the first has timed out confuses the servers' election. */
static void fail_over(redis_cluster *cluster, int replica, load *l) {
    uint64_t end_us = now_us() + 60 * 1000000ull;
    redis_cluster_do(cluster, replica, "CLUSTER FAILOVER");
    while (!has_role(cluster, replica, "role:master")) {
        load_run(l, 10);
        if (now_us() > end_us) {
            fail_msg("node %d does not become a primary", replica);
        }
    }
    load_run(l, 300);
}

/* Until the two have changed places and each knows it. */
static void wait_for_change(redis_cluster *cluster, int primary, int replica) {
    char follower[64];
    snprintf(follower, sizeof follower, "slave %s", cluster->nodes[primary].id);
    wait_for(cluster, primary, "INFO replication", "role:master");
    wait_for(cluster, replica, "INFO replication", "master_link_status:up");
    for (int i = 0; i < cluster->count; i++) {
        wait_for(cluster, i, "CLUSTER NODES", follower);
    }
}

/* Primary and replica change places in agreement, there and back: nobody may notice. */
static void failover_by_hand_fails_loses_and_doubles_nothing(void **state) {
    enum { ROUNDS = 2 }; /* a node that was just elected is not elected again for a while */
    (void)state;
    redis_cluster *cluster =
        redis_cluster_start(&(redis_cluster_options){.replicas = 1, .node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "timeout_ms=30000");
    load *l = load_new(client, cluster,
                       &(load_options){.groups = 600, .window = 50, .burst = 8, .seed = 9});
    load_run(l, 500);
    for (int round = 0; round < ROUNDS; round++) {
        int next = round == 0 ? REPLICA : VICTIM;
        fail_over(cluster, next, l);
        load_drain(l);
        wait_for_change(cluster, next, next == VICTIM ? REPLICA : VICTIM);
    }
    load_run(l, 200);
    load_drain(l);
    load_expect_no_failure(l);
    load_expect_no_surprise(l);
    load_verify(l);
    load_free(l);
    kw_close(client);
    redis_cluster_stop(cluster);
}

/* No connection breaks, only answers stay away; the old primary comes back later and is no trap. */
static void hung_primary_is_left_for_its_successor(void **state) {
    (void)state;
    redis_cluster *cluster =
        redis_cluster_start(&(redis_cluster_options){.replicas = 1, .node_timeout_ms = 1500});
    kw_client *client = client_open(cluster, "timeout_ms=1000");
    char key[32];
    key_between(cluster->nodes[VICTIM].first_slot, cluster->nodes[VICTIM].last_slot, 1, key);
    client_expect_text(client, "OK", "SET %s before", key);
    redis_cluster_signal(cluster, VICTIM, SIGSTOP);
    prober p;
    prober_start(&p, cluster);
    int after_served = 0;
    kw_reply *reply = NULL;
    kw_error err;
    while (kw_call(client, &reply, &err, "SET %s after", key) != KW_OK) {
        assert_true(err.status == KW_ERR_TIMEOUT || err.status == KW_ERR_CONNECTION);
        after_served += atomic_load(&p.served_us) != 0;
        assert_true(after_served <= 2);
    }
    kw_reply_free(reply);
    prober_join(&p);
    redis_cluster_signal(cluster, VICTIM, SIGCONT);
    for (int i = 0; i < 100; i++) {
        client_expect_text(client, "after", "GET %s", key);
        assert_int_equal(kw_wait(client, 2), KW_OK);
    }
    wait_for(cluster, VICTIM, "INFO replication", "role:slave");
    client_expect_text(client, "after", "GET %s", key);
    kw_close(client);
    redis_cluster_stop(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_primary_costs_its_shard_the_failover_and_little_more),
        cmocka_unit_test(first_command_of_a_client_opened_during_the_outage_succeeds),
        cmocka_unit_test(failover_by_hand_fails_loses_and_doubles_nothing),
        cmocka_unit_test(hung_primary_is_left_for_its_successor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
