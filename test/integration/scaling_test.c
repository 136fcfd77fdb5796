/* A cluster grows by a node and shrinks again under load: the client takes the new node into its
 * map and lets it go, and no command fails. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"
#include "integration/support/load.h"

enum { GROUPS = 2000, SPARE = 3, SLOTS = 150 };

typedef struct mover {
    pthread_t thread;
    slot_move move;
    atomic_bool done;
    bool failed;
} mover;

static void *move_all(void *arg) {
    mover *m = arg;
    for (int slot = 0; slot < SLOTS && !m->failed; slot++) {
        m->failed = !slot_move_run(&m->move, slot);
    }
    atomic_store(&m->done, true);
    return NULL;
}

static void move_under_load(redis_cluster *cluster, int from, int to, load *l) {
    mover m = {.move = {.from = redis_cluster_connect(cluster, from, 20000),
                        .to = redis_cluster_connect(cluster, to, 20000),
                        .from_id = cluster->nodes[from].id,
                        .to_id = cluster->nodes[to].id,
                        .to_host = cluster->host,
                        .to_port = cluster->nodes[to].port}};
    assert_non_null(m.move.from);
    assert_non_null(m.move.to);
    assert_int_equal(pthread_create(&m.thread, NULL, move_all, &m), 0);
    while (!atomic_load(&m.done)) {
        load_pump(l);
    }
    pthread_join(m.thread, NULL);
    raw_close(m.move.from);
    raw_close(m.move.to);
    assert_string_equal(m.move.problem, "");
    assert_false(m.failed);
}

static size_t nodes_in_map(const kw_client *client) {
    kw_map *map = NULL;
    assert_int_equal(kw_map_new(client, &map), KW_OK);
    size_t count = kw_map_node_count(map);
    kw_map_free(map);
    return count;
}

/* Redirects show a new node at once; the rest comes with the next refresh. */
static void run_until(kw_client *client, load *l, size_t nodes, const redis_cluster *cluster,
                      int owner_of_first) {
    char owner[80];
    char want[80];
    redis_cluster_endpoint(cluster, owner_of_first, want);
    uint64_t end_us = now_us() + 60 * 1000000ull;
    while (nodes_in_map(client) != nodes || strcmp(client_owner(client, 0, owner), want) != 0) {
        load_pump(l);
        if (now_us() > end_us) {
            fail_msg("%zu nodes in the map, not %zu, or %s serves slot 0, not %s",
                     nodes_in_map(client), nodes, owner, want);
        }
    }
}

static void node_comes_and_goes_without_a_failure(void **state) {
    (void)state;
    redis_cluster *cluster =
        redis_cluster_start(&(redis_cluster_options){.spares = 1, .node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "timeout_ms=20000&refresh_interval_ms=1000");
    load *l = load_new(client, cluster,
                       &(load_options){.groups = GROUPS, .window = 50, .burst = 10, .seed = 21});
    load_run(l, 300);
    assert_int_equal(nodes_in_map(client), 3);

    move_under_load(cluster, 0, SPARE, l);
    run_until(client, l, 4, cluster, SPARE);

    move_under_load(cluster, SPARE, 0, l);
    for (int i = 0; i < SPARE; i++) {
        redis_cluster_do(cluster, i, "CLUSTER FORGET %s", cluster->nodes[SPARE].id);
    }
    run_until(client, l, 3, cluster, 0);
    redis_cluster_kill(cluster, SPARE);
    load_run(l, 300);
    load_drain(l);
    load_expect_no_failure(l);
    load_expect_no_surprise(l);
    load_verify(l);
    assert_int_equal(client_counter(client, KW_COUNT_LINKS), 3);
    load_free(l);
    kw_close(client);
    redis_cluster_stop(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_comes_and_goes_without_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
