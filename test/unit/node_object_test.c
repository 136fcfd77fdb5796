#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* The replies in this table are those of a redis-server 7.0.15. */

static const driver_row object_rows[] = {
    {"SET {t}a 5", "+OK\r\n"},
    {"OBJECT ENCODING {t}a", "$3\r\nint\r\n"},
    {"OBJECT REFCOUNT {t}a", ":2147483647\r\n"},
    {"SET {t}a 10000", "+OK\r\n"},
    {"OBJECT REFCOUNT {t}a", ":1\r\n"},
    {"APPEND {t}a 1", ":6\r\n"},
    {"OBJECT ENCODING {t}a", "$3\r\nraw\r\n"},
    {"OBJECT REFCOUNT {t}a", ":1\r\n"},
    {"COPY {t}a {t}b", ":1\r\n"},
    {"OBJECT ENCODING {t}b", "$3\r\nraw\r\n"},
    {"RENAME {t}b {t}c", "+OK\r\n"},
    {"OBJECT ENCODING {t}c", "$3\r\nraw\r\n"},
    {"INCR {t}c", ":100002\r\n"},
    {"OBJECT ENCODING {t}c", "$3\r\nint\r\n"},
    {"INCRBYFLOAT {t}c 1", "$6\r\n100003\r\n"},
    {"OBJECT ENCODING {t}c", "$6\r\nembstr\r\n"},
    {"SET {t}a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "+OK\r\n"},
    {"OBJECT ENCODING {t}a", "$6\r\nembstr\r\n"},
    {"SET {t}a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "+OK\r\n"},
    {"OBJECT ENCODING {t}a", "$3\r\nraw\r\n"},
    {"SETRANGE {t}d 0 12", ":2\r\n"},
    {"OBJECT ENCODING {t}d", "$3\r\nraw\r\n"},
    {"APPEND {t}e 12", ":2\r\n"},
    {"OBJECT ENCODING {t}e", "$3\r\nint\r\n"},
    {"GETSET {t}d 12", "$2\r\n12\r\n"},
    {"OBJECT ENCODING {t}d", "$3\r\nint\r\n"},
    {"SADD {t}s 1", ":1\r\n"},
    {"OBJECT REFCOUNT {t}s", ":1\r\n"},
    {"OBJECT FREQ {t}s", "-ERR An LFU maxmemory policy is not selected, access frequency not "
                         "tracked. Please note that when switching between policies at runtime LRU "
                         "and LFU data will take some time to adjust.\r\n"},
    {"OBJECT IDLETIME {t}s", ":0\r\n"},
    {"OBJECT ENCODING {t}none", "$-1\r\n"},
    {"OBJECT REFCOUNT {t}none", "$-1\r\n"},
    {"OBJECT FREQ {t}none", "$-1\r\n"},
    {"OBJECT IDLETIME {t}none", "$-1\r\n"},
    {"OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command\r\n"},
    {"OBJECT FOO {t}s", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.\r\n"},
    {"OBJECT HELP {t}s", "-ERR wrong number of arguments for 'object|help' command\r\n"},
    {"MOVE {t}s x", "-ERR MOVE is not allowed in cluster mode\r\n"},
    {"SWAPDB 0 1", "-ERR SWAPDB is not allowed in cluster mode\r\n"},
    {"RENAME {t}s {t}a", "+OK\r\n"},
    {"SMEMBERS {t}a", "*1\r\n$1\r\n1\r\n"},
    {"EXISTS {t}s", ":0\r\n"},
    {"COPY {t}a {t}e REPLACE", ":1\r\n"},
    {"SMEMBERS {t}e", "*1\r\n$1\r\n1\r\n"},
};

static void objects_tell_what_they_are(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, object_rows, COUNT_OF(object_rows));
    driver_stop(&d);
}

static void idle_time_counts_from_the_last_use(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "SET k v", "+OK\r\n");
    driver_wait_ms(&d, 3500);
    driver_expect(&d, 0, "OBJECT IDLETIME k", ":3\r\n");
    driver_expect(&d, 0, "EXISTS k", ":1\r\n");
    driver_expect(&d, 0, "TTL k", ":-1\r\n");
    driver_expect(&d, 0, "OBJECT IDLETIME k", ":3\r\n");
    driver_expect(&d, 0, "TOUCH k", ":1\r\n");
    driver_expect(&d, 0, "OBJECT IDLETIME k", ":0\r\n");
    driver_expect(&d, 0, "SADD s 1", ":1\r\n");
    driver_expect(&d, 0, "OBJECT IDLETIME s", ":0\r\n");
    driver_expect(
        &d, 0,
        "RESTORE r 0 \"\\x00\\xc0\\x01\\n\\x00&x\\xe7\\xb6\\xd1\\x01\\x11\\xfc\" IDLETIME 100",
        "+OK\r\n");
    driver_expect(&d, 0, "OBJECT IDLETIME r", ":100\r\n");
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_tell_what_they_are),
        cmocka_unit_test(idle_time_counts_from_the_last_use),
    };
    return cmocka_run_group_tests_name("node_object", tests, NULL, NULL);
}
