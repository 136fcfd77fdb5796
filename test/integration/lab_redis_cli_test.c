/* redis-cli takes the lab for a cluster: -c follows its redirects, --cluster checks and reshards.
 */
#include "unit/support/lab_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char output[256 * 1024];

/* Runs a shell command and keeps what it prints; the test fails if its exit status is not 0. */
static const char *shell(const char *format, ...) {
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output, 1, sizeof output - 1, pipe);
    output[len] = '\0';
    int status = pclose(pipe);
    if (status != 0) {
        fail_msg("%s: status %d\n%s", command, status, output);
    }
    return output;
}

static void expect_in_output(const char *text) {
    if (!strstr(output, text)) {
        fail_msg("'%s' is not in:\n%s", text, output);
    }
}

static void follows_redirects(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    int port = lab_peer_port(lab, 0);
    shell("printf 'SET a 1\\nSET b 2\\nSET c 3\\nGET a\\nGET b\\nGET c\\nINCR a\\n' | "
          "timeout 20 redis-cli -c -p %d | grep -v Redirected",
          port);
    expect_in_output("OK\nOK\nOK\n1\n2\n3\n2\n");
    shell("timeout 20 redis-cli -c -3 -p %d GET a", port);
    expect_in_output("2");
    kw_lab_stop(lab);
}

static void follows_ask(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    shell("timeout 20 redis-cli -c -p %d SET a before", lab_peer_port(lab, 2));
    assert_int_equal(kw_lab_migrate_begin(lab, 15495, 0), KW_OK);
    assert_int_equal(kw_lab_migrate_keys(lab, 15495, 100, NULL), KW_OK);
    shell("printf 'GET a\\nSET {a}new x\\nGET {a}new\\n' | timeout 20 redis-cli -c -p %d | grep -v "
          "Redirected",
          lab_peer_port(lab, 2));
    expect_in_output("before\nOK\nx\n");
    assert_int_equal(kw_lab_migrate_end(lab, 15495), KW_OK);
    kw_lab_stop(lab);
}

static void checks_the_cluster(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    int port = lab_peer_port(lab, 4);
    shell("timeout 20 redis-cli --cluster check 127.0.0.1:%d", port);
    expect_in_output("All nodes agree about slots configuration");
    expect_in_output("All 16384 slots covered");
    expect_in_output("1 additional replica(s)");
    shell("timeout 20 redis-cli --cluster info 127.0.0.1:%d", port);
    expect_in_output("0 keys in 3 masters");
    kw_lab_stop(lab);
}

static void reshards_with_keys(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    kw_lab_node from;
    kw_lab_node to;
    int port = lab_peer_port(lab, 0);
    shell("i=0; while [ $i -lt 300 ]; do echo SET key:$i $i; i=$((i + 1)); done | "
          "timeout 60 redis-cli -c -p %d >/dev/null",
          port);
    assert_true(kw_lab_node_at(lab, 0, &from));
    assert_true(kw_lab_node_at(lab, 1, &to));
    assert_int_equal(from.slot_count, 5461);
    shell("timeout 120 redis-cli --cluster reshard 127.0.0.1:%d --cluster-from %s --cluster-to %s "
          "--cluster-slots 500 --cluster-yes",
          port, from.id, to.id);
    assert_true(kw_lab_node_at(lab, 0, &from));
    assert_int_equal(from.slot_count, 4961);
    assert_int_equal(kw_lab_owner(lab, 0), 1);
    shell("timeout 20 redis-cli --cluster check 127.0.0.1:%d", port);
    expect_in_output("300 keys in 3 masters");
    expect_in_output("All nodes agree about slots configuration");
    shell("i=0; while [ $i -lt 300 ]; do echo GET key:$i; i=$((i + 1)); done | "
          "timeout 60 redis-cli -c -p %d | grep -c '^[0-9][0-9]*$'",
          port);
    expect_in_output("300");
    kw_lab_stop(lab);
}

static void fixes_an_open_slot(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    shell("timeout 20 redis-cli -c -p %d SET a x", lab_peer_port(lab, 2));
    assert_int_equal(kw_lab_migrate_begin(lab, 15495, 0), KW_OK);
    shell("timeout 60 redis-cli --cluster fix 127.0.0.1:%d", lab_peer_port(lab, 1));
    shell("timeout 20 redis-cli --cluster check 127.0.0.1:%d", lab_peer_port(lab, 1));
    expect_in_output("All 16384 slots covered");
    shell("timeout 20 redis-cli -c -p %d GET a", lab_peer_port(lab, 1));
    expect_in_output("x");
    kw_lab_stop(lab);
}

static void removes_and_adds_a_node(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    kw_lab_node node;
    int port = lab_peer_port(lab, 0);
    assert_true(kw_lab_node_at(lab, 5, &node));
    shell("timeout 20 redis-cli --cluster del-node 127.0.0.1:%d %s", port, node.id);
    shell("timeout 20 redis-cli -p %d CLUSTER NODES | wc -l", port);
    expect_in_output("5\n");
    shell("timeout 20 redis-cli --cluster add-node 127.0.0.1:%d 127.0.0.1:%d",
          lab_peer_port(lab, 5), port);
    shell("timeout 60 redis-cli --cluster rebalance 127.0.0.1:%d --cluster-use-empty-masters "
          "--cluster-pipeline 100",
          port);
    assert_true(kw_lab_node_at(lab, 5, &node));
    assert_true(node.primary);
    assert_in_range(node.slot_count, 4000, 4200);
    shell("timeout 20 redis-cli --cluster check 127.0.0.1:%d", port);
    expect_in_output("All nodes agree about slots configuration");
    expect_in_output("All 16384 slots covered");
    kw_lab_stop(lab);
}

static void creates_a_cluster_of_nodes_that_were_reset(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    kw_lab_node node;
    for (int i = 0; i < 6; i++) {
        shell("timeout 20 redis-cli -p %d CLUSTER RESET HARD", lab_peer_port(lab, i));
        expect_in_output("OK");
    }
    shell("timeout 60 redis-cli --cluster create 127.0.0.1:%d 127.0.0.1:%d 127.0.0.1:%d "
          "127.0.0.1:%d 127.0.0.1:%d 127.0.0.1:%d --cluster-replicas 1 --cluster-yes",
          lab_peer_port(lab, 5), lab_peer_port(lab, 4), lab_peer_port(lab, 3),
          lab_peer_port(lab, 2), lab_peer_port(lab, 1), lab_peer_port(lab, 0));
    expect_in_output("All 16384 slots covered");
    assert_true(kw_lab_node_at(lab, 5, &node));
    assert_true(node.primary);
    assert_int_equal(node.slot_count, 5461);
    shell("timeout 20 redis-cli -c -p %d SET a x", lab_peer_port(lab, 0));
    expect_in_output("OK");
    kw_lab_stop(lab);
}

static void calls_every_node_and_sets_their_timeout(void **state) {
    (void)state;
    kw_lab *lab = lab_peer_start(NULL);
    shell("timeout 20 redis-cli --cluster set-timeout 127.0.0.1:%d 3000", lab_peer_port(lab, 0));
    expect_in_output("6 OK, 0 ERR");
    shell("timeout 20 redis-cli --cluster call 127.0.0.1:%d CONFIG GET cluster-node-timeout",
          lab_peer_port(lab, 0));
    expect_in_output("3000");
    kw_lab_stop(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_redirects),
        cmocka_unit_test(follows_ask),
        cmocka_unit_test(checks_the_cluster),
        cmocka_unit_test(reshards_with_keys),
        cmocka_unit_test(fixes_an_open_slot),
        cmocka_unit_test(removes_and_adds_a_node),
        cmocka_unit_test(creates_a_cluster_of_nodes_that_were_reset),
        cmocka_unit_test(calls_every_node_and_sets_their_timeout),
    };
    return cmocka_run_group_tests_name("lab_redis_cli", tests, NULL, NULL);
}
