#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* The replies in these tables are those of a redis-server 7.0.15. */

#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define X65 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const driver_row field_rows[] = {
    {"HSET {t}h a", "-ERR wrong number of arguments for 'hset' command\r\n"},
    {"HSET {t}h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n"},
    {"HMSET {t}h a 1 b", "-ERR wrong number of arguments for 'hmset' command\r\n"},
    {"HSET {t}h a 1 b 2 a 3", ":2\r\n"},
    {"HSET {t}h a 3 c \"\"", ":1\r\n"},
    {"HMSET {t}h d 4", "+OK\r\n"},
    {"HSETNX {t}h d 5", ":0\r\n"},
    {"HSETNX {t}h e 5", ":1\r\n"},
    {"HGET {t}h a", "$1\r\n3\r\n"},
    {"HGET {t}h none", "$-1\r\n"},
    {"HGET {t}none a", "$-1\r\n"},
    {"HMGET {t}h a none c", "*3\r\n$1\r\n3\r\n$-1\r\n$0\r\n\r\n"},
    {"HMGET {t}none a b", "*2\r\n$-1\r\n$-1\r\n"},
    {"HKEYS {t}h", "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"},
    {"HVALS {t}h", "*5\r\n$1\r\n3\r\n$1\r\n2\r\n$0\r\n\r\n$1\r\n4\r\n$1\r\n5\r\n"},
    {"HLEN {t}h", ":5\r\n"},
    {"HSTRLEN {t}h a", ":1\r\n"},
    {"HSTRLEN {t}h none", ":0\r\n"},
    {"HEXISTS {t}h c", ":1\r\n"},
    {"HEXISTS {t}h none", ":0\r\n"},
    {"HDEL {t}h a none a c e", ":3\r\n"},
    {"HGETALL {t}h", "*4\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nd\r\n$1\r\n4\r\n"},
    {"OBJECT ENCODING {t}h", "$8\r\nlistpack\r\n"},
    {"HSET {t}h " X65 " 1", ":1\r\n"},
    {"OBJECT ENCODING {t}h", "$9\r\nhashtable\r\n"},
    {"HDEL {t}h b d " X65, ":3\r\n"},
    {"EXISTS {t}h", ":0\r\n"},
    {"HGETALL {t}h", "*0\r\n"},
    {"HLEN {t}h", ":0\r\n"},
    {"HDEL {t}h a", ":0\r\n"},
};

static const driver_row counting_rows[] = {
    {"HINCRBY {t}h n 5", ":5\r\n"},
    {"HINCRBY {t}h n -7", ":-2\r\n"},
    {"HINCRBY {t}h n a", "-ERR value is not an integer or out of range\r\n"},
    {"HINCRBY {t}none n a", "-ERR value is not an integer or out of range\r\n"},
    {"EXISTS {t}none", ":0\r\n"},
    {"HSET {t}h n 9223372036854775807 s abc", ":1\r\n"},
    {"HINCRBY {t}h n 1", "-ERR increment or decrement would overflow\r\n"},
    {"HINCRBY {t}h s 1", "-ERR hash value is not an integer\r\n"},
    {"HINCRBYFLOAT {t}h s 1", "-ERR hash value is not a float\r\n"},
    {"HINCRBYFLOAT {t}h f 3.0e3", "$4\r\n3000\r\n"},
    {"HINCRBYFLOAT {t}h f 0.1", "$22\r\n3000.10000000000000009\r\n"},
    {"HINCRBYFLOAT {t}h f a", "-ERR value is not a valid float\r\n"},
    {"HINCRBYFLOAT {t}h f inf", "-ERR value is NaN or Infinity\r\n"},
    {"HSET {t}h i inf", ":1\r\n"},
    {"HINCRBYFLOAT {t}h i 1", "-ERR increment would produce NaN or Infinity\r\n"},
};

static const driver_row wrong_rows[] = {
    {"SET {t}s v", "+OK\r\n"},       {"HSET {t}s a 1", WRONGTYPE},
    {"HSETNX {t}s a 1", WRONGTYPE},  {"HGET {t}s a", WRONGTYPE},
    {"HMGET {t}s a", WRONGTYPE},     {"HGETALL {t}s", WRONGTYPE},
    {"HDEL {t}s a", WRONGTYPE},      {"HLEN {t}s", WRONGTYPE},
    {"HSTRLEN {t}s a", WRONGTYPE},   {"HEXISTS {t}s a", WRONGTYPE},
    {"HINCRBY {t}s a 1", WRONGTYPE}, {"HINCRBYFLOAT {t}s a 1", WRONGTYPE},
    {"HRANDFIELD {t}s", WRONGTYPE},  {"HRANDFIELD {t}s 2", WRONGTYPE},
    {"HSCAN {t}s 0", WRONGTYPE},     {"HSET {t}h a 1", ":1\r\n"},
    {"GET {t}h", WRONGTYPE},         {"SET {t}h v", "+OK\r\n"},
    {"TYPE {t}h", "+string\r\n"},
};

static const driver_row random_rows[] = {
    {"HRANDFIELD {t}none", "$-1\r\n"},
    {"HRANDFIELD {t}none 3", "*0\r\n"},
    {"HSET {t}h a 1", ":1\r\n"},
    {"HRANDFIELD {t}h", "$1\r\na\r\n"},
    {"HRANDFIELD {t}h 0", "*0\r\n"},
    {"HRANDFIELD {t}h 3", "*1\r\n$1\r\na\r\n"},
    {"HRANDFIELD {t}h 3 WITHVALUES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
    {"HRANDFIELD {t}h -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n"},
    {"HRANDFIELD {t}h -1 withvalues", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
    {"HRANDFIELD {t}h 3 FOO", "-ERR syntax error\r\n"},
    {"HRANDFIELD {t}h 3 WITHVALUES FOO", "-ERR syntax error\r\n"},
    {"HRANDFIELD {t}h a FOO", "-ERR value is not an integer or out of range\r\n"},
    {"HRANDFIELD {t}h -9223372036854775808",
     "-ERR value is out of range, value must between -9223372036854775807 and "
     "9223372036854775807\r\n"},
    {"HRANDFIELD {t}h 9223372036854775807 WITHVALUES", "-ERR value is out of range\r\n"},
};

static const driver_row scan_rows[] = {
    {"HSCAN {t}none 0 FOO", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"HSCAN {t}none a", "-ERR invalid cursor\r\n"},
    {"HSET {t}h a 1 b 2", ":2\r\n"},
    {"HSCAN {t}h 0", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"HSCAN {t}h 0 MATCH b COUNT 1", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"HSCAN {t}h 0 MATCH c", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"HSCAN {t}h 0 COUNT 0", "-ERR syntax error\r\n"},
    {"HSCAN {t}h 0 COUNT a", "-ERR value is not an integer or out of range\r\n"},
    {"HSCAN {t}h 0 TYPE hash", "-ERR syntax error\r\n"},
    {"HSCAN {t}h 0 MATCH", "-ERR syntax error\r\n"},
};

static const driver_row resp3_rows[] = {
    {"HSET {t}h a 1", ":1\r\n"},
    {"HGETALL {t}h", "%1\r\n$1\r\na\r\n$1\r\n1\r\n"},
    {"HGETALL {t}none", "%0\r\n"},
    {"HKEYS {t}h", "*1\r\n$1\r\na\r\n"},
    {"HGET {t}none a", "_\r\n"},
    {"HRANDFIELD {t}none", "_\r\n"},
    {"HRANDFIELD {t}h 1", "*1\r\n$1\r\na\r\n"},
    {"HRANDFIELD {t}h 1 WITHVALUES", "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
    {"HSCAN {t}h 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
};

static void expect_table(const driver_row *rows, size_t count) {
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, count);
    driver_stop(&d);
}

static void fields_are_set_read_and_removed(void **state) {
    (void)state;
    expect_table(field_rows, COUNT_OF(field_rows));
}

static void fields_count(void **state) {
    (void)state;
    expect_table(counting_rows, COUNT_OF(counting_rows));
}

static void other_types_are_refused(void **state) {
    (void)state;
    expect_table(wrong_rows, COUNT_OF(wrong_rows));
}

static void random_fields_are_given(void **state) {
    (void)state;
    expect_table(random_rows, COUNT_OF(random_rows));
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

static void a_large_hash_is_scanned_in_steps(void **state) {
    (void)state;
    enum { FIELDS = 500 };
    node_driver d;
    driver_start(&d, 1, 0);
    char line[64];
    for (int i = 0; i < FIELDS; i++) {
        (void)snprintf(line, sizeof line, "HSET h field:%d x", i);
        driver_expect(&d, 0, line, ":1\r\n");
    }
    bool seen[FIELDS] = {false};
    int found = 0;
    int steps = 0;
    unsigned cursor = 0;
    do {
        (void)snprintf(line, sizeof line, "HSCAN h %u COUNT 20", cursor);
        const char *at = driver_ask(&d, 0, line);
        assert_int_equal(sscanf(at, "*2\r\n$%*d\r\n%u\r\n", &cursor), 1);
        int number;
        while ((at = strstr(at, "field:")) && sscanf(at, "field:%d", &number) == 1) {
            assert_in_range(number, 0, FIELDS - 1);
            found += !seen[number];
            seen[number] = true;
            at++;
        }
        assert_true(++steps <= FIELDS / 20);
    } while (cursor != 0);
    assert_int_equal(found, FIELDS);
    driver_stop(&d);
}

static void replicas_hold_what_the_primary_holds(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 1);
    driver_expect(&d, 0, "HSET h a 1 b 2", ":2\r\n");
    driver_expect(&d, 0, "HINCRBYFLOAT h a 0.5", "$3\r\n1.5\r\n");
    driver_expect(&d, 0, "HDEL h b", ":1\r\n");
    driver_expect(&d, 1, "READONLY", "+OK\r\n");
    driver_expect(&d, 1, "HGETALL h", "*2\r\n$1\r\na\r\n$3\r\n1.5\r\n");
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_set_read_and_removed),
        cmocka_unit_test(fields_count),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(random_fields_are_given),
        cmocka_unit_test(scans_take_options),
        cmocka_unit_test(resp3_has_types_of_its_own),
        cmocka_unit_test(a_large_hash_is_scanned_in_steps),
        cmocka_unit_test(replicas_hold_what_the_primary_holds),
    };
    return cmocka_run_group_tests_name("node_hash", tests, NULL, NULL);
}
