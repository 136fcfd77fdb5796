#include "core/resp_cursor.h"

#include "core/resp.h"
#include "unit/support/unit.h"

#include <stdlib.h>

/* The scanner has passed this much of the wire. */
static resp_cursor cursor_over(const char *wire, size_t len) {
    resp_scanner s;
    resp_scanner_init(&s, &resp_limits_default);
    assert_int_not_equal(resp_scan(&s, wire, len), RESP_BROKEN);
    return (resp_cursor){wire, wire + s.offset};
}

static void values_are_read(void **state) {
    (void)state;
    static const struct {
        const char *wire;
        char type;
        int64_t number;
        const char *text;
    } cases[] = {
        {"+OK\r\n", '+', 0, "OK"},
        {"-ERR no\r\n", '-', 0, "ERR no"},
        {"!5\r\nERR x\r\n", '!', 0, "ERR x"},
        {":-12\r\n", ':', -12, ""},
        {":+12\r\n", ':', 12, ""},
        {":-9223372036854775808\r\n", ':', INT64_MIN, ""},
        {"$5\r\na\r\nbc\r\n", '$', 0, "a\r\nbc"},
        {"$0\r\n\r\n", '$', 0, ""},
        {"=6\r\nmkd:hi\r\n", '=', 0, "hi"},
        {",1.5\r\n", ',', 0, "1.5"},
        {"(-77\r\n", '(', 0, "-77"},
        {"#t\r\n", '#', 1, ""},
        {"#f\r\n", '#', 0, ""},
        {"_\r\n", '_', 0, ""},
        {"$-1\r\n", '_', 0, ""},
        {"*-1\r\n", '_', 0, ""},
        {"*0\r\n", '*', 0, ""},
        {"%0\r\n", '%', 0, ""},
        {"|1\r\n+ttl\r\n*1\r\n|0\r\n:3\r\n|0\r\n+OK\r\n", '+', 0, "OK"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        resp_cursor c = cursor_over(cases[i].wire, strlen(cases[i].wire));
        resp_cursor other = c;
        resp_item item;
        assert_true(resp_next(&c, &item));
        assert_int_equal(item.type, cases[i].type);
        if (item.type == ':' || item.type == '#') {
            assert_true(item.number == cases[i].number);
        }
        assert_true(slice_is(item.text, cases[i].text));
        assert_ptr_equal(c.at, c.end);
        assert_false(resp_next(&c, &item));
        assert_true(resp_skip(&other));
        assert_ptr_equal(other.at, other.end);
    }
}

static void aggregates_are_entered_or_passed_over(void **state) {
    (void)state;
    static const char wire[] = "*4\r\n%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n|1\r\n+a\r\n*2\r\n:1\r\n:2\r\n"
                               "*2\r\n$1\r\nx\r\n*0\r\n_\r\n+last\r\n";
    resp_cursor c = cursor_over(wire, sizeof wire - 1);
    resp_item item;
    assert_true(resp_next(&c, &item));
    assert_int_equal(item.number, 4);
    resp_cursor inside = c;
    assert_true(resp_next(&inside, &item));
    assert_int_equal(item.type, '%');
    assert_int_equal(item.number, 2);
    assert_true(resp_skip(&c)); /* the map */
    assert_true(resp_skip(&c)); /* the array, with its attributes */
    assert_true(resp_next(&c, &item));
    assert_int_equal(item.type, '_');
    assert_true(resp_next(&c, &item));
    assert_true(slice_is(item.text, "last"));
    assert_false(resp_skip(&c));
}

/* A value is there as soon as its last byte is, and never before: at each cut, from memory that
 * ends there. */
static void what_is_not_all_there_is_not_read(void **state) {
    (void)state;
    static const char *const wires[] = {"$3\r\nabc\r\n", "=6\r\ntxt:ab\r\n",
                                        "*2\r\n$3\r\nabc\r\n*1\r\n:1\r\n", ":123\r\n",
                                        "|1\r\n+a\r\n$2\r\nbc\r\n+OK\r\n"};
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        size_t whole = strlen(wires[i]);
        for (size_t len = 1; len <= whole; len++) {
            char *part = malloc(len);
            assert_non_null(part);
            memcpy(part, wires[i], len);
            resp_cursor c = cursor_over(part, len);
            assert_int_equal(resp_skip(&c), len == whole);
            free(part);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(aggregates_are_entered_or_passed_over),
        cmocka_unit_test(what_is_not_all_there_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
