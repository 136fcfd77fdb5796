#include "base/number.h"

#include "base/prng.h"
#include "unit/support/unit.h"

#include <locale.h>
#include <math.h>

static void decimal_text_is_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"1", 1},
        {"+1", 1},
        {"-1.5", -1.5},
        {".5", 0.5},
        {"5.", 5},
        {"1e3", 1000},
        {"1E+3", 1000},
        {"125e-3", 0.125},
        {"1.25e1", 12.5},
        {"007", 7},
        {"1e999", (double)INFINITY},
        {"1e-999", 0},
        {"inf", (double)INFINITY},
        {"+inf", (double)INFINITY},
        {"-inf", -(double)INFINITY},
        {"INF", (double)INFINITY},
        {"Infinity", (double)INFINITY},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        double value = 77;
        assert_true(number_parse(slice_text(cases[i].text), &value));
        assert_true(value == cases[i].value);
    }
    double value = 0;
    assert_true(number_parse(SLICE_LITERAL("nan"), &value) && isnan(value));
    assert_true(number_parse(SLICE_LITERAL("-NaN"), &value) && isnan(value));
}

static void other_text_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",          " ",      " 1",   "1 ",  "+",   "-",        ".",       "e1",    "1e",
        "1e+",       "1.e",    "1..2", "0x1", "1,5", "--1",      "+-1",     "1e1.5", "infi",
        "infinity1", "nan(1)", "n",    "1_0", "1f",  "\xd9\xa3", "inf inf", "1e1e1", "- 1",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        double value = 77;
        assert_false(number_parse(slice_text(cases[i]), &value));
        assert_true(value == 77);
    }
    double value = 77;
    assert_false(number_parse(slice_of(NULL, 0), &value));
    assert_false(number_parse(SLICE_LITERAL("1\0"), &value));
}

static void longest_text_is_read_and_no_longer(void **state) {
    (void)state;
    char text[NUMBER_TEXT_BYTES + 1];
    double value = 0;
    memset(text, '0', sizeof(text));
    text[NUMBER_TEXT_BYTES - 1] = '7';
    assert_true(number_parse(slice_of(text, NUMBER_TEXT_BYTES), &value));
    assert_true(value == 7);
    assert_false(number_parse(slice_of(text, NUMBER_TEXT_BYTES + 1), &value));
}

static void seventeen_digits_bring_every_double_back(void **state) {
    (void)state;
    prng random;
    prng_init(&random, 7);
    for (int i = 0; i < 10000; i++) {
        uint64_t bits = prng_next(&random);
        double value;
        double back;
        char text[NUMBER_TEXT_BYTES];
        memcpy(&value, &bits, sizeof(value));
        size_t len = number_format(text, 'g', 17, value);
        assert_int_equal(len, strlen(text));
        assert_true(number_parse(slice_of(text, len), &back));
        assert_true(isnan(value) ? isnan(back) : value == back);
    }
}

static void widest_number_fits(void **state) {
    (void)state;
    char text[NUMBER_TEXT_BYTES];
    assert_int_equal(number_format(text, 'f', 17, -1.7976931348623157e308), 1 + 309 + 1 + 17);
}

static const struct {
    char conversion;
    int precision;
    double value;
    const char *text;
} formats[] = {
    {'f', 6, 1.5, "1.500000"},
    {'g', 6, 1.5, "1.5"},
    {'g', 6, 100000, "100000"},
    {'g', 6, 1e7, "1e+07"},
    {'g', 17, 0.1, "0.10000000000000001"},
    {'f', 0, 2, "2"},
    {'g', 17, -1.25e-300, "-1.25e-300"},
};

static void assert_formats(void) {
    char text[NUMBER_TEXT_BYTES];
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        size_t len =
            number_format(text, formats[i].conversion, formats[i].precision, formats[i].value);
        assert_string_equal(text, formats[i].text);
        assert_int_equal(len, strlen(formats[i].text));
    }
    number_format(text, 'g', 17, (double)INFINITY);
    assert_string_equal(text, "inf");
    number_format(text, 'f', 6, -(double)INFINITY);
    assert_string_equal(text, "-inf");
    number_format(text, 'g', 17, -(double)NAN);
    assert_string_equal(text, "nan");
}

static void format_is_as_printf(void **state) {
    (void)state;
    assert_formats();
}

/* Debian need not have any of these installed: then only the C locale is tried. */
static void point_is_a_point_in_every_locale(void **state) {
    (void)state;
    static const char *const locales[] = {"C", "de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    for (size_t i = 0; i < COUNT_OF(locales); i++) {
        if (setlocale(LC_ALL, locales[i])) {
            double value = 0;
            assert_formats();
            assert_true(number_parse(SLICE_LITERAL("-12.5e1"), &value));
            assert_true(value == -125);
        }
    }
    setlocale(LC_ALL, "C");
}

static void digits_of_unsigned_numbers(void **state) {
    (void)state;
    static const uint64_t values[] = {0, 9, 10, 99, 12345, UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char text[NUMBER_U64_BYTES];
        uint64_t back = 77;
        size_t len = number_from_u64(text, values[i]);
        assert_true(slice_to_u64(slice_of(text, len), &back));
        assert_true(back == values[i]);
        assert_true(len == 1 || text[0] != '0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_text_is_read),
        cmocka_unit_test(other_text_is_refused),
        cmocka_unit_test(longest_text_is_read_and_no_longer),
        cmocka_unit_test(seventeen_digits_bring_every_double_back),
        cmocka_unit_test(widest_number_fits),
        cmocka_unit_test(format_is_as_printf),
        cmocka_unit_test(point_is_a_point_in_every_locale),
        cmocka_unit_test(digits_of_unsigned_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
