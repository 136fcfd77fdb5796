/* What a node tells of itself, where the reply is not the same on every server (those are in
 * node_recorded_test): the commands it has, its clients, its objects, whom it refused. */
#include "unit/support/node_names.h"
#include "unit/support/unit.h"

#include <stdlib.h>

static size_t number_after(const char *text, const char *label) {
    const char *at = strstr(text, label);
    assert_non_null(at);
    return (size_t)strtoul(at + strlen(label), NULL, 10);
}

static void each_command_is_told_of_in_all_three_ways(void **state) {
    (void)state;
    static const char *const names[] = {"get", "set", "cluster", "acl", "zadd", "subscribe"};
    node_driver d;
    driver_start(&d, 1, 0);
    size_t count = number_after(driver_ask(&d, 0, "COMMAND COUNT"), ":");
    assert_true(count > 150);
    assert_int_equal(number_after(driver_ask(&d, 0, "COMMAND"), "*"), count);
    assert_int_equal(number_after(driver_ask(&d, 0, "COMMAND INFO"), "*"), count);
    assert_int_equal(number_after(driver_ask(&d, 0, "COMMAND DOCS"), "*"), 2 * count);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char line[64];
        char part[64];
        snprintf(part, sizeof part, "$%zu\r\n%s\r\n", strlen(names[i]), names[i]);
        snprintf(line, sizeof line, "COMMAND INFO %s", names[i]);
        names_expect_part(&d, 0, line, part);
        snprintf(line, sizeof line, "COMMAND DOCS %s", names[i]);
        names_expect_part(&d, 0, line, part);
        snprintf(line, sizeof line, "COMMAND LIST FILTERBY PATTERN %s", names[i]);
        names_expect_part(&d, 0, line, part);
    }
    driver_expect(
        &d, 0, "COMMAND DOCS get nosuch",
        "*2\r\n$3\r\nget\r\n*6\r\n$7\r\nsummary\r\n$22\r\nGet the value of a key\r\n$5\r\n"
        "since\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n");
    driver_expect(&d, 0, "COMMAND INFO xread", "*1\r\n$-1\r\n"); /* the servers have it */
    driver_expect(&d, 0, "COMMAND DOCS xread", "*0\r\n");
    driver_stop(&d);
}

static void commands_are_described_in_either_protocol(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "COMMAND INFO dbsize",
                  "*1\r\n*10\r\n$6\r\ndbsize\r\n:1\r\n*2\r\n+readonly\r\n+fast\r\n:0\r\n:0\r\n"
                  ":0\r\n*3\r\n+@keyspace\r\n+@read\r\n+@fast\r\n*2\r\n$25\r\n"
                  "request_policy:all_shards\r\n$23\r\nresponse_policy:agg_sum\r\n*0\r\n*0\r\n");
    (void)driver_ask(&d, 0, "HELLO 3");
    names_expect_part(&d, 0, "COMMAND INFO dbsize", "~2\r\n+readonly\r\n+fast\r\n:0\r\n");
    names_expect_part(&d, 0, "COMMAND INFO get", "~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n");
    names_expect_part(&d, 0, "COMMAND INFO nosuch", "*1\r\n_\r\n");
    driver_stop(&d);
}

static void commands_are_listed_by_category(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    names_expect_part(&d, 0, "ACL CAT connection", "$9\r\nclient|id\r\n");
    names_expect_part(&d, 0, "COMMAND LIST FILTERBY ACLCAT connection", "$9\r\nclient|id\r\n");
    assert_null(strstr(driver_ask(&d, 0, "ACL CAT connection"), "$3\r\nget\r\n"));
    /* ACL knows the imitated server's commands, LIST those that are here */
    names_expect_part(&d, 0, "ACL CAT stream", "$5\r\nxread\r\n");
    driver_expect(&d, 0, "COMMAND LIST FILTERBY ACLCAT stream", "*0\r\n");
    driver_stop(&d);
}

static void passwords_are_as_long_as_asked_for(void **state) {
    (void)state;
    static const struct {
        const char *line;
        size_t digits;
    } rows[] = {{"ACL GENPASS", 64},
                {"ACL GENPASS 1", 1},
                {"ACL GENPASS 4", 1},
                {"ACL GENPASS 5", 2},
                {"ACL GENPASS 4096", 1024}};
    node_driver d;
    driver_start(&d, 1, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *reply = driver_ask(&d, 0, rows[i].line);
        assert_int_equal(number_after(reply, "$"), rows[i].digits);
        const char *password = strchr(reply, '\n') + 1;
        assert_int_equal(strspn(password, "0123456789abcdef"), rows[i].digits);
    }
    driver_stop(&d);
}

static void refusals_are_logged_and_counted_together_for_a_minute(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"ACL SETUSER u on nopass ~a &ch +@all -flushall", "+OK\r\n"},
        {"AUTH u x", "+OK\r\n"},
        {"FLUSHALL", "-NOPERM this user has no permissions to run the 'flushall' command\r\n"},
        {"GET b",
         "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"},
        {"PUBLISH x y", "-NOPERM this user has no permissions to access one of the channels used "
                        "as arguments\r\n"},
        {"GET c",
         "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"},
        {"GET b",
         "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"},
        {"AUTH default x", "+OK\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_wait_ms(&d, 1500);
    names_expect_part(&d, 0, "ACL LOG 1",
                      "*1\r\n*14\r\n$5\r\ncount\r\n:2\r\n$6\r\nreason\r\n$3\r\nkey\r\n$7\r\n"
                      "context\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n$1\r\nb\r\n$8\r\nusername\r\n"
                      "$1\r\nu\r\n$11\r\nage-seconds\r\n$3\r\n1.5\r\n$11\r\nclient-info\r\n");
    names_expect_part(&d, 0, "ACL LOG", "*4\r\n");
    names_expect_part(&d, 0, "ACL LOG", "$6\r\nobject\r\n$1\r\nx\r\n"); /* the channel */
    driver_wait_ms(&d, 61000);
    driver_expect(&d, 0, "AUTH u x", "+OK\r\n");
    (void)driver_ask(&d, 0, "GET b");
    driver_expect(&d, 0, "AUTH default x", "+OK\r\n");
    names_expect_part(&d, 0, "ACL LOG", "*5\r\n*14\r\n$5\r\ncount\r\n:1\r\n"); /* another one */
    driver_expect(&d, 0, "CONFIG SET acllog-max-len 2", "+OK\r\n");
    (void)driver_ask(&d, 0, "AUTH nosuch x");
    names_expect_part(&d, 0, "ACL LOG",
                      "*2\r\n*14\r\n$5\r\ncount\r\n:1\r\n$6\r\nreason\r\n$4\r\n"
                      "auth\r\n");
    driver_stop(&d);
}

static void a_transaction_may_lose_its_keys_and_channels(void **state) {
    (void)state;
    static const struct {
        const char *change;
        const char *command;
        const char *reason;
    } rows[] = {
        {"ACL SETUSER u resetkeys", "GET a", "no permission to touch the specified keys"},
        {"ACL SETUSER u resetchannels", "PUBLISH a b",
         "no permission to access one of the channels used as arguments to the command"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        node_driver d;
        driver_start(&d, 1, 0);
        driver_expect(&d, 0, "ACL SETUSER u on nopass ~* &* +@all", "+OK\r\n");
        node_session *s = driver_open(&d, 0);
        driver_expect_on(&d, 0, s, "AUTH u x", "+OK\r\n");
        driver_expect_on(&d, 0, s, "MULTI", "+OK\r\n");
        driver_expect_on(&d, 0, s, rows[i].command, "+QUEUED\r\n");
        driver_expect(&d, 0, rows[i].change, "+OK\r\n");
        assert_non_null(strstr(driver_ask_on(&d, 0, s, "EXEC"), rows[i].reason));
        names_expect_part(&d, 0, "ACL LOG", "$6\r\nobject\r\n$1\r\na\r\n");
        driver_close(&d, 0, s);
        driver_stop(&d);
    }
}

static void a_lab_may_begin_locked(void **state) {
    (void)state;
    static const struct {
        const char *user;
        const char *name;
    } rows[] = {{NULL, "default"}, {"default", "default"}, {"bob", "bob"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[64];
        char reply[64];
        node_driver d;
        driver_start_locked(&d, rows[i].user, "secret");
        driver_expect(&d, 0, "GET a", "-NOAUTH Authentication required.\r\n");
        snprintf(line, sizeof line, "AUTH %s secret", rows[i].name);
        driver_expect(&d, 0, line, "+OK\r\n");
        snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", strlen(rows[i].name), rows[i].name);
        driver_expect(&d, 0, "ACL WHOAMI", reply);
        driver_expect(&d, 0, "GET a", "$-1\r\n");
        driver_stop(&d);
    }
}

static void debug_object_tells_encoding_and_size(void **state) {
    (void)state;
    static const struct {
        const char *make;
        const char *part;
    } rows[] = {
        {"SET k abc", " refcount:1 encoding:embstr serializedlength:4 "},
        {"SET k 5", " encoding:int serializedlength:2 "},
        {"SADD k 1 2 3", " encoding:intset "},
        {"RPUSH k a b", " encoding:listpack "},
        {"HSET k a 1", " encoding:listpack "},
    };
    node_driver d;
    driver_start(&d, 1, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        driver_expect(&d, 0, "FLUSHALL", "+OK\r\n");
        (void)driver_ask(&d, 0, rows[i].make);
        driver_wait_ms(&d, 3000);
        const char *reply = driver_ask(&d, 0, "DEBUG OBJECT k");
        assert_non_null(strstr(reply, rows[i].make[0] == 'R' ? " encoding:" : rows[i].part));
        assert_non_null(strstr(reply, " lru_seconds_idle:3\r\n"));
    }
    driver_stop(&d);
}

static void debug_is_refused_where_it_is_turned_off(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    names_expect_part(&d, 0, "DEBUG HELP", "+DEBUG <subcommand> [<arg> [value] [opt] ...].");
    names_expect_part(&d, 0, "DEBUG HELP", "+SLEEP <seconds>\r\n");
    node *n = fleet_node(d.fleet, 0);
    assert_true(node_settings_put_text(&n->settings, SETTING_ENABLE_DEBUG_COMMAND, "no"));
    names_expect_part(&d, 0, "DEBUG SLEEP 0", "-ERR DEBUG command not allowed. ");
    driver_stop(&d);
}

static void debug_sleep_in_exec_replies_at_once(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "MULTI", "+OK\r\n");
    driver_expect(&d, 0, "DEBUG SLEEP 0.5", "+QUEUED\r\n");
    driver_expect(&d, 0, "EXEC", "*1\r\n+OK\r\n");
    driver_expect(&d, 0, "PING", ""); /* but nothing else runs meanwhile */
    driver_wait_ms(&d, 600);
    driver_expect_pushed(&d, 0, d.sessions[0], "+PONG\r\n");
    driver_expect(&d, 0, "DEBUG SLEEP 1e9", ""); /* as long as there is, and no longer */
    driver_stop(&d);
}

static void keys_may_be_left_to_those_who_ask(void **state) {
    (void)state;
    static const struct {
        const char *line;
        size_t left;
    } rows[] = {{"DEBUG SET-ACTIVE-EXPIRE 0", 1},
                {"DEBUG SET-ACTIVE-EXPIRE 1", 0},
                {"DEBUG SET-ACTIVE-EXPIRE x", 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        node_driver d;
        driver_start(&d, 1, 0);
        driver_expect(&d, 0, rows[i].line, "+OK\r\n");
        driver_expect(&d, 0, "SET k v PX 10", "+OK\r\n");
        driver_wait_ms(&d, 2000);
        assert_int_equal(keyspace_count(fleet_node(d.fleet, 0)->keys), rows[i].left);
        driver_expect(&d, 0, "GET k", "$-1\r\n");
        driver_stop(&d);
    }
}

static void memory_usage_grows_with_what_is_kept(void **state) {
    (void)state;
    static const char *const makers[] = {"RPUSH k", "SADD k", "HSET k", "ZADD k"};
    node_driver d;
    driver_start(&d, 1, 0);
    for (size_t i = 0; i < COUNT_OF(makers); i++) {
        size_t before = 0;
        driver_expect(&d, 0, "FLUSHALL", "+OK\r\n");
        for (int j = 0; j < 5; j++) {
            char line[256];
            snprintf(line, sizeof line, "%s %d a-member-of-some-length-%d-%d", makers[i], j, j, j);
            assert_int_equal(driver_ask(&d, 0, line)[0], ':');
            size_t now = number_after(driver_ask(&d, 0, "MEMORY USAGE k"), ":");
            assert_true(now >= before);
            assert_true(j < 4 || now > 150);
            before = now;
        }
    }
    driver_stop(&d);
}

static void clients_are_known_by_id_and_address(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    char line[128];
    size_t id = number_after(driver_ask(&d, 0, "CLIENT ID"), ":");
    snprintf(line, sizeof line, "CLIENT LIST ID 999 %zu", id);
    names_expect_part(&d, 0, line, " addr=10.0.0.9:1234 ");
    node_session *other = driver_open(&d, 0);
    driver_expect_on(&d, 0, other, "PING", "+PONG\r\n");
    static const driver_row rows[] = {
        {"CLIENT KILL ADDR 10.0.0.9:4321 LADDR 1.1.1.1:1", ":0\r\n"},
        {"CLIENT KILL ADDR 10.0.0.9:1234", ":0\r\n"}, /* oneself is left out */
        {"CLIENT KILL ADDR 10.0.0.9:4321 SKIPME YES", ":1\r\n"},
        {"CLIENT NO-EVICT ON", "+OK\r\n"},
        {"CLIENT SETINFO LIB-NAME keyway", "+OK\r\n"},
        {"CLIENT SETINFO LIB-VER \"1 2\"",
         "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n"},
        {"CLIENT SETINFO LIB-NAME \"a b\"",
         "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"},
        {"CLIENT SETINFO FOO x", "-ERR Unrecognized option 'FOO'\r\n"},
        {"CLIENT NO-EVICT OFF", "+OK\r\n"},
        {"CLIENT KILL LADDR 1.1.1.1:1 SKIPME NO", ":0\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    assert_true(other->flags & SESSION_FAILED);
    driver_close(&d, 0, other);
    driver_stop(&d);
}

static void info_counts_keys_trackers_and_errors(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "INFO keyspace", "$12\r\n# Keyspace\r\n\r\n");
    names_expect_part(&d, 0, "INFO clients", "tracking_clients:0\r\n");
    driver_expect(&d, 0, "CLIENT TRACKING ON BCAST", "+OK\r\n");
    names_expect_part(&d, 0, "INFO clients", "tracking_clients:1\r\n");
    driver_expect(&d, 0, "SET a 1 PX 5", "+OK\r\n");
    driver_expect(&d, 0, "SET b 1", "+OK\r\n");
    names_expect_part(&d, 0, "INFO keyspace", "db0:keys=2,expires=1,avg_ttl=5\r\n");
    d.now_us += 6000; /* it is over, and nobody has noticed */
    names_expect_part(&d, 0, "INFO keyspace", "db0:keys=2,expires=1,avg_ttl=0\r\n");
    assert_null(strstr(driver_ask(&d, 0, "INFO default"), "# Commandstats"));
    names_expect_part(&d, 0, "INFO default", "# Server\r\n");
    names_expect_part(&d, 0, "INFO all", "# Commandstats\r\n");
    names_expect_part(&d, 0, "INFO default commandstats", "# Commandstats\r\n");
    driver_stop(&d);
}

static void monitor_is_not_for_transactions(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"MULTI", "+OK\r\n"},
        {"MONITOR", "+QUEUED\r\n"},
        {"EXEC", "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_is_told_of_in_all_three_ways),
        cmocka_unit_test(commands_are_described_in_either_protocol),
        cmocka_unit_test(commands_are_listed_by_category),
        cmocka_unit_test(passwords_are_as_long_as_asked_for),
        cmocka_unit_test(refusals_are_logged_and_counted_together_for_a_minute),
        cmocka_unit_test(a_transaction_may_lose_its_keys_and_channels),
        cmocka_unit_test(a_lab_may_begin_locked),
        cmocka_unit_test(debug_object_tells_encoding_and_size),
        cmocka_unit_test(debug_is_refused_where_it_is_turned_off),
        cmocka_unit_test(debug_sleep_in_exec_replies_at_once),
        cmocka_unit_test(keys_may_be_left_to_those_who_ask),
        cmocka_unit_test(memory_usage_grows_with_what_is_kept),
        cmocka_unit_test(clients_are_known_by_id_and_address),
        cmocka_unit_test(info_counts_keys_trackers_and_errors),
        cmocka_unit_test(monitor_is_not_for_transactions),
    };
    return cmocka_run_group_tests_name("node_server", tests, NULL, NULL);
}
