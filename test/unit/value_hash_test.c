#include "node/value_hash.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static value_hash *new_hash(void) {
    value_hash *h = value_hash_new(&mem_default, 7);
    assert_non_null(h);
    return h;
}

static void set(value_hash *h, const char *field, const char *value) {
    bool added;
    assert_true(value_hash_set(h, slice_text(field), slice_text(value), &added));
}

static void set_numbered(value_hash *h, unsigned number) {
    char field[16];
    (void)snprintf(field, sizeof field, "f%u", number);
    set(h, field, "v");
}

static void fields_are_set_read_and_removed(void **state) {
    (void)state;
    value_hash *h = new_hash();
    kw_slice value;
    assert_false(value_hash_get(h, SLICE_LITERAL("a"), &value));
    set(h, "a", "1");
    set(h, "a", "two");
    assert_int_equal(value_hash_count(h), 1);
    assert_true(value_hash_get(h, SLICE_LITERAL("a"), &value));
    assert_slice_is(value, "two");
    assert_false(value_hash_remove(h, SLICE_LITERAL("b")));
    assert_true(value_hash_remove(h, SLICE_LITERAL("a")));
    assert_int_equal(value_hash_count(h), 0);
    value_hash_kind.free(&mem_default, h);
    value_hash_kind.free(&mem_default, NULL);
}

static void it_is_a_listpack_up_to_128_fields(void **state) {
    (void)state;
    value_hash *h = new_hash();
    for (unsigned i = 0; i < 128; i++) {
        set_numbered(h, i);
    }
    set_numbered(h, 5); /* not a new one */
    assert_string_equal(value_hash_kind.encoding(h), "listpack");
    kw_slice field;
    kw_slice value;
    value_hash_at(h, 127, &field, &value);
    assert_slice_is(field, "f127");
    set_numbered(h, 128);
    assert_string_equal(value_hash_kind.encoding(h), "hashtable");
    for (unsigned i = 2; i < 129; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%u", i);
        assert_true(value_hash_remove(h, slice_text(name)));
    }
    assert_string_equal(value_hash_kind.encoding(h), "hashtable");
    value_hash_kind.free(&mem_default, h);
}

static void it_is_a_listpack_up_to_64_bytes(void **state) {
    (void)state;
    char text[66];
    memset(text, 'x', sizeof text);
    text[64] = '\0';
    value_hash *h = new_hash();
    set(h, text, text);
    assert_true(value_hash_is_listpack(h));
    text[64] = 'x';
    text[65] = '\0';
    assert_true(value_hash_fit(h, (const kw_slice[]){SLICE_LITERAL("a"), SLICE_LITERAL("b")}, 2));
    assert_true(value_hash_is_listpack(h));
    set(h, "f", text);
    assert_false(value_hash_is_listpack(h));
    value_hash_kind.free(&mem_default, h);
}

static void a_copy_lives_on_its_own(void **state) {
    (void)state;
    for (unsigned count = 3; count < 300; count += 290) {
        value_hash *h = new_hash();
        for (unsigned i = 0; i < count; i++) {
            set_numbered(h, i);
        }
        value_hash *copy = value_hash_kind.clone(&mem_default, h);
        assert_non_null(copy);
        assert_string_equal(value_hash_kind.encoding(copy), value_hash_kind.encoding(h));
        set(h, "f1", "changed");
        kw_slice value;
        assert_true(value_hash_get(copy, SLICE_LITERAL("f1"), &value));
        assert_slice_is(value, "v");
        value_hash_kind.free(&mem_default, h);
        assert_int_equal(value_hash_count(copy), count);
        value_hash_kind.free(&mem_default, copy);
    }
}

static void a_small_hash_is_walked_in_one_step(void **state) {
    (void)state;
    value_hash *h = new_hash();
    size_t low;
    size_t high;
    for (unsigned i = 0; i < 20; i++) {
        set_numbered(h, i);
    }
    assert_int_equal(value_hash_scan(h, 17, 5, &low, &high), 0);
    assert_int_equal(high - low, 20);
    value_hash_kind.free(&mem_default, h);
}

static void grow_and_clone(failing_mem *f) {
    value_hash *h = value_hash_new(&f->mem, 1);
    bool added;
    bool good = h != NULL;
    for (unsigned i = 0; good && i < 140; i++) {
        char field[16];
        (void)snprintf(field, sizeof field, "f%u", i);
        good = value_hash_set(h, slice_text(field), SLICE_LITERAL("v"), &added);
        assert_int_equal(value_hash_count(h), good ? i + 1 : i);
    }
    void *copy = good ? value_hash_kind.clone(&f->mem, h) : NULL;
    value_hash_kind.free(&f->mem, copy);
    value_hash_kind.free(&f->mem, h);
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
        cmocka_unit_test(fields_are_set_read_and_removed),
        cmocka_unit_test(it_is_a_listpack_up_to_128_fields),
        cmocka_unit_test(it_is_a_listpack_up_to_64_bytes),
        cmocka_unit_test(a_copy_lives_on_its_own),
        cmocka_unit_test(a_small_hash_is_walked_in_one_step),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests_name("value_hash", tests, NULL, NULL);
}
