/* What nodes tell of the cluster, and how they refuse to change it. Two primaries 0 and 1, with the
 * replicas 2 and 3; slot 3300 of {b} is node 0's, 15495 of {a} node 1's. */
#include "unit/support/node_names.h"
#include "unit/support/unit.h"

static void begin(node_driver *d) {
    driver_start(d, 2, 1);
}

static void shards_show_roles_offsets_and_health(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    names_expect_part(&d, 0, "CLUSTER SHARDS",
                      "*2\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:8191\r\n$5\r\nnodes\r\n*2\r\n*14\r\n"
                      "$2\r\nid\r\n$40\r\n<0>\r\n$4\r\nport\r\n:7000\r\n$2\r\nip\r\n$8\r\n10.0.0.1"
                      "\r\n$8\r\nendpoint\r\n$8\r\n10.0.0.1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n");
    names_expect_part(&d, 0, "CLUSTER SHARDS",
                      "$2\r\nid\r\n$40\r\n<2>\r\n$4\r\nport\r\n:7002\r\n$2\r\nip\r\n$8\r\n10.0.0.1"
                      "\r\n$8\r\nendpoint\r\n$8\r\n10.0.0.1\r\n$4\r\nrole\r\n$7\r\nreplica\r\n");
    names_expect_part(&d, 0, "CLUSTER SHARDS", "$6\r\nhealth\r\n$6\r\nonline\r\n");
    driver_hang_up(&d, 3);
    assert_int_equal(fleet_kill(d.fleet, 3, d.now_us), KW_OK);
    driver_wait_ms(&d, 400);
    names_expect_part(&d, 0, "CLUSTER SHARDS", "$6\r\nhealth\r\n$4\r\nfail\r\n");
    driver_hang_up(&d, 1);
    assert_int_equal(fleet_kill(d.fleet, 1, d.now_us), KW_OK);
    driver_wait_ms(&d, 400);
    assert_null(strstr(driver_ask(&d, 0, "CLUSTER SHARDS"), "loading"));
    driver_stop(&d);
}

static void a_tls_port_may_be_the_only_one(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    fleet_node(d.fleet, 0)->view->peers[1].port = 0;
    fleet_node(d.fleet, 0)->view->peers[1].tls_port = 8001;
    names_expect_part(&d, 0, "CLUSTER SHARDS",
                      "*14\r\n$2\r\nid\r\n$40\r\n<1>\r\n$8\r\ntls-port\r\n:8001\r\n$2\r\nip\r\n");
    driver_stop(&d);
}

static void nodes_show_single_slots_and_open_ones_in_pieces(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    static const driver_row rows[] = {
        {"CLUSTER DELSLOTS 1 3", "+OK\r\n"},
        {"CLUSTER SETSLOT 3300 MIGRATING <1>", "+OK\r\n"},
        {"CLUSTER SETSLOT 15495 IMPORTING <1>", "+OK\r\n"},
    };
    names_expect_rows(&d, 0, rows, COUNT_OF(rows));
    names_expect_part(&d, 0, "CLUSTER NODES", " connected 0 2 4-8191 [3300->-<1>] [15495-<-<1>]\n");
    assert_null(strstr(driver_ask(&d, 1, "CLUSTER NODES"), "->-"));
    driver_stop(&d);
}

static void replicas_are_listed_by_their_primary(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    names_expect_part(&d, 0, "CLUSTER REPLICAS <1>",
                      "<3> 10.0.0.1:7003@17003 slave <1> 0 1700000000000 2 connected\r\n");
    names_expect_part(&d, 3, "CLUSTER SLAVES <1>",
                      "<3> 10.0.0.1:7003@17003 myself,slave <1> 0 1700000000000 2 connected\r\n");
    static const driver_row rows[] = {
        {"CLUSTER REPLICAS <2>", "-ERR The specified node is not a master\r\n"},
        {"CLUSTER REPLICAS nobody", "-ERR Unknown node nobody\r\n"},
    };
    names_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void links_lead_both_ways_to_whom_is_heard(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    names_expect_part(&d, 0, "CLUSTER LINKS",
                      "*6\r\n*12\r\n$9\r\ndirection\r\n$2\r\nto\r\n$4\r\n"
                      "node\r\n$40\r\n<1>\r\n$11\r\ncreate-time\r\n");
    names_expect_part(&d, 0, "CLUSTER LINKS",
                      "$9\r\ndirection\r\n$4\r\nfrom\r\n$4\r\nnode\r\n$40\r\n<3>\r\n");
    driver_hang_up(&d, 3);
    assert_int_equal(fleet_kill(d.fleet, 3, d.now_us), KW_OK);
    names_expect_part(&d, 0, "CLUSTER LINKS", "*4\r\n*12\r\n");
    driver_stop(&d);
}

static void info_counts_slots_by_the_state_of_their_owner(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    names_expect_part(&d, 0, "CLUSTER INFO",
                      "cluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n");
    names_expect_part(&d, 0, "CLUSTER INFO", "cluster_stats_messages_sent:0\r\n");
    driver_hang_up(&d, 2);
    assert_int_equal(fleet_kill(d.fleet, 2, d.now_us), KW_OK);
    driver_wait_ms(&d, 220);
    names_expect_part(&d, 0, "CLUSTER INFO",
                      "cluster_slots_pfail:5461\r\ncluster_slots_fail:0\r\n");
    driver_wait_ms(&d, 2000);
    names_expect_part(&d, 0, "CLUSTER INFO",
                      "cluster_slots_pfail:0\r\ncluster_slots_fail:5461\r\n");
    names_expect_part(&d, 0, "CLUSTER INFO", "cluster_stats_messages_ping_sent:4\r\n");
    names_expect_part(&d, 0, "CLUSTER NODES", "master,fail - ");
    driver_stop(&d);
}

static void a_role_is_told_with_its_other_half(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "SET {b} 1", "+OK\r\n");
    names_expect_part(&d, 0, "ROLE", "*3\r\n$6\r\nmaster\r\n:");
    names_expect_part(&d, 0, "ROLE", "*1\r\n*3\r\n$8\r\n10.0.0.1\r\n$4\r\n7002\r\n");
    names_expect_part(&d, 2, "ROLE",
                      "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:7000\r\n$9\r\nconnected\r\n");
    driver_stop(&d);
}

static void membership_is_changed_for_a_reason_only(void **state) {
    (void)state;
    static const driver_row at_primary[] = {
        {"CLUSTER REPLICATE <0>", "-ERR Can't replicate myself\r\n"},
        {"CLUSTER REPLICATE <3>", "-ERR I can only replicate a master, not a replica.\r\n"},
        {"CLUSTER REPLICATE <1>",
         "-ERR To set a master the node must be empty and without assigned slots.\r\n"},
        {"CLUSTER SET-CONFIG-EPOCH 9",
         "-ERR The user can assign a config epoch only when the node does not know any other "
         "node.\r\n"},
        {"CLUSTER FORGET <0>", "-ERR I tried hard but I can't forget myself...\r\n"},
        {"CLUSTER SETSLOT 3300 IMPORTING <1>", "-ERR I'm already the owner of hash slot 3300\r\n"},
        {"CLUSTER SETSLOT 15495 MIGRATING <1>", "-ERR I'm not the owner of hash slot 15495\r\n"},
        {"CLUSTER SETSLOT 3300 MIGRATING <2>", "-ERR Target node is not a master\r\n"},
        {"CLUSTER SETSLOT 15495 IMPORTING <3>", "-ERR Target node is not a master\r\n"},
        {"CLUSTER SETSLOT 15495 IMPORTING x", "-ERR I don't know about node x\r\n"},
        {"CLUSTER SETSLOT 3300 NODE <2>", "-ERR Target node is not a master\r\n"},
        {"CLUSTER SETSLOT 3300 NODE <0>", "+OK\r\n"},
        {"CLUSTER COUNT-FAILURE-REPORTS <1>", ":0\r\n"},
    };
    static const driver_row at_replica[] = {
        {"CLUSTER FORGET <0>", "-ERR Can't forget my master!\r\n"},
        {"CLUSTER FORGET <1>", "+OK\r\n"},
        {"CLUSTER SETSLOT 3300 STABLE", "-ERR Please use SETSLOT only with masters.\r\n"},
        {"CLUSTER REPLICATE <0>", "+OK\r\n"},
    };
    node_driver d;
    begin(&d);
    names_expect_rows(&d, 0, at_primary, COUNT_OF(at_primary));
    names_expect_rows(&d, 2, at_replica, COUNT_OF(at_replica));
    driver_stop(&d);
}

static void a_key_without_a_slot_keeps_its_node_a_primary(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    static const driver_row rows[] = {
        {"SET {b} 1", "+OK\r\n"},
        {"CLUSTER DELSLOTSRANGE 0 8191", "+OK\r\n"},
        {"CLUSTER REPLICATE <1>",
         "-ERR To set a master the node must be empty and without assigned slots.\r\n"},
        {"FLUSHALL", "+OK\r\n"},
        {"CLUSTER REPLICATE <1>", "+OK\r\n"},
    };
    names_expect_rows(&d, 0, rows, COUNT_OF(rows));
    names_expect_part(&d, 0, "CLUSTER NODES", "myself,slave <1> 0 ");
    names_expect_part(&d, 1, "ROLE", "*2\r\n*3\r\n$8\r\n10.0.0.1\r\n$4\r\n7000\r\n");
    driver_stop(&d);
}

static void a_replica_needs_its_primary_to_fail_over_politely(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 2, "CONFIG SET cluster-replica-no-failover yes", "+OK\r\n");
    driver_hang_up(&d, 0);
    assert_int_equal(fleet_kill(d.fleet, 0, d.now_us), KW_OK);
    driver_wait_ms(&d, 400);
    driver_expect(&d, 2, "CLUSTER FAILOVER",
                  "-ERR Master is down or failed, please use CLUSTER FAILOVER FORCE\r\n");
    driver_expect(&d, 2, "CLUSTER FAILOVER TAKEOVER", "+OK\r\n");
    driver_expect(&d, 2, "GET {b}", "$-1\r\n");
    driver_stop(&d);
}

static void a_replica_that_does_not_know_its_primary_cannot_fail_over(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    fleet_node(d.fleet, 2)->view->peers[0].known = false;
    driver_expect(&d, 2, "CLUSTER FAILOVER FORCE",
                  "-ERR I'm a replica but my master is unknown to me\r\n");
    names_expect_part(&d, 2, "CLUSTER NODES", " myself,slave - 0 ");
    names_expect_part(&d, 2, "CLUSTER INFO", "cluster_my_epoch:3\r\n");
    driver_stop(&d);
}

static void meeting_twice_is_one_handshake(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    static const driver_row rows[] = {
        {"CLUSTER MEET 10.9.9.9 7000", "+OK\r\n"},
        {"CLUSTER MEET 10.9.9.9 7000", "+OK\r\n"},
        {"CLUSTER MEET 10.9.9.9 7001", "+OK\r\n"},
    };
    names_expect_rows(&d, 0, rows, COUNT_OF(rows));
    names_expect_part(&d, 0, "CLUSTER INFO", "cluster_known_nodes:6\r\n");
    names_expect_part(&d, 0, "CLUSTER NODES",
                      " 10.9.9.9:7001@17001 handshake - 0 0 0 disconnected\n");
    driver_stop(&d);
}

static void time_and_saving_follow_the_nodes_clock(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    static const driver_row rows[] = {
        {"TIME", "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n"},
        {"LASTSAVE", ":1700000000\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_wait_ms(&d, 2500);
    static const driver_row later[] = {
        {"TIME", "*2\r\n$10\r\n1700000002\r\n$6\r\n500000\r\n"},
        {"LASTSAVE", ":1700000000\r\n"},
        {"BGSAVE SCHEDULE", "+Background saving started\r\n"},
        {"LASTSAVE", ":1700000002\r\n"},
        {"BGREWRITEAOF", "+Background append only file rewriting started\r\n"},
    };
    driver_expect_rows(&d, 0, later, COUNT_OF(later));
    names_expect_part(&d, 0, "INFO persistence", "rdb_last_save_time:1700000002\r\n");
    driver_stop(&d);
}

static void a_node_that_shuts_down_is_gone_without_a_reply(void **state) {
    (void)state;
    static const char *const lines[] = {"SHUTDOWN", "SHUTDOWN NOSAVE NOW FORCE", "SHUTDOWN SAVE"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        node_driver d;
        begin(&d);
        driver_expect(&d, 1, lines[i], "");
        assert_true(!d.sessions[1] || (d.sessions[1]->flags & SESSION_CLOSING));
        driver_wait_ms(&d, 600);
        driver_expect(&d, 0, "GET {a}", "-MOVED 15495 10.0.0.1:7003\r\n");
        driver_stop(&d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_show_roles_offsets_and_health),
        cmocka_unit_test(a_tls_port_may_be_the_only_one),
        cmocka_unit_test(nodes_show_single_slots_and_open_ones_in_pieces),
        cmocka_unit_test(replicas_are_listed_by_their_primary),
        cmocka_unit_test(links_lead_both_ways_to_whom_is_heard),
        cmocka_unit_test(info_counts_slots_by_the_state_of_their_owner),
        cmocka_unit_test(a_role_is_told_with_its_other_half),
        cmocka_unit_test(membership_is_changed_for_a_reason_only),
        cmocka_unit_test(a_key_without_a_slot_keeps_its_node_a_primary),
        cmocka_unit_test(a_replica_needs_its_primary_to_fail_over_politely),
        cmocka_unit_test(a_replica_that_does_not_know_its_primary_cannot_fail_over),
        cmocka_unit_test(meeting_twice_is_one_handshake),
        cmocka_unit_test(time_and_saving_follow_the_nodes_clock),
        cmocka_unit_test(a_node_that_shuts_down_is_gone_without_a_reply),
    };
    return cmocka_run_group_tests_name("node_topology", tests, NULL, NULL);
}
