/* Slots that servers move by themselves, where a job cannot begin, and where it does not end well.
 * Three primaries 0..2 with a replica each, 3..5; {b} 3300 is node 0's, {a} 15495 node 2's. */
#include "unit/support/node_names.h"
#include "unit/support/unit.h"

#define MIGRATE "CLUSTER MIGRATESLOTS SLOTSRANGE "
#define IMPORT "CLUSTER MIGRATION IMPORT "
#define WRONG_COUNT "-ERR wrong number of arguments for 'cluster|migration' command\r\n"

static void begin(node_driver *d) {
    driver_start(d, 3, 1);
}

static void requests_that_make_no_sense_start_nothing(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"CLUSTER DELSLOTS 12100", "+OK\r\n"},
        {MIGRATE "12100 12100 NODE <0>", "-ERR Slot 12100 has no node served.\r\n"},
        {MIGRATE "-1 5 NODE <0>", "-ERR Invalid or out of range slot\r\n"},
        {MIGRATE "12000 12001 12002", "-ERR No end slot for final slot range\r\n"},
        {MIGRATE "12000 x NODE <0>", "-ERR Invalid or out of range slot\r\n"},
        {MIGRATE "12000 12001 NODE", "-ERR syntax error\r\n"},
        {MIGRATE "12000 12001 NODE 0123456789012345678901234567890123456789",
         "-ERR Unknown node name: 0123456789012345678901234567890123456789\r\n"},
        {MIGRATE "12000 12009 NODE <0> SLOTSRANGE 12009 12010 NODE <1>",
         "-ERR Slot ranges in migrations overlap\r\n"},
        {MIGRATE "12000 12009 NODE <0> SLOTS 1 2 NODE <1>", "-ERR syntax error\r\n"},
        {"CLUSTER CANCELSLOTMIGRATIONS", "-ERR No migrations ongoing\r\n"},
        {IMPORT "1 x", "-ERR Invalid or out of range slot\r\n"},
        {IMPORT "x 1", "-ERR Invalid or out of range slot\r\n"},
        {IMPORT "1 5 5 6", "-ERR Slot 5 specified multiple times\r\n"},
        {"CLUSTER MIGRATION STATUS", WRONG_COUNT},
        {"CLUSTER MIGRATION STATUS ALL x", WRONG_COUNT},
        {"CLUSTER MIGRATION STATUS ID a b", WRONG_COUNT},
        {"CLUSTER MIGRATION CANCEL", WRONG_COUNT},
        {"CLUSTER MIGRATION CANCEL SOME", "-ERR unknown argument\r\n"},
        {"CLUSTER MIGRATION CANCEL ID x", ":0\r\n"},
    };
    node_driver d;
    begin(&d);
    names_expect_rows(&d, 2, rows, COUNT_OF(rows));
    assert_int_equal(fleet_deadline_us(d.fleet) > d.now_us, true);
    driver_stop(&d);
}

static void one_request_may_lead_to_several_nodes(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    driver_expect(&d, 2, "SET {a}x 1", "+OK\r\n");
    driver_expect(&d, 2,
                  names_in(&d, MIGRATE "15495 15495 NODE <0> SLOTSRANGE 12000 12009 NODE <1>"),
                  "+OK\r\n");
    driver_wait_ms(&d, 50);
    driver_expect(&d, 2, names_in(&d, MIGRATE "12005 12020 NODE <0>"),
                  "-ERR I am already migrating slot 12005.\r\n");
    driver_expect(&d, 2, names_in(&d, MIGRATE "12010 12020 NODE <0>"), "+OK\r\n");
    driver_wait_ms(&d, 500);
    driver_expect(&d, 1, "GET {a}x", "-MOVED 15495 10.0.0.1:7000\r\n");
    assert_int_equal(fleet_view(d.fleet)->owner[12009], 1);
    assert_int_equal(fleet_view(d.fleet)->owner[12010], 0);
    driver_stop(&d);
}

static void too_many_ranges_are_refused(void **state) {
    (void)state;
    static char texts[JOB_RANGES_MAX + 1][8];
    static kw_slice argv[3 + 2 * (JOB_RANGES_MAX + 1)];
    node_driver d;
    begin(&d);
    argv[0] = SLICE_LITERAL("CLUSTER");
    argv[1] = SLICE_LITERAL("MIGRATESLOTS");
    argv[2] = SLICE_LITERAL("SLOTSRANGE");
    for (size_t i = 0; i <= JOB_RANGES_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "%zu", 12000 + i);
        argv[3 + 2 * i] = slice_text(texts[i]);
        argv[4 + 2 * i] = slice_text(texts[i]);
    }
    node_session *s = driver_open(&d, 2);
    node_execute(fleet_node(d.fleet, 2), s, argv, COUNT_OF(argv), d.now_us);
    assert_slice_is(buffer_slice(&s->out), "-ERR too many slot ranges\r\n");
    driver_close(&d, 2, s);
    driver_stop(&d);
}

/* What happens to a job 150 ms after it began, and what becomes of it. */
static void jobs_end_with_what_they_stand_on(void **state) {
    (void)state;
    static const struct {
        const char *begin;
        uint16_t at;
        const char *trouble;
        const char *ask;
        const char *part;
    } rows[] = {
        {MIGRATE "15495 15495 NODE <0>", 2, "LAB FAILOVER 0", "CLUSTER GETSLOTMIGRATIONS",
         "Target node is not a primary"},
        {MIGRATE "15495 15495 NODE <0>", 2, "LAB SLOT ASSIGN 15495 1", "CLUSTER GETSLOTMIGRATIONS",
         "$6\r\nfailed\r\n"},
        {MIGRATE "15495 15495 NODE <0>", 2, "LAB PARTITION 0", "CLUSTER GETSLOTMIGRATIONS",
         "Connection lost"},
        {MIGRATE "15495 15495 NODE <0>", 2, "LAB PAUSE 0", "CLUSTER GETSLOTMIGRATIONS",
         "Connection lost"},
        {IMPORT "3300 3300", 2, "LAB PARTITION 0 3", "CLUSTER MIGRATION STATUS ALL",
         "$7\r\nretries\r\n:1\r\n"},
        {IMPORT "3300 3300", 2, "LAB SLOT MOVE 3300 1", "CLUSTER MIGRATION STATUS ALL",
         "$6\r\nfailed\r\n"},
        {IMPORT "3300 3300", 2, "LAB KILL 0", "CLUSTER MIGRATION STATUS ALL",
         "$7\r\nretries\r\n:1\r\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        node_driver d;
        begin(&d);
        if (driver_ask(&d, rows[i].at, names_in(&d, rows[i].begin))[0] == '-') {
            fail_msg("%s: %s", rows[i].begin, d.text);
        }
        driver_wait_ms(&d, 150);
        driver_expect(&d, 1, rows[i].trouble, "+OK\r\n");
        driver_wait_ms(&d, 100);
        names_expect_part(&d, rows[i].at, rows[i].ask, rows[i].part);
        driver_wait_ms(&d, 3000);
        assert_int_not_equal(fleet_view(d.fleet)->owner[15495], 0);
        driver_stop(&d);
    }
}

static void a_second_import_takes_the_place_of_one_that_gets_nowhere(void **state) {
    (void)state;
    node_driver d;
    begin(&d);
    assert_int_equal(*driver_ask(&d, 2, IMPORT "3300 3300"), '$');
    driver_wait_ms(&d, 150);
    driver_expect(&d, 1, "LAB PAUSE 0", "+OK\r\n");
    driver_wait_ms(&d, 100);
    names_expect_part(&d, 2, "CLUSTER MIGRATION STATUS ALL", "$7\r\nretries\r\n:1\r\n");
    assert_int_equal(*driver_ask(&d, 2, IMPORT "5500 5500"), '$');
    names_expect_part(&d, 2, "CLUSTER MIGRATION STATUS ALL", "new import requested");
    driver_wait_ms(&d, 1000);
    driver_expect(&d, 1, "SET x 1", driver_ask(&d, 1, "SET x 1"));
    assert_int_equal(fleet_view(d.fleet)->owner[5500], 2);
    assert_int_equal(fleet_view(d.fleet)->owner[3300], 0);
    driver_stop(&d);
}

static void the_oldest_jobs_are_forgotten_first(void **state) {
    (void)state;
    node_driver d;
    char line[128];
    begin(&d);
    for (int i = 0; i < JOBS_MAX + 3; i++) {
        snprintf(line, sizeof line, MIGRATE "%d %d NODE <%d>", 15495, 15495, i % 2 ? 2 : 0);
        driver_expect(&d, i % 2 ? 0 : 2, names_in(&d, line), "+OK\r\n");
        driver_wait_ms(&d, 400);
    }
    char count[32];
    snprintf(count, sizeof count, "*%d\r\n", JOBS_MAX);
    names_expect_part(&d, 0, "CLUSTER GETSLOTMIGRATIONS", count);
    driver_stop(&d);
}

static void jobs_at_work_are_not_forgotten(void **state) {
    (void)state;
    node_driver d;
    char line[128];
    begin(&d);
    for (int i = 0; i < JOBS_MAX; i++) {
        snprintf(line, sizeof line, MIGRATE "%d %d NODE <0>", 12000 + i, 12000 + i);
        driver_expect(&d, 2, names_in(&d, line), "+OK\r\n");
    }
    driver_expect(&d, 2, names_in(&d, MIGRATE "15495 15495 NODE <0>"),
                  "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    driver_wait_ms(&d, 500);
    driver_expect(&d, 2, names_in(&d, MIGRATE "15495 15495 NODE <0>"), "+OK\r\n");
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_make_no_sense_start_nothing),
        cmocka_unit_test(one_request_may_lead_to_several_nodes),
        cmocka_unit_test(too_many_ranges_are_refused),
        cmocka_unit_test(jobs_end_with_what_they_stand_on),
        cmocka_unit_test(a_second_import_takes_the_place_of_one_that_gets_nowhere),
        cmocka_unit_test(the_oldest_jobs_are_forgotten_first),
        cmocka_unit_test(jobs_at_work_are_not_forgotten),
    };
    return cmocka_run_group_tests_name("node_jobs", tests, NULL, NULL);
}
