#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

#include <stdlib.h>

/* The replies in these tables are those of a redis-server 7.0.15. */

static const driver_row strings_rows[] = {
    {"GET {t}k", "$-1\r\n"},
    {"SET {t}k", "-ERR wrong number of arguments for 'set' command\r\n"},
    {"SET {t}k v", "+OK\r\n"},
    {"GET {t}k", "$1\r\nv\r\n"},
    {"SET {t}k v2 NX", "$-1\r\n"},
    {"SET {t}k v2 XX", "+OK\r\n"},
    {"SET {t}k v3 GET", "$2\r\nv2\r\n"},
    {"SET {t}k v3 NX GET", "$2\r\nv3\r\n"},
    {"SET {t}q v3 XX GET", "$-1\r\n"},
    {"SET {t}q v3 NX GET", "$-1\r\n"},
    {"SET {t}k v NX XX", "-ERR syntax error\r\n"},
    {"SET {t}k v XX NX", "-ERR syntax error\r\n"},
    {"SET {t}k v foo", "-ERR syntax error\r\n"},
    {"SET {t}k v EX", "-ERR syntax error\r\n"},
    {"SET {t}k v EX a", "-ERR value is not an integer or out of range\r\n"},
    {"SET {t}k v EX 0", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET {t}k v EX -1", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET {t}k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET {t}k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET {t}k v PXAT 9223372036854775807", "+OK\r\n"},
    {"SET {t}k v EX 9223372036854775", "-ERR invalid expire time in 'set' command\r\n"},
    {"SET {t}k v EX 10 PX 10", "-ERR syntax error\r\n"},
    {"SET {t}k v EX 10 KEEPTTL", "-ERR syntax error\r\n"},
    {"SET {t}k v KEEPTTL EX 10", "-ERR syntax error\r\n"},
    {"SET {t}k v EX 100", "+OK\r\n"},
    {"TTL {t}k", ":100\r\n"},
    {"SET {t}k v KEEPTTL", "+OK\r\n"},
    {"TTL {t}k", ":100\r\n"},
    {"SET {t}k v", "+OK\r\n"},
    {"TTL {t}k", ":-1\r\n"},
    {"SET {t}k v EXAT 1", "+OK\r\n"},
    {"GET {t}k", "$-1\r\n"},
    {"EXISTS {t}k", ":0\r\n"},
    {"SET {t}k v EXAT 33177117420", "+OK\r\n"},
    {"EXPIRETIME {t}k", ":33177117420\r\n"},
    {"PEXPIRETIME {t}k", ":33177117420000\r\n"},
    {"EXPIRETIME {t}nokey", ":-2\r\n"},
    {"PERSIST {t}k", ":1\r\n"},
    {"PERSIST {t}k", ":0\r\n"},
    {"PERSIST {t}none", ":0\r\n"},
    {"SETNX {t}k v", ":0\r\n"},
    {"SETNX {t}k2 v", ":1\r\n"},
    {"SETEX {t}k 0 v", "-ERR invalid expire time in 'setex' command\r\n"},
    {"SETEX {t}k a v", "-ERR value is not an integer or out of range\r\n"},
    {"SETEX {t}k 10 v", "+OK\r\n"},
    {"SETEX {t}k 10", "-ERR wrong number of arguments for 'setex' command\r\n"},
    {"PSETEX {t}k -10 v", "-ERR invalid expire time in 'psetex' command\r\n"},
    {"PSETEX {t}k 100000 v", "+OK\r\n"},
    {"TTL {t}k", ":100\r\n"},
    {"GETSET {t}k w", "$1\r\nv\r\n"},
    {"GETSET {t}new w", "$-1\r\n"},
    {"GETDEL {t}new", "$1\r\nw\r\n"},
    {"GETDEL {t}new", "$-1\r\n"},
    {"TTL {t}k", ":-1\r\n"},
    {"GETEX {t}k", "$1\r\nw\r\n"},
    {"GETEX {t}k EX 100", "$1\r\nw\r\n"},
    {"TTL {t}k", ":100\r\n"},
    {"GETEX {t}k PERSIST", "$1\r\nw\r\n"},
    {"TTL {t}k", ":-1\r\n"},
    {"GETEX {t}k PERSIST EX 10", "-ERR syntax error\r\n"},
    {"GETEX {t}k EX 0", "-ERR invalid expire time in 'getex' command\r\n"},
    {"GETEX {t}none EX 0", "$-1\r\n"},
    {"GETEX {t}none EX", "-ERR syntax error\r\n"},
    {"GETEX {t}k EX a", "-ERR value is not an integer or out of range\r\n"},
    {"GETEX {t}none EX a", "$-1\r\n"},
    {"GETEX {t}k KEEPTTL", "-ERR syntax error\r\n"},
    {"GETEX {t}k EXAT 1", "$1\r\nw\r\n"},
    {"GET {t}k", "$-1\r\n"},
    {"MSET {t}a 1 {t}b 2", "+OK\r\n"},
    {"MSET {t}a 1 {t}b", "-ERR wrong number of arguments for 'mset' command\r\n"},
    {"MSET", "-ERR wrong number of arguments for 'mset' command\r\n"},
    {"MGET {t}a {t}b {t}none", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n"},
    {"MSETNX {t}a 1 {t}z 2", ":0\r\n"},
    {"MSETNX {t}y 1 {t}z 2", ":1\r\n"},
    {"MSETNX {t}y 1 {t}z", "-ERR wrong number of arguments for 'msetnx' command\r\n"},
    {"APPEND {t}s hello", ":5\r\n"},
    {"APPEND {t}s \" world\"", ":11\r\n"},
    {"STRLEN {t}s", ":11\r\n"},
    {"STRLEN {t}none", ":0\r\n"},
    {"GETRANGE {t}s 0 4", "$5\r\nhello\r\n"},
    {"GETRANGE {t}s -5 -1", "$5\r\nworld\r\n"},
    {"GETRANGE {t}s 5 2", "$0\r\n\r\n"},
    {"GETRANGE {t}s -1 -5", "$0\r\n\r\n"},
    {"GETRANGE {t}s 0 100", "$11\r\nhello world\r\n"},
    {"GETRANGE {t}s 100 200", "$0\r\n\r\n"},
    {"GETRANGE {t}s -100 200", "$11\r\nhello world\r\n"},
    {"GETRANGE {t}s -100 -200", "$0\r\n\r\n"},
    {"GETRANGE {t}none 0 1", "$0\r\n\r\n"},
    {"GETRANGE {t}s a 1", "-ERR value is not an integer or out of range\r\n"},
    {"GETRANGE {t}none a 1", "-ERR value is not an integer or out of range\r\n"},
    {"SUBSTR {t}s 0 3", "$4\r\nhell\r\n"},
    {"SUBSTR {t}s 0", "-ERR wrong number of arguments for 'substr' command\r\n"},
    {"SETRANGE {t}s 6 WORLD", ":11\r\n"},
    {"GET {t}s", "$11\r\nhello WORLD\r\n"},
    {"SETRANGE {t}s 20 x", ":21\r\n"},
    {"GET {t}s", "$21\r\nhello WORLD\000\000\000\000\000\000\000\000\000x\r\n"},
    {"SETRANGE {t}s -1 x", "-ERR offset is out of range\r\n"},
    {"SETRANGE {t}s a x", "-ERR value is not an integer or out of range\r\n"},
    {"SETRANGE {t}none 5 \"\"", ":0\r\n"},
    {"EXISTS {t}none", ":0\r\n"},
    {"SETRANGE {t}s 3 \"\"", ":21\r\n"},
    {"SETRANGE {t}sr 3 \"ab\"", ":5\r\n"},
    {"GET {t}sr", "$5\r\n\000\000\000ab\r\n"},
    {"SETRANGE {t}s 536870911 xx",
     "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
    {"SETRANGE {t}s 9223372036854775807 xx",
     "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
};

static const driver_row counting_rows[] = {
    {"INCR {t}n", ":1\r\n"},
    {"INCR {t}n", ":2\r\n"},
    {"INCRBY {t}n 10", ":12\r\n"},
    {"INCRBY {t}n a", "-ERR value is not an integer or out of range\r\n"},
    {"INCRBY {t}n -100", ":-88\r\n"},
    {"INCRBY {t}n 9223372036854775808", "-ERR value is not an integer or out of range\r\n"},
    {"DECR {t}n", ":-89\r\n"},
    {"DECRBY {t}n 5", ":-94\r\n"},
    {"DECRBY {t}n -9223372036854775808", "-ERR decrement would overflow\r\n"},
    {"SET {t}n 9223372036854775807", "+OK\r\n"},
    {"INCR {t}n", "-ERR increment or decrement would overflow\r\n"},
    {"SET {t}n -9223372036854775808", "+OK\r\n"},
    {"DECR {t}n", "-ERR increment or decrement would overflow\r\n"},
    {"INCR {t}n", ":-9223372036854775807\r\n"},
    {"SET {t}n \" 1\"", "+OK\r\n"},
    {"INCR {t}n", "-ERR value is not an integer or out of range\r\n"},
    {"SET {t}n 01", "+OK\r\n"},
    {"INCR {t}n", "-ERR value is not an integer or out of range\r\n"},
    {"SET {t}n -0", "+OK\r\n"},
    {"INCR {t}n", "-ERR value is not an integer or out of range\r\n"},
    {"SET {t}n \"\"", "+OK\r\n"},
    {"INCR {t}n", "-ERR value is not an integer or out of range\r\n"},
    {"SET {t}n 1.5", "+OK\r\n"},
    {"INCR {t}n", "-ERR value is not an integer or out of range\r\n"},
    {"INCRBYFLOAT {t}n 0.1", "$3\r\n1.6\r\n"},
    {"INCRBYFLOAT {t}n 1e3", "$22\r\n1001.59999999999999998\r\n"},
    {"INCRBYFLOAT {t}n -1001.6", "$1\r\n0\r\n"},
    {"INCRBYFLOAT {t}n a", "-ERR value is not a valid float\r\n"},
    {"INCRBYFLOAT {t}n inf", "-ERR increment would produce NaN or Infinity\r\n"},
    {"INCRBYFLOAT {t}n nan", "-ERR value is not a valid float\r\n"},
    {"INCRBYFLOAT {t}n \" 1\"", "-ERR value is not a valid float\r\n"},
    {"INCRBYFLOAT {t}n \"1 \"", "-ERR value is not a valid float\r\n"},
    {"INCRBYFLOAT {t}f 3.0e3", "$4\r\n3000\r\n"},
    {"INCRBYFLOAT {t}f 5.0e-5", "$22\r\n3000.00005000000000011\r\n"},
    {"INCRBYFLOAT {t}f 1e300",
     "$301\r\n1000000000000000000008997324079559193870523944273290747938260082321265646596180935755"
     "849152083750497190350372508614274835903592556184672983913096260520748646287327135641843653294"
     "084255107606016789726652932370030551382947620994540294772781889620606179267611627097410650567"
     "187386105690089424915104006144\r\n"},
    {"SET {t}f abc", "+OK\r\n"},
    {"INCRBYFLOAT {t}f 1", "-ERR value is not a valid float\r\n"},
    {"INCRBYFLOAT {t}f a", "-ERR value is not a valid float\r\n"},
    {"SET {t}f 0x10", "+OK\r\n"},
    {"INCRBYFLOAT {t}f 1", "$2\r\n17\r\n"},
};

static const driver_row expiry_rows[] = {
    {"EXPIRE {t}s 100", ":1\r\n"},
    {"TTL {t}s", ":100\r\n"},
    {"EXPIRE {t}s 100 NX", ":0\r\n"},
    {"EXPIRE {t}s 100 XX", ":1\r\n"},
    {"EXPIRE {t}s 10 GT", ":0\r\n"},
    {"EXPIRE {t}s 1000 GT", ":1\r\n"},
    {"EXPIRE {t}s 10000 LT", ":0\r\n"},
    {"EXPIRE {t}s 10 LT", ":1\r\n"},
    {"EXPIRE {t}s 10 NX XX",
     "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
    {"EXPIRE {t}s 10 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"},
    {"EXPIRE {t}s 10 NX GT",
     "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
    {"EXPIRE {t}s 10 FOO", "-ERR Unsupported option FOO\r\n"},
    {"EXPIRE {t}s a FOO", "-ERR Unsupported option FOO\r\n"},
    {"EXPIRE {t}s a", "-ERR value is not an integer or out of range\r\n"},
    {"EXPIRE {t}s 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"},
    {"EXPIRE {t}s -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n"},
    {"PEXPIRE {t}s 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n"},
    {"PEXPIREAT {t}s 9223372036854775807", ":1\r\n"},
    {"PERSIST {t}s", ":1\r\n"},
    {"EXPIRE {t}s 10 GT", ":0\r\n"},
    {"EXPIRE {t}s 10 LT", ":1\r\n"},
    {"TTL {t}s", ":10\r\n"},
    {"EXPIREAT {t}s 33177117420", ":1\r\n"},
    {"EXPIRETIME {t}s", ":33177117420\r\n"},
    {"PEXPIREAT {t}s 33177117420123", ":1\r\n"},
    {"PEXPIRETIME {t}s", ":33177117420123\r\n"},
    {"EXPIRE {t}none 10", ":0\r\n"},
    {"EXPIRE {t}s -1", ":1\r\n"},
    {"EXISTS {t}s", ":0\r\n"},
    {"TTL {t}s", ":-2\r\n"},
    {"PTTL {t}a", ":-1\r\n"},
    {"PTTL {t}none", ":-2\r\n"},
};

static const driver_row keys_rows[] = {
    {"TOUCH {t}a {t}b {t}none", ":2\r\n"},
    {"EXISTS {t}a {t}a {t}none", ":2\r\n"},
    {"TYPE {t}a", "+string\r\n"},
    {"TYPE {t}none", "+none\r\n"},
    {"RENAME {t}none {t}x", "-ERR no such key\r\n"},
    {"RENAME {t}none {t}none", "-ERR no such key\r\n"},
    {"RENAME {t}a {t}a", "+OK\r\n"},
    {"RENAME {t}a {t}aa", "+OK\r\n"},
    {"RENAMENX {t}aa {t}b", ":0\r\n"},
    {"RENAMENX {t}aa {t}aa", ":0\r\n"},
    {"RENAMENX {t}aa {t}a", ":1\r\n"},
    {"COPY {t}a {t}c", ":1\r\n"},
    {"COPY {t}a {t}c", ":0\r\n"},
    {"COPY {t}a {t}c REPLACE", ":1\r\n"},
    {"COPY {t}a {t}a", "-ERR source and destination objects are the same\r\n"},
    {"COPY {t}none {t}c", ":0\r\n"},
    {"COPY {t}a {t}c DB 1", "-ERR Copying to another database is not allowed in cluster mode\r\n"},
    {"COPY {t}a {t}c DB 100", "-ERR DB index is out of range\r\n"},
    {"COPY {t}a {t}c DB a", "-ERR value is not an integer or out of range\r\n"},
    {"COPY {t}a {t}c FOO", "-ERR syntax error\r\n"},
    {"COPY {t}a {t}c DB", "-ERR syntax error\r\n"},
};

static const driver_row restore_rows[] = {
    {"RESTORE {t}r 0 \"garbage\"", "-ERR DUMP payload version or checksum are wrong\r\n"},
    {"RESTORE {t}r a \"garbage\"", "-ERR value is not an integer or out of range\r\n"},
    {"RESTORE {t}r -1 \"garbage\"", "-ERR Invalid TTL value, must be >= 0\r\n"},
    {"RESTORE {t}d 0 \"garbage\"", "-BUSYKEY Target key name already exists.\r\n"},
    {"RESTORE {t}d 0 \"garbage\" REPLACE", "-ERR DUMP payload version or checksum are wrong\r\n"},
    {"RESTORE {t}d 0 \"garbage\" FOO", "-ERR syntax error\r\n"},
    {"RESTORE {t}d 0 \"garbage\" IDLETIME", "-ERR syntax error\r\n"},
    {"RESTORE {t}d 0 \"garbage\" IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0\r\n"},
    {"RESTORE {t}d 0 \"garbage\" IDLETIME a", "-ERR value is not an integer or out of range\r\n"},
    {"RESTORE {t}d 0 \"garbage\" FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"},
    {"RESTORE {t}d 0 \"garbage\" FREQ 25 IDLETIME 1", "-ERR syntax error\r\n"},
};

static void expect_table(const driver_row *rows, size_t count) {
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, count);
    driver_stop(&d);
}

static void strings_are_set_and_read_in_parts(void **state) {
    (void)state;
    expect_table(strings_rows, COUNT_OF(strings_rows));
}

static void strings_count(void **state) {
    (void)state;
    expect_table(counting_rows, COUNT_OF(counting_rows));
}

static void keys_expire_by_rules(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "MSET {t}a 1 {t}b 2 {t}s hello", "+OK\r\n");
    driver_expect_rows(&d, 0, expiry_rows, COUNT_OF(expiry_rows));
    driver_stop(&d);
}

static void keys_are_renamed_and_copied(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "MSET {t}a 1 {t}b 2 {t}y 1 {t}z 2", "+OK\r\n");
    driver_expect_rows(&d, 0, keys_rows, COUNT_OF(keys_rows));
    driver_stop(&d);
}

static void restore_refuses_what_is_wrong(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "SET {t}d 1", "+OK\r\n");
    driver_expect_rows(&d, 0, restore_rows, COUNT_OF(restore_rows));
    driver_stop(&d);
}

static void a_key_is_gone_when_its_time_comes(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "SET k v PX 1500", "+OK\r\n");
    driver_expect(&d, 0, "TTL k", ":2\r\n");
    driver_wait_ms(&d, 1499);
    driver_expect(&d, 0, "GET k", "$1\r\nv\r\n");
    driver_expect(&d, 0, "PTTL k", ":1\r\n");
    driver_wait_ms(&d, 1);
    driver_expect(&d, 0, "GET k", "$-1\r\n");
    driver_expect(&d, 0, "DBSIZE", ":0\r\n");
    driver_stop(&d);
}

static void expired_keys_go_without_being_asked_for(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "SET k v PX 10", "+OK\r\n");
    driver_expect(&d, 0, "SET stays v", "+OK\r\n");
    driver_wait_ms(&d, 5000);
    driver_expect(&d, 0, "DBSIZE", ":1\r\n");
    driver_stop(&d);
}

static void scan_gives_each_key_once(void **state) {
    (void)state;
    enum { KEYS = 500 };
    node_driver d;
    driver_start(&d, 1, 0);
    char line[64];
    for (int i = 0; i < KEYS; i++) {
        snprintf(line, sizeof line, "SET key:%d x", i);
        driver_expect(&d, 0, line, "+OK\r\n");
    }
    bool seen[KEYS] = {false};
    int found = 0;
    unsigned cursor = 0;
    do {
        snprintf(line, sizeof line, "SCAN %u COUNT 7", cursor);
        const char *at = driver_ask(&d, 0, line);
        assert_int_equal(sscanf(at, "*2\r\n$%*d\r\n%u\r\n", &cursor), 1);
        while ((at = strstr(at, "key:"))) {
            int number = atoi(at + 4);
            assert_in_range(number, 0, KEYS - 1);
            assert_false(seen[number]);
            seen[number] = true;
            found++;
            at += 4;
        }
    } while (cursor != 0);
    assert_int_equal(found, KEYS);
    driver_stop(&d);
}

static void keys_matches_patterns(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"MSET one 1", "+OK\r\n"},
        {"KEYS o*", "*1\r\n$3\r\none\r\n"},
        {"KEYS x*", "*0\r\n"},
        {"KEYS o[a-n]e", "*1\r\n$3\r\none\r\n"},
        {"RANDOMKEY", "$3\r\none\r\n"},
        {"SCAN 0 MATCH t* COUNT 1000", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"SCAN 0 TYPE list", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"SCAN 99999", "*2\r\n$1\r\n0\r\n*0\r\n"},
        {"FLUSHALL", "+OK\r\n"},
        {"RANDOMKEY", "$-1\r\n"},
    };
    expect_table(rows, COUNT_OF(rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_set_and_read_in_parts),
        cmocka_unit_test(strings_count),
        cmocka_unit_test(keys_expire_by_rules),
        cmocka_unit_test(keys_are_renamed_and_copied),
        cmocka_unit_test(restore_refuses_what_is_wrong),
        cmocka_unit_test(a_key_is_gone_when_its_time_comes),
        cmocka_unit_test(expired_keys_go_without_being_asked_for),
        cmocka_unit_test(scan_gives_each_key_once),
        cmocka_unit_test(keys_matches_patterns),
    };
    return cmocka_run_group_tests_name("node_values", tests, NULL, NULL);
}
