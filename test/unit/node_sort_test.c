#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* The replies in these tables are those of a redis-server 7.0.15. */

static const driver_row lcs_rows[] = {
    {"MSET {t}a ohmytext {t}b mynewtext {t}e \"\"", "+OK\r\n"},
    {"LCS {t}a {t}b", "$6\r\nmytext\r\n"},
    {"LCS {t}a {t}b LEN", ":6\r\n"},
    {"LCS {t}a {t}b IDX", "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*"
                          "2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"},
    {"LCS {t}a {t}b IDX MINMATCHLEN 4",
     "*4\r\n$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n$3\r\nlen\r\n:6\r\n"},
    {"LCS {t}a {t}b IDX MINMATCHLEN 4 WITHMATCHLEN",
     "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:"
     "6\r\n"},
    {"LCS {t}a {t}b IDX MINMATCHLEN -4 WITHMATCHLEN",
     "*4\r\n$7\r\nmatches\r\n*2\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n*3\r\n*2\r\n:"
     "2\r\n:3\r\n*2\r\n:0\r\n:1\r\n:2\r\n$3\r\nlen\r\n:6\r\n"},
    {"LCS {t}a {t}b IDX LEN",
     "-ERR If you want both the length and indexes, please just use IDX.\r\n"},
    {"LCS {t}a {t}b WITHMATCHLEN", "$6\r\nmytext\r\n"},
    {"LCS {t}a {t}b MINMATCHLEN", "-ERR syntax error\r\n"},
    {"LCS {t}a {t}b MINMATCHLEN a", "-ERR value is not an integer or out of range\r\n"},
    {"LCS {t}a {t}b FOO", "-ERR syntax error\r\n"},
    {"LCS {t}a {t}none", "$0\r\n\r\n"},
    {"LCS {t}none {t}none IDX", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"},
    {"LCS {t}e {t}a LEN", ":0\r\n"},
    {"SADD {t}s x", ":1\r\n"},
    {"LCS {t}a {t}s FOO", "-ERR The specified keys must contain string values\r\n"},
};

static const driver_row lcs_resp3_rows[] = {
    {"LCS {t}a {t}b IDX", "%2\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*"
                          "2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"},
};

static const driver_row sort_rows[] = {
    {"SADD {t}s 10 9 -2 1.5", ":4\r\n"},
    {"SORT {t}s", "*4\r\n$2\r\n-2\r\n$3\r\n1.5\r\n$1\r\n9\r\n$2\r\n10\r\n"},
    {"SORT {t}s DESC", "*4\r\n$2\r\n10\r\n$1\r\n9\r\n$3\r\n1.5\r\n$2\r\n-2\r\n"},
    {"SORT {t}s ALPHA", "*4\r\n$2\r\n-2\r\n$3\r\n1.5\r\n$2\r\n10\r\n$1\r\n9\r\n"},
    {"SORT {t}s ALPHA DESC", "*4\r\n$1\r\n9\r\n$2\r\n10\r\n$3\r\n1.5\r\n$2\r\n-2\r\n"},
    {"SORT {t}s LIMIT 1 2", "*2\r\n$3\r\n1.5\r\n$1\r\n9\r\n"},
    {"SORT {t}s LIMIT -5 2", "*2\r\n$2\r\n-2\r\n$3\r\n1.5\r\n"},
    {"SORT {t}s LIMIT 3 10", "*1\r\n$2\r\n10\r\n"},
    {"SORT {t}s LIMIT 10 2", "*0\r\n"},
    {"SORT {t}s LIMIT 1 -7", "*3\r\n$3\r\n1.5\r\n$1\r\n9\r\n$2\r\n10\r\n"},
    {"SORT {t}s LIMIT 1 0", "*0\r\n"},
    {"SORT {t}s LIMIT 1", "-ERR syntax error\r\n"},
    {"SORT {t}s LIMIT a 1", "-ERR value is not an integer or out of range\r\n"},
    {"SORT {t}s LIMIT 1 a", "-ERR value is not an integer or out of range\r\n"},
    {"SORT {t}s BY w_*", "-ERR BY option of SORT denied in Cluster mode.\r\n"},
    {"SORT {t}s GET w_*", "-ERR GET option of SORT denied in Cluster mode.\r\n"},
    {"SORT {t}s GET #", "-ERR GET option of SORT denied in Cluster mode.\r\n"},
    {"SORT {t}s BY", "-ERR syntax error\r\n"},
    {"SORT {t}s GET", "-ERR syntax error\r\n"},
    {"SORT {t}s FOO", "-ERR syntax error\r\n"},
    {"SORT {t}s STORE", "-ERR syntax error\r\n"},
    {"SORT {t}s BY nosort STORE {t}d", ":4\r\n"},
    {"SORT {t}d BY nosort", "*4\r\n$2\r\n-2\r\n$3\r\n1.5\r\n$2\r\n10\r\n$1\r\n9\r\n"},
    {"SORT {t}s STORE {t}d", ":4\r\n"},
    {"TYPE {t}d", "+list\r\n"},
    {"OBJECT ENCODING {t}d", "$9\r\nquicklist\r\n"},
    {"SORT {t}d BY nosort DESC", "*4\r\n$2\r\n10\r\n$1\r\n9\r\n$3\r\n1.5\r\n$2\r\n-2\r\n"},
    {"SORT {t}d BY nosort LIMIT 1 2", "*2\r\n$3\r\n1.5\r\n$1\r\n9\r\n"},
    {"SORT {t}s STORE {t}d LIMIT 0 0", ":0\r\n"},
    {"EXISTS {t}d", ":0\r\n"},
    {"SORT {t}s STORE other", "-CROSSSLOT Keys in request don't hash to the same slot\r\n"},
    {"SORT {t}s STORE other STORE {t}d", ":4\r\n"},
    {"SORT {t}s BY STORE STORE {t}s", ":4\r\n"},
    {"TYPE {t}s", "+list\r\n"},
    {"SORT_RO {t}s", "*4\r\n$2\r\n-2\r\n$3\r\n1.5\r\n$1\r\n9\r\n$2\r\n10\r\n"},
    {"SORT_RO {t}s STORE {t}d", "-ERR syntax error\r\n"},
    {"SORT_RO {t}s ALPHA DESC LIMIT 0 1", "*1\r\n$1\r\n9\r\n"},
    {"SORT {t}none", "*0\r\n"},
    {"SORT {t}none STORE {t}s", ":0\r\n"},
    {"EXISTS {t}s", ":0\r\n"},
    {"SET {t}str v", "+OK\r\n"},
    {"SORT {t}str", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"SORT {t}str FOO", "-ERR syntax error\r\n"},
    {"SADD {t}w a b", ":2\r\n"},
    {"SORT {t}w", "-ERR One or more scores can't be converted into double\r\n"},
    {"SORT {t}w STORE {t}d", "-ERR One or more scores can't be converted into double\r\n"},
    {"SORT {t}w ALPHA", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
    {"SADD {t}x inf -inf \"\" 0x10", ":4\r\n"},
    {"SORT {t}x", "*4\r\n$4\r\n-inf\r\n$0\r\n\r\n$4\r\n0x10\r\n$3\r\ninf\r\n"},
    {"SADD {t}y nan", ":1\r\n"},
    {"SORT {t}y", "-ERR One or more scores can't be converted into double\r\n"},
};

static void expect_table(const driver_row *rows, size_t count) {
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, count);
    driver_stop(&d);
}

static void common_subsequences_are_found(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, lcs_rows, COUNT_OF(lcs_rows));
    assert_non_null(strstr(driver_ask(&d, 0, "HELLO 3"), "redis"));
    driver_expect_rows(&d, 0, lcs_resp3_rows, COUNT_OF(lcs_resp3_rows));
    driver_stop(&d);
}

static void elements_are_sorted_and_stored(void **state) {
    (void)state;
    expect_table(sort_rows, COUNT_OF(sort_rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_subsequences_are_found),
        cmocka_unit_test(elements_are_sorted_and_stored),
    };
    return cmocka_run_group_tests_name("node_sort", tests, NULL, NULL);
}
