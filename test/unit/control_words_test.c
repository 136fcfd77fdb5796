/* How LAB reads what it is told, word by word, and what becomes of it. Three primaries 0..2 with a
 * replica each, 3..5; {b} 3300 is node 0's, {a} 15495 node 2's. */
#include "unit/support/node_names.h"
#include "unit/support/unit.h"

#define NO_NODE(text)                                                                              \
    "-ERR no node '" text                                                                          \
    "': name one by index, id or its start, host:port, port, slot:N, key:NAME or me\r\n"
#define NO_SLOT(text) "-ERR a slot is a number from 0 to 16383 or key:NAME, not '" text "'\r\n"
#define NO_SLOTS(text) "-ERR slots are N, N-M (up to 16383), key:NAME or ALL, not '" text "'\r\n"
#define NOT_NOW "that cannot be done now; LAB NODES and LAB SLOT SHOW tell the state\r\n"
#define NO_FILTER                                                                                  \
    "-ERR filters are NODE node, CLIENT id, COMMAND glob, KEY glob, OUTCOME glob, RULE id, AFTER " \
    "number, LIMIT count\r\n"

static void begin(node_driver *d) {
    driver_start(d, 3, 1);
}

static void each_word_is_refused_where_it_means_nothing(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"LAB KILL x", NO_NODE("x")},
        {"LAB KILL \"\"", NO_NODE("")},
        {"LAB KILL #9", NO_NODE("#9")},
        {"LAB KILL #x", NO_NODE("#x")},
        {"LAB KILL #", NO_NODE("#")},
        {"LAB KILL slot:16384", NO_NODE("slot:16384")},
        {"LAB KILL slot:x", NO_NODE("slot:x")},
        {"LAB PAUSE x", NO_NODE("x")},
        {"LAB RESUME x", NO_NODE("x")},
        {"LAB START x", NO_NODE("x")},
        {"LAB START 2 PROT 1", "-ERR after the node comes PORT port, or nothing\r\n"},
        {"LAB START 2 PORT", "-ERR after the node comes PORT port, or nothing\r\n"},
        {"LAB START 2 PORT 65536", "-ERR a port must be a number from 0 to 65535, not '65536'\r\n"},
        {"LAB RESTART x", NO_NODE("x")},
        {"LAB RESTART 2 PORT x", "-ERR a port must be a number from 0 to 65535, not 'x'\r\n"},
        {"LAB ADD FROB", "-ERR LAB ADD takes REPLICA-OF node, PORT port, ALONE\r\n"},
        {"LAB ADD REPLICA-OF", "-ERR LAB ADD takes REPLICA-OF node, PORT port, ALONE\r\n"},
        {"LAB ADD ALONE PORT", "-ERR LAB ADD takes REPLICA-OF node, PORT port, ALONE\r\n"},
        {"LAB ADD REPLICA-OF x", NO_NODE("x")},
        {"LAB ADD PORT x", "-ERR a port must be a number from 0 to 65535, not 'x'\r\n"},
        {"LAB REMOVE x", NO_NODE("x")},
        {"LAB FAILOVER x", NO_NODE("x")},
        {"LAB FAILOVER-AFTER x",
         "-ERR the time in ms must be a number from 0 to 2147483647, not 'x'\r\n"},
        {"LAB NODE-TIMEOUT x",
         "-ERR the time in ms must be a number from 0 to 2147483647, not 'x'\r\n"},
        {"LAB ELECTIONS FAIR", "-ERR elections are STRICT or LENIENT\r\n"},
        {"LAB PAUSED ASLEEP", "-ERR paused nodes are DEAD or SLOW for the others\r\n"},
        {"LAB REPLICATION DELAY -1",
         "-ERR the delay in ms must be a number from 0 to 4294967295, not '-1'\r\n"},
        {"LAB SLOT MOVE x 1", NO_SLOT("x")},
        {"LAB SLOT MOVE 1- 1", NO_SLOTS("1-")},
        {"LAB SLOT MOVE -1 1", NO_SLOTS("-1")},
        {"LAB SLOT MOVE 1-16384 1", NO_SLOTS("1-16384")},
        {"LAB SLOT MOVE 16384 1", NO_SLOT("16384")},
        {"LAB SLOT MOVE \"\" 1", NO_SLOT("")},
        {"LAB SLOT MOVE 1 x", NO_NODE("x")},
        {"LAB SLOT ASSIGN x 1", NO_SLOT("x")},
        {"LAB SLOT ASSIGN 1 x", NO_NODE("x")},
        {"LAB SLOT UNASSIGN x", NO_SLOT("x")},
        {"LAB SLOT BEGIN x 1", NO_SLOT("x")},
        {"LAB SLOT BEGIN 1 x", NO_NODE("x")},
        {"LAB SLOT KEYS x 1", NO_SLOT("x")},
        {"LAB SLOT KEYS 1 x",
         "-ERR the number of keys must be a number from 0 to 9223372036854775807, not 'x'\r\n"},
        {"LAB SLOT KEYS 1 1",
         "-ERR no keys move: the slot must be open (LAB SLOT BEGIN): " NOT_NOW},
        {"LAB SLOT END x", NO_SLOT("x")},
        {"LAB SLOT STABLE x", NO_SLOT("x")},
        {"LAB SLOT STABLE 1 x", NO_NODE("x")},
        {"LAB SLOT ABANDON x", NO_SLOT("x")},
        {"LAB SLOT SHOW x", NO_SLOT("x")},
        {"LAB VIEW FREEZE x", NO_NODE("x")},
        {"LAB VIEW THAW x", NO_NODE("x")},
        {"LAB VIEW FORCE x 1 1", NO_NODE("x")},
        {"LAB VIEW FORCE 1 x 1", NO_SLOT("x")},
        {"LAB VIEW FORCE 1 1 x", NO_NODE("x")},
        {"LAB VIEW DELAY x 1", NO_NODE("x")},
        {"LAB VIEW DELAY 1 x",
         "-ERR the delay in ms must be a number from 0 to 4294967295, not 'x'\r\n"},
        {"LAB PARTITION 1 x", NO_NODE("x")},
        {"LAB ENDPOINT x IP", NO_NODE("x")},
        {"LAB HOSTNAME x a", NO_NODE("x")},
        {"LAB HOST x 10.1.1.1", NO_NODE("x")},
        {"LAB HOST 1 12345678901234567890123456789012345678901234567890123456789012345",
         "-ERR that is too long\r\n"},
        {"LAB LOOP x 1", NO_SLOT("x")},
        {"LAB LOOP 1 x", NO_NODE("x")},
        {"LAB SEED x", "-ERR a seed must be a number from 0 to 18446744073709551615, not 'x'\r\n"},
        {"LAB LOG CAPACITY x",
         "-ERR the number of entries must be a number from 0 to 1000000, not 'x'\r\n"},
        {"LAB EVENTS FROB 1", "-ERR LAB EVENTS takes AFTER number, or nothing\r\n"},
        {"LAB EVENTS AFTER", "-ERR LAB EVENTS takes AFTER number, or nothing\r\n"},
        {"LAB EVENTS AFTER x",
         "-ERR an event's number must be a number from 0 to 9223372036854775807, not 'x'\r\n"},
        {"LAB EVENTS CLIENTS MAYBE", "-ERR LAB EVENTS CLIENTS takes ON or OFF\r\n"},
    };
    node_driver d;
    begin(&d);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void rules_are_refused_where_they_mean_nothing(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"LAB FAULT ADD COMMAND \"\" NONE", "-ERR a command's name or glob has 1 to 63 bytes\r\n"},
        {"LAB FAULT ADD COMMAND "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa NONE",
         "-ERR a command's name or glob has 1 to 63 bytes\r\n"},
        {"LAB FAULT ADD KEY \"\" NONE", "-ERR a key or glob has 1 to 256 bytes\r\n"},
        {"LAB FAULT ADD NODE x NONE", NO_NODE("x")},
        {"LAB FAULT ADD SLOT x NONE", NO_SLOT("x")},
        {"LAB FAULT ADD CHANCE \"\" NONE", "-ERR a chance is 0% to 100%, or 0.0 to 1.0\r\n"},
        {"LAB FAULT ADD CHANCE % NONE", "-ERR a chance is 0% to 100%, or 0.0 to 1.0\r\n"},
        {"LAB FAULT ADD CHANCE -0.1 NONE", "-ERR a chance is 0% to 100%, or 0.0 to 1.0\r\n"},
        {"LAB FAULT ADD CHANCE nan NONE", "-ERR a chance is 0% to 100%, or 0.0 to 1.0\r\n"},
        {"LAB FAULT ADD SKIP x NONE",
         "-ERR SKIP must be a number from 0 to 9223372036854775807, not 'x'\r\n"},
        {"LAB FAULT ADD COUNT x NONE",
         "-ERR COUNT must be a number from 0 to 9223372036854775807, not 'x'\r\n"},
        {"LAB FAULT ADD DELAY x NONE",
         "-ERR DELAY must be a number from 0 to 604800000, not 'x'\r\n"},
        {"LAB FAULT ADD MOVED", "-ERR moved needs a node\r\n"},
        {"LAB FAULT ADD ASK x", NO_NODE("x")},
        {"LAB FAULT ADD ASK 1 x", NO_SLOT("x")},
        {"LAB FAULT ADD CUT x",
         "-ERR the number of bytes must be a number from 0 to 9223372036854775807, not 'x'\r\n"},
        {"LAB FAULT ADD CUT 1 2", "-ERR '2' is too much: the action comes last\r\n"},
        {"LAB FAULT ADD ERROR \"\"", "-ERR error needs a text\r\n"},
        {"LAB FAULT DEL x",
         "-ERR a rule's id must be a number from 0 to 9223372036854775807, not 'x'\r\n"},
        {"LAB FAULT LIST", "*0\r\n"},
    };
    node_driver d;
    begin(&d);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    char line[2048];
    char text[1400];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    snprintf(line, sizeof line, "LAB FAULT ADD ERROR ERR %s", text);
    names_expect_part(&d, 0, line, "-ERR a text has at most ");
    snprintf(line, sizeof line, "LAB FAULT ADD KEY %.257s NONE", text);
    driver_expect(&d, 0, line, "-ERR a key or glob has 1 to 256 bytes\r\n");
    driver_stop(&d);
}

static void rules_are_read_in_any_case(void **state) {
    (void)state;
    static const struct {
        const char *given;
        const char *shown;
    } rows[] = {
        {"COMMAND GET* SLOTS all NONE", "COMMAND get* SLOT 0-16383 NONE"},
        {"CHANCE 0.5 DROP-AFTER", "CHANCE 0.5 DROP-AFTER"},
        {"CHANCE 1 DROP-BEFORE", "DROP-BEFORE"},
        {"CHANCE 0 SWALLOW", "CHANCE 0 SWALLOW"},
        {"ASK 1", "ASK 1"},
        {"MOVED key:{a} 7", "MOVED 2 7"},
        {"trickle", "TRICKLE 1"},
        {"TRICKLE 5", "TRICKLE 5"},
        {"GARBAGE", "GARBAGE 64"},
        {"NEST 1000", "NEST 1000"},
        {"OVERSIZED", "OVERSIZED $1099511627776"},
        {"OVERSIZED verbatim 9", "OVERSIZED =9"},
        {"REPLY +fine \"\" there", "REPLY +fine  there"},
        {"NODE ALL KEY a", "KEY a NONE"},
        {"NODE me COUNT 2", "NODE 0 COUNT 2 NONE"},
    };
    node_driver d;
    begin(&d);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[256];
        snprintf(line, sizeof line, "LAB FAULT ADD %s", rows[i].given);
        if (driver_ask(&d, 0, line)[0] != ':') {
            fail_msg("%s: %s", line, d.text);
        }
        snprintf(line, sizeof line, "\r\n$4\r\nrule\r\n$%zu\r\n%s\r\n", strlen(rows[i].shown),
                 rows[i].shown);
        names_expect_part(&d, 0, "LAB FAULT LIST", line);
        driver_expect(&d, 0, "LAB FAULT CLEAR", "+OK\r\n");
    }
    driver_stop(&d);
}

static void the_log_is_asked_by_whole_questions(void **state) {
    (void)state;
    static const char *const halves[] = {"NODE",    "CLIENT", "RULE",    "AFTER",     "LIMIT",
                                         "COMMAND", "KEY",    "OUTCOME", "NODE 1 KEY"};
    node_driver d;
    begin(&d);
    for (size_t i = 0; i < COUNT_OF(halves); i++) {
        char line[64];
        snprintf(line, sizeof line, "LAB LOG %s", halves[i]);
        driver_expect(&d, 0, line, NO_FILTER);
        snprintf(line, sizeof line, "LAB LOG COUNT %s", halves[i]);
        driver_expect(&d, 0, line, NO_FILTER);
    }
    static const driver_row rows[] = {
        {"LAB LOG NODE x", NO_NODE("x")},
        {"LAB LOG CLIENT x",
         "-ERR a client's id must be a number from 0 to 9223372036854775807, not 'x'\r\n"},
        {"LAB LOG RULE x",
         "-ERR a rule's id must be a number from 0 to 9223372036854775807, not 'x'\r\n"},
        {"LAB FAULT ADD COMMAND get COUNT 1 ERROR ERR no", ":1\r\n"},
        {"GET {b}1", "-ERR no\r\n"},
        {"GET {b}2", "$-1\r\n"},
        {"LAB LOG COUNT RULE 1", ":1\r\n"},
        {"LAB LOG COUNT COMMAND GE? OUTCOME *", ":2\r\n"},
        {"LAB LOG COUNT COMMAND \"CLUSTER INFO\"", ":0\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void long_arguments_are_logged_cut_short(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    char line[8192];
    char value[8000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    snprintf(line, sizeof line, "SET {b}x %s", value);
    driver_expect(&d, 0, line, "+OK\r\n");
    names_expect_part(&d, 0, "LAB LOG COMMAND set", "vvvv... (cut short)\r\n");
    names_expect_part(&d, 0, "LAB LOG COMMAND set", "$4\r\n{b}x\r\n");
    driver_stop(&d);
}

static void nodes_and_info_tell_what_state_all_is_in(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    names_expect_part(&d, 0, "LAB INFO", "$2\r\nme\r\n:0\r\n");
    names_expect_part(&d, 4, "LAB INFO", "$2\r\nme\r\n:4\r\n");
    names_expect_part(&d, 0, "LAB INFO", "$5\r\nstate\r\n$2\r\nok\r\n");
    names_expect_part(&d, 0, "LAB INFO", "$4\r\ntime\r\n$4\r\ngoes\r\n");
    static const driver_row rows[] = {
        {"LAB TIME FREEZE", ":1700000000000\r\n"},
        {"LAB VIEW FREEZE 1", "+OK\r\n"},
        {"LAB PAUSE 4", "+OK\r\n"},
        {"LAB KILL 5", "+OK\r\n"},
        {"LAB SLOT UNASSIGN 7", "+OK\r\n"},
        {"LAB SLOT ASSIGN 9 1", "+OK\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    names_expect_part(&d, 0, "LAB INFO", "$5\r\nstate\r\n$4\r\nfail\r\n");
    names_expect_part(&d, 0, "LAB INFO", "$4\r\ntime\r\n$6\r\nfrozen\r\n");
    names_expect_part(
        &d, 0, "LAB NODES",
        "node=1 endpoint=10.0.0.1:7001 role=primary primary=1 state=alive view=frozen ");
    names_expect_part(&d, 0, "LAB NODES", "role=replica primary=1 state=paused ");
    names_expect_part(&d, 0, "LAB NODES", "role=replica primary=2 state=dead ");
    names_expect_part(&d, 0, "LAB NODES", " slots=0-6,8,10-5460 ");
    driver_stop(&d);
}

static void settings_of_the_fleet_have_their_effect(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 0, "LAB FAILOVER-AFTER NEVER", "+OK\r\n");
    driver_expect(&d, 0, "LAB NODE-TIMEOUT 100", "+OK\r\n");
    driver_expect(&d, 0, "CONFIG GET cluster-node-timeout",
                  "*2\r\n$20\r\ncluster-node-timeout\r\n$3\r\n100\r\n");
    driver_expect(&d, 0, "LAB PAUSED DEAD", "+OK\r\n");
    driver_expect(&d, 0, "LAB PAUSE 2", "+OK\r\n");
    driver_wait_ms(&d, 2000);
    names_expect_part(&d, 0, "CLUSTER NODES", "<2> 10.0.0.1:7002@17002 master,fail - ");
    driver_expect(&d, 0, "LAB RESUME 2", "+OK\r\n");
    driver_wait_ms(&d, 2000);
    driver_expect(&d, 0, "LAB PAUSED SLOW", "+OK\r\n");
    driver_expect(&d, 0, "LAB PAUSE 2", "+OK\r\n");
    driver_wait_ms(&d, 2000);
    names_expect_part(&d, 0, "CLUSTER NODES", "<2> 10.0.0.1:7002@17002 master - ");
    driver_stop(&d);
}

static void strict_elections_wait_for_a_majority(void **state) {
    (void)state;
    static const struct {
        const char *elections;
        const char *reply;
    } rows[] = {
        {"LAB ELECTIONS LENIENT", "$-1\r\n"},
        {"LAB ELECTIONS STRICT", "-CLUSTERDOWN The cluster is down\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        node_driver d;
        driver_start(&d, 2, 1); /* {a} is node 1's */
        driver_expect(&d, 0, rows[i].elections, "+OK\r\n");
        driver_expect(&d, 0, "LAB KILL 1", "+OK\r\n");
        driver_wait_ms(&d, 3000);
        driver_expect(&d, 3, "GET {a}", rows[i].reply);
        driver_stop(&d);
    }
}

static void nodes_go_with_what_hangs_on_them_last(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"LAB SLOT MOVE 10923-16383 1", "+OK\r\n"},
        {"LAB REMOVE 2", "-ERR node 2 has replicas: LAB REMOVE them first\r\n"},
        {"LAB REMOVE 5", "+OK\r\n"},
        {"LAB REMOVE 2", "+OK\r\n"},
        {"LAB PAUSE 3", "+OK\r\n"},
        {"LAB FAILOVER 0", "-ERR node 0 has no replica that lives\r\n"},
        {"LAB RESUME 3", "+OK\r\n"},
        {"LAB FAILOVER 0", "+OK\r\n"},
        {"GET {b}", "-MOVED 3300 10.0.0.1:7003\r\n"},
        {"LAB FAILOVER 0", "+OK\r\n"},
        {"GET {b}", "$-1\r\n"},
    };
    node_driver d;
    begin(&d);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void an_ambiguous_beginning_of_an_id_names_nobody(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    node_view *view = fleet_node(d.fleet, 0)->view;
    char shared[NODE_ID_SIZE];
    slice_copy(shared, sizeof shared, slice_text(view->peers[1].id));
    char line[64];
    snprintf(line, sizeof line, "LAB PAUSE %.12s", shared);
    driver_expect(&d, 0, line, "+OK\r\n");
    assert_true(fleet_is_paused(d.fleet, 1));
    memcpy(((node_view *)fleet_view(d.fleet))->peers[2].id, shared, 20);
    names_expect_part(&d, 0, line, "-ERR no node '");
    driver_stop(&d);
}

static void events_are_told_from_a_number_on(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    static const driver_row rows[] = {
        {"LAB EVENTS CLEAR", "+OK\r\n"},
        {"LAB PARTITION 1", "+OK\r\n"},
        {"LAB HEAL", "+OK\r\n"},
        {"LAB EVENTS CLIENTS ON", "+OK\r\n"},
        {"LAB EVENTS AFTER 999", "*0\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    assert_true(fleet_lab(d.fleet)->tells_of_clients);
    names_expect_part(&d, 0, "LAB EVENTS", "cut off from the others");
    names_expect_part(&d, 0, "LAB EVENTS", "all nodes can hear each other");
    driver_expect(&d, 0, "LAB EVENTS CLIENTS OFF", "+OK\r\n");
    assert_false(fleet_lab(d.fleet)->tells_of_clients);
    driver_stop(&d);
}

static void a_seed_repeats_what_chance_picks(void **state) {
    (void)state;
    char first[80];
    for (int round = 0; round < 2; round++) {
        node_driver d;
        begin(&d);
        driver_expect(&d, 0, "LAB KILL 5", "+OK\r\n"); /* the seed passes it by */
        driver_expect(&d, 0, "LAB SEED 12345", "+OK\r\n");
        const char *password = driver_ask(&d, 0, "ACL GENPASS 256");
        assert_int_equal(strlen(password), 5 + 64 + 2);
        if (round == 0) {
            snprintf(first, sizeof first, "%s", password);
        }
        assert_string_equal(password, first);
        driver_stop(&d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_word_is_refused_where_it_means_nothing),
        cmocka_unit_test(rules_are_refused_where_they_mean_nothing),
        cmocka_unit_test(rules_are_read_in_any_case),
        cmocka_unit_test(the_log_is_asked_by_whole_questions),
        cmocka_unit_test(long_arguments_are_logged_cut_short),
        cmocka_unit_test(nodes_and_info_tell_what_state_all_is_in),
        cmocka_unit_test(settings_of_the_fleet_have_their_effect),
        cmocka_unit_test(strict_elections_wait_for_a_majority),
        cmocka_unit_test(nodes_go_with_what_hangs_on_them_last),
        cmocka_unit_test(an_ambiguous_beginning_of_an_id_names_nobody),
        cmocka_unit_test(events_are_told_from_a_number_on),
        cmocka_unit_test(a_seed_repeats_what_chance_picks),
    };
    return cmocka_run_group_tests_name("control_words", tests, NULL, NULL);
}
