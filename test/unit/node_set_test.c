#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* The replies in these tables are those of a redis-server 7.0.15. */

#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

static const driver_row member_rows[] = {
    {"SADD {t}s 3 1 2 1", ":3\r\n"},
    {"SADD {t}s 1", ":0\r\n"},
    {"SMEMBERS {t}s", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"},
    {"OBJECT ENCODING {t}s", "$6\r\nintset\r\n"},
    {"SCARD {t}s", ":3\r\n"},
    {"SISMEMBER {t}s 2", ":1\r\n"},
    {"SISMEMBER {t}s 02", ":0\r\n"},
    {"SISMEMBER {t}none 2", ":0\r\n"},
    {"SMISMEMBER {t}s 1 x 3", "*3\r\n:1\r\n:0\r\n:1\r\n"},
    {"SMISMEMBER {t}none 1 x", "*2\r\n:0\r\n:0\r\n"},
    {"SREM {t}s 1 x 3", ":2\r\n"},
    {"SADD {t}s x", ":1\r\n"},
    {"OBJECT ENCODING {t}s", "$9\r\nhashtable\r\n"},
    {"SREM {t}s 2 x", ":2\r\n"},
    {"EXISTS {t}s", ":0\r\n"},
    {"SREM {t}s x", ":0\r\n"},
    {"SMEMBERS {t}s", "*0\r\n"},
    {"SCARD {t}s", ":0\r\n"},
};

static const driver_row move_rows[] = {
    {"SET {t}str v", "+OK\r\n"},     {"SMOVE {t}none {t}str 1", ":0\r\n"},
    {"SADD {t}a 1 2", ":2\r\n"},     {"SMOVE {t}a {t}str 1", WRONGTYPE},
    {"SMOVE {t}a {t}b 3", ":0\r\n"}, {"EXISTS {t}b", ":0\r\n"},
    {"SMOVE {t}a {t}a 3", ":0\r\n"}, {"SMOVE {t}a {t}a 1", ":1\r\n"},
    {"SMOVE {t}a {t}b 1", ":1\r\n"}, {"SMOVE {t}a {t}b 2", ":1\r\n"},
    {"EXISTS {t}a", ":0\r\n"},       {"SMEMBERS {t}b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
};

static const driver_row random_rows[] = {
    {"SPOP {t}none", "$-1\r\n"},
    {"SPOP {t}none 1", "*0\r\n"},
    {"SRANDMEMBER {t}none", "$-1\r\n"},
    {"SRANDMEMBER {t}none 5", "*0\r\n"},
    {"SADD {t}s 7", ":1\r\n"},
    {"SRANDMEMBER {t}s", "$1\r\n7\r\n"},
    {"SRANDMEMBER {t}s 0", "*0\r\n"},
    {"SRANDMEMBER {t}s 5", "*1\r\n$1\r\n7\r\n"},
    {"SRANDMEMBER {t}s -3", "*3\r\n$1\r\n7\r\n$1\r\n7\r\n$1\r\n7\r\n"},
    {"SRANDMEMBER {t}s a", "-ERR value is not an integer or out of range\r\n"},
    {"SRANDMEMBER {t}s 1 2", "-ERR syntax error\r\n"},
    {"SRANDMEMBER {t}s -9223372036854775808",
     "-ERR value is out of range, value must between -9223372036854775807 and "
     "9223372036854775807\r\n"},
    {"SPOP {t}s -1", "-ERR value is out of range, must be positive\r\n"},
    {"SPOP {t}s a", "-ERR value is out of range, must be positive\r\n"},
    {"SPOP {t}s 1 2", "-ERR syntax error\r\n"},
    {"SPOP {t}s 0", "*0\r\n"},
    {"SPOP {t}s 9", "*1\r\n$1\r\n7\r\n"},
    {"EXISTS {t}s", ":0\r\n"},
    {"SADD {t}s 7", ":1\r\n"},
    {"SPOP {t}s", "$1\r\n7\r\n"},
    {"EXISTS {t}s", ":0\r\n"},
};

static const driver_row algebra_rows[] = {
    {"SADD {t}a 1 2 3 4", ":4\r\n"},
    {"SADD {t}b 3 4 5", ":3\r\n"},
    {"SADD {t}c 4 x", ":2\r\n"},
    {"SET {t}str v", "+OK\r\n"},
    {"SINTER {t}a {t}b", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"},
    {"SINTER {t}a {t}b {t}c", "*1\r\n$1\r\n4\r\n"},
    {"SINTER {t}a {t}none", "*0\r\n"},
    {"SINTER {t}none {t}str", WRONGTYPE},
    {"SUNION {t}b {t}a {t}none", "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"},
    {"SUNION {t}none {t}str", WRONGTYPE},
    {"SDIFF {t}a {t}b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
    {"SDIFF {t}a {t}a", "*0\r\n"},
    {"SDIFF {t}none {t}a", "*0\r\n"},
    {"SDIFF {t}a {t}str", WRONGTYPE},
    {"SINTERSTORE {t}d {t}a {t}b", ":2\r\n"},
    {"SMEMBERS {t}d", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"},
    {"EXPIRE {t}d 100", ":1\r\n"},
    {"SUNIONSTORE {t}d {t}d {t}b", ":3\r\n"},
    {"TTL {t}d", ":-1\r\n"},
    {"SDIFFSTORE {t}d {t}d {t}b", ":0\r\n"},
    {"EXISTS {t}d", ":0\r\n"},
    {"SDIFFSTORE {t}str {t}a {t}b", ":2\r\n"},
    {"TYPE {t}str", "+set\r\n"},
    {"SINTERSTORE {t}str {t}a {t}none", ":0\r\n"},
    {"EXISTS {t}str", ":0\r\n"},
    {"SINTERCARD 2 {t}a {t}b", ":2\r\n"},
    {"SINTERCARD 2 {t}a {t}b LIMIT 1", ":1\r\n"},
    {"SINTERCARD 2 {t}a {t}b LIMIT 0", ":2\r\n"},
    {"SINTERCARD 2 {t}a {t}none", ":0\r\n"},
    {"SINTERCARD 2 {t}a {t}b LIMIT -1", "-ERR LIMIT can't be negative\r\n"},
    {"SINTERCARD 2 {t}a {t}b LIMIT", "-ERR syntax error\r\n"},
    {"SINTERCARD 2 {t}a {t}b FOO 1", "-ERR syntax error\r\n"},
    {"SINTERCARD 0 {t}a", "-ERR numkeys should be greater than 0\r\n"},
    {"SINTERCARD a {t}a", "-ERR numkeys should be greater than 0\r\n"},
    {"SINTERCARD 2 {t}a", "-ERR Number of keys can't be greater than number of args\r\n"},
};

/* What SDIFFSTORE stores is a hashtable where the servers remove members rather than look them up:
 * when the first set is large beside the others. */
static const driver_row difference_rows[] = {
    {"SADD {t}a 1 2 3 4 5 6 7 x", ":8\r\n"},
    {"SADD {t}b x", ":1\r\n"},
    {"SADD {t}c y", ":1\r\n"},
    {"SDIFFSTORE {t}d {t}a {t}b", ":7\r\n"},
    {"OBJECT ENCODING {t}d", "$6\r\nintset\r\n"},
    {"SDIFFSTORE {t}d {t}a {t}b {t}c", ":7\r\n"},
    {"OBJECT ENCODING {t}d", "$9\r\nhashtable\r\n"},
};

static const driver_row wrong_rows[] = {
    {"SET {t}s v", "+OK\r\n"},         {"SADD {t}s a", WRONGTYPE},
    {"SREM {t}s a", WRONGTYPE},        {"SISMEMBER {t}s a", WRONGTYPE},
    {"SMISMEMBER {t}s a", WRONGTYPE},  {"SCARD {t}s", WRONGTYPE},
    {"SMEMBERS {t}s", WRONGTYPE},      {"SPOP {t}s", WRONGTYPE},
    {"SPOP {t}s 1", WRONGTYPE},        {"SRANDMEMBER {t}s", WRONGTYPE},
    {"SRANDMEMBER {t}s 1", WRONGTYPE}, {"SSCAN {t}s 0", WRONGTYPE},
    {"SMOVE {t}s {t}d a", WRONGTYPE},  {"SINTERCARD 1 {t}s", WRONGTYPE},
};

static const driver_row resp3_rows[] = {
    {"SADD {t}s 1", ":1\r\n"},
    {"SMEMBERS {t}s", "~1\r\n$1\r\n1\r\n"},
    {"SMEMBERS {t}none", "~0\r\n"},
    {"SUNION {t}s", "~1\r\n$1\r\n1\r\n"},
    {"SDIFF {t}none", "~0\r\n"},
    {"SINTER {t}none", "~0\r\n"},
    {"SMISMEMBER {t}s 1", "*1\r\n:1\r\n"},
    {"SRANDMEMBER {t}s 1", "*1\r\n$1\r\n1\r\n"},
    {"SPOP {t}none 1", "~0\r\n"},
    {"SPOP {t}s 1", "~1\r\n$1\r\n1\r\n"},
    {"SPOP {t}s", "_\r\n"},
};

static const driver_row scan_rows[] = {
    {"SADD {t}s 1 12 2", ":3\r\n"},
    {"SSCAN {t}s 0 COUNT 1", "*2\r\n$1\r\n0\r\n*3\r\n$1\r\n1\r\n$1\r\n2\r\n$2\r\n12\r\n"},
    {"SSCAN {t}s 0 MATCH 1*", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\n1\r\n$2\r\n12\r\n"},
    {"SSCAN {t}none 0 FOO", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"SSCAN {t}s 0 FOO", "-ERR syntax error\r\n"},
    {"SSCAN {t}s x", "-ERR invalid cursor\r\n"},
};

static void expect_table(const driver_row *rows, size_t count) {
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, count);
    driver_stop(&d);
}

static void members_are_added_and_removed(void **state) {
    (void)state;
    expect_table(member_rows, COUNT_OF(member_rows));
}

static void members_move(void **state) {
    (void)state;
    expect_table(move_rows, COUNT_OF(move_rows));
}

static void random_members_are_given(void **state) {
    (void)state;
    expect_table(random_rows, COUNT_OF(random_rows));
}

static void sets_are_intersected_united_and_subtracted(void **state) {
    (void)state;
    expect_table(algebra_rows, COUNT_OF(algebra_rows));
    expect_table(difference_rows, COUNT_OF(difference_rows));
}

static void other_types_are_refused(void **state) {
    (void)state;
    expect_table(wrong_rows, COUNT_OF(wrong_rows));
}

static void scans_take_options(void **state) {
    (void)state;
    expect_table(scan_rows, COUNT_OF(scan_rows));
}

static void resp3_has_types_of_its_own(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    assert_non_null(strstr(driver_ask(&d, 0, "HELLO 3"), "redis"));
    driver_expect_rows(&d, 0, resp3_rows, COUNT_OF(resp3_rows));
    driver_stop(&d);
}

/* Numbers that a reply of bulk strings holds, as bits. */
static unsigned members_in(const char *reply) {
    unsigned bits = 0;
    for (const char *at = strstr(reply, "m:"); at; at = strstr(at + 1, "m:")) {
        unsigned number = 32;
        assert_int_equal(sscanf(at, "m:%u", &number), 1);
        assert_true(number < 32);
        bits |= 1u << number;
    }
    return bits;
}

static void what_is_popped_at_random_is_gone_on_the_replica_too(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 1);
    driver_expect(&d, 1, "READONLY", "+OK\r\n");
    for (int i = 0; i < 16; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "SADD s m:%d", i);
        driver_expect(&d, 0, line, ":1\r\n");
    }
    unsigned popped = members_in(driver_ask(&d, 0, "SPOP s"));
    popped |= members_in(driver_ask(&d, 0, "SPOP s 5"));
    assert_int_equal(__builtin_popcount(popped), 6);
    unsigned left = members_in(driver_ask(&d, 0, "SMEMBERS s"));
    assert_int_equal(left | popped, 0xffff);
    assert_int_equal(left & popped, 0);
    assert_int_equal(members_in(driver_ask(&d, 1, "SMEMBERS s")), left);
    assert_int_equal(members_in(driver_ask(&d, 0, "SPOP s 100")), left);
    driver_expect(&d, 1, "EXISTS s", ":0\r\n");
    driver_stop(&d);
}

static void distinct_members_are_distinct(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    for (int i = 0; i < 32; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "SADD s m:%d", i);
        driver_expect(&d, 0, line, ":1\r\n");
    }
    unsigned seen = 0;
    for (int i = 0; i < 100; i++) {
        unsigned few = members_in(driver_ask(&d, 0, "SRANDMEMBER s 5"));
        unsigned most = members_in(driver_ask(&d, 0, "SRANDMEMBER s 30"));
        assert_int_equal(__builtin_popcount(few), 5);
        assert_int_equal(__builtin_popcount(most), 30);
        seen |= few;
    }
    assert_int_equal(seen, 0xffffffffu);
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_added_and_removed),
        cmocka_unit_test(members_move),
        cmocka_unit_test(random_members_are_given),
        cmocka_unit_test(sets_are_intersected_united_and_subtracted),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(scans_take_options),
        cmocka_unit_test(resp3_has_types_of_its_own),
        cmocka_unit_test(what_is_popped_at_random_is_gone_on_the_replica_too),
        cmocka_unit_test(distinct_members_are_distinct),
    };
    return cmocka_run_group_tests_name("node_set", tests, NULL, NULL);
}
