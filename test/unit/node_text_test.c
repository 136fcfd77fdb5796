/* Patterns and numbers. */
#include "node/node_glob.h"
#include "node/node_number.h"

#include "unit/support/unit.h"

#include <math.h>

static void patterns_match(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},           {"", "a", false},
        {"*", "", false},         {"*", "abc", true},
        {"a*", "abc", true},      {"a*", "bac", false},
        {"*c", "abc", true},      {"*c", "abcd", false},
        {"a*c*e", "abcde", true}, {"a*c*e", "abcd", false},
        {"**a**", "bab", true},   {"a?c", "abc", true},
        {"a?c", "ac", false},     {"?", "", false},
        {"[ab]c", "bc", true},    {"[ab]c", "cc", false},
        {"[^ab]c", "cc", true},   {"[^ab]c", "ac", false},
        {"[a-c]x", "bx", true},   {"[c-a]x", "bx", true},
        {"[a-c]x", "dx", false},  {"[a", "a", true},
        {"[a", "b", false},       {"\\*", "*", true},
        {"\\*", "a", false},      {"[\\]]", "]", true},
        {"a\\", "a\\", true},     {"*[0-9]", "key7", true},
        {"*[0-9]", "key", false}, {"*a*a*a*a*a*b", "aaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (glob_match(slice_text(rows[i].pattern), slice_text(rows[i].text)) != rows[i].matches) {
            fail_msg("%s on %s", rows[i].pattern, rows[i].text);
        }
    }
}

static void integers_are_read_strictly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"01", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t value = 0;
        bool valid = number_read_integer(slice_text(rows[i].text), &value);
        if (valid != rows[i].valid || value != rows[i].value) {
            fail_msg("'%s' was read as %d, %lld", rows[i].text, valid, (long long)value);
        }
    }
}

static void floats_lose_their_trailing_zeros(void **state) {
    (void)state;
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"3.0e3", "3000"}, {"0.1", "0.1"}, {"-0", "0"}, {"1e-17", "0.00000000000000001"},
        {"100", "100"},    {"0x10", "16"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        long double value;
        char text[NUMBER_TEXT_SIZE];
        assert_true(number_read_float(slice_text(rows[i].from), &value));
        size_t len = number_write_float(value, text);
        assert_slice_is(slice_of(text, len), rows[i].to);
    }
    static const char *const wrong[] = {"", "a", " 1", "1 ", "1e99999", "nan", "1,5"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        long double value;
        assert_false(number_read_float(slice_text(wrong[i]), &value));
    }
}

static void scores_and_their_bounds_are_read_as_by_strtod(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool score;
        bool bound;
        double value;
    } rows[] = {
        {"1.5", true, true, 1.5},
        {"-.5e1", true, true, -5},
        {"0x1p3", true, true, 8},
        {"-0XA", true, true, -10},
        {"+inf", true, true, INFINITY},
        {"-Infinity", true, true, -INFINITY},
        {"1e-320", true, true, 1e-320},
        {"0e-999", true, true, 0},
        {"", false, true, 0},
        {" 2", false, true, 2},
        {"1e400", false, true, INFINITY},
        {"-1e400", false, true, -INFINITY},
        {"1e-400", false, true, 0},
        {"0x1p-2000", false, true, 0},
        {"2 ", false, false, 0},
        {"nan", false, false, 0},
        {"1x", false, false, 0},
        {"0x", false, false, 0},
        {"-", false, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double value = 0;
        assert_int_equal(number_read_double(slice_text(rows[i].text), &value), rows[i].score);
        if (rows[i].score) {
            assert_true(value == rows[i].value);
        }
        value = 0;
        assert_int_equal(number_read_bound(slice_text(rows[i].text), &value), rows[i].bound);
        if (rows[i].bound) {
            assert_true(value == rows[i].value);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(integers_are_read_strictly),
        cmocka_unit_test(floats_lose_their_trailing_zeros),
        cmocka_unit_test(scores_and_their_bounds_are_read_as_by_strtod),
    };
    return cmocka_run_group_tests_name("node_text", tests, NULL, NULL);
}
