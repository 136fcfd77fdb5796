#include "node/value_set.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static value_set *new_set(void) {
    value_set *s = value_set_new(&mem_default, 7);
    assert_non_null(s);
    return s;
}

static void add(value_set *s, const char *member, bool expect_added) {
    bool added = !expect_added;
    assert_true(value_set_add(s, slice_text(member), &added));
    assert_int_equal(added, expect_added);
}

static void add_number(value_set *s, int number) {
    char text[16];
    (void)snprintf(text, sizeof text, "%d", number);
    add(s, text, true);
}

static void integers_are_sorted(void **state) {
    (void)state;
    value_set *s = new_set();
    static const char *const sorted[] = {"-9223372036854775808", "-7", "0", "3", "41",
                                         "9223372036854775807"};
    add(s, "41", true);
    add(s, "-7", true);
    add(s, "9223372036854775807", true);
    add(s, "3", true);
    add(s, "3", false);
    add(s, "-9223372036854775808", true);
    add(s, "0", true);
    assert_string_equal(value_set_kind.encoding(s), "intset");
    assert_int_equal(value_set_count(s), COUNT_OF(sorted));
    for (size_t i = 0; i < COUNT_OF(sorted); i++) {
        char text[NUMBER_INTEGER_BYTES];
        assert_slice_is(value_set_at(s, i, text), sorted[i]);
        assert_true(value_set_has(s, slice_text(sorted[i])));
    }
    assert_false(value_set_has(s, SLICE_LITERAL("1")));
    assert_false(value_set_has(s, SLICE_LITERAL("03")));
    assert_true(value_set_remove(s, SLICE_LITERAL("0")));
    assert_false(value_set_remove(s, SLICE_LITERAL("0")));
    assert_false(value_set_remove(s, SLICE_LITERAL("x")));
    assert_int_equal(value_set_count(s), COUNT_OF(sorted) - 1);
    value_set_kind.free(&mem_default, s);
    value_set_kind.free(&mem_default, NULL);
}

static void width_grows_and_stays(void **state) {
    (void)state;
    value_set *s = new_set();
    add(s, "-32768", true);
    assert_int_equal(s->integer_width, 2);
    add(s, "32768", true);
    assert_int_equal(s->integer_width, 4);
    add(s, "-2147483649", true);
    assert_int_equal(s->integer_width, 8);
    assert_true(value_set_remove(s, SLICE_LITERAL("-2147483649")));
    assert_int_equal(s->integer_width, 8);
    value_set_kind.free(&mem_default, s);
}

static void any_other_member_makes_it_a_table(void **state) {
    (void)state;
    static const char *const others[] = {"x", "", "01", "-0", "1.5", "9223372036854775808"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        value_set *s = new_set();
        add(s, "-12", true);
        add(s, others[i], true);
        add(s, others[i], false);
        add(s, "-12", false);
        assert_string_equal(value_set_kind.encoding(s), "hashtable");
        assert_int_equal(value_set_count(s), 2);
        assert_true(value_set_has(s, SLICE_LITERAL("-12")));
        assert_true(value_set_remove(s, slice_text(others[i])));
        assert_string_equal(value_set_kind.encoding(s), "hashtable");
        value_set_kind.free(&mem_default, s);
    }
}

static void integers_past_512_make_it_a_table(void **state) {
    (void)state;
    value_set *s = new_set();
    for (int i = 0; i < 512; i++) {
        add_number(s, 1000 - i);
    }
    add(s, "1000", false);
    assert_true(value_set_is_intset(s));
    add_number(s, 2000);
    assert_false(value_set_is_intset(s));
    assert_int_equal(value_set_count(s), 513);
    assert_true(value_set_has(s, SLICE_LITERAL("489")));
    while (value_set_count(s) > 0) {
        value_set_remove_at(s, value_set_count(s) / 2);
    }
    value_set_kind.free(&mem_default, s);
}

static void a_copy_lives_on_its_own(void **state) {
    (void)state;
    static const char *const lasts[] = {"5", "x"};
    for (size_t i = 0; i < COUNT_OF(lasts); i++) {
        value_set *s = new_set();
        add(s, "100000", true);
        add(s, lasts[i], true);
        value_set *copy = value_set_kind.clone(&mem_default, s);
        assert_non_null(copy);
        assert_string_equal(value_set_kind.encoding(copy), value_set_kind.encoding(s));
        assert_int_equal(copy->integer_width, s->integer_width);
        assert_true(value_set_remove(s, SLICE_LITERAL("100000")));
        value_set_kind.free(&mem_default, s);
        assert_int_equal(value_set_count(copy), 2);
        assert_true(value_set_has(copy, SLICE_LITERAL("100000")));
        add(copy, "6", true);
        value_set_kind.free(&mem_default, copy);
    }
}

static void grow_and_clone(failing_mem *f) {
    value_set *s = value_set_new(&f->mem, 1);
    bool added;
    bool good = s != NULL;
    for (int i = 0; good && i < 30; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        good = value_set_add(s, slice_text(text), &added) && value_set_count(s) == (size_t)i + 1;
    }
    value_set *copy = good ? value_set_kind.clone(&f->mem, s) : NULL;
    if (copy && !value_set_add(copy, SLICE_LITERAL("x"), &added)) {
        assert_int_equal(value_set_count(copy), 30);
        assert_true(value_set_has(copy, SLICE_LITERAL("7")));
    }
    value_set *second = copy ? value_set_kind.clone(&f->mem, copy) : NULL;
    value_set_kind.free(&f->mem, second);
    value_set_kind.free(&f->mem, copy);
    value_set_kind.free(&f->mem, s);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    grow_and_clone(&f);
    for (size_t i = f.call_count; i >= 1; i--) {
        failing_mem_fail_at(&f, i);
        grow_and_clone(&f);
        assert_int_equal(f.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_sorted),
        cmocka_unit_test(width_grows_and_stays),
        cmocka_unit_test(any_other_member_makes_it_a_table),
        cmocka_unit_test(integers_past_512_make_it_a_table),
        cmocka_unit_test(a_copy_lives_on_its_own),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests_name("value_set", tests, NULL, NULL);
}
