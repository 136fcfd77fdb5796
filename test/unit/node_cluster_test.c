#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* Slots: {a} 15495 (node 2 of three), {b} 3300 (node 0), {c} 7365 (node 1). */

static const char *id_of(const node_driver *d, uint16_t index) {
    return fleet_view(d->fleet)->peers[index].id;
}

/* The line with %s replaced by a node's id. */
static void expect_with_id(node_driver *d, uint16_t index, const char *format, uint16_t named,
                           const char *reply) {
    char line[256];
    const char *mark = strstr(format, "%s");
    assert_non_null(mark);
    snprintf(line, sizeof line, "%.*s%s%s", (int)(mark - format), format, id_of(d, named),
             mark + 2);
    driver_expect(d, index, line, reply);
}

static void open_slot(node_driver *d, const char *slot, uint16_t from, uint16_t to) {
    char line[64];
    snprintf(line, sizeof line, "CLUSTER SETSLOT %s IMPORTING %%s", slot);
    expect_with_id(d, to, line, from, "+OK\r\n");
    snprintf(line, sizeof line, "CLUSTER SETSLOT %s MIGRATING %%s", slot);
    expect_with_id(d, from, line, to, "+OK\r\n");
}

/* ------------------------------------------------------------------------------ redirection */

static void commands_go_to_the_owner(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 0, "SET {b}x 1", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n");
    driver_expect(&d, 0, "MGET {b}x {a}x",
                  "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    driver_expect(&d, 1, "PING", "+PONG\r\n");
    driver_stop(&d);
}

static void a_slot_moves_through_ask(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 2, "MSET {a}x 1 {a}y 2", "+OK\r\n");
    open_slot(&d, "15495", 2, 0);
    static const driver_row at_source[] = {
        {"GET {a}x", "$1\r\n1\r\n"},
        {"GET {a}none", "-ASK 15495 10.0.0.1:7000\r\n"},
        {"MGET {a}none {a}nor", "-ASK 15495 10.0.0.1:7000\r\n"},
        {"MGET {a}x {a}none", "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"},
        {"MIGRATE 10.0.0.1 7000 {a}x 0 100", "+OK\r\n"},
        {"GET {a}x", "-ASK 15495 10.0.0.1:7000\r\n"},
    };
    static const driver_row at_target[] = {
        {"GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n"},
        {"ASKING", "+OK\r\n"},
        {"GET {a}x", "$1\r\n1\r\n"},
        {"GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n"},
        {"ASKING", "+OK\r\n"},
        {"PING", "+PONG\r\n"},
        {"GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n"},
        {"ASKING", "+OK\r\n"},
        {"MGET {a}x {a}y", "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"},
        {"ASKING", "+OK\r\n"},
        {"MGET {a}z {a}z", "*2\r\n$-1\r\n$-1\r\n"},
    };
    driver_expect_rows(&d, 2, at_source, COUNT_OF(at_source));
    driver_expect_rows(&d, 0, at_target, COUNT_OF(at_target));
    expect_with_id(&d, 2, "CLUSTER SETSLOT 15495 NODE %s", 0,
                   "-ERR Can't assign hashslot 15495 to a different node while I still hold keys "
                   "for this hash slot.\r\n");
    driver_expect(&d, 2, "MIGRATE 10.0.0.1 7000 \"\" 0 100 KEYS {a}y {a}gone", "+OK\r\n");
    expect_with_id(&d, 0, "CLUSTER SETSLOT 15495 NODE %s", 0, "+OK\r\n");
    driver_expect(&d, 1, "GET {a}y", "-MOVED 15495 10.0.0.1:7000\r\n");
    driver_expect(&d, 2, "GET {a}y", "-MOVED 15495 10.0.0.1:7000\r\n");
    driver_expect(&d, 0, "MGET {a}x {a}y", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    driver_stop(&d);
}

static void values_of_all_types_migrate_with_their_expiry(void **state) {
    (void)state;
    static const driver_row made[] = {
        {"HSET {a}hash f v g 2", ":2\r\n"},    {"SADD {a}ints 3 1 2", ":3\r\n"},
        {"SADD {a}set x", ":1\r\n"},           {"RPUSH {a}list a b", ":2\r\n"},
        {"ZADD {a}zset 1.5 a -1 b", ":2\r\n"}, {"PEXPIRE {a}hash 5000", ":1\r\n"},
    };
    static const driver_row moved[] = {
        {"HGETALL {a}hash", "*4\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\ng\r\n$1\r\n2\r\n"},
        {"PTTL {a}hash", ":5000\r\n"},
        {"SMEMBERS {a}ints", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"},
        {"OBJECT ENCODING {a}ints", "$6\r\nintset\r\n"},
        {"SMEMBERS {a}set", "*1\r\n$1\r\nx\r\n"},
        {"LRANGE {a}list 0 -1", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
        {"ZRANGE {a}zset 0 -1", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"},
        {"TTL {a}zset", ":-1\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect_rows(&d, 2, made, COUNT_OF(made));
    open_slot(&d, "15495", 2, 0);
    driver_expect(&d, 2,
                  "MIGRATE 10.0.0.1 7000 \"\" 0 100 KEYS {a}hash {a}ints {a}set {a}list {a}zset",
                  "+OK\r\n");
    expect_with_id(&d, 0, "CLUSTER SETSLOT 15495 NODE %s", 0, "+OK\r\n");
    expect_with_id(&d, 2, "CLUSTER SETSLOT 15495 NODE %s", 0, "+OK\r\n");
    driver_expect_rows(&d, 0, moved, COUNT_OF(moved));
    driver_expect(&d, 3, "READONLY", "+OK\r\n");
    driver_expect_rows(&d, 3, moved, COUNT_OF(moved));
    driver_expect(&d, 5, "DBSIZE", ":0\r\n");
    driver_stop(&d);
}

static void migrate_says_what_the_target_said(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 2, "SET {a}x 1 PX 9000", "+OK\r\n");
    static const driver_row rows[] = {
        {"MIGRATE 10.0.0.1 7000 {a}none 0 100", "+NOKEY\r\n"},
        {"MIGRATE 10.0.0.1 7000 {a}x 0 100",
         "-ERR Target instance replied with error: MOVED 15495 10.0.0.1:7002\r\n"},
        {"MIGRATE 10.0.0.1 7009 {a}x 0 100",
         "-IOERR error or timeout writing to target instance\r\n"},
        {"EXISTS {a}x", ":1\r\n"},
    };
    driver_expect_rows(&d, 2, rows, COUNT_OF(rows));
    open_slot(&d, "15495", 2, 0);
    driver_expect(&d, 2, "MIGRATE 10.0.0.1 7000 {a}x 0 100 COPY", "+OK\r\n");
    driver_expect(&d, 2, "MIGRATE 10.0.0.1 7000 {a}x 0 100",
                  "-ERR Target instance replied with error: BUSYKEY Target key name already "
                  "exists.\r\n");
    driver_expect(&d, 2, "MIGRATE 10.0.0.1 7000 {a}x 0 100 REPLACE", "+OK\r\n");
    driver_expect(&d, 0, "ASKING", "+OK\r\n");
    driver_expect(&d, 0, "PTTL {a}x", ":9000\r\n");
    driver_stop(&d);
}

static void a_replica_reads_when_asked_to(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 0, "SET {b}x 1", "+OK\r\n");
    static const driver_row rows[] = {
        {"GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n"},
        {"READONLY", "+OK\r\n"},
        {"GET {b}x", "$1\r\n1\r\n"},
        {"SET {b}x 2", "-MOVED 3300 10.0.0.1:7000\r\n"},
        {"GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n"},
        {"FLUSHALL", "-READONLY You can't write against a read only replica.\r\n"},
        {"READWRITE", "+OK\r\n"},
        {"GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n"},
        {"CLUSTER SETSLOT 0 STABLE", "-ERR Please use SETSLOT only with masters.\r\n"},
        {"WAIT 1 0", "-ERR WAIT cannot be used with replica instances. Please also note that "
                     "since Redis 4.0 if a replica is configured to be writable (which is not the "
                     "default) writes to replicas are just local and are not propagated.\r\n"},
    };
    driver_expect_rows(&d, 3, rows, COUNT_OF(rows));
    driver_expect(&d, 0, "WAIT 1 0", ":1\r\n");
    driver_stop(&d);
}

static void a_slot_of_nobody_takes_the_cluster_down(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 0, "CLUSTER DELSLOTS 3300", "+OK\r\n");
    driver_expect(&d, 0, "GET {b}x", "-CLUSTERDOWN Hash slot not served\r\n");
    driver_expect(&d, 0, "GET {a}x", "-CLUSTERDOWN The cluster is down\r\n");
    driver_expect(&d, 0, "MGET {a}x {c}x",
                  "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n"); /* it was not told */
    driver_expect(&d, 0, "CLUSTER ADDSLOTS 3300", "+OK\r\n");
    driver_expect(&d, 0, "GET {b}x", "$-1\r\n");
    driver_stop(&d);
}

/* ---------------------------------------------------------------------------- transactions */

static void transactions_are_judged_as_a_whole(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    static const driver_row before[] = {
        {"EXEC", "-ERR EXEC without MULTI\r\n"},
        {"DISCARD", "-ERR DISCARD without MULTI\r\n"},
        {"MULTI", "+OK\r\n"},
        {"MULTI", "-ERR MULTI calls can not be nested\r\n"},
        {"INCR {a}x", "+QUEUED\r\n"},
        {"INCR {a}x", "+QUEUED\r\n"},
        {"EXEC", "*2\r\n:2\r\n:3\r\n"},
        {"MULTI", "+OK\r\n"},
        {"GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n"},
        {"GET {a}x", "+QUEUED\r\n"},
        {"EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
        {"MULTI", "+OK\r\n"},
        {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
        {"MULTI", "+OK\r\n"},
        {"WATCH {a}x", "-ERR WATCH inside MULTI is not allowed\r\n"},
        {"EXEC a",
         "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
         "command\r\n"},
        {"EXEC", "-ERR EXEC without MULTI\r\n"},
        {"MULTI", "+OK\r\n"},
        {"EXEC", "*0\r\n"},
        {"MULTI", "+OK\r\n"},
        {"GET {a}x", "+QUEUED\r\n"},
    };
    driver_expect_rows(&d, 2, before, COUNT_OF(before));
    assert_int_equal(fleet_migrate_begin(d.fleet, 15495, 0), KW_OK);
    assert_int_equal(fleet_migrate_keys(d.fleet, 15495, 10, NULL), KW_OK);
    driver_expect(&d, 2, "EXEC", "-ASK 15495 10.0.0.1:7000\r\n");
    driver_expect(&d, 2, "EXEC", "-ERR EXEC without MULTI\r\n");
    driver_stop(&d);
}

static void exec_is_redirected_when_the_slot_has_moved(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 2, "MULTI", "+OK\r\n");
    driver_expect(&d, 2, "SET {a}x 1", "+QUEUED\r\n");
    assert_int_equal(fleet_assign(d.fleet, 15495, 15495, 0), KW_OK);
    driver_expect(&d, 2, "EXEC", "-MOVED 15495 10.0.0.1:7000\r\n");
    driver_expect(&d, 2, "EXEC", "-ERR EXEC without MULTI\r\n");
    driver_stop(&d);
}

static void asking_before_multi_holds_to_the_end_of_exec(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    open_slot(&d, "15495", 2, 0);
    static const driver_row rows[] = {
        {"ASKING", "+OK\r\n"},
        {"MULTI", "+OK\r\n"},
        {"SET {a}x 1", "+QUEUED\r\n"},
        {"GET {a}x", "+QUEUED\r\n"},
        {"EXEC", "*2\r\n+OK\r\n$1\r\n1\r\n"},
        {"GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n"},
        {"MULTI", "+OK\r\n"},
        {"ASKING", "+QUEUED\r\n"},
        {"GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n"},
        {"DISCARD", "+OK\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void exec_fails_when_a_watched_key_changed(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *other = node_session_new(fleet_node(d.fleet, 0), "10.0.0.9:1", d.now_us);
    assert_non_null(other);
    static const char *const changes[] = {"SET k 2", "DEL k", "EXPIRE k 10", "SET k 1"};
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        driver_expect(&d, 0, "SET k 1", "+OK\r\n");
        driver_expect(&d, 0, "WATCH k {k}missing", "+OK\r\n");
        driver_expect(&d, 0, "MULTI", "+OK\r\n");
        driver_expect(&d, 0, "PING", "+QUEUED\r\n");
        (void)driver_ask_on(&d, 0, other, changes[i]);
        driver_expect(&d, 0, "EXEC", "*-1\r\n");
    }
    driver_expect(&d, 0, "WATCH k", "+OK\r\n");
    (void)driver_ask_on(&d, 0, other, "SET k 3");
    driver_expect(&d, 0, "UNWATCH", "+OK\r\n");
    driver_expect(&d, 0, "MULTI", "+OK\r\n");
    driver_expect(&d, 0, "EXEC", "*0\r\n");
    driver_expect(&d, 0, "WATCH k", "+OK\r\n");
    (void)driver_ask_on(&d, 0, other, "GET k");
    driver_expect(&d, 0, "MULTI", "+OK\r\n");
    driver_expect(&d, 0, "EXEC", "*0\r\n");
    node_session_free(fleet_node(d.fleet, 0), other);
    driver_stop(&d);
}

/* -------------------------------------------------------------------------- what it tells */

static void cluster_slots_in_both_protocols(void **state) {
    (void)state;
    static const struct {
        const char *hello, *meta;
    } protocols[] = {{"HELLO 2", "*0"}, {"HELLO 3", "%0"}};
    for (size_t i = 0; i < COUNT_OF(protocols); i++) {
        node_driver d;
        driver_start(&d, 2, 1);
        char want[1024];
        const char *meta = protocols[i].meta;
        snprintf(want, sizeof want,
                 "*2\r\n"
                 "*4\r\n:0\r\n:8191\r\n"
                 "*4\r\n$8\r\n10.0.0.1\r\n:7000\r\n$40\r\n%s\r\n%s\r\n"
                 "*4\r\n$8\r\n10.0.0.1\r\n:7002\r\n$40\r\n%s\r\n%s\r\n"
                 "*4\r\n:8192\r\n:16383\r\n"
                 "*4\r\n$8\r\n10.0.0.1\r\n:7001\r\n$40\r\n%s\r\n%s\r\n"
                 "*4\r\n$8\r\n10.0.0.1\r\n:7003\r\n$40\r\n%s\r\n%s\r\n",
                 id_of(&d, 0), meta, id_of(&d, 2), meta, id_of(&d, 1), meta, id_of(&d, 3), meta);
        (void)driver_ask(&d, 0, protocols[i].hello);
        driver_expect(&d, 0, "CLUSTER SLOTS", want);
        driver_stop(&d);
    }
}

static void cluster_slots_leaves_holes_and_dead_replicas_out(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 1);
    assert_int_equal(fleet_assign(d.fleet, 1, 16382, NODE_NOBODY), KW_OK);
    assert_int_equal(fleet_kill(d.fleet, 1, d.now_us), KW_OK);
    driver_wait_ms(&d, 300);
    char want[512];
    snprintf(want, sizeof want,
             "*2\r\n*3\r\n:0\r\n:0\r\n*4\r\n$8\r\n10.0.0.1\r\n:7000\r\n$40\r\n%s\r\n*0\r\n"
             "*3\r\n:16383\r\n:16383\r\n*4\r\n$8\r\n10.0.0.1\r\n:7000\r\n$40\r\n%s\r\n*0\r\n",
             id_of(&d, 0), id_of(&d, 0));
    driver_expect(&d, 0, "CLUSTER SLOTS", want);
    driver_stop(&d);
}

static void cluster_nodes_shows_roles_slots_and_marks(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 2, 1);
    open_slot(&d, "3300", 0, 1);
    char want[1024];
    unsigned long long now_ms = d.now_us / 1000;
    snprintf(want, sizeof want,
             "%s 10.0.0.1:7000@17000 myself,master - 0 %llu 1 connected 0-8191 [3300->-%s]\n"
             "%s 10.0.0.1:7001@17001 master - 0 %llu 2 connected 8192-16383\n"
             "%s 10.0.0.1:7002@17002 slave %s 0 %llu 1 connected\n"
             "%s 10.0.0.1:7003@17003 slave %s 0 %llu 2 connected\n",
             id_of(&d, 0), now_ms, id_of(&d, 1), id_of(&d, 1), now_ms, id_of(&d, 2), id_of(&d, 0),
             now_ms, id_of(&d, 3), id_of(&d, 1), now_ms);
    char reply[1100];
    snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", strlen(want), want);
    driver_expect(&d, 0, "CLUSTER NODES", reply);
    const char *at_target = driver_ask(&d, 1, "CLUSTER NODES");
    char mark[64];
    snprintf(mark, sizeof mark, "8192-16383 [3300-<-%s]\n", id_of(&d, 0));
    assert_non_null(strstr(at_target, mark));
    driver_stop(&d);
}

static void cluster_info_counts(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    const char *text = driver_ask(&d, 4, "CLUSTER INFO");
    static const char *const parts[] = {
        "cluster_state:ok\r\n",       "cluster_slots_assigned:16384\r\n",
        "cluster_slots_ok:16384\r\n", "cluster_slots_fail:0\r\n",
        "cluster_known_nodes:6\r\n",  "cluster_size:3\r\n",
        "cluster_my_epoch:2\r\n",     "cluster_current_epoch:6\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert_non_null(strstr(text, parts[i]));
    }
    driver_stop(&d);
}

static void hello_changes_the_protocol(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"HELLO 3", "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"
                    "$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:3\r\n$4\r\nmode\r\n$7\r\ncluster\r\n"
                    "$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"},
        {"GET k", "_\r\n"},
        {"HELLO 4", "-NOPROTO unsupported protocol version\r\n"},
        {"HELLO x", "-ERR Protocol version is not an integer or out of range\r\n"},
        {"HELLO 2 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'\r\n"},
        {"CLIENT SETNAME n", "+OK\r\n"},
        {"CLIENT GETNAME", "$1\r\nn\r\n"},
        {"CLIENT SETINFO LIB-NAME keyway", "+OK\r\n"},
        {"CLIENT SETINFO LIB-NAME \"a b\"",
         "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"},
        {"RESET", "+RESET\r\n"},
        {"CLIENT GETNAME", "$-1\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void nothing_is_said_before_auth(void **state) {
    (void)state;
    node_driver d;
    driver_start_locked(&d, "app", "secret");
    static const driver_row rows[] = {
        {"GET k", "-NOAUTH Authentication required.\r\n"},
        {"FOO", "-ERR unknown command 'FOO', with args beginning with: \r\n"},
        {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"HELLO 3", "-NOAUTH HELLO must be called with the client already authenticated, otherwise "
                    "the HELLO AUTH <user> <pass> option can be used to authenticate the "
                    "client and select the RESP protocol version at the same time\r\n"},
        {"AUTH app wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
        {"AUTH secret", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
        {"AUTH app secret", "+OK\r\n"},
        {"GET k", "$-1\r\n"},
        {"RESET", "+RESET\r\n"},
        {"GET k", "-NOAUTH Authentication required.\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void admin_errors_are_the_servers(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    static const driver_row rows[] = {
        {"CLUSTER", "-ERR wrong number of arguments for 'cluster' command\r\n"},
        {"CLUSTER foo", "-ERR unknown subcommand 'foo'. Try CLUSTER HELP.\r\n"},
        {"CLUSTER KEYSLOT", "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n"},
        {"CLUSTER SETSLOT x STABLE", "-ERR Invalid or out of range slot\r\n"},
        {"CLUSTER SETSLOT 16384 STABLE", "-ERR Invalid or out of range slot\r\n"},
        {"CLUSTER SETSLOT 0 MIGRATING foo", "-ERR I don't know about node foo\r\n"},
        {"CLUSTER SETSLOT 16383 MIGRATING foo", "-ERR I'm not the owner of hash slot 16383\r\n"},
        {"CLUSTER SETSLOT 0 IMPORTING foo", "-ERR I'm already the owner of hash slot 0\r\n"},
        {"CLUSTER SETSLOT 0 NODE foo", "-ERR Unknown node foo\r\n"},
        {"CLUSTER ADDSLOTS 0", "-ERR Slot 0 is already busy\r\n"},
        {"CLUSTER DELSLOTS 0 0", "-ERR Slot 0 specified multiple times\r\n"},
        {"CLUSTER ADDSLOTSRANGE 5 1",
         "-ERR start slot number 5 is greater than end slot number 1\r\n"},
        {"CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid slot\r\n"},
        {"CLUSTER GETKEYSINSLOT 0 -1", "-ERR Invalid slot or number of keys\r\n"},
        {"CLUSTER FAILOVER", "-ERR You should send CLUSTER FAILOVER to a replica\r\n"},
        {"CLUSTER BUMPEPOCH", "+BUMPED 4\r\n"},
        {"CLUSTER BUMPEPOCH", "+STILL 4\r\n"},
        {"SELECT 1", "-ERR SELECT is not allowed in cluster mode\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void keys_in_a_slot_are_listed(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"MSET {b}1 x {b}2 x {b}3 x", "+OK\r\n"},
        {"CLUSTER COUNTKEYSINSLOT 3300", ":3\r\n"},
        {"CLUSTER GETKEYSINSLOT 3300 2", "*2\r\n$4\r\n{b}3\r\n$4\r\n{b}2\r\n"},
        {"DEL {b}1", ":1\r\n"},
        {"CLUSTER GETKEYSINSLOT 3300 9", "*2\r\n$4\r\n{b}3\r\n$4\r\n{b}2\r\n"},
        {"FLUSHALL", "+OK\r\n"},
        {"CLUSTER COUNTKEYSINSLOT 3300", ":0\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_go_to_the_owner),
        cmocka_unit_test(a_slot_moves_through_ask),
        cmocka_unit_test(values_of_all_types_migrate_with_their_expiry),
        cmocka_unit_test(migrate_says_what_the_target_said),
        cmocka_unit_test(a_replica_reads_when_asked_to),
        cmocka_unit_test(a_slot_of_nobody_takes_the_cluster_down),
        cmocka_unit_test(transactions_are_judged_as_a_whole),
        cmocka_unit_test(exec_is_redirected_when_the_slot_has_moved),
        cmocka_unit_test(asking_before_multi_holds_to_the_end_of_exec),
        cmocka_unit_test(exec_fails_when_a_watched_key_changed),
        cmocka_unit_test(cluster_slots_in_both_protocols),
        cmocka_unit_test(cluster_slots_leaves_holes_and_dead_replicas_out),
        cmocka_unit_test(cluster_nodes_shows_roles_slots_and_marks),
        cmocka_unit_test(cluster_info_counts),
        cmocka_unit_test(hello_changes_the_protocol),
        cmocka_unit_test(nothing_is_said_before_auth),
        cmocka_unit_test(admin_errors_are_the_servers),
        cmocka_unit_test(keys_in_a_slot_are_listed),
    };
    return cmocka_run_group_tests_name("node_cluster", tests, NULL, NULL);
}
