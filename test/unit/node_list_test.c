#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* The replies in these tables are those of a redis-server 7.0.15. */

static const driver_row ends_rows[] = {
    {"LPUSH {t}l", "-ERR wrong number of arguments for 'lpush' command\r\n"},
    {"LPUSH {t}l a", ":1\r\n"},
    {"RPUSH {t}l b c", ":3\r\n"},
    {"LPUSH {t}l x y", ":5\r\n"},
    {"LRANGE {t}l 0 -1", "*5\r\n$1\r\ny\r\n$1\r\nx\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"LLEN {t}l", ":5\r\n"},
    {"LLEN {t}none", ":0\r\n"},
    {"LPUSHX {t}none a", ":0\r\n"},
    {"RPUSHX {t}none a", ":0\r\n"},
    {"EXISTS {t}none", ":0\r\n"},
    {"LPUSHX {t}l 1 2", ":7\r\n"},
    {"RPUSHX {t}l 9", ":8\r\n"},
    {"LRANGE {t}l 0 -1",
     "*8\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\ny\r\n$1\r\nx\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"
     "$1\r\n9\r\n"},
    {"TYPE {t}l", "+list\r\n"},
    {"LPOP {t}l", "$1\r\n2\r\n"},
    {"RPOP {t}l", "$1\r\n9\r\n"},
    {"LPOP {t}l 2", "*2\r\n$1\r\n1\r\n$1\r\ny\r\n"},
    {"RPOP {t}l 2", "*2\r\n$1\r\nc\r\n$1\r\nb\r\n"},
    {"RPOP {t}l 0", "*0\r\n"},
    {"LPOP {t}l 100", "*2\r\n$1\r\nx\r\n$1\r\na\r\n"},
    {"EXISTS {t}l", ":0\r\n"},
    {"LPOP {t}l", "$-1\r\n"},
    {"LPOP {t}l 1", "*-1\r\n"},
    {"RPOP {t}none 0", "*-1\r\n"},
    {"RPUSH {t}l a b c", ":3\r\n"},
    {"LPOP {t}l -1", "-ERR value is out of range, must be positive\r\n"},
    {"LPOP {t}l x", "-ERR value is out of range, must be positive\r\n"},
    {"RPOP {t}l 9223372036854775808", "-ERR value is out of range, must be positive\r\n"},
    {"LPOP {t}l 1 2", "-ERR wrong number of arguments for 'lpop' command\r\n"},
    {"LPOP", "-ERR wrong number of arguments for 'lpop' command\r\n"},
    {"LPOP {t}none -1", "-ERR value is out of range, must be positive\r\n"},
    {"RPUSH {t}long \"an element that is longer than sixteen bytes\" \"\" \"\\x00\\x01\"",
     ":3\r\n"},
    {"LRANGE {t}long 0 -1",
     "*3\r\n$44\r\nan element that is longer than sixteen bytes\r\n$0\r\n\r\n$2\r\n"
     "\000\001\r\n"},
    {"RPOP {t}long 3", "*3\r\n$2\r\n\000\001\r\n$0\r\n\r\n$44\r\n"
                       "an element that is longer than sixteen bytes\r\n"},
};

static const driver_row indices_rows[] = {
    {"RPUSH {t}l a b c d e", ":5\r\n"},
    {"LINDEX {t}l 0", "$1\r\na\r\n"},
    {"LINDEX {t}l -1", "$1\r\ne\r\n"},
    {"LINDEX {t}l 5", "$-1\r\n"},
    {"LINDEX {t}l -6", "$-1\r\n"},
    {"LINDEX {t}l x", "-ERR value is not an integer or out of range\r\n"},
    {"LINDEX {t}none x", "$-1\r\n"},
    {"LINDEX {t}none 0", "$-1\r\n"},
    {"LSET {t}l 0 A", "+OK\r\n"},
    {"LSET {t}l -1 E", "+OK\r\n"},
    {"LSET {t}l 5 F", "-ERR index out of range\r\n"},
    {"LSET {t}l -6 F", "-ERR index out of range\r\n"},
    {"LSET {t}l x F", "-ERR value is not an integer or out of range\r\n"},
    {"LSET {t}none x F", "-ERR no such key\r\n"},
    {"LRANGE {t}l 0 -1", "*5\r\n$1\r\nA\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\nE\r\n"},
    {"LRANGE {t}l 1 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"LRANGE {t}l -2 100", "*2\r\n$1\r\nd\r\n$1\r\nE\r\n"},
    {"LRANGE {t}l -100 0", "*1\r\n$1\r\nA\r\n"},
    {"LRANGE {t}l 3 1", "*0\r\n"},
    {"LRANGE {t}l 5 6", "*0\r\n"},
    {"LRANGE {t}l x 1", "-ERR value is not an integer or out of range\r\n"},
    {"LRANGE {t}l 1 x", "-ERR value is not an integer or out of range\r\n"},
    {"LRANGE {t}none 0 -1", "*0\r\n"},
    {"LRANGE {t}none 0 x", "-ERR value is not an integer or out of range\r\n"},
    {"LRANGE {t}l -9223372036854775808 9223372036854775807",
     "*5\r\n$1\r\nA\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\nE\r\n"},
    {"LINSERT {t}l BEFORE A 0", ":6\r\n"},
    {"LINSERT {t}l after E 9", ":7\r\n"},
    {"LINSERT {t}l AFTER c cc", ":8\r\n"},
    {"LINSERT {t}l BEFORE none x", ":-1\r\n"},
    {"LINSERT {t}l UP A x", "-ERR syntax error\r\n"},
    {"LINSERT {t}none BEFORE A x", ":0\r\n"},
    {"LRANGE {t}l 0 -1",
     "*8\r\n$1\r\n0\r\n$1\r\nA\r\n$1\r\nb\r\n$1\r\nc\r\n$2\r\ncc\r\n$1\r\nd\r\n$1\r\nE\r\n"
     "$1\r\n9\r\n"},
    {"LTRIM {t}l 1 -2", "+OK\r\n"},
    {"LRANGE {t}l 0 -1",
     "*6\r\n$1\r\nA\r\n$1\r\nb\r\n$1\r\nc\r\n$2\r\ncc\r\n$1\r\nd\r\n$1\r\nE\r\n"},
    {"LTRIM {t}l 0 100", "+OK\r\n"},
    {"LTRIM {t}l -2 -1", "+OK\r\n"},
    {"LRANGE {t}l 0 -1", "*2\r\n$1\r\nd\r\n$1\r\nE\r\n"},
    {"LTRIM {t}l x 1", "-ERR value is not an integer or out of range\r\n"},
    {"LTRIM {t}none x 1", "-ERR value is not an integer or out of range\r\n"},
    {"LTRIM {t}none 0 1", "+OK\r\n"},
    {"LTRIM {t}l 2 1", "+OK\r\n"},
    {"EXISTS {t}l", ":0\r\n"},
};

static const driver_row searches_rows[] = {
    {"RPUSH {t}l a b c 1 2 3 c c", ":8\r\n"},
    {"LPOS {t}l c", ":2\r\n"},
    {"LPOS {t}l none", "$-1\r\n"},
    {"LPOS {t}none c", "$-1\r\n"},
    {"LPOS {t}none c COUNT 0", "*0\r\n"},
    {"LPOS {t}l c RANK 2", ":6\r\n"},
    {"LPOS {t}l c RANK -1", ":7\r\n"},
    {"LPOS {t}l c RANK -3", ":2\r\n"},
    {"LPOS {t}l c RANK 4", "$-1\r\n"},
    {"LPOS {t}l c COUNT 2", "*2\r\n:2\r\n:6\r\n"},
    {"LPOS {t}l c COUNT 0", "*3\r\n:2\r\n:6\r\n:7\r\n"},
    {"LPOS {t}l c RANK -1 COUNT 2", "*2\r\n:7\r\n:6\r\n"},
    {"LPOS {t}l c RANK 2 COUNT 0", "*2\r\n:6\r\n:7\r\n"},
    {"LPOS {t}l c COUNT 0 MAXLEN 3", "*1\r\n:2\r\n"},
    {"LPOS {t}l c COUNT 0 MAXLEN 2", "*0\r\n"},
    {"LPOS {t}l c MAXLEN 2", "$-1\r\n"},
    {"LPOS {t}l c MAXLEN 0", ":2\r\n"},
    {"LPOS {t}l c RANK -1 MAXLEN 1", ":7\r\n"},
    {"LPOS {t}l c RANK 0", "-ERR RANK can't be zero: use 1 to start from the first match, 2 from "
                           "the second ... or use negative to start from the end of the list\r\n"},
    {"LPOS {t}l c RANK x", "-ERR value is not an integer or out of range\r\n"},
    {"LPOS {t}l c RANK -9223372036854775808", ":7\r\n"},
    {"LPOS {t}l c RANK 9223372036854775807", "$-1\r\n"},
    {"LPOS {t}l c COUNT -1", "-ERR COUNT can't be negative\r\n"},
    {"LPOS {t}l c COUNT x", "-ERR COUNT can't be negative\r\n"},
    {"LPOS {t}l c MAXLEN -1", "-ERR MAXLEN can't be negative\r\n"},
    {"LPOS {t}l c COUNT", "-ERR syntax error\r\n"},
    {"LPOS {t}l c NONSENSE 1", "-ERR syntax error\r\n"},
    {"LPOS {t}l c RANK 1 RANK 2", ":6\r\n"},
    {"LREM {t}l 1 c", ":1\r\n"},
    {"LREM {t}l -1 c", ":1\r\n"},
    {"LRANGE {t}l 0 -1",
     "*6\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\nc\r\n"},
    {"LREM {t}l 0 c", ":1\r\n"},
    {"LREM {t}l 0 c", ":0\r\n"},
    {"LREM {t}l x c", "-ERR value is not an integer or out of range\r\n"},
    {"LREM {t}none x c", "-ERR value is not an integer or out of range\r\n"},
    {"LREM {t}none 1 c", ":0\r\n"},
    {"LREM {t}l -9223372036854775808 3", ":1\r\n"},
    {"LRANGE {t}l 0 -1", "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\n1\r\n$1\r\n2\r\n"},
    {"LREM {t}l 9 a", ":1\r\n"},
    {"LREM {t}l 9 b", ":1\r\n"},
    {"LREM {t}l 9 1", ":1\r\n"},
    {"LREM {t}l 9 2", ":1\r\n"},
    {"EXISTS {t}l", ":0\r\n"},
};

static const driver_row moves_rows[] = {
    {"RPUSH {t}l a b c", ":3\r\n"},
    {"LMOVE {t}l {t}m LEFT RIGHT", "$1\r\na\r\n"},
    {"LMOVE {t}l {t}m right left", "$1\r\nc\r\n"},
    {"LRANGE {t}m 0 -1", "*2\r\n$1\r\nc\r\n$1\r\na\r\n"},
    {"LMOVE {t}m {t}m LEFT RIGHT", "$1\r\nc\r\n"},
    {"LRANGE {t}m 0 -1", "*2\r\n$1\r\na\r\n$1\r\nc\r\n"},
    {"LMOVE {t}l {t}l LEFT LEFT", "$1\r\nb\r\n"},
    {"LMOVE {t}l {t}m UP LEFT", "-ERR syntax error\r\n"},
    {"LMOVE {t}l {t}m LEFT DOWN", "-ERR syntax error\r\n"},
    {"LMOVE {t}none {t}m LEFT LEFT", "$-1\r\n"},
    {"LMOVE {t}none {t}m LEFT UP", "-ERR syntax error\r\n"},
    {"RPOPLPUSH {t}l {t}m", "$1\r\nb\r\n"},
    {"EXISTS {t}l", ":0\r\n"},
    {"RPOPLPUSH {t}l {t}m", "$-1\r\n"},
    {"RPOPLPUSH {t}m {t}m", "$1\r\nc\r\n"},
    {"LRANGE {t}m 0 -1", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"},
    {"LMPOP 1 {t}m LEFT", "*2\r\n$4\r\n{t}m\r\n*1\r\n$1\r\nc\r\n"},
    {"LMPOP 2 {t}none {t}m RIGHT COUNT 5", "*2\r\n$4\r\n{t}m\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
    {"LMPOP 2 {t}none {t}m RIGHT COUNT 5", "*-1\r\n"},
    {"RPUSH {t}m 1 2 3 4", ":4\r\n"},
    {"LMPOP 2 {t}none {t}m RIGHT COUNT 2", "*2\r\n$4\r\n{t}m\r\n*2\r\n$1\r\n4\r\n$1\r\n3\r\n"},
    {"LMPOP 0 {t}m LEFT", "-ERR numkeys should be greater than 0\r\n"},
    {"LMPOP x {t}m LEFT", "-ERR numkeys should be greater than 0\r\n"},
    {"LMPOP -1 {t}m LEFT", "-ERR numkeys should be greater than 0\r\n"},
    {"LMPOP 1 {t}m UP", "-ERR syntax error\r\n"},
    {"LMPOP 2 {t}m LEFT", "-CROSSSLOT Keys in request don't hash to the same slot\r\n"},
    {"LMPOP 3 {t}m LEFT", "-ERR syntax error\r\n"},
    {"LMPOP 9223372036854775807 {t}m LEFT", "-ERR syntax error\r\n"},
    {"LMPOP 1 {t}m LEFT COUNT", "-ERR syntax error\r\n"},
    {"LMPOP 1 {t}m LEFT COUNT 0", "-ERR count should be greater than 0\r\n"},
    {"LMPOP 1 {t}m LEFT COUNT x", "-ERR count should be greater than 0\r\n"},
    {"LMPOP 1 {t}m LEFT COUNT 1 COUNT 1", "-ERR syntax error\r\n"},
    {"LMPOP 1 {t}m LEFT NONSENSE 1", "-ERR syntax error\r\n"},
    {"LRANGE {t}m 0 -1", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
};

static const driver_row wrong_types_rows[] = {
    {"SET {t}s v", "+OK\r\n"},
    {"RPUSH {t}l a", ":1\r\n"},
    {"LPUSH {t}s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"RPUSH {t}s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LPUSHX {t}s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LINSERT {t}s BEFORE a b",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LINSERT {t}s UP a b", "-ERR syntax error\r\n"},
    {"LLEN {t}s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LINDEX {t}s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LINDEX {t}s x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LSET {t}s x a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LRANGE {t}s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LRANGE {t}s x 1", "-ERR value is not an integer or out of range\r\n"},
    {"LTRIM {t}s 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LREM {t}s 0 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LPOS {t}s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LPOP {t}s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LPOP {t}s 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LPOP {t}s -1", "-ERR value is out of range, must be positive\r\n"},
    {"RPOPLPUSH {t}s {t}l",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"RPOPLPUSH {t}l {t}s",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LMOVE {t}l {t}s LEFT LEFT",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LMOVE {t}none {t}s LEFT LEFT", "$-1\r\n"},
    {"LMPOP 1 {t}s LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LMPOP 2 {t}s {t}l LEFT",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LMPOP 2 {t}l {t}s LEFT", "*2\r\n$4\r\n{t}l\r\n*1\r\n$1\r\na\r\n"},
    {"GET {t}l", "$-1\r\n"},
    {"BLPOP {t}s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"BLPOP {t}none {t}s 0",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"BLMOVE {t}s {t}l LEFT LEFT 0",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"BRPOPLPUSH {t}s {t}l 0",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"BLMPOP 0 1 {t}s LEFT",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"RPUSH {t}l a", ":1\r\n"},
    {"BLMOVE {t}l {t}s LEFT LEFT 0",
     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
    {"LRANGE {t}l 0 -1", "*1\r\n$1\r\na\r\n"},
};

static const driver_row waiting_without_need_rows[] = {
    {"RPUSH {t}l a b c d e f g h", ":8\r\n"},
    {"BLPOP {t}none {t}l 0", "*2\r\n$4\r\n{t}l\r\n$1\r\na\r\n"},
    {"BRPOP {t}l {t}none 0", "*2\r\n$4\r\n{t}l\r\n$1\r\nh\r\n"},
    {"BLMOVE {t}l {t}m LEFT RIGHT 0", "$1\r\nb\r\n"},
    {"BRPOPLPUSH {t}l {t}m 0", "$1\r\ng\r\n"},
    {"BLMPOP 0 2 {t}none {t}l LEFT", "*2\r\n$4\r\n{t}l\r\n*1\r\n$1\r\nc\r\n"},
    {"BLMPOP 0 1 {t}l RIGHT COUNT 2", "*2\r\n$4\r\n{t}l\r\n*2\r\n$1\r\nf\r\n$1\r\ne\r\n"},
    {"LRANGE {t}l 0 -1", "*1\r\n$1\r\nd\r\n"},
    {"LRANGE {t}m 0 -1", "*2\r\n$1\r\ng\r\n$1\r\nb\r\n"},
    {"BLPOP {t}l -1", "-ERR timeout is negative\r\n"},
    {"BLPOP {t}l x", "-ERR timeout is not a float or out of range\r\n"},
    {"BLPOP {t}l nan", "-ERR timeout is not a float or out of range\r\n"},
    {"BLPOP {t}l inf", "-ERR timeout is negative\r\n"},
    {"BLPOP {t}l 1e300", "-ERR timeout is negative\r\n"},
    {"BLPOP {t}l \" 1\"", "-ERR timeout is not a float or out of range\r\n"},
    {"BLPOP {t}l \"\"", "-ERR timeout is not a float or out of range\r\n"},
    {"BLPOP {t}l 9223372036854775", "*2\r\n$4\r\n{t}l\r\n$1\r\nd\r\n"},
    {"BLMOVE {t}l {t}m UP LEFT x", "-ERR syntax error\r\n"},
    {"BLMOVE {t}l {t}m LEFT LEFT x", "-ERR timeout is not a float or out of range\r\n"},
    {"BRPOPLPUSH {t}l {t}m -1", "-ERR timeout is negative\r\n"},
    {"BLMPOP x 1 {t}l UP", "-ERR syntax error\r\n"},
    {"BLMPOP x 0 {t}l LEFT", "-ERR numkeys should be greater than 0\r\n"},
    {"BLMPOP x 1 {t}l LEFT", "-ERR timeout is not a float or out of range\r\n"},
    {"BLMPOP -1 1 {t}l LEFT COUNT 0", "-ERR count should be greater than 0\r\n"},
    {"BLMPOP -1 1 {t}l LEFT", "-ERR timeout is negative\r\n"},
    {"BLPOP {t}l", "-ERR wrong number of arguments for 'blpop' command\r\n"},
    {"MULTI", "+OK\r\n"},
    {"BLPOP {t}none 0", "+QUEUED\r\n"},
    {"BRPOPLPUSH {t}none {t}m 0", "+QUEUED\r\n"},
    {"BLMOVE {t}none {t}m LEFT LEFT 0", "+QUEUED\r\n"},
    {"BLMPOP 0 1 {t}none LEFT", "+QUEUED\r\n"},
    {"BLPOP {t}l 0", "+QUEUED\r\n"},
    {"EXEC", "*5\r\n*-1\r\n$-1\r\n$-1\r\n*-1\r\n*-1\r\n"},
};

static void expect_rows(const driver_row *rows, size_t count) {
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, count);
    driver_stop(&d);
}

static void lists_grow_and_shrink_at_both_ends(void **state) {
    (void)state;
    expect_rows(ends_rows, COUNT_OF(ends_rows));
}

static void elements_are_read_and_changed_by_index(void **state) {
    (void)state;
    expect_rows(indices_rows, COUNT_OF(indices_rows));
}

static void elements_are_searched_and_removed(void **state) {
    (void)state;
    expect_rows(searches_rows, COUNT_OF(searches_rows));
}

static void elements_move_between_lists(void **state) {
    (void)state;
    expect_rows(moves_rows, COUNT_OF(moves_rows));
}

static void other_types_are_refused(void **state) {
    (void)state;
    expect_rows(wrong_types_rows, COUNT_OF(wrong_types_rows));
}

static void blocking_commands_with_something_to_give_do_not_wait(void **state) {
    (void)state;
    expect_rows(waiting_without_need_rows, COUNT_OF(waiting_without_need_rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_grow_and_shrink_at_both_ends),
        cmocka_unit_test(elements_are_read_and_changed_by_index),
        cmocka_unit_test(elements_are_searched_and_removed),
        cmocka_unit_test(elements_move_between_lists),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(blocking_commands_with_something_to_give_do_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
