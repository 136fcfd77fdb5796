#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* What an operator's tools ask of a node, beside the cluster itself. */

static void expect_in(node_driver *d, uint16_t index, const char *line, const char *text) {
    const char *got = driver_ask(d, index, line);
    if (!strstr(got, text)) {
        fail_msg("%s: '%s' is not in:\n%s", line, text, got);
    }
}

static void config_is_asked_by_names_and_patterns(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"},
        {"CONFIG GET MaxMemory maxmemory nosuch", "*2\r\n$9\r\nMaxMemory\r\n$1\r\n0\r\n"},
        {"CONFIG GET CLUSTER-ANNOUNCE-*port cluster-port",
         "*8\r\n$25\r\ncluster-announce-bus-port\r\n$1\r\n0\r\n$21\r\ncluster-announce-port\r\n"
         "$1\r\n0\r\n$25\r\ncluster-announce-tls-port\r\n$1\r\n0\r\n$12\r\ncluster-port\r\n$1\r\n0"
         "\r\n"},
        {"CONFIG SET timeout 1 hz", "-ERR syntax error\r\n"},
        {"CONFIG SET timeout 1 nosuch 2",
         "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'\r\n"},
        {"CONFIG SET timeout 1 hz x",
         "-ERR CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be "
         "parsed into an integer\r\n"},
        {"CONFIG GET timeout", "*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n"},
        {"CONFIG SET timeout 1 hz 20", "+OK\r\n"},
        {"CONFIG GET timeout", "*2\r\n$7\r\ntimeout\r\n$1\r\n1\r\n"},
        {"CONFIG REWRITE", "+OK\r\n"},
        {"CONFIG FOO", "-ERR unknown subcommand 'FOO'. Try CONFIG HELP.\r\n"},
        {"CONFIG RESETSTAT", "+OK\r\n"},
    };
    driver_expect_rows(&d, 0, rows, sizeof rows / sizeof *rows);
    driver_stop(&d);
}

static void endpoints_are_told_as_configured(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 2, 0); /* {b} 3300 is node 0's, {a} 15495 node 1's */
    driver_expect(&d, 0, "CONFIG SET cluster-preferred-endpoint-type hostname", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}", "-MOVED 15495 ?:7001\r\n");
    driver_expect(&d, 1, "CONFIG SET cluster-announce-hostname one.example", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}", "-MOVED 15495 one.example:7001\r\n");
    expect_in(&d, 0, "CLUSTER SLOTS", "*4\r\n$11\r\none.example\r\n:7001\r\n$40\r\n");
    expect_in(&d, 0, "CLUSTER SLOTS", "*2\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n");
    expect_in(&d, 0, "CLUSTER NODES", " 10.0.0.1:7001@17001,one.example master");
    expect_in(&d, 0, "CLUSTER SHARDS",
              "$8\r\nendpoint\r\n$11\r\none.example\r\n$8\r\nhostname\r\n");
    driver_expect(&d, 0, "CONFIG SET cluster-preferred-endpoint-type unknown-endpoint", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}", "-MOVED 15495 :7001\r\n");
    expect_in(&d, 0, "CLUSTER SLOTS", "*4\r\n$-1\r\n:7001\r\n");
    expect_in(&d, 0, "CLUSTER SLOTS", "$8\r\nhostname\r\n$11\r\none.example\r\n");
    expect_in(&d, 0, "CLUSTER SHARDS", "$8\r\nendpoint\r\n$0\r\n\r\n");
    driver_expect(&d, 0, "CONFIG SET cluster-preferred-endpoint-type ip", "+OK\r\n");
    driver_expect(&d, 1, "CONFIG SET cluster-announce-ip 1.2.3.4 cluster-announce-port 99",
                  "+OK\r\n");
    driver_expect(&d, 0, "GET {a}", "-MOVED 15495 1.2.3.4:99\r\n");
    driver_expect(&d, 1, "CONFIG SET cluster-announce-ip \"\" cluster-announce-port 0", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}", "-MOVED 15495 10.0.0.1:7001\r\n");
    driver_stop(&d);
}

static void who_came_over_tls_is_told_tls_ports(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 2, 0);
    driver_expect(&d, 1, "CONFIG SET cluster-announce-tls-port 8001", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}", "-MOVED 15495 10.0.0.1:7001\r\n");
    expect_in(&d, 0, "CLUSTER SHARDS", "$8\r\ntls-port\r\n:8001\r\n");
    d.sessions[0]->flags |= SESSION_TLS;
    driver_expect(&d, 0, "GET {a}", "-MOVED 15495 10.0.0.1:8001\r\n");
    expect_in(&d, 0, "CLUSTER SLOTS", "$8\r\n10.0.0.1\r\n:8001\r\n");
    driver_stop(&d);
}

static void reads_and_shard_channels_when_down_follow_the_settings(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 2, 0);
    driver_expect(&d, 0, "CLUSTER DELSLOTS 0", "+OK\r\n");
    driver_expect(&d, 0, "GET {b}", "-CLUSTERDOWN The cluster is down\r\n");
    driver_expect(&d, 0, "CONFIG SET cluster-allow-reads-when-down yes", "+OK\r\n");
    driver_expect(&d, 0, "GET {b}", "$-1\r\n");
    driver_expect(&d, 0, "SET {b} 1",
                  "-CLUSTERDOWN The cluster is down and only accepts read commands\r\n");
    driver_expect(&d, 0, "SPUBLISH {b} x", ":0\r\n");
    driver_expect(&d, 0, "CONFIG SET cluster-allow-pubsubshard-when-down no", "+OK\r\n");
    driver_expect(&d, 0, "SPUBLISH {b} x", "-CLUSTERDOWN The cluster is down\r\n");
    driver_expect(&d, 0, "CONFIG SET cluster-require-full-coverage no", "+OK\r\n");
    driver_expect(&d, 0, "SET {b} 1", "+OK\r\n");
    driver_stop(&d);
}

static void writes_wait_for_enough_replicas(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 0, "CONFIG SET min-replicas-to-write 1", "+OK\r\n");
    driver_expect(&d, 0, "SET {b} 1", "+OK\r\n");
    assert_int_equal(fleet_kill(d.fleet, 3, d.now_us), KW_OK);
    driver_expect(&d, 0, "SET {b} 2", "-NOREPLICAS Not enough good replicas to write.\r\n");
    driver_expect(&d, 0, "GET {b}", "$1\r\n1\r\n");
    driver_expect(&d, 0, "CONFIG SET min-replicas-to-write 0", "+OK\r\n");
    driver_expect(&d, 0, "SET {b} 2", "+OK\r\n");
    driver_stop(&d);
}

static void info_has_the_sections_asked_for(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 0, "SET {b} 1 PX 5000", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_expect(&d, 0, "INCR", "-ERR wrong number of arguments for 'incr' command\r\n");
    driver_expect(&d, 0, "INFO nosuch", "$0\r\n\r\n");
    driver_expect(&d, 0, "INFO keyspace cluster",
                  "$79\r\n# Cluster\r\ncluster_enabled:1\r\n\r\n# Keyspace\r\n"
                  "db0:keys=1,expires=1,avg_ttl=5000\r\n\r\n");
    expect_in(&d, 0, "INFO errorstats", "errorstat_MOVED:count=1\r\nerrorstat_ERR:count=1\r\n");
    expect_in(&d, 0, "INFO commandstats", "cmdstat_set:calls=1,");
    expect_in(&d, 0, "INFO commandstats",
              "cmdstat_incr:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\r\n");
    expect_in(&d, 0, "INFO replication",
              "role:master\r\nconnected_slaves:1\r\nslave0:ip=10.0.0.1,port=7003,state=online,");
    expect_in(&d, 3, "INFO replication", "master_link_status:up\r\n");
    assert_null(strstr(driver_ask(&d, 0, "INFO"), "# Commandstats"));
    expect_in(&d, 0, "INFO everything", "# Commandstats");
    expect_in(&d, 0, "INFO everything", "# Modules");
    assert_null(strstr(driver_ask(&d, 0, "INFO all"), "# Modules"));
    driver_hang_up(&d, 0);
    assert_int_equal(fleet_kill(d.fleet, 0, d.now_us), KW_OK);
    expect_in(&d, 3, "INFO replication", "master_link_status:down\r\n");
    expect_in(&d, 3, "ROLE", "$7\r\nconnect\r\n");
    driver_stop(&d);
}

static void debug_sleep_holds_the_whole_node(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *other = node_session_new(fleet_node(d.fleet, 0), "10.0.0.8:1", d.now_us);
    driver_expect(&d, 0, "DEBUG SLEEP 0.5", "");
    assert_string_equal(driver_ask_on(&d, 0, other, "PING"), "");
    driver_wait_ms(&d, 499);
    assert_int_equal(buffer_len(&other->out), 0);
    driver_wait_ms(&d, 1);
    assert_ptr_not_equal(fleet_next_ready(d.fleet), NULL);
    assert_string_equal(driver_ask_on(&d, 0, other, "ECHO x"), "+PONG\r\n$1\r\nx\r\n");
    driver_expect(&d, 0, "PING", "+OK\r\n+PONG\r\n");
    node_session_free(fleet_node(d.fleet, 0), other);
    driver_stop(&d);
}

static void what_a_cluster_does_not_do_is_refused(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"REPLICAOF NO ONE", "-ERR REPLICAOF not allowed in cluster mode.\r\n"},
        {"SLAVEOF a 1", "-ERR REPLICAOF not allowed in cluster mode.\r\n"},
        {"SWAPDB 0 1", "-ERR SWAPDB is not allowed in cluster mode\r\n"},
        {"MOVE b 1", "-ERR MOVE is not allowed in cluster mode\r\n"},
        {"FAILOVER", "-ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command "
                     "instead.\r\n"},
        {"SHUTDOWN FOO", "-ERR syntax error\r\n"},
        {"SHUTDOWN SAVE NOSAVE", "-ERR syntax error\r\n"},
        {"SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n"},
        {"SAVE", "+OK\r\n"},
        {"LASTSAVE", ":1700000000\r\n"},
        {"BGSAVE", "+Background saving started\r\n"},
        {"BGSAVE FOO", "-ERR syntax error\r\n"},
        {"SLOWLOG GET -2", "-ERR count should be greater than or equal to -1\r\n"},
        {"SLOWLOG LEN", ":0\r\n"},
        {"LATENCY LATEST", "*0\r\n"},
        {"SET b x", "+OK\r\n"},
        {"MEMORY USAGE b", ":80\r\n"},
        {"MEMORY USAGE c", "$-1\r\n"},
        {"MEMORY USAGE b SAMPLES -1", "-ERR syntax error\r\n"},
        {"DEBUG NOSUCH", "-ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. Try "
                         "DEBUG HELP.\r\n"},
    };
    driver_expect_rows(&d, 0, rows, sizeof rows / sizeof *rows);
    driver_stop(&d);
}

static void command_tells_of_subcommands_and_of_key_flags(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"COMMAND INFO nosuch config|nosuch", "*2\r\n$-1\r\n$-1\r\n"},
        {"COMMAND INFO cluster|myid",
         "*1\r\n*10\r\n$12\r\ncluster|myid\r\n:2\r\n*1\r\n+stale\r\n:0\r\n:0\r\n:0\r\n*1\r\n"
         "+@slow\r\n*0\r\n*0\r\n*0\r\n"},
        {"COMMAND GETKEYSANDFLAGS SET a b", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n"},
        {"COMMAND GETKEYSANDFLAGS SET a b GET",
         "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n"},
        {"COMMAND GETKEYSANDFLAGS ZUNIONSTORE d 1 a",
         "*2\r\n*2\r\n$1\r\nd\r\n*2\r\n+OW\r\n+update\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+"
         "access\r\n"},
        {"COMMAND LIST FILTERBY PATTERN config|s*", "*1\r\n$10\r\nconfig|set\r\n"},
        {"COMMAND LIST FILTERBY MODULE m", "*0\r\n"},
        {"COMMAND LIST FILTERBY ACLCAT nosuch", "*0\r\n"},
        {"COMMAND LIST FILTERBY", "-ERR syntax error\r\n"},
    };
    driver_expect_rows(&d, 0, rows, sizeof rows / sizeof *rows);
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_is_asked_by_names_and_patterns),
        cmocka_unit_test(endpoints_are_told_as_configured),
        cmocka_unit_test(who_came_over_tls_is_told_tls_ports),
        cmocka_unit_test(reads_and_shard_channels_when_down_follow_the_settings),
        cmocka_unit_test(writes_wait_for_enough_replicas),
        cmocka_unit_test(info_has_the_sections_asked_for),
        cmocka_unit_test(debug_sleep_holds_the_whole_node),
        cmocka_unit_test(what_a_cluster_does_not_do_is_refused),
        cmocka_unit_test(command_tells_of_subcommands_and_of_key_flags),
    };
    return cmocka_run_group_tests_name("node_admin", tests, NULL, NULL);
}
