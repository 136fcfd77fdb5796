#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* Three primaries 0..2 with a replica each, 3..5. Slots: {a} 15495 is node 2's, {b} 3300 node 0's.
 * A job goes through connecting, snapshot and stream in 100 ms each, then pauses for 10 ms. */

static const char *id_of(const node_driver *d, uint16_t index) {
    return fleet_view(d->fleet)->peers[index].id;
}

static void move_valkey(node_driver *d, const char *slots, uint16_t from, uint16_t to) {
    char line[256];
    snprintf(line, sizeof line, "CLUSTER MIGRATESLOTS SLOTSRANGE %s NODE %s", slots, id_of(d, to));
    driver_expect(d, from, line, "+OK\r\n");
}

static void expect_state(node_driver *d, uint16_t index, const char *ask, const char *state) {
    char wanted[64];
    const char *got = driver_ask(d, index, ask);
    snprintf(wanted, sizeof wanted, "$5\r\nstate\r\n$%zu\r\n%s\r\n", strlen(state), state);
    if (!strstr(got, wanted)) {
        fail_msg("not %s:\n%s", state, got);
    }
}

static void expect_valkey(node_driver *d, uint16_t index, const char *state) {
    expect_state(d, index, "CLUSTER GETSLOTMIGRATIONS", state);
}

static void expect_redis(node_driver *d, uint16_t index, const char *state) {
    expect_state(d, index, "CLUSTER MIGRATION STATUS ALL", state);
}

static void valkey_moves_slots_at_once(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    driver_expect(&d, 2, "SET {a}x 1 EX 1000", "+OK\r\n");
    driver_expect(&d, 2, "CLUSTER GETSLOTMIGRATIONS", "*0\r\n");
    move_valkey(&d, "15490 15499 15600 15601", 2, 0);
    expect_valkey(&d, 2, "connecting");
    driver_wait_ms(&d, 100);
    expect_valkey(&d, 2, "snapshotting");
    expect_valkey(&d, 0, "receiving-snapshot");
    driver_expect(&d, 2, "SET {a}y 2", "+OK\r\n");
    driver_wait_ms(&d, 100);
    expect_valkey(&d, 2, "replicating");
    driver_expect(&d, 2, "GET {a}missing", "$-1\r\n"); /* no ASK */
    driver_wait_ms(&d, 100);
    expect_valkey(&d, 2, "failover-paused");
    driver_expect(&d, 2, "GET {a}x", "$1\r\n1\r\n");
    driver_expect(&d, 2, "SET {a}z 3", ""); /* held back */
    driver_wait_ms(&d, 10);
    expect_valkey(&d, 0, "success");
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER GETSLOTMIGRATIONS"),
                           "$23\r\n15490-15499 15600-15601\r\n"));
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7000\r\n");
    driver_expect(&d, 0, "MGET {a}x {a}y", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    driver_expect(&d, 0, "TTL {a}x", ":1000\r\n");
    assert_int_equal(keyspace_count(fleet_node(d.fleet, 2)->keys), 0);
    assert_int_equal(keyspace_count(fleet_node(d.fleet, 5)->keys), 0);
    driver_expect(&d, 3, "READONLY", "+OK\r\n");
    driver_expect(&d, 3, "GET {a}y", "$1\r\n2\r\n");
    driver_stop(&d);
}

static void a_write_held_back_by_the_pause_is_sent_on(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    move_valkey(&d, "15495 15495", 2, 0);
    driver_wait_ms(&d, 300);
    driver_expect(&d, 2, "SET {a}z 3", "");
    driver_wait_ms(&d, 10);
    node_session *s = fleet_next_ready(d.fleet);
    assert_ptr_equal(s, d.sessions[2]);
    driver_expect(&d, 2, "PING", "-MOVED 15495 10.0.0.1:7000\r\n+PONG\r\n");
    driver_stop(&d);
}

static void valkey_cancels(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect(&d, 2, "CLUSTER CANCELSLOTMIGRATIONS", "-ERR No migrations ongoing\r\n");
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    move_valkey(&d, "15495 15495", 2, 0);
    driver_wait_ms(&d, 300);
    driver_expect(&d, 0, "CLUSTER CANCELSLOTMIGRATIONS", "-ERR No migrations ongoing\r\n");
    driver_expect(&d, 2, "CLUSTER CANCELSLOTMIGRATIONS", "+OK\r\n");
    expect_valkey(&d, 0, "cancelled");
    driver_expect(&d, 2, "SET {a}x 2", "+OK\r\n"); /* the pause is over */
    driver_wait_ms(&d, 1000);
    driver_expect(&d, 2, "GET {a}x", "$1\r\n2\r\n");
    assert_int_equal(keyspace_count(fleet_node(d.fleet, 0)->keys), 0);
    driver_stop(&d);
}

static void valkey_fails_with_the_target_or_the_slots(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    move_valkey(&d, "15495 15495", 2, 0);
    driver_wait_ms(&d, 150);
    driver_hang_up(&d, 0);
    assert_int_equal(fleet_kill(d.fleet, 0, d.now_us), KW_OK);
    driver_wait_ms(&d, 100);
    expect_valkey(&d, 2, "failed");
    assert_non_null(strstr(driver_ask(&d, 2, "CLUSTER GETSLOTMIGRATIONS"), "Connection lost"));

    move_valkey(&d, "15495 15495", 2, 1);
    driver_wait_ms(&d, 150);
    assert_int_equal(fleet_promote(d.fleet, 5), KW_OK);
    driver_wait_ms(&d, 100);
    expect_valkey(&d, 1, "failed");
    driver_stop(&d);
}

static void valkey_refuses(void **state) {
    (void)state;
    node_driver d;
    char line[256];
    driver_start(&d, 3, 1);
    const char *other = id_of(&d, 0);
    static const struct {
        const char *format;
        const char *reply;
    } rows[] = {
        {"CLUSTER MIGRATESLOTS SLOTS 1 2 NODE %s", "-ERR syntax error\r\n"},
        {"CLUSTER MIGRATESLOTS SLOTSRANGE NODE NODE %s", "-ERR No slot ranges specified\r\n"},
        {"CLUSTER MIGRATESLOTS SLOTSRANGE 2 1 NODE %s",
         "-ERR Start slot number 2 is greater than end slot number 1.\r\n"},
        {"CLUSTER MIGRATESLOTS SLOTSRANGE 1 99999 NODE %s",
         "-ERR Invalid or out of range slot\r\n"},
        {"CLUSTER MIGRATESLOTS SLOTSRANGE 1 2 NODE %s",
         "-ERR Slots are not served by this node.\r\n"},
        {"CLUSTER MIGRATESLOTS SLOTSRANGE 1 12000 NODE %s",
         "-ERR Requested slots span multiple shards\r\n"},
        {"CLUSTER MIGRATESLOTS SLOTSRANGE 12000 12010 12010 12011 NODE %s",
         "-ERR Slot range 12010-12011 overlaps with previous range 12000-12010.\r\n"},
        {"CLUSTER MIGRATESLOTS SLOTSRANGE 12000 12010 NODE x%s", "-ERR Invalid node name: x"},
        {"CLUSTER MIGRATESLOTS SLOTSRANGE 12000 12010 TO %s", "-ERR syntax error\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(line, sizeof line, rows[i].format, other);
        const char *got = driver_ask(&d, 2, line);
        if (strncmp(got, rows[i].reply, strlen(rows[i].reply)) != 0) {
            fail_msg("%s: %s", line, got);
        }
    }
    snprintf(line, sizeof line, "CLUSTER MIGRATESLOTS SLOTSRANGE 12000 12001 NODE %s",
             id_of(&d, 2));
    driver_expect(&d, 2, line, "-ERR Target node can not be this node.\r\n");
    driver_expect(&d, 5, line, "-ERR Slot migration can only be used on primary nodes.\r\n");
    move_valkey(&d, "12000 12005", 2, 0);
    snprintf(line, sizeof line, "CLUSTER MIGRATESLOTS SLOTSRANGE 12005 12006 NODE %s", other);
    driver_expect(&d, 2, line, "-ERR I am already migrating slot 12005.\r\n");
    driver_stop(&d);
}

static void redis_imports(void **state) {
    (void)state;
    node_driver d;
    char line[128];
    char task[41];
    driver_start(&d, 3, 1);
    driver_expect(&d, 2, "HSET {a}x f v", ":1\r\n");
    const char *reply = driver_ask(&d, 0, "CLUSTER MIGRATION IMPORT 15495 15495");
    assert_true(strncmp(reply, "$40\r\n", 5) == 0);
    slice_copy(task, sizeof task, slice_of(reply + 5, 40));
    driver_expect(&d, 0, "CLUSTER MIGRATION IMPORT 15495 15495",
                  "-ERR another ASM task is already in progress\r\n");
    expect_redis(&d, 0, "connecting");
    expect_redis(&d, 2, "wait-rdbchannel");
    driver_wait_ms(&d, 250);
    expect_redis(&d, 0, "streaming-buffer");
    driver_wait_ms(&d, 60);
    expect_redis(&d, 0, "completed");
    snprintf(line, sizeof line, "CLUSTER MIGRATION STATUS ID %s", task);
    expect_state(&d, 2, line, "completed");
    assert_non_null(strstr(driver_ask(&d, 2, line), "$14\r\nwrite_pause_ms\r\n:10\r\n"));
    assert_non_null(strstr(driver_ask(&d, 2, line), "$7\r\nmigrate\r\n"));
    driver_expect(&d, 0, "HGET {a}x f", "$1\r\nv\r\n");
    driver_expect(&d, 2, "HGET {a}x f", "-MOVED 15495 10.0.0.1:7000\r\n");
    driver_expect(&d, 1, "CLUSTER MIGRATION STATUS ALL", "*0\r\n");
    driver_expect(&d, 0, "CLUSTER MIGRATION CANCEL ALL", ":0\r\n");
    driver_stop(&d);
}

static void redis_tries_again_until_it_is_cancelled(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    assert_int_equal(*driver_ask(&d, 0, "CLUSTER MIGRATION IMPORT 15495 15495"), '$');
    driver_wait_ms(&d, 150);
    assert_int_equal(fleet_pause(d.fleet, 2, true), KW_OK);
    driver_wait_ms(&d, 100);
    assert_non_null(
        strstr(driver_ask(&d, 0, "CLUSTER MIGRATION STATUS ALL"), "$7\r\nretries\r\n:1\r\n"));
    assert_non_null(strstr(driver_ask(&d, 0, "CLUSTER MIGRATION STATUS ALL"), "Connection lost"));
    driver_wait_ms(&d, 1000);
    assert_non_null(
        strstr(driver_ask(&d, 0, "CLUSTER MIGRATION STATUS ALL"), "$7\r\nretries\r\n:2\r\n"));
    driver_expect(&d, 0, "CLUSTER MIGRATION CANCEL ALL", ":1\r\n");
    expect_redis(&d, 0, "canceled");
    driver_stop(&d);
}

static void redis_refuses(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    static const driver_row rows[] = {
        {"CLUSTER MIGRATION IMPORT",
         "-ERR wrong number of arguments for 'cluster|migration' command\r\n"},
        {"CLUSTER MIGRATION IMPORT 1",
         "-ERR wrong number of arguments for 'cluster|migration' command\r\n"},
        {"CLUSTER MIGRATION IMPORT 1 2 3",
         "-ERR wrong number of arguments for 'cluster|migration' command\r\n"},
        {"CLUSTER MIGRATION IMPORT 6002 6001",
         "-ERR start slot number 6002 is greater than end slot number 6001\r\n"},
        {"CLUSTER MIGRATION IMPORT -1 0", "-ERR Invalid or out of range slot\r\n"},
        {"CLUSTER MIGRATION IMPORT 100 200",
         "-ERR this node is already the owner of the slot range\r\n"},
        {"CLUSTER MIGRATION IMPORT 6000 12000", "-ERR slots belong to different source nodes\r\n"},
        {"CLUSTER MIGRATION MOVE 1 2", "-ERR unknown argument\r\n"},
        {"CLUSTER MIGRATION STATUS SOME", "-ERR unknown argument\r\n"},
        {"CLUSTER MIGRATION STATUS ID",
         "-ERR wrong number of arguments for 'cluster|migration' command\r\n"},
        {"CLUSTER MIGRATION STATUS ID x", "*0\r\n"},
    };
    driver_expect_rows(&d, 0, rows, sizeof rows / sizeof *rows);
    driver_expect(&d, 3, "CLUSTER MIGRATION IMPORT 6000 6001",
                  "-ERR slot migration not allowed on replica.\r\n");
    driver_expect(&d, 0, "CLUSTER DELSLOTS 6000", "+OK\r\n");
    driver_expect(&d, 0, "CLUSTER MIGRATION IMPORT 6000 6001", "-ERR slot has no owner: 6000\r\n");
    assert_int_equal(fleet_migrate_begin(d.fleet, 3300, 1), KW_OK);
    driver_expect(&d, 0, "CLUSTER MIGRATION IMPORT 6001 6002",
                  "-ERR all slot states must be STABLE to start a slot migration task.\r\n");
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valkey_moves_slots_at_once),
        cmocka_unit_test(a_write_held_back_by_the_pause_is_sent_on),
        cmocka_unit_test(valkey_cancels),
        cmocka_unit_test(valkey_fails_with_the_target_or_the_slots),
        cmocka_unit_test(valkey_refuses),
        cmocka_unit_test(redis_imports),
        cmocka_unit_test(redis_tries_again_until_it_is_cancelled),
        cmocka_unit_test(redis_refuses),
    };
    return cmocka_run_group_tests_name("node_migration", tests, NULL, NULL);
}
