#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* With three primaries "foo" is the last one's, "bar" the first one's. */
enum { FIRST = 0, LAST = 2, FOO_SLOT = 12182 };

static void what_is_refused_while_queueing_aborts(void **state) {
    (void)state;
    static const char aborted[] =
        "-EXECABORT Transaction discarded because of previous errors.\r\n";
    static const driver_row rows[] = {
        {"MULTI", "+OK\r\n"},
        {"MULTI", "-ERR MULTI calls can not be nested\r\n"},
        {"WATCH foo", "-ERR WATCH inside MULTI is not allowed\r\n"},
        {"PING", "+QUEUED\r\n"},
        {"EXEC", "*1\r\n+PONG\r\n"},
        {"MULTI", "+OK\r\n"},
        {"SHUTDOWN", "-ERR Command not allowed inside a transaction\r\n"},
        {"EXEC", aborted},
        {"MULTI", "+OK\r\n"},
        {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"EXEC", aborted},
        {"MULTI", "+OK\r\n"},
        {"CLIENT FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"},
        {"EXEC", aborted},
        {"MULTI", "+OK\r\n"},
        {"GET foo", "+QUEUED\r\n"},
        {"SET bar 1", "-MOVED 5061 10.0.0.1:7000\r\n"},
        {"GET foo", "+QUEUED\r\n"},
        {"EXEC", aborted},
        {"MULTI", "+OK\r\n"},
        {"EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for "
                   "'exec' command\r\n"},
        {"EXEC", "-ERR EXEC without MULTI\r\n"},
        {"DISCARD", "-ERR DISCARD without MULTI\r\n"},
        {"MULTI", "+OK\r\n"},
        {"DISCARD x", "-ERR wrong number of arguments for 'discard' command\r\n"},
        {"DISCARD", "+OK\r\n"},
        {"MULTI", "+OK\r\n"},
        {"RESET", "+RESET\r\n"},
        {"EXEC", "-ERR EXEC without MULTI\r\n"},
        {"MULTI", "+OK\r\n"},
        {"EXEC", "*0\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect_rows(&d, LAST, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void errors_while_running_do_not_stop_the_rest(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"SET foo abc", "+OK\r\n"}, {"MULTI", "+OK\r\n"},           {"INCR foo", "+QUEUED\r\n"},
        {"HELLO 3", "+QUEUED\r\n"}, {"GET nx{foo}", "+QUEUED\r\n"}, {"HELLO 2 FOO", "+QUEUED\r\n"},
        {"HELLO 2", "+QUEUED\r\n"}, {"GET nx{foo}", "+QUEUED\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect_rows(&d, LAST, rows, COUNT_OF(rows));
    const char *reply = driver_ask(&d, LAST, "EXEC");
    static const char first[] = "*6\r\n-ERR value is not an integer or out of range\r\n%7\r\n";
    assert_memory_equal(reply, first, sizeof first - 1);
    assert_non_null(strstr(reply, "*0\r\n_\r\n-ERR Syntax error in HELLO option 'FOO'\r\n*14\r\n"));
    assert_string_equal(reply + strlen(reply) - 9, "*0\r\n$-1\r\n");
    driver_stop(&d);
}

/* What is done between WATCH and MULTI, and whether EXEC then runs. */
static void exec_runs_only_if_no_watched_key_was_touched(void **state) {
    (void)state;
    static const struct {
        const char *before, *watch, *between;
        uint64_t wait_ms;
        bool runs;
    } rows[] = {
        {"PING", "WATCH k", "PING", 0, true},
        {"PING", "WATCH k", "SET k 1", 0, false},
        {"PING", "WATCH k", "DEL k", 0, true},
        {"SET k 1", "WATCH k", "DEL k", 0, false},
        {"SET k 1", "WATCH {k}other k", "SET k 1", 0, false},
        {"SET k 1", "WATCH k", "EXPIRE k 100", 0, false},
        {"SET k 1", "WATCH k", "GET k", 0, true},
        {"SET k 1", "WATCH k", "SET other 1", 0, true},
        {"SET k 1", "WATCH k", "FLUSHALL", 0, false},
        {"PING", "WATCH k", "FLUSHALL", 0, true},
        {"SET k 1 PX 50", "WATCH k", "PING", 100, false},
        {"SET k 1 PX 50", "WATCH k", "GET k", 100, false},
        {"SET k 1", "WATCH k", "UNWATCH", 0, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        node_driver d;
        driver_start(&d, 1, 0);
        (void)driver_ask(&d, 0, rows[i].before);
        driver_expect(&d, 0, rows[i].watch, "+OK\r\n");
        d.now_us += rows[i].wait_ms * 1000;
        (void)driver_ask(&d, 0, rows[i].between);
        driver_expect(&d, 0, "MULTI", "+OK\r\n");
        driver_expect(&d, 0, "PING", "+QUEUED\r\n");
        driver_expect(&d, 0, "EXEC", rows[i].runs ? "*1\r\n+PONG\r\n" : "*-1\r\n");
        driver_expect(&d, 0, "MULTI", "+OK\r\n");
        driver_expect(&d, 0, "EXEC", "*0\r\n");
        driver_stop(&d);
    }
}

/* What had expired by the time of WATCH is as good as missing. */
static void removing_what_had_expired_touches_nobody(void **state) {
    (void)state;
    static const struct {
        const char *between;
        bool runs;
    } rows[] = {
        {"PING", true}, {"GET k", true}, {"DEL k", true}, {"FLUSHALL", true}, {"SET k 2", false}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        node_driver d;
        driver_start(&d, 1, 0);
        driver_expect(&d, 0, "SET k 1 PX 50", "+OK\r\n");
        d.now_us += 100000;
        driver_expect(&d, 0, "WATCH k", "+OK\r\n");
        (void)driver_ask(&d, 0, rows[i].between);
        driver_expect(&d, 0, "MULTI", "+OK\r\n");
        driver_expect(&d, 0, "EXEC", rows[i].runs ? "*0\r\n" : "*-1\r\n");
        driver_stop(&d);
    }
}

static void a_key_set_and_deleted_again_was_touched(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"WATCH k", "+OK\r\n"}, {"SET k 1", "+OK\r\n"}, {"DEL k", ":1\r\n"},
        {"MULTI", "+OK\r\n"},   {"EXEC", "*-1\r\n"},
    };
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void a_watched_key_that_migrates_away_was_touched(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    (void)driver_ask(&d, LAST, "SET foo 1");
    driver_expect(&d, LAST, "WATCH foo", "+OK\r\n");
    assert_int_equal(fleet_migrate_begin(d.fleet, FOO_SLOT, FIRST), KW_OK);
    assert_int_equal(fleet_migrate_keys(d.fleet, FOO_SLOT, 1, NULL), KW_OK);
    driver_expect(&d, LAST, "MULTI", "+OK\r\n");
    driver_expect(&d, LAST, "EXEC", "*-1\r\n");
    driver_stop(&d);
}

static void exec_is_redirected_when_its_slot_has_moved(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, LAST, "MULTI", "+OK\r\n");
    driver_expect(&d, LAST, "SET foo 1", "+QUEUED\r\n");
    assert_int_equal(fleet_migrate_begin(d.fleet, FOO_SLOT, FIRST), KW_OK);
    driver_expect(&d, LAST, "GET foo", "-ASK 12182 10.0.0.1:7000\r\n");
    driver_expect(&d, LAST, "DISCARD", "+OK\r\n");

    (void)driver_ask(&d, FIRST, "ASKING");
    driver_expect(&d, FIRST, "MULTI", "+OK\r\n");
    driver_expect(&d, FIRST, "SET foo 1", "+QUEUED\r\n");
    driver_expect(&d, FIRST, "GET foo", "+QUEUED\r\n");
    driver_expect(&d, FIRST, "EXEC", "*2\r\n+OK\r\n$1\r\n1\r\n");
    driver_expect(&d, FIRST, "GET foo", "-MOVED 12182 10.0.0.1:7002\r\n");

    driver_expect(&d, LAST, "MULTI", "+OK\r\n");
    driver_expect(&d, LAST, "SPUBLISH foo x", "+QUEUED\r\n");
    driver_expect(&d, LAST, "EXEC", "-ASK 12182 10.0.0.1:7000\r\n");

    driver_expect(&d, LAST, "MULTI", "+OK\r\n");
    driver_expect(&d, LAST, "PING", "+QUEUED\r\n");
    driver_expect(&d, LAST, "SPUBLISH foo x", "+QUEUED\r\n");
    assert_int_equal(fleet_migrate_end(d.fleet, FOO_SLOT), KW_OK);
    driver_expect(&d, LAST, "EXEC", "-MOVED 12182 10.0.0.1:7000\r\n");
    driver_expect(&d, LAST, "EXEC", "-ERR EXEC without MULTI\r\n");
    driver_stop(&d);
}

static void keyless_writes_queued_before_a_demotion_are_refused(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 1);
    driver_expect(&d, 0, "MULTI", "+OK\r\n");
    driver_expect(&d, 0, "FLUSHALL", "+QUEUED\r\n");
    assert_int_equal(fleet_promote(d.fleet, 1), KW_OK);
    driver_expect(&d, 0, "EXEC",
                  "-EXECABORT Transaction discarded because of: READONLY You can't write against "
                  "a read only replica.\r\n");
    driver_stop(&d);
}

static void several_writes_go_to_the_replicas_as_one(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"MULTI", "+OK\r\n"},
        {"SET a 1", "+QUEUED\r\n"},
        {"INCR a", "+QUEUED\r\n"},
        {"EXEC", "*2\r\n+OK\r\n:2\r\n"},
    };
    node_driver d;
    driver_start(&d, 1, 1);
    fleet_set_replication_delay(d.fleet, 50000);
    uint64_t before = fleet_node(d.fleet, 0)->offset;
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    /* MULTI, SET a 1, INCR a, EXEC on the wire */
    assert_int_equal(fleet_node(d.fleet, 0)->offset - before, 15 + 27 + 21 + 14);
    (void)driver_ask(&d, 1, "READONLY");
    driver_expect(&d, 1, "GET a", "$-1\r\n");
    driver_wait_ms(&d, 60);
    driver_expect(&d, 1, "GET a", "$1\r\n2\r\n");
    assert_int_equal(fleet_node(d.fleet, 1)->offset, fleet_node(d.fleet, 0)->offset);
    driver_expect(&d, 1, "MULTI", "+OK\r\n");
    driver_expect(&d, 1, "EXEC", "*0\r\n");
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_while_queueing_aborts),
        cmocka_unit_test(errors_while_running_do_not_stop_the_rest),
        cmocka_unit_test(exec_runs_only_if_no_watched_key_was_touched),
        cmocka_unit_test(removing_what_had_expired_touches_nobody),
        cmocka_unit_test(a_key_set_and_deleted_again_was_touched),
        cmocka_unit_test(a_watched_key_that_migrates_away_was_touched),
        cmocka_unit_test(exec_is_redirected_when_its_slot_has_moved),
        cmocka_unit_test(keyless_writes_queued_before_a_demotion_are_refused),
        cmocka_unit_test(several_writes_go_to_the_replicas_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
