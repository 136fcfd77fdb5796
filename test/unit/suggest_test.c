#include "base/suggest.h"

#include "unit/support/unit.h"

static void mistyped_word_finds_its_name(void **state) {
    (void)state;
    static const char *const names[] = {"exec", "slot", "map", "demo", "explain", NULL};
    static const struct {
        const char *word;
        const char *expected;
    } cases[] = {
        {"exce", "exec"},     {"exe", "exec"},
        {"slots", "slot"},    {"mpa", "map"},
        {"dmeo", "demo"},     {"explian", "explain"},
        {"get", NULL},        {"", NULL},
        {"frobnicate", NULL}, {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *found = suggest(cases[i].word, names);
        if (cases[i].expected) {
            assert_non_null(found);
            assert_string_equal(found, cases[i].expected);
        } else {
            assert_null(found);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mistyped_word_finds_its_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
