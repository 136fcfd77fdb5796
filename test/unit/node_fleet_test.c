#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* Three primaries 0..2 with a replica each, 3..5. Slots: {a} 15495 is node 2's, {b} 3300 node 0's.
 */

static void must(kw_status status) {
    assert_int_equal(status, KW_OK);
}

static bool view_up(const node_driver *d, uint16_t index) {
    return fleet_node(d->fleet, index)->view->up;
}

static void a_dead_primary_is_marked_and_then_replaced(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    driver_hang_up(&d, 2);
    must(fleet_kill(d.fleet, 2, d.now_us));
    assert_null(fleet_node(d.fleet, 2));

    driver_wait_ms(&d, 249);
    driver_expect(&d, 0, "GET {b}x", "$-1\r\n");
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");

    driver_wait_ms(&d, 1);
    driver_expect(&d, 0, "GET {b}x", "-CLUSTERDOWN The cluster is down\r\n");
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "master,fail"));

    driver_wait_ms(&d, 250);
    driver_expect(&d, 0, "GET {b}x", "$-1\r\n");
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7005\r\n");
    driver_expect(&d, 5, "GET {a}x", "$1\r\n1\r\n");
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 5);
    assert_int_equal(fleet_view(d.fleet)->peers[5].config_epoch, 7);

    must(fleet_revive(d.fleet, 2, d.now_us));
    driver_expect(&d, 2, "GET {a}x", "-MOVED 15495 10.0.0.1:7005\r\n");
    driver_expect(&d, 2, "READONLY", "+OK\r\n");
    driver_expect(&d, 2, "GET {a}x", "$1\r\n1\r\n");
    assert_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "fail"));
    driver_stop(&d);
}

static void without_a_replica_the_cluster_stays_down_until_the_node_is_back(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    driver_hang_up(&d, 2);
    must(fleet_kill(d.fleet, 2, d.now_us));
    driver_wait_ms(&d, 5000);
    assert_false(view_up(&d, 0));
    must(fleet_revive(d.fleet, 2, d.now_us));
    assert_true(view_up(&d, 0));
    driver_expect(&d, 2, "GET {a}x", "$-1\r\n"); /* its data is gone */
    driver_stop(&d);
}

static void a_failover_waits_for_a_replica_that_listens(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    must(fleet_pause(d.fleet, 5, true));
    must(fleet_kill(d.fleet, 2, d.now_us));
    driver_wait_ms(&d, 2000);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 2);
    must(fleet_pause(d.fleet, 5, false));
    driver_wait_ms(&d, 200);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 5);
    driver_stop(&d);
}

static void promotion_makes_the_old_primary_a_replica(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 2); /* replicas of node 0: 3 and 4 */
    driver_expect(&d, 0, "SET {b}x 1", "+OK\r\n");
    must(fleet_promote(d.fleet, 3));
    assert_int_equal(fleet_promote(d.fleet, 3), KW_ERR_INVALID);
    driver_expect(&d, 0, "SET {b}x 2", "-MOVED 3300 10.0.0.1:7003\r\n");
    driver_expect(&d, 3, "SET {b}x 2", "+OK\r\n");
    for (uint16_t index = 0; index <= 4; index += 4) { /* the old primary, and the other replica */
        driver_expect(&d, index, "READONLY", "+OK\r\n");
        driver_expect(&d, index, "GET {b}x", "$1\r\n2\r\n");
    }
    driver_stop(&d);
}

static void cluster_failover_does_the_same_by_command(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 3, "CLUSTER FAILOVER", "+OK\r\n");
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7003\r\n");
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7003\r\n");
    driver_expect(&d, 3, "GET {b}x", "$-1\r\n");
    driver_stop(&d);
}

static void a_frozen_view_goes_stale_until_it_is_thawed(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    must(fleet_freeze(d.fleet, 1, true));
    must(fleet_assign(d.fleet, 15495, 15495, 0));
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_expect(&d, 2, "GET {a}x", "-MOVED 15495 10.0.0.1:7000\r\n");
    must(fleet_freeze(d.fleet, 1, false));
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7000\r\n");
    driver_stop(&d);
}

static void a_frozen_old_primary_writes_to_itself_only(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 0, "SET {b}x before", "+OK\r\n");
    must(fleet_freeze(d.fleet, 0, true));
    must(fleet_promote(d.fleet, 3));
    driver_expect(&d, 0, "SET {b}x lost", "+OK\r\n");
    driver_expect(&d, 3, "GET {b}x", "$6\r\nbefore\r\n");
    must(fleet_freeze(d.fleet, 0, false));
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7003\r\n");
    driver_expect(&d, 0, "READONLY", "+OK\r\n");
    driver_expect(&d, 0, "GET {b}x", "$6\r\nbefore\r\n");
    driver_stop(&d);
}

static void writes_reach_replicas_after_the_delay(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    fleet_set_replication_delay(d.fleet, 20000);
    driver_expect(&d, 0, "SET {b}x 1 PX 1000", "+OK\r\n");
    driver_expect(&d, 0, "WAIT 0 0", ":0\r\n");
    driver_expect(&d, 3, "READONLY", "+OK\r\n");
    driver_expect(&d, 3, "GET {b}x", "$-1\r\n");
    driver_wait_ms(&d, 19);
    driver_expect(&d, 3, "GET {b}x", "$-1\r\n");
    driver_wait_ms(&d, 1);
    driver_expect(&d, 3, "GET {b}x", "$1\r\n1\r\n");
    driver_expect(&d, 3, "PTTL {b}x", ":980\r\n"); /* counted from when it ran at the primary */
    driver_expect(&d, 0, "WAIT 1 0", ":1\r\n");
    driver_stop(&d);
}

static void a_killed_primary_loses_what_it_had_not_sent(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    fleet_set_replication_delay(d.fleet, 20000);
    driver_expect(&d, 0, "SET {b}x sent", "+OK\r\n");
    driver_wait_ms(&d, 20);
    driver_expect(&d, 0, "SET {b}x unsent", "+OK\r\n");
    driver_hang_up(&d, 0);
    must(fleet_kill(d.fleet, 0, d.now_us));
    driver_wait_ms(&d, 600);
    driver_expect(&d, 3, "GET {b}x", "$4\r\nsent\r\n");
    driver_stop(&d);
}

static void a_paused_replica_catches_up(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    must(fleet_pause(d.fleet, 3, true));
    driver_expect(&d, 0, "SET {b}x 1", "+OK\r\n");
    driver_expect(&d, 0, "INCR {b}x", ":2\r\n");
    driver_expect(&d, 0, "WAIT 0 0", ":0\r\n");
    must(fleet_pause(d.fleet, 3, false));
    driver_wait_ms(&d, 1);
    driver_expect(&d, 3, "READONLY", "+OK\r\n");
    driver_expect(&d, 3, "GET {b}x", "$1\r\n2\r\n");
    driver_stop(&d);
}

static void a_replica_hides_an_expired_key_but_leaves_it_to_its_primary(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    fleet_set_replication_delay(d.fleet, 50000);
    driver_expect(&d, 0, "SET {b}x 1 PX 60", "+OK\r\n");
    driver_wait_ms(&d, 59);
    driver_expect(&d, 0, "PERSIST {b}x", ":1\r\n");
    driver_wait_ms(&d, 10);
    driver_expect(&d, 3, "READONLY", "+OK\r\n");
    driver_expect(&d, 3, "GET {b}x", "$-1\r\n");
    driver_wait_ms(&d, 50);
    driver_expect(&d, 3, "GET {b}x", "$1\r\n1\r\n");
    driver_stop(&d);
}

static void slots_move_by_hand(void **state) {
    (void)state;
    node_driver d;
    size_t left = 99;
    driver_start(&d, 3, 1);
    driver_expect(&d, 2, "MSET {a}1 x {a}2 y {a}3 z", "+OK\r\n");
    assert_int_equal(fleet_migrate_begin(d.fleet, 15495, 2), KW_ERR_INVALID);
    assert_int_equal(fleet_migrate_begin(d.fleet, 15495, 4), KW_ERR_INVALID);
    assert_int_equal(fleet_migrate_begin(d.fleet, 16384, 0), KW_ERR_INVALID);
    assert_int_equal(fleet_migrate_end(d.fleet, 15495), KW_ERR_INVALID);
    must(fleet_migrate_begin(d.fleet, 15495, 0));
    must(fleet_migrate_keys(d.fleet, 15495, 2, &left));
    assert_int_equal(left, 1);
    assert_int_equal(fleet_migrate_end(d.fleet, 15495), KW_ERR_INVALID);
    driver_expect(&d, 2, "GET {a}3", "-ASK 15495 10.0.0.1:7000\r\n");
    driver_expect(&d, 2, "GET {a}1", "$1\r\nx\r\n");
    must(fleet_migrate_keys(d.fleet, 15495, 100, &left));
    assert_int_equal(left, 0);
    must(fleet_migrate_end(d.fleet, 15495));
    driver_expect(&d, 0, "MGET {a}1 {a}2 {a}3", "*3\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n");
    for (uint16_t index = 1; index < 6; index++) {
        driver_expect(&d, index, "GET {a}1", "-MOVED 15495 10.0.0.1:7000\r\n");
    }
    driver_stop(&d);
}

static void a_primary_that_loses_its_last_slot_follows_the_one_that_got_it(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 2, 1);
    must(fleet_assign(d.fleet, 8193, 16383, 0)); /* node 1 keeps 8192 */
    must(fleet_migrate_begin(d.fleet, 8192, 0));
    must(fleet_migrate_end(d.fleet, 8192));
    const node_view *view = fleet_view(d.fleet);
    assert_false(view->peers[1].primary);
    assert_int_equal(view->peers[1].primary_of, 0);
    assert_int_equal(view->peers[3].primary_of, 0); /* its replica came along */
    assert_int_equal(view->peers[0].slot_count, 16384);
    driver_stop(&d);
}

static void assigning_to_nobody_leaves_a_hole(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    must(fleet_assign(d.fleet, 3300, 3300, NODE_NOBODY));
    driver_expect(&d, 0, "GET {b}x", "-CLUSTERDOWN Hash slot not served\r\n");
    driver_expect(&d, 2, "GET {a}x", "-CLUSTERDOWN The cluster is down\r\n");
    must(fleet_assign(d.fleet, 3300, 3300, 1));
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7001\r\n");
    assert_int_equal(fleet_assign(d.fleet, 5, 4, 0), KW_ERR_INVALID);
    assert_int_equal(fleet_assign(d.fleet, 0, 16384, 0), KW_ERR_INVALID);
    assert_int_equal(fleet_assign(d.fleet, 0, 0, 9), KW_ERR_INVALID);
    driver_stop(&d);
}

static void a_minority_is_down(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    must(fleet_kill(d.fleet, 1, d.now_us));
    must(fleet_kill(d.fleet, 2, d.now_us));
    driver_wait_ms(&d, 300);
    fleet_node(d.fleet, 0)->view->full_coverage_required = false;
    node_view_judge(fleet_node(d.fleet, 0)->view);
    driver_expect(&d, 0, "GET {b}x", "-CLUSTERDOWN The cluster is down\r\n");
    driver_stop(&d);
}

static void the_dead_cannot_be_acted_on(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    must(fleet_kill(d.fleet, 1, d.now_us));
    assert_int_equal(fleet_kill(d.fleet, 1, d.now_us), KW_ERR_INVALID);
    assert_int_equal(fleet_pause(d.fleet, 1, true), KW_ERR_INVALID);
    assert_int_equal(fleet_freeze(d.fleet, 1, true), KW_ERR_INVALID);
    assert_int_equal(fleet_promote(d.fleet, 1), KW_ERR_INVALID);
    assert_int_equal(fleet_migrate_begin(d.fleet, 3300, 1), KW_ERR_INVALID);
    assert_int_equal(fleet_revive(d.fleet, 0, d.now_us), KW_ERR_INVALID);
    assert_int_equal(fleet_kill(d.fleet, 6, d.now_us), KW_ERR_INVALID);
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_primary_is_marked_and_then_replaced),
        cmocka_unit_test(without_a_replica_the_cluster_stays_down_until_the_node_is_back),
        cmocka_unit_test(a_failover_waits_for_a_replica_that_listens),
        cmocka_unit_test(promotion_makes_the_old_primary_a_replica),
        cmocka_unit_test(cluster_failover_does_the_same_by_command),
        cmocka_unit_test(a_frozen_view_goes_stale_until_it_is_thawed),
        cmocka_unit_test(a_frozen_old_primary_writes_to_itself_only),
        cmocka_unit_test(writes_reach_replicas_after_the_delay),
        cmocka_unit_test(a_killed_primary_loses_what_it_had_not_sent),
        cmocka_unit_test(a_paused_replica_catches_up),
        cmocka_unit_test(a_replica_hides_an_expired_key_but_leaves_it_to_its_primary),
        cmocka_unit_test(slots_move_by_hand),
        cmocka_unit_test(a_primary_that_loses_its_last_slot_follows_the_one_that_got_it),
        cmocka_unit_test(assigning_to_nobody_leaves_a_hole),
        cmocka_unit_test(a_minority_is_down),
        cmocka_unit_test(the_dead_cannot_be_acted_on),
    };
    return cmocka_run_group_tests_name("node_fleet", tests, NULL, NULL);
}
