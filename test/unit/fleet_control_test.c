#include "node/fleet_control.h"

#include "node/fleet_state.h"
#include "node/node_call.h"
#include "unit/support/failing_mem.h"
#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* Three primaries 0..2, one replica each: 3..5. {a} is node 2's (slot 15495), {b} node 0's (3300).
 */

static void begin(node_driver *d) {
    driver_start(d, 3, 1);
}

static bool says(node_driver *d, uint16_t index, const char *line, const char *part) {
    return strstr(driver_ask(d, index, line), part) != NULL;
}

static void mistakes_are_answered_with_what_to_do(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"LAB", "-ERR LAB what? LAB HELP lists what there is.\r\n"},
        {"LAB FROBNICATE", "-ERR unknown command 'LAB FROBNICATE'. LAB HELP lists them.\r\n"},
        {"LAB kil 1",
         "-ERR unknown command 'LAB KIL'. Did you mean LAB KILL? LAB HELP lists them.\r\n"},
        {"LAB SLTO BEGIN 1 2",
         "-ERR unknown command 'LAB SLTO'. Did you mean LAB SLOT? LAB HELP lists them.\r\n"},
        {"LAB SLOT BEGN 1 2",
         "-ERR unknown command 'LAB SLOT BEGN'. Did you mean LAB SLOT BEGIN? LAB HELP lists "
         "them.\r\n"},
        {"LAB KILL", "-ERR usage: LAB KILL node\r\n"},
        {"LAB SLOT BEGIN 1", "-ERR usage: LAB SLOT BEGIN slot node\r\n"},
        {"LAB KILL 9",
         "-ERR no node '9': name one by index, id or its start, host:port, port, slot:N, "
         "key:NAME or me\r\n"},
        {"LAB SLOT BEGIN 16384 1",
         "-ERR a slot is a number from 0 to 16383 or key:NAME, not '16384'\r\n"},
        {"LAB SLOT MOVE 5-3 1",
         "-ERR slots are N, N-M (up to 16383), key:NAME or ALL, not '5-3'\r\n"},
        {"LAB FAULT ADD COMMAND get FROB",
         "-ERR 'FROB' is neither a condition nor an action; LAB HELP FAULT lists both\r\n"},
        {"LAB FAULT ADD KEY a COUNT", "-ERR COUNT needs a value\r\n"},
        {"LAB FAULT ADD DROP-BEFORE COMMAND get",
         "-ERR 'COMMAND' is too much: the action comes last\r\n"},
        {"LAB FAULT ADD COMMAND get ERROR", "-ERR error needs a text\r\n"},
        {"LAB FAULT ADD CHANCE 200% HANG", "-ERR a chance is 0% to 100%, or 0.0 to 1.0\r\n"},
        {"LAB FAULT DEL 7", "-ERR there is no rule 7; LAB FAULT LIST shows them\r\n"},
        {"LAB START 0", "-ERR node 0 lives already; LAB RESTART 0 restarts it\r\n"},
        {"LAB TIME ADVANCE soon",
         "-ERR the time in ms must be a number from 0 to 4294967295, not 'soon'\r\n"},
        {"LAB SLOT ABANDON 5", "-ERR slot 5 is not open: there is nothing to abandon\r\n"},
        {"LAB LOG FROB",
         "-ERR filters are NODE node, CLIENT id, COMMAND glob, KEY glob, OUTCOME glob, RULE id, "
         "AFTER number, LIMIT count\r\n"},
    };
    node_driver d;
    begin(&d);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void lab_is_hidden_and_may_be_turned_off(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    assert_false(says(&d, 0, "COMMAND LIST", "$3\r\nlab\r\n"));
    fleet_node(d.fleet, 0)->config.peers.control = NULL;
    driver_expect(&d, 0, "LAB NODES",
                  "-ERR unknown command 'LAB', with args beginning with: 'NODES' \r\n");
    driver_stop(&d);
}

static void lab_runs_before_auth(void **state) {
    (void)state;
    node_driver d;
    driver_start_locked(&d, NULL, "secret");
    driver_expect(&d, 0, "PING", "-NOAUTH Authentication required.\r\n");
    assert_true(says(&d, 0, "LAB NODES", "10.0.0.1:7000"));
    driver_stop(&d);
}

static void nodes_are_named_in_many_ways(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    char by_id[64];
    char by_start[64];
    const char *id = fleet_view(d.fleet)->peers[2].id;
    (void)snprintf(by_id, sizeof by_id, "%s", id);
    (void)snprintf(by_start, sizeof by_start, "%.12s", id);
    const char *const names[] = {"2",    by_id,        by_start,  "10.0.0.1:7002",
                                 "7002", "slot:15495", "key:{a}x"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char line[96];
        (void)snprintf(line, sizeof line, "LAB PAUSE %s", names[i]);
        driver_expect(&d, 0, line, "+OK\r\n");
        assert_true(fleet_is_paused(d.fleet, 2));
        driver_expect(&d, 0, "LAB RESUME 2", "+OK\r\n");
    }
    driver_stop(&d);
}

static void nodes_are_a_line_each_or_a_map_each(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    char expected[512];
    driver_expect(&d, 0, "LAB SLOT MOVE 16383 0", "+OK\r\n");
    driver_expect(&d, 0, "LAB KILL 4", "+OK\r\n");
    const node_view *view = fleet_view(d.fleet);
    (void)snprintf(expected, sizeof expected,
                   "\r\nnode=0 endpoint=10.0.0.1:7000 role=primary primary=0 state=alive "
                   "view=current slots=0-5460,16383 keys=0 clients=1 id=%s\r\n",
                   view->peers[0].id);
    assert_true(says(&d, 0, "LAB NODES", expected));
    (void)snprintf(expected, sizeof expected,
                   "\r\nnode=4 endpoint=10.0.0.1:7004 role=replica primary=1 state=dead "
                   "view=current slots=- keys=0 clients=0 id=%s\r\n",
                   view->peers[4].id);
    assert_true(says(&d, 0, "LAB NODES", expected));
    (void)driver_ask(&d, 0, "HELLO 3");
    (void)snprintf(expected, sizeof expected,
                   "%%10\r\n$4\r\nnode\r\n:0\r\n$8\r\nendpoint\r\n$13\r\n10.0.0.1:7000\r\n"
                   "$4\r\nrole\r\n$7\r\nprimary\r\n$7\r\nprimary\r\n:0\r\n"
                   "$5\r\nstate\r\n$5\r\nalive\r\n$4\r\nview\r\n$7\r\ncurrent\r\n"
                   "$5\r\nslots\r\n$12\r\n0-5460 16383\r\n$4\r\nkeys\r\n:0\r\n"
                   "$7\r\nclients\r\n:1\r\n$2\r\nid\r\n$40\r\n%s\r\n",
                   view->peers[0].id);
    assert_true(says(&d, 0, "LAB NODES", expected));
    driver_stop(&d);
}

static void a_node_dies_and_comes_back_elsewhere(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    const driver_row rows[] = {
        {"LAB KILL 2", "+OK\r\n"},
        {"LAB KILL 2", "-ERR node 2 is dead; LAB START 2 starts it\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    assert_null(fleet_node(d.fleet, 2));
    assert_true(says(&d, 0, "LAB NODES", "dead"));
    driver_wait_ms(&d, 600);
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7005\r\n");
    driver_expect(&d, 0, "LAB START 2 PORT 7777", "+OK\r\n");
    assert_true(says(&d, 0, "CLUSTER NODES", "10.0.0.1:7777@"));
    driver_expect(&d, 0, "LAB FAILOVER 2", "+OK\r\n");
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7777\r\n");
    driver_stop(&d);
}

static void a_node_may_end_itself(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 1, "LAB KILL me", "+OK\r\n"); /* its reply may get out before it ends */
    assert_null(fleet_node(d.fleet, 1));
    driver_expect(&d, 0, "LAB RESTART 0", "+OK\r\n");
    assert_non_null(fleet_node(d.fleet, 0));
    driver_expect(&d, 0, "PING", "+PONG\r\n");
    driver_stop(&d);
}

static void stopped_node_leaves_its_data_to_its_replica_and_a_killed_one_does_not(void **state) {
    (void)state;
    static const struct {
        const char *end;
        const char *value;
    } rows[] = {{"LAB STOP 2", "$1\r\n1\r\n"}, {"LAB KILL 2", "$-1\r\n"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        node_driver d;
        begin(&d);
        driver_expect(&d, 0, "LAB REPLICATION DELAY 60000", "+OK\r\n");
        driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
        driver_expect(&d, 0, rows[i].end, "+OK\r\n");
        driver_wait_ms(&d, 600);
        driver_expect(&d, 5, "GET {a}x", rows[i].value);
        driver_stop(&d);
    }
}

static void slots_move_at_once_with_their_keys(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "SET {b}x 1", "+OK\r\n");
    driver_expect(&d, 0, "LAB SLOT MOVE 3000-4000 1", "+OK\r\n");
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7001\r\n");
    driver_expect(&d, 1, "GET {b}x", "$1\r\n1\r\n");
    driver_expect(&d, 0, "LAB SLOT MOVE 3000-4000 4",
                  "-ERR the slots do not move: the target must be a primary: that cannot be done "
                  "now; LAB NODES and LAB SLOT SHOW tell the state\r\n");
    const driver_row rows[] = {
        {"LAB SLOT UNASSIGN 0-10", "+OK\r\n"},
        {"GET {b}x", "-CLUSTERDOWN The cluster is down\r\n"},
        {"LAB SLOT ASSIGN 0-10 0", "+OK\r\n"},
        {"GET {b}x", "$1\r\n1\r\n"},
    };
    driver_expect_rows(&d, 1, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void slots_move_step_by_step_and_half_way(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"MSET {b}x 1 {b}y 2 {b}z 3", "+OK\r\n"},
        {"LAB SLOT BEGIN key:{b} 1", "+OK\r\n"},
        {"LAB SLOT KEYS 3300 2", ":1\r\n"},
        {"MGET {b}x {b}z", "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"},
        {"GET {b}new", "-ASK 3300 10.0.0.1:7001\r\n"},
        {"LAB SLOT END 3300",
         "-ERR the slot stays open: it must be open, and all its keys moved (LAB SLOT KEYS): that "
         "cannot be done now; LAB NODES and LAB SLOT SHOW tell the state\r\n"},
        {"LAB SLOT ABANDON 3300", ":1\r\n"},
        {"GET {b}new", "-ASK 3300 10.0.0.1:7001\r\n"},
        {"LAB SLOT STABLE 3300 1", "+OK\r\n"}, /* only the target has forgotten */
        {"GET {b}new", "-ASK 3300 10.0.0.1:7001\r\n"},
        {"LAB SLOT STABLE 3300", "+OK\r\n"},
        {"GET {b}new", "$-1\r\n"},
        {"LAB SLOT BEGIN 3300 1", "+OK\r\n"},
        {"LAB SLOT KEYS 3300 100", ":0\r\n"},
        {"LAB SLOT END 3300", "+OK\r\n"},
        {"GET {b}x", "-MOVED 3300 10.0.0.1:7001\r\n"},
    };
    node_driver d;
    begin(&d);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void views_can_be_frozen_and_made_to_disagree(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "LAB VIEW FREEZE 1", "+OK\r\n");
    driver_expect(&d, 0, "LAB SLOT MOVE 3300 2", "+OK\r\n");
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n");
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7002\r\n");
    driver_expect(&d, 0, "LAB VIEW THAW 1", "+OK\r\n");
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7002\r\n");

    driver_expect(&d, 0, "LAB VIEW FORCE 1 3300 1", "+OK\r\n"); /* two nodes claim it */
    driver_expect(&d, 1, "SET {b}x mine", "+OK\r\n");
    driver_expect(&d, 2, "GET {b}x", "$-1\r\n");
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7002\r\n");
    driver_expect(&d, 0, "LAB VIEW FORCE 1 3300 nobody", "+OK\r\n");
    driver_expect(&d, 1, "GET {b}x", "-CLUSTERDOWN Hash slot not served\r\n");
    driver_expect(&d, 0, "LAB VIEW THAW ALL", "+OK\r\n");
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7002\r\n");
    driver_stop(&d);
}

static void moved_loops_go_round(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "LAB LOOP 3300 0 1 2", "*3\r\n:1\r\n:2\r\n:3\r\n");
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7001\r\n");
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7002\r\n");
    driver_expect(&d, 2, "GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n");
    driver_expect(&d, 2, "GET {a}x", "$-1\r\n");
    driver_expect(&d, 0, "LAB FAULT CLEAR", "+OK\r\n");
    driver_expect(&d, 0, "LAB LOOP key:{b} 0", "*1\r\n:4\r\n");
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n"); /* to itself */
    driver_stop(&d);
}

static void rules_are_shown_as_they_are_given(void **state) {
    (void)state;
    static const struct {
        const char *given;
        const char *shown;
    } rows[] = {
        {"node 1 command \"cluster slots\" skip 2 count 3 chance 25% delay 50 error ERR no",
         "NODE 1 COMMAND cluster|slots SKIP 2 COUNT 3 CHANCE 0.25 DELAY 50 ERROR ERR no"},
        {"KEY user:* SLOT 5-7 CUT 4", "KEY user:* SLOT 5-7 CUT 4"},
        {"SLOT 5 MOVED 1 9", "SLOT 5 MOVED 1 9"},
        {"OVERSIZED ARRAY 77", "OVERSIZED *77"},
        {"DELAY 5", "DELAY 5 NONE"},
        {"COMMAND get HANG", "COMMAND get STALL"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[256];
        node_driver d;
        begin(&d);
        (void)snprintf(line, sizeof line, "LAB FAULT ADD %s", rows[i].given);
        driver_expect(&d, 0, line, ":1\r\n");
        (void)snprintf(line, sizeof line,
                       "*1\r\n*8\r\n$2\r\nid\r\n:1\r\n$4\r\nrule\r\n$%zu\r\n%s\r\n$4\r\nseen\r\n:0"
                       "\r\n$4\r\nhits\r\n:0\r\n",
                       strlen(rows[i].shown), rows[i].shown);
        driver_expect(&d, 0, "LAB FAULT LIST", line);
        driver_expect(&d, 0, "LAB FAULT DEL 1", "+OK\r\n");
        driver_expect(&d, 0, "LAB FAULT LIST", "*0\r\n");
        driver_stop(&d);
    }
}

static void log_is_read_with_filters(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    (void)driver_ask(&d, 0, "SET {b}x 1");
    (void)driver_ask(&d, 1, "GET {b}x");
    (void)driver_ask(&d, 0, "CLUSTER INFO");
    static const driver_row rows[] = {
        {"LAB LOG COUNT", ":3\r\n"},
        {"LAB LOG COUNT NODE 1", ":1\r\n"},
        {"LAB LOG COUNT COMMAND SET", ":1\r\n"},
        {"LAB LOG COUNT COMMAND cluster", ":1\r\n"},
        {"LAB LOG COUNT KEY {b}*", ":2\r\n"},
        {"LAB LOG COUNT OUTCOME MOVED", ":1\r\n"},
        {"LAB LOG COUNT AFTER 2", ":1\r\n"},
        {"LAB LOG COUNT CLIENT 3 NODE 0", ":2\r\n"},
        {"LAB LOG NODE 1",
         "*1\r\n*16\r\n$6\r\nnumber\r\n:2\r\n$7\r\ntime-ms\r\n:1700000000000\r\n$4\r\nnode\r\n:"
         "1\r\n"
         "$6\r\nclient\r\n:3\r\n$7\r\ncommand\r\n$3\r\nget\r\n$7\r\noutcome\r\n$5\r\nMOVED\r\n$4"
         "\r\nrule\r\n:0\r\n$9\r\narguments\r\n*2\r\n$3\r\nGET\r\n$4\r\n{b}x\r\n"},
        {"LAB LOG CLEAR", "+OK\r\n"},
        {"LAB LOG", "*0\r\n"},
        {"LAB LOG CAPACITY 0", "+OK\r\n"},
        {"PING", "+PONG\r\n"},
        {"LAB LOG COUNT", ":0\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void newest_entries_are_shown_when_there_is_a_limit(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    for (int i = 0; i < 5; i++) {
        (void)driver_ask(&d, 0, "PING");
    }
    const char *reply = driver_ask(&d, 0, "LAB LOG LIMIT 2");
    assert_non_null(strstr(reply, "*2\r\n"));
    assert_null(strstr(reply, "number\r\n:3\r\n"));
    assert_non_null(strstr(reply, "number\r\n:4\r\n"));
    assert_non_null(strstr(reply, "number\r\n:5\r\n"));
    driver_stop(&d);
}

static void nodes_are_added_and_removed(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "LAB ADD", ":6\r\n");
    driver_expect(&d, 0, "LAB ADD PORT 7100 REPLICA-OF 2", ":7\r\n");
    assert_true(says(&d, 1, "CLUSTER NODES", "10.0.0.1:7100@"));
    driver_expect(&d, 0, "LAB SLOT MOVE key:{b} 6", "+OK\r\n");
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7006\r\n");
    driver_expect(&d, 0, "LAB REMOVE 6", "-ERR node 6 owns slots: LAB SLOT MOVE them first\r\n");
    driver_expect(&d, 0, "LAB SLOT MOVE key:{b} 0", "+OK\r\n");
    driver_expect(&d, 0, "LAB REMOVE 6", "+OK\r\n");
    assert_false(says(&d, 1, "CLUSTER NODES", "10.0.0.1:7006@"));
    assert_true(says(&d, 0, "LAB NODES", "removed"));
    driver_expect(&d, 0, "LAB ADD ALONE PORT 7200", ":8\r\n");
    assert_false(says(&d, 0, "CLUSTER NODES", "10.0.0.1:7200@"));
    driver_expect(&d, 0, "CLUSTER MEET 10.0.0.1 7200", "+OK\r\n");
    assert_true(says(&d, 1, "CLUSTER NODES", "10.0.0.1:7200@"));
    driver_expect(&d, 0, "LAB ADD REPLICA-OF 3",
                  "-ERR no node is added: a replica's primary must be one: that cannot be done "
                  "now; LAB NODES and LAB SLOT SHOW tell the state\r\n");
    driver_stop(&d);
}

static void views_lag_and_clusters_part(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "LAB VIEW DELAY 1 300", "+OK\r\n");
    driver_expect(&d, 0, "LAB SLOT BEGIN 3300 2", "+OK\r\n");
    driver_expect(&d, 0, "LAB SLOT END 3300", "+OK\r\n");
    driver_expect(&d, 0, "GET {b}x", "-MOVED 3300 10.0.0.1:7002\r\n");
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7000\r\n");
    driver_wait_ms(&d, 300);
    driver_expect(&d, 1, "GET {b}x", "-MOVED 3300 10.0.0.1:7002\r\n");

    driver_expect(&d, 0, "LAB PARTITION 0 3", "+OK\r\n");
    driver_wait_ms(&d, 3000);
    driver_expect(&d, 0, "SET {b}x 1", "-CLUSTERDOWN The cluster is down\r\n");
    driver_expect(&d, 0, "LAB HEAL", "+OK\r\n");
    driver_wait_ms(&d, 1000);
    driver_expect(&d, 0, "SET {b}x 1", "-MOVED 3300 10.0.0.1:7002\r\n");
    driver_stop(&d);
}

static void hosts_are_named_as_told(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"LAB ENDPOINT ALL HOSTNAME", "+OK\r\n"},
        {"GET {a}x", "-MOVED 15495 ?:7002\r\n"},
        {"LAB HOSTNAME 2 two.example", "+OK\r\n"},
        {"GET {a}x", "-MOVED 15495 two.example:7002\r\n"},
        {"LAB HOSTNAME 2 NONE", "+OK\r\n"},
        {"GET {a}x", "-MOVED 15495 ?:7002\r\n"},
        {"LAB ENDPOINT 0 UNKNOWN", "+OK\r\n"},
        {"GET {a}x", "-MOVED 15495 :7002\r\n"},
        {"LAB HOST 2 10.9.9.9", "+OK\r\n"},
        {"LAB ENDPOINT me IP", "+OK\r\n"},
        {"GET {a}x", "-MOVED 15495 10.9.9.9:7002\r\n"},
        {"LAB HOST 2 REAL", "+OK\r\n"},
        {"GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n"},
        {"LAB ENDPOINT 0 NAME", "-ERR an endpoint's type is IP, HOSTNAME or UNKNOWN\r\n"},
    };
    static const struct {
        const char *line;
        const char *part; /* of CLUSTER SLOTS */
    } views[] = {
        {"LAB HOST 0 NULL", "*4\r\n$-1\r\n:7000\r\n"},
        {"LAB HOST 0 ?", "*4\r\n$1\r\n?\r\n:7000\r\n"},
        {"LAB HOST 0 REAL", "*4\r\n$8\r\n10.0.0.1\r\n:7000\r\n"},
        {"LAB HOST 0 EMPTY", "*4\r\n$0\r\n\r\n:7000\r\n"},
    };
    node_driver d;
    begin(&d);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(views); i++) {
        driver_expect(&d, 0, views[i].line, "+OK\r\n");
        if (!says(&d, 0, "CLUSTER SLOTS", views[i].part)) {
            fail_msg("%s: %s", views[i].line, d.text);
        }
    }
    driver_stop(&d);
}

static void rename_often(node_driver *d, const char *name, int count) {
    for (int i = 0; i < count; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "LAB HOSTNAME 0 %s-%d", name, i);
        driver_expect(d, 1, line, "+OK\r\n");
        driver_wait_ms(d, 1);
    }
}

/* Views that are frozen or hear late hold names that nobody else does. */
static void names_are_kept_as_long_as_a_view_holds_them(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 1, "LAB HOSTNAME 0 first.example", "+OK\r\n");
    driver_expect(&d, 1, "LAB VIEW FREEZE 2", "+OK\r\n");
    rename_often(&d, "early", 1000);
    assert_in_range(map_count(&d.fleet->names.texts), 3, 64);
    assert_true(says(&d, 1, "CLUSTER NODES", ",early-999 "));
    assert_true(says(&d, 2, "CLUSTER NODES", ",first.example "));
    driver_expect(&d, 1, "LAB VIEW DELAY 4 1000", "+OK\r\n");
    rename_often(&d, "late", 100);
    assert_true(says(&d, 1, "CLUSTER NODES", ",late-99 "));
    assert_true(says(&d, 4, "CLUSTER NODES", ",early-999 "));
    driver_wait_ms(&d, 2000);
    assert_true(says(&d, 4, "CLUSTER NODES", ",late-99 "));
    assert_true(says(&d, 2, "CLUSTER NODES", ",first.example "));
    driver_expect(&d, 1, "LAB VIEW THAW 2", "+OK\r\n");
    assert_true(says(&d, 2, "CLUSTER NODES", ",late-99 "));
    driver_stop(&d);
}

static void time_stands_still_and_leaps(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "SET {b}x 1 PX 1000", "+OK\r\n");
    driver_expect(&d, 0, "LAB TIME FREEZE", ":1700000000000\r\n");
    driver_wait_ms(&d, 5000);
    driver_expect(&d, 0, "PTTL {b}x", ":1000\r\n");
    driver_expect(&d, 0, "LAB TIME ADVANCE 999", ":1700000000999\r\n");
    driver_expect(&d, 0, "PTTL {b}x", ":1\r\n");
    driver_expect(&d, 0, "LAB TIME ADVANCE 1", ":1700000001000\r\n");
    driver_expect(&d, 0, "GET {b}x", "$-1\r\n");
    driver_expect(&d, 0, "LAB TIME RESUME", ":1700000001000\r\n");
    driver_wait_ms(&d, 10);
    driver_expect(&d, 0, "LAB TIME NOW", ":1700000001010\r\n");
    driver_stop(&d);
}

static void failover_comes_with_the_time_that_leaps(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "LAB TIME FREEZE", ":1700000000000\r\n");
    driver_expect(&d, 0, "LAB FAILOVER-AFTER 1000", "+OK\r\n");
    driver_expect(&d, 0, "LAB KILL 2", "+OK\r\n");
    driver_wait_ms(&d, 60000);
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7002\r\n");
    (void)driver_ask(&d, 0, "LAB TIME ADVANCE 3000");
    driver_expect(&d, 0, "GET {a}x", "-MOVED 15495 10.0.0.1:7005\r\n");
    driver_stop(&d);
}

static void events_tell_the_story(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "LAB KILL 2", "+OK\r\n");
    driver_wait_ms(&d, 600);
    driver_expect(&d, 0, "LAB SLOT MOVE 0-1 1", "+OK\r\n");
    const char *const parts[] = {"node 2 (10.0.0.1:7002) is dead",
                                 "node 2 (10.0.0.1:7002) is marked as failed",
                                 "node 5 (10.0.0.1:7005) takes over from its primary",
                                 "slots 10923-16383: node 2 -> node 5",
                                 "node 5 (10.0.0.1:7005) is the primary of its shard",
                                 "slots 0-1: node 0 -> node 1"};
    const char *reply = driver_ask(&d, 0, "LAB EVENTS");
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        reply = strstr(reply, parts[i]);
        if (!reply) {
            fail_msg("not told, or not in its turn: %s", parts[i]);
        }
    }
    driver_expect(&d, 0, "LAB EVENTS CLEAR", "+OK\r\n");
    driver_expect(&d, 0, "LAB EVENTS", "*0\r\n");
    driver_stop(&d);
}

static void what_is_on_its_way_arrives_with_sync_and_flush_empties_all(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "LAB REPLICATION DELAY 60000", "+OK\r\n");
    driver_expect(&d, 0, "SET {b}x 1", "+OK\r\n");
    driver_expect(&d, 3, "READONLY", "+OK\r\n");
    driver_expect(&d, 3, "GET {b}x", "$-1\r\n");
    driver_expect(&d, 0, "LAB SYNC", "+OK\r\n");
    driver_expect(&d, 3, "GET {b}x", "$1\r\n1\r\n");
    driver_expect(&d, 0, "LAB FLUSH", "+OK\r\n");
    driver_expect(&d, 3, "GET {b}x", "$-1\r\n");
    driver_expect(&d, 0, "DBSIZE", ":0\r\n");
    driver_stop(&d);
}

static void reset_makes_all_as_at_the_start(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    static const char *const mischief[] = {
        "LAB FAULT ADD COMMAND get HANG",
        "LAB TIME FREEZE",
        "LAB REPLICATION DELAY 5000",
        "LAB ADD REPLICA-OF 1",
        "LAB ADD",
        "LAB SLOT MOVE 3300 7",
        "LAB FAILOVER 1",
        "LAB FAILOVER 3",
        "LAB KILL 2",
        "LAB VIEW FORCE 4 0-100 4",
        "LAB PAUSE 5",
        "LAB SLOT UNASSIGN 9-12",
        "LAB SLOT BEGIN 8 4",
        "LAB PARTITION 3",
    };
    (void)driver_ask(&d, 0, "SET {b}x 1");
    for (size_t i = 0; i < COUNT_OF(mischief); i++) {
        const char *reply = driver_ask(&d, 0, mischief[i]);
        if (reply[0] == '-') {
            fail_msg("%s: %s", mischief[i], reply);
        }
    }
    driver_expect(&d, 0, "LAB RESET", "+OK\r\n");
    driver_wait_ms(&d, 5000);
    for (uint16_t i = 0; i < 6; i++) {
        const node *n = fleet_node(d.fleet, i);
        assert_non_null(n);
        assert_true(n->view->up);
        assert_int_equal(keyspace_count(n->keys), 0);
        assert_int_equal(node_view_self(n->view)->primary_of, i % 3);
        assert_int_equal(n->view->owner[3300], 0);
        assert_int_equal(n->view->owner[9], 0);
        assert_int_equal(n->view->owner[15495], 2);
        assert_int_equal(n->view->migrating_to[8], NODE_NOBODY);
        assert_int_equal(node_view_known_count(n->view), 6);
    }
    assert_null(fleet_node(d.fleet, 6));
    driver_expect(&d, 0, "LAB FAULT LIST", "*0\r\n");
    driver_expect(&d, 0, "LAB LOG", "*0\r\n");
    driver_expect(&d, 0, "SET {b}x 1", "+OK\r\n");
    driver_expect(&d, 3, "READONLY", "+OK\r\n");
    driver_expect(&d, 3, "GET {b}x", "$1\r\n1\r\n");
    driver_stop(&d);
}

static void help_lists_every_command_once(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    const char *reply = driver_ask(&d, 0, "LAB HELP");
    const char *const names[] = {"LAB HELP ",        "LAB KILL ",      "LAB SLOT BEGIN ",
                                 "LAB VIEW FORCE ",  "LAB FAULT ADD ", "LAB LOG COUNT ",
                                 "LAB TIME ADVANCE "};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *found = strstr(reply, names[i]);
        assert_non_null(found);
        assert_null(strstr(found + 1, names[i]));
    }
    assert_true(says(&d, 0, "LAB HELP slot", "LAB SLOT END slot"));
    assert_false(says(&d, 0, "LAB HELP slot", "LAB KILL"));
    assert_true(says(&d, 0, "LAB HELP slot begin", "LAB SLOT BEGIN slot"));
    assert_false(says(&d, 0, "LAB HELP slot begin", "LAB SLOT END"));
    driver_stop(&d);
}

/* A line without its first word; whether its answer could be written. */
static bool run_line(node_fleet *f, const mem *m, const char *line) {
    kw_slice argv[16] = {SLICE_LITERAL("LAB")};
    size_t argc = 1;
    kw_slice rest = slice_text(line);
    while (slice_split(&rest, ' ', &argv[argc])) {
        argc++;
    }
    node_session session = {.mem = m, .resp = 3};
    buffer_init(&session.out, m, 0);
    node_call call = {
        .session = &session, .argv = argv, .argc = argc, .now_us = 1000, .out = &session.out};
    fleet_control(f, &call);
    bool answered = buffer_len(&session.out) > 0;
    assert_true(answered || (session.flags & SESSION_FAILED));
    buffer_done(&session.out);
    return answered;
}

static void each_command_lives_with_failing_memory(void **state) {
    (void)state;
    static const char *const lines[] = {
        "HELP",
        "NODES",
        "INFO",
        "FAULT ADD COMMAND get ERROR ERR no",
        "FAULT LIST",
        "LOOP 5 0 1",
        "FAULT CLEAR",
        "LOG CAPACITY 8",
        "LOG",
        "EVENTS",
        "KILL 1",
        "START 1",
        "RESTART 0",
        "ADD REPLICA-OF 0",
        "ADD",
        "SLOT MOVE 0-9 1",
        "SLOT BEGIN 0 0",
        "SLOT SHOW 0",
        "SLOT KEYS 0 9",
        "HOSTNAME 0 a.example",
        "HOST 0 10.1.1.1",
        "PARTITION 1",
        "HEAL",
        "VIEW DELAY ALL 5",
        "VIEW FORCE 0 0-3 1",
        "TIME ADVANCE 5000",
        "SYNC",
        "FLUSH",
        "RESET",
    };
    static const uint16_t ports[] = {7000, 7001, 7002, 7003};
    failing_mem m;
    failing_mem_init(&m);
    const fleet_config config = {
        .mem = &m.mem,
        .seed = 1,
        .primary_count = 2,
        .replica_count = 1,
        .host = "10.0.0.1",
        .ports = ports,
        .failover_ms = 100,
        .control = true,
    };
    node_fleet *f = NULL;
    assert_int_equal(fleet_new(&config, 1000, &f), KW_OK);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        for (size_t at = 1; at < 400; at++) {
            failing_mem_fail_at(&m, at);
            uint16_t count = fleet_count(f);
            (void)run_line(f, &m.mem, lines[i]);
            bool whole = m.call_count < at;
            if (fleet_count(f) > count) { /* not one more at each try */
                char line[16];
                failing_mem_fail_at(&m, 0);
                (void)snprintf(line, sizeof line, "REMOVE %u", count);
                assert_true(run_line(f, &m.mem, line));
            }
            if (whole) {
                break;
            }
        }
        failing_mem_fail_at(&m, 0);
        assert_true(run_line(f, &m.mem, lines[i]));
    }
    fleet_free(f);
    assert_int_equal(m.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_answered_with_what_to_do),
        cmocka_unit_test(lab_is_hidden_and_may_be_turned_off),
        cmocka_unit_test(lab_runs_before_auth),
        cmocka_unit_test(nodes_are_named_in_many_ways),
        cmocka_unit_test(nodes_are_a_line_each_or_a_map_each),
        cmocka_unit_test(a_node_dies_and_comes_back_elsewhere),
        cmocka_unit_test(a_node_may_end_itself),
        cmocka_unit_test(stopped_node_leaves_its_data_to_its_replica_and_a_killed_one_does_not),
        cmocka_unit_test(slots_move_at_once_with_their_keys),
        cmocka_unit_test(slots_move_step_by_step_and_half_way),
        cmocka_unit_test(views_can_be_frozen_and_made_to_disagree),
        cmocka_unit_test(moved_loops_go_round),
        cmocka_unit_test(rules_are_shown_as_they_are_given),
        cmocka_unit_test(log_is_read_with_filters),
        cmocka_unit_test(newest_entries_are_shown_when_there_is_a_limit),
        cmocka_unit_test(nodes_are_added_and_removed),
        cmocka_unit_test(views_lag_and_clusters_part),
        cmocka_unit_test(hosts_are_named_as_told),
        cmocka_unit_test(names_are_kept_as_long_as_a_view_holds_them),
        cmocka_unit_test(time_stands_still_and_leaps),
        cmocka_unit_test(failover_comes_with_the_time_that_leaps),
        cmocka_unit_test(events_tell_the_story),
        cmocka_unit_test(what_is_on_its_way_arrives_with_sync_and_flush_empties_all),
        cmocka_unit_test(reset_makes_all_as_at_the_start),
        cmocka_unit_test(help_lists_every_command_once),
        cmocka_unit_test(each_command_lives_with_failing_memory),
    };
    return cmocka_run_group_tests_name("fleet_control", tests, NULL, NULL);
}
