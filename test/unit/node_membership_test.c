#include "unit/support/node_driver.h"
#include "unit/support/torture.h"
#include "unit/support/unit.h"

/* Three primaries 0..2 with a replica each, 3..5, failing over after 500 ms: suspected after 200,
 * failed after 250. Slots: {a} 15495 is node 2's, {b} 3300 node 0's. */

static void must(kw_status status) {
    assert_int_equal(status, KW_OK);
}

static const node_peer *peer_in(const node_driver *d, uint16_t index, uint16_t peer) {
    return &fleet_node(d->fleet, index)->view->peers[peer];
}

static void expectf(node_driver *d, uint16_t index, const char *reply, const char *format,
                    const char *id) {
    char line[128];
    snprintf(line, sizeof line, format, id);
    driver_expect(d, index, line, reply);
}

static const char *id_of(const node_driver *d, uint16_t index) {
    return fleet_view(d->fleet)->peers[index].id;
}

static void a_forgotten_node_comes_back_by_gossip_after_a_minute(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    expectf(&d, 0, "-ERR I tried hard but I can't forget myself...\r\n", "CLUSTER FORGET %s",
            id_of(&d, 0));
    expectf(&d, 3, "-ERR Can't forget my master!\r\n", "CLUSTER FORGET %s", id_of(&d, 0));
    expectf(&d, 0, "+OK\r\n", "CLUSTER FORGET %s", id_of(&d, 5));
    assert_false(peer_in(&d, 0, 5)->known);
    assert_true(peer_in(&d, 1, 5)->known);
    assert_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), id_of(&d, 5)));
    driver_wait_ms(&d, 59000);
    assert_false(peer_in(&d, 0, 5)->known);
    driver_wait_ms(&d, 1100);
    assert_true(peer_in(&d, 0, 5)->known);
    driver_stop(&d);
}

static void a_forgotten_primarys_slots_are_nobodys(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    expectf(&d, 0, "+OK\r\n", "CLUSTER FORGET %s", id_of(&d, 2));
    driver_expect(&d, 0, "GET {a}x", "-CLUSTERDOWN Hash slot not served\r\n");
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_expect(&d, 0, "CLUSTER MEET 10.0.0.1 7002", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_stop(&d);
}

static void a_reset_node_knows_nobody_and_can_be_met_again(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 5, "CLUSTER RESET", "+OK\r\n");
    const node_view *view = fleet_node(d.fleet, 5)->view;
    assert_int_equal(node_view_known_count(view), 1);
    assert_true(node_view_self(view)->primary);
    assert_false(view->up);
    assert_true(peer_in(&d, 0, 5)->known); /* the others still know it, as a primary */
    assert_true(peer_in(&d, 0, 5)->primary);

    driver_expect(&d, 5, "CLUSTER MEET 10.0.0.1 7001", "+OK\r\n");
    assert_int_equal(node_view_known_count(view), 6);
    assert_true(view->up);
    expectf(&d, 5, "+OK\r\n", "CLUSTER REPLICATE %s", id_of(&d, 2));
    assert_int_equal(peer_in(&d, 0, 5)->primary_of, 2);
    driver_stop(&d);
}

static void a_hard_reset_gives_another_id(void **state) {
    (void)state;
    node_driver d;
    char before[NODE_ID_SIZE];
    driver_start(&d, 3, 1);
    memcpy(before, id_of(&d, 5), sizeof before);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    driver_expect(&d, 2, "CLUSTER RESET HARD",
                  "-ERR CLUSTER RESET can't be called with master nodes containing keys\r\n");
    driver_expect(&d, 5, "CLUSTER RESET HARD", "+OK\r\n");
    const node_view *view = fleet_node(d.fleet, 5)->view;
    assert_string_not_equal(node_view_self(view)->id, before);
    assert_int_equal(node_view_self(view)->config_epoch, 0);
    assert_int_equal(view->current_epoch, 0);
    assert_int_equal(keyspace_count(fleet_node(d.fleet, 5)->keys), 0);
    driver_wait_ms(&d, 1100);
    assert_true(peer_in(&d, 0, 5)->no_address);
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "noaddr"));
    driver_stop(&d);
}

static void an_address_without_a_node_is_met_in_vain(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 0, "CLUSTER MEET 10.0.0.1 60", "+OK\r\n");
    driver_expect(&d, 0, "CLUSTER MEET 10.0.0.1 60", "+OK\r\n"); /* already under way */
    const char *nodes = driver_ask(&d, 0, "CLUSTER NODES");
    assert_non_null(strstr(nodes, " 10.0.0.1:60@10060 handshake - 0 0 0 disconnected\n"));
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER INFO"), "cluster_known_nodes:4\r\n"));
    driver_wait_ms(&d, 1200);
    assert_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "handshake"));
    driver_stop(&d);
}

static void an_added_node_is_a_stranger_until_it_is_met(void **state) {
    (void)state;
    node_driver d;
    uint16_t index = 0;
    driver_start(&d, 3, 1);
    const fleet_addition addition = {.port = 7006, .alone = true, .primary = NODE_NOBODY};
    must(fleet_add_node(d.fleet, &addition, d.now_us, &index));
    assert_int_equal(index, 6);
    assert_int_equal(fleet_count(d.fleet), 7);
    assert_false(peer_in(&d, 0, 6)->known);
    driver_expect(&d, 6, "GET {a}x", "-CLUSTERDOWN Hash slot not served\r\n");
    driver_expect(&d, 6, "CLUSTER SLOTS", "*0\r\n");
    assert_non_null(strstr(driver_ask(&d, 6, "CLUSTER NODES"),
                           " :7006@17006 myself,master - 0 0 0 connected\n"));

    driver_expect(&d, 6, "CLUSTER MEET 10.0.0.1 7000", "+OK\r\n");
    for (uint16_t i = 0; i < 6; i++) {
        assert_true(peer_in(&d, i, 6)->known);
        assert_true(peer_in(&d, 6, i)->known);
    }
    driver_expect(&d, 6, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    assert_string_equal(peer_in(&d, 6, 6)->host, "10.0.0.1");
    driver_stop(&d);
}

static void nodes_join_as_primary_or_replica_and_leave(void **state) {
    (void)state;
    node_driver d;
    uint16_t index = 0;
    driver_start(&d, 3, 0);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    must(fleet_add_node(d.fleet, &(fleet_addition){.port = 7003, .primary = NODE_NOBODY}, d.now_us,
                        &index));
    assert_true(peer_in(&d, 0, 3)->primary);
    must(fleet_add_node(d.fleet, &(fleet_addition){.port = 7004, .primary = 2}, d.now_us, &index));
    assert_int_equal(index, 4);
    assert_int_equal(peer_in(&d, 0, 4)->primary_of, 2);
    driver_expect(&d, 4, "READONLY", "+OK\r\n");
    driver_expect(&d, 4, "GET {a}x", "$1\r\n1\r\n");
    assert_int_equal(
        fleet_add_node(d.fleet, &(fleet_addition){.port = 7005, .primary = 4}, d.now_us, &index),
        KW_ERR_INVALID);

    assert_int_equal(fleet_remove_node(d.fleet, 3), KW_ERR_INVALID); /* it lives */
    must(fleet_kill(d.fleet, 3, d.now_us));
    must(fleet_remove_node(d.fleet, 3));
    assert_false(peer_in(&d, 0, 3)->known);
    driver_hang_up(&d, 2);
    must(fleet_kill(d.fleet, 2, d.now_us));
    assert_int_equal(fleet_remove_node(d.fleet, 2), KW_ERR_INVALID); /* it owns slots */
    driver_wait_ms(&d, 600);
    driver_expect(&d, 4, "GET {a}x", "$1\r\n1\r\n");
    must(fleet_remove_node(d.fleet, 2));
    assert_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), ":7002@"));
    driver_stop(&d);
}

static void a_silent_node_is_suspected_before_it_is_failed(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    must(fleet_kill(d.fleet, 2, d.now_us));
    driver_wait_ms(&d, 199);
    assert_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "fail"));
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "disconnected 10923-16383"));
    driver_wait_ms(&d, 1);
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "master,fail? "));
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER INFO"), "cluster_slots_pfail:5461\r\n"));
    expectf(&d, 0, ":1\r\n", "CLUSTER COUNT-FAILURE-REPORTS %s", id_of(&d, 2));
    driver_expect(&d, 0, "GET {b}x", "$-1\r\n"); /* two of three primaries are a majority */
    driver_expect(&d, 5, "CLUSTER FAILOVER",
                  "-ERR Master is down or failed, please use CLUSTER FAILOVER FORCE\r\n");
    driver_wait_ms(&d, 50);
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "master,fail "));
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER INFO"), "cluster_slots_fail:5461\r\n"));
    driver_stop(&d);
}

static void a_shorter_node_timeout_holds_at_once(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    fleet_set_node_timeout(d.fleet, 60000);
    must(fleet_kill(d.fleet, 2, d.now_us));
    driver_wait_ms(&d, 1000);
    assert_false(peer_in(&d, 0, 2)->suspected);
    driver_expect(&d, 0, "CONFIG SET cluster-node-timeout 1200", "+OK\r\n");
    driver_wait_ms(&d, 200);
    assert_true(peer_in(&d, 0, 2)->suspected);
    assert_false(peer_in(&d, 1, 2)->suspected);
    driver_stop(&d);
}

static void a_paused_node_fails_only_if_the_fleet_says_so(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    must(fleet_pause(d.fleet, 2, true));
    driver_wait_ms(&d, 3000);
    assert_false(peer_in(&d, 0, 2)->failed);
    fleet_set_pause_is_failure(d.fleet, true);
    driver_wait_ms(&d, 600);
    assert_true(peer_in(&d, 0, 2)->failed);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 5);
    must(fleet_pause(d.fleet, 2, false));
    assert_false(peer_in(&d, 0, 2)->failed);
    assert_int_equal(peer_in(&d, 0, 2)->primary_of, 5);
    driver_stop(&d);
}

static void a_minority_that_is_cut_off_goes_down_and_the_majority_fails_over(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    must(fleet_set_group(d.fleet, 2, 1));
    driver_expect(&d, 2, "SET {a}x lost", "+OK\r\n");
    driver_wait_ms(&d, 250);
    assert_true(peer_in(&d, 0, 2)->failed);
    assert_true(peer_in(&d, 2, 0)->suspected); /* alone it cannot call anyone failed */
    assert_false(peer_in(&d, 2, 0)->failed);
    driver_expect(&d, 2, "GET {a}x", "-CLUSTERDOWN The cluster is down\r\n");
    driver_wait_ms(&d, 250);
    driver_expect(&d, 5, "SET {a}x kept", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7005\r\n");

    must(fleet_set_group(d.fleet, 2, 0));
    driver_expect(&d, 2, "GET {a}x", "-MOVED 15495 10.0.0.1:7005\r\n");
    driver_expect(&d, 2, "READONLY", "+OK\r\n");
    driver_expect(&d, 2, "GET {a}x", "$4\r\nkept\r\n");
    assert_false(peer_in(&d, 0, 2)->failed);
    driver_stop(&d);
}

static void strict_elections_need_a_majority(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    fleet_set_strict_elections(d.fleet, true);
    must(fleet_kill(d.fleet, 1, d.now_us));
    must(fleet_kill(d.fleet, 2, d.now_us));
    driver_wait_ms(&d, 5000);
    assert_true(peer_in(&d, 0, 2)->suspected);
    assert_false(peer_in(&d, 0, 2)->failed);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 2);
    driver_expect(&d, 5, "CLUSTER FAILOVER FORCE", "+OK\r\n");
    driver_wait_ms(&d, 6000);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 2);
    driver_expect(&d, 5, "CLUSTER FAILOVER TAKEOVER", "+OK\r\n");
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 5);
    driver_stop(&d);
}

static void a_replica_told_not_to_does_not_take_over(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 5, "CONFIG SET cluster-replica-no-failover yes", "+OK\r\n");
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER NODES"), "slave,nofailover "));
    must(fleet_kill(d.fleet, 2, d.now_us));
    driver_wait_ms(&d, 3000);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 2);
    driver_expect(&d, 5, "CONFIG SET cluster-replica-no-failover no", "+OK\r\n");
    driver_wait_ms(&d, 100);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 5);
    driver_stop(&d);
}

static void the_replica_with_most_data_takes_over(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 2); /* replicas of node 0: 3 and 4 */
    fleet_set_replication_delay(d.fleet, 10000000);
    driver_expect(&d, 0, "SET {b}x 1", "+OK\r\n");
    must(fleet_pause(d.fleet, 3, true));
    driver_wait_ms(&d, 10000); /* it arrives at 4 only */
    must(fleet_pause(d.fleet, 3, false));
    fleet_node(d.fleet, 3)->offset -= 10;
    driver_hang_up(&d, 0);
    must(fleet_kill(d.fleet, 0, d.now_us));
    driver_wait_ms(&d, 500);
    assert_int_equal(fleet_view(d.fleet)->owner[3300], 4);
    driver_stop(&d);
}

static void a_manual_failover_waits_until_the_replica_has_all(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    fleet_set_replication_delay(d.fleet, 1000000);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    driver_expect(&d, 5, "CLUSTER FAILOVER", "+OK\r\n");
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 2);
    assert_true(fleet_node(d.fleet, 2)->writes_paused_until_us > d.now_us);
    driver_expect(&d, 2, "GET {a}x", "$1\r\n1\r\n"); /* reads go on */
    driver_wait_ms(&d, 1100);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 5);
    assert_int_equal(fleet_node(d.fleet, 2)->writes_paused_until_us, 0);
    driver_expect(&d, 5, "GET {a}x", "$1\r\n1\r\n");
    driver_stop(&d);
}

static void a_manual_failover_that_gets_nowhere_is_given_up(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    fleet_set_replication_delay(d.fleet, 3600000000u);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    driver_expect(&d, 5, "CLUSTER FAILOVER", "+OK\r\n");
    driver_wait_ms(&d, 5100);
    assert_int_equal(fleet_view(d.fleet)->owner[15495], 2);
    assert_int_equal(fleet_node(d.fleet, 2)->writes_paused_until_us, 0);
    driver_expect(&d, 2, "SET {a}x 2", "+OK\r\n");
    driver_stop(&d);
}

static void a_node_with_slow_gossip_hears_of_each_change_so_much_later(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    must(fleet_set_gossip_delay(d.fleet, 1, 300000));
    driver_expect(&d, 5, "CLUSTER FAILOVER", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7005\r\n");
    driver_wait_ms(&d, 200);
    driver_expect(&d, 2, "CLUSTER FAILOVER", "+OK\r\n"); /* and back */
    driver_wait_ms(&d, 99);
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_wait_ms(&d, 1);
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7005\r\n");
    driver_wait_ms(&d, 200);
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_stop(&d);
}

static void an_owners_claim_comes_back_to_who_dropped_it(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 0, "CLUSTER DELSLOTS 15495", "+OK\r\n");
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_expect(&d, 0, "GET {a}x", "-CLUSTERDOWN Hash slot not served\r\n");
    driver_wait_ms(&d, 1100);
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_stop(&d);
}

static void equal_epochs_part(void **state) {
    (void)state;
    node_driver d;
    uint16_t index = 0;
    driver_start(&d, 1, 0);
    for (uint16_t port = 7001; port <= 7002; port++) {
        const fleet_addition alone = {.port = port, .alone = true, .primary = NODE_NOBODY};
        must(fleet_add_node(d.fleet, &alone, d.now_us, &index));
        driver_expect(&d, index, "CLUSTER SET-CONFIG-EPOCH -1",
                      "-ERR Invalid config epoch specified: -1\r\n");
        driver_expect(&d, index, "CLUSTER SET-CONFIG-EPOCH 7", "+OK\r\n");
        driver_expect(&d, index, "CLUSTER SET-CONFIG-EPOCH 7",
                      "-ERR Node config epoch is already non-zero\r\n");
    }
    driver_expect(&d, 1, "CLUSTER MEET 10.0.0.1 7002", "+OK\r\n");
    uint64_t first = peer_in(&d, 1, 1)->config_epoch;
    uint64_t second = peer_in(&d, 2, 2)->config_epoch;
    assert_true(first != second);
    assert_int_equal(first + second, 7 + 8);
    assert_int_equal(peer_in(&d, 1, 2)->config_epoch, second);
    driver_stop(&d);
}

static void keys_of_a_slot_lost_to_a_higher_epoch_are_dropped(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    driver_expect(&d, 2, "SET {c}x 1", "-MOVED 7365 10.0.0.1:7001\r\n");
    expectf(&d, 0, "+OK\r\n", "CLUSTER SETSLOT 15495 IMPORTING %s", id_of(&d, 2));
    expectf(&d, 0, "+OK\r\n", "CLUSTER SETSLOT 15495 NODE %s", id_of(&d, 0));
    assert_int_equal(keyspace_count(fleet_node(d.fleet, 2)->keys), 0);
    assert_int_equal(keyspace_count(fleet_node(d.fleet, 5)->keys), 0);
    driver_expect(&d, 2, "GET {a}x", "-MOVED 15495 10.0.0.1:7000\r\n");
    driver_stop(&d);
}

/* A node that could not be added can be added later; the fleet is as it was. */
static void add_a_node(torture *t) {
    failing_mem memory;
    failing_mem_init(&memory);
    const uint16_t ports[] = {7000, 7001, 7002};
    const fleet_config config = {
        .mem = &memory.mem,
        .seed = 1,
        .primary_count = 3,
        .host = "10.0.0.1",
        .ports = ports,
        .failover_ms = 500,
        .full_coverage_required = true,
    };
    const fleet_addition addition = {.port = 7003, .primary = 0};
    node_fleet *fleet = NULL;
    uint16_t index = 0;
    must(fleet_new(&config, DRIVER_START_US, &fleet));
    torture_arm(t, &memory);
    kw_status status = fleet_add_node(fleet, &addition, DRIVER_START_US, &index);
    torture_disarm(t, &memory);
    assert_int_equal(status, fleet_count(fleet) == 4 ? KW_OK : KW_ERR_NOMEM);
    assert_true(status == KW_OK || memory.failed > 0);
    assert_int_equal(fleet_view(fleet)->peer_count, fleet_count(fleet));
    if (status != KW_OK) {
        must(fleet_add_node(fleet, &addition, DRIVER_START_US, &index));
    }
    assert_int_equal(index, 3);
    assert_int_equal(fleet_view(fleet)->peers[3].primary_of, 0);
    fleet_free(fleet);
    assert_int_equal(memory.live_count, 0);
}

static void adding_a_node_survives_failed_allocations(void **state) {
    (void)state;
    torture_run("add_a_node", add_a_node, NULL, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forgotten_node_comes_back_by_gossip_after_a_minute),
        cmocka_unit_test(a_forgotten_primarys_slots_are_nobodys),
        cmocka_unit_test(a_reset_node_knows_nobody_and_can_be_met_again),
        cmocka_unit_test(a_hard_reset_gives_another_id),
        cmocka_unit_test(an_address_without_a_node_is_met_in_vain),
        cmocka_unit_test(an_added_node_is_a_stranger_until_it_is_met),
        cmocka_unit_test(nodes_join_as_primary_or_replica_and_leave),
        cmocka_unit_test(a_silent_node_is_suspected_before_it_is_failed),
        cmocka_unit_test(a_shorter_node_timeout_holds_at_once),
        cmocka_unit_test(a_paused_node_fails_only_if_the_fleet_says_so),
        cmocka_unit_test(a_minority_that_is_cut_off_goes_down_and_the_majority_fails_over),
        cmocka_unit_test(strict_elections_need_a_majority),
        cmocka_unit_test(a_replica_told_not_to_does_not_take_over),
        cmocka_unit_test(the_replica_with_most_data_takes_over),
        cmocka_unit_test(a_manual_failover_waits_until_the_replica_has_all),
        cmocka_unit_test(a_manual_failover_that_gets_nowhere_is_given_up),
        cmocka_unit_test(a_node_with_slow_gossip_hears_of_each_change_so_much_later),
        cmocka_unit_test(an_owners_claim_comes_back_to_who_dropped_it),
        cmocka_unit_test(equal_epochs_part),
        cmocka_unit_test(adding_a_node_survives_failed_allocations),
        cmocka_unit_test(keys_of_a_slot_lost_to_a_higher_epoch_are_dropped),
    };
    return cmocka_run_group_tests_name("node_membership", tests, NULL, NULL);
}
