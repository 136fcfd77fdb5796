/* The whole cluster moves to other ports while the client holds its old map; only the seed's
 * address stays. The client finds it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"
#include "integration/support/forwarder.h"

enum { KEYS = 200 };

static kw_client *open_through(const forwarder *seed) {
    char url[128];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u?timeout_ms=60000", forwarder_port(seed));
    return client_open_url(url);
}

static void write_all(kw_client *client, int value) {
    for (int i = 0; i < KEYS; i++) {
        client_expect_text(client, "OK", "SET key:%d %d", i, value);
    }
}

static void expect_all(kw_client *client, int value) {
    char want[16];
    snprintf(want, sizeof want, "%d", value);
    for (int i = 0; i < KEYS; i++) {
        client_expect_text(client, want, "GET key:%d", i);
    }
}

static void expect_owners(const redis_cluster *cluster, const kw_client *client) {
    for (int i = 0; i < cluster->options.primaries; i++) {
        char owner[80];
        char want[80];
        assert_string_equal(client_owner(client, cluster->nodes[i].first_slot, owner),
                            redis_cluster_endpoint(cluster, i, want));
    }
}

static void restart_elsewhere(redis_cluster *cluster) {
    for (int i = 0; i < cluster->count; i++) {
        redis_cluster_do(cluster, i, "SAVE");
    }
    for (int i = 0; i < cluster->count; i++) {
        redis_cluster_kill(cluster, i);
    }
    for (int i = 0; i < cluster->count; i++) {
        redis_cluster_restart(cluster, i, true);
    }
    redis_cluster_meet(cluster);
    redis_cluster_wait_ok(cluster);
}

static void cluster_restarted_on_other_ports_is_found_again(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){0});
    forwarder *seed = forwarder_start(cluster->nodes[0].port);
    assert_non_null(seed);
    kw_client *client = open_through(seed);
    write_all(client, 1);
    expect_owners(cluster, client);
    restart_elsewhere(cluster);
    forwarder_set_target(seed, cluster->nodes[1].port);
    expect_all(client, 1);
    write_all(client, 2);
    assert_int_equal(kw_refresh(client, 0, NULL), KW_OK);
    expect_owners(cluster, client);
    kw_close(client);
    forwarder_stop(seed);
    redis_cluster_stop(cluster);
}

/* Another cluster altogether: other ids, younger epochs than those that the client has seen. */
static void new_cluster_behind_the_same_seed_is_accepted(void **state) {
    (void)state;
    redis_cluster *old = redis_cluster_start(&(redis_cluster_options){0});
    redis_cluster *new = redis_cluster_start(&(redis_cluster_options){.primaries = 2});
    forwarder *seed = forwarder_start(old->nodes[0].port);
    assert_non_null(seed);
    kw_client *client = open_through(seed);
    write_all(client, 1);
    redis_cluster_stop(old);
    forwarder_set_target(seed, new->nodes[0].port);
    write_all(client, 2);
    expect_all(client, 2);
    expect_owners(new, client);
    kw_close(client);
    forwarder_stop(seed);
    redis_cluster_stop(new);
}

static void seed_that_answers_late_is_waited_for(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.primaries = 1});
    forwarder *seed = forwarder_start(0);
    assert_non_null(seed);
    kw_client *client = open_through(seed);
    kw_error err;
    assert_int_equal(kw_submitf(client, NULL, NULL, &err, "SET key:0 late"), KW_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(kw_wait(client, 3), KW_OK);
    }
    assert_int_equal(kw_pending(client), 1);
    forwarder_set_target(seed, cluster->nodes[0].port);
    client_expect_text(client, "late", "GET key:0");
    kw_close(client);
    forwarder_stop(seed);
    redis_cluster_stop(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cluster_restarted_on_other_ports_is_found_again),
        cmocka_unit_test(new_cluster_behind_the_same_seed_is_accepted),
        cmocka_unit_test(seed_that_answers_late_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
