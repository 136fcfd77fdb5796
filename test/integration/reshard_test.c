/* redis-cli moves slots away under a mixed load: nothing fails, nothing is lost, nothing is written
 * twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "integration/support/client.h"
#include "integration/support/load.h"

enum { GROUPS = 3000, SLOTS_TO_MOVE = 1000 };

static pid_t start_reshard(const redis_cluster *cluster) {
    char endpoint[80];
    char log[128];
    snprintf(log, sizeof log, "%s/reshard.log", cluster->dir.path);
    redis_cluster_endpoint(cluster, 0, endpoint);
    char *argv[] = {"redis-cli",       "--cluster",
                    "reshard",         endpoint,
                    "--cluster-from",  (char *)cluster->nodes[0].id,
                    "--cluster-to",    (char *)cluster->nodes[1].id,
                    "--cluster-slots", "1000",
                    "--cluster-yes",   NULL};
    return process_start(argv, log);
}

static int slots_moved(redis_cluster *cluster) {
    raw_reply *slots = redis_cluster_ask(cluster, 1, "CLUSTER SLOTS");
    int moved = 0;
    for (size_t i = 0; i < slots->count; i++) {
        const raw_reply *range = &slots->items[i];
        if (redis_cluster_by_id(cluster, range->items[2].items[2].text) == 1) {
            moved += (int)(range->items[1].integer - range->items[0].integer) + 1;
        }
    }
    raw_reply_free(slots);
    return moved - (cluster->nodes[1].last_slot - cluster->nodes[1].first_slot + 1);
}

static void reshard_under_load_fails_loses_and_doubles_nothing(void **state) {
    (void)state;
    redis_cluster *cluster = redis_cluster_start(&(redis_cluster_options){.node_timeout_ms = 5000});
    kw_client *client = client_open(cluster, "timeout_ms=20000");
    load *l = load_new(client, cluster,
                       &(load_options){.groups = GROUPS, .window = 100, .burst = 40, .seed = 7});
    load_run(l, 500); /* keys everywhere, so that slots move with something in them */
    pid_t reshard = start_reshard(cluster);
    int status = 0;
    while (!process_ended(reshard, &status)) {
        load_pump(l);
    }
    load_run(l, 200);
    load_drain(l);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(slots_moved(cluster), SLOTS_TO_MOVE);
    load_expect_no_failure(l);
    load_expect_no_surprise(l);
    load_verify(l);
    uint64_t moved = client_counter(client, KW_COUNT_MOVED);
    uint64_t asked = client_counter(client, KW_COUNT_ASK);
    print_message("%llu commands, 0 failed, %llu MOVED, %llu ASK, %llu TRYAGAIN\n",
                  (unsigned long long)load_submitted(l), (unsigned long long)moved,
                  (unsigned long long)asked,
                  (unsigned long long)client_counter(client, KW_COUNT_TRYAGAIN));
    assert_true(moved > 0);
    assert_true(asked > 0);
    assert_int_equal(client_counter(client, KW_COUNT_FAILURES), 0);
    load_free(l);
    kw_close(client);
    redis_cluster_stop(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshard_under_load_fails_loses_and_doubles_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
