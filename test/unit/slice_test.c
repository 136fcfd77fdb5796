#include "base/slice.h"

#include "unit/support/unit.h"

static void case_is_ignored_for_letters_only(void **state) {
    (void)state;
    assert_true(slice_is_nocase(SLICE_LITERAL("GeT"), "gEt"));
    assert_true(slice_is_nocase(SLICE_LITERAL(""), ""));
    assert_false(slice_is_nocase(SLICE_LITERAL("GET"), "GETX"));
    assert_false(slice_is_nocase(SLICE_LITERAL("@["), "`{"));
    assert_false(slice_equal_nocase(SLICE_LITERAL("\xc4"), SLICE_LITERAL("\xe4")));
}

static void prefix_is_found_only_at_the_start(void **state) {
    (void)state;
    assert_true(slice_starts_with(SLICE_LITERAL("redis://x"), "redis://"));
    assert_true(slice_starts_with(slice_of(NULL, 0), ""));
    assert_false(slice_starts_with(SLICE_LITERAL("redi"), "redis"));
    assert_false(slice_starts_with(SLICE_LITERAL("xredis"), "redis"));
}

static void numbers_are_read_strictly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_u64;
        uint64_t u64;
        bool is_i64;
        int64_t i64;
    } cases[] = {
        {"0", true, 0, true, 0},
        {"007", true, 7, true, 7},
        {"9223372036854775807", true, INT64_MAX, true, INT64_MAX},
        {"9223372036854775808", true, UINT64_C(9223372036854775808), false, 0},
        {"18446744073709551615", true, UINT64_MAX, false, 0},
        {"18446744073709551616", false, 0, false, 0},
        {"99999999999999999999", false, 0, false, 0},
        {"-1", false, 0, true, -1},
        {"-0", false, 0, true, 0},
        {"-9223372036854775808", false, 0, true, INT64_MIN},
        {"-9223372036854775809", false, 0, false, 0},
        {"", false, 0, false, 0},
        {"-", false, 0, false, 0},
        {"+1", false, 0, false, 0},
        {"--1", false, 0, false, 0},
        {" 1", false, 0, false, 0},
        {"1 ", false, 0, false, 0},
        {"1x", false, 0, false, 0},
        {"0x1", false, 0, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t u64 = 77;
        int64_t i64 = 77;
        assert_int_equal(slice_to_u64(slice_text(cases[i].text), &u64), cases[i].is_u64);
        assert_true(u64 == (cases[i].is_u64 ? cases[i].u64 : 77));
        assert_int_equal(slice_to_i64(slice_text(cases[i].text), &i64), cases[i].is_i64);
        assert_true(i64 == (cases[i].is_i64 ? cases[i].i64 : 77));
    }
}

static void split_gives_every_part(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *parts[4];
    } cases[] = {
        {"a,b,c", {"a", "b", "c"}}, {"abc", {"abc"}}, {"", {""}}, {",", {"", ""}},
        {",a,", {"", "a", ""}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        kw_slice rest = slice_text(cases[i].text);
        kw_slice part;
        for (size_t j = 0; cases[i].parts[j]; j++) {
            assert_true(slice_split(&rest, ',', &part));
            assert_slice_is(part, cases[i].parts[j]);
        }
        assert_false(slice_split(&rest, ',', &part));
        assert_null(rest.data);
    }
}

static void copy_is_always_terminated(void **state) {
    (void)state;
    char dst[4] = "xyz";
    assert_int_equal(slice_copy(dst, 0, SLICE_LITERAL("abc")), 0);
    assert_string_equal(dst, "xyz");
    assert_int_equal(slice_copy(dst, 1, SLICE_LITERAL("abc")), 0);
    assert_string_equal(dst, "");
    assert_int_equal(slice_copy(dst, 4, SLICE_LITERAL("abc")), 3);
    assert_string_equal(dst, "abc");
    assert_int_equal(slice_copy(dst, 4, SLICE_LITERAL("12345")), 3);
    assert_string_equal(dst, "123");
    assert_int_equal(slice_copy(dst, 4, slice_of(NULL, 0)), 0);
    assert_string_equal(dst, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_is_ignored_for_letters_only),
        cmocka_unit_test(prefix_is_found_only_at_the_start),
        cmocka_unit_test(numbers_are_read_strictly),
        cmocka_unit_test(split_gives_every_part),
        cmocka_unit_test(copy_is_always_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
