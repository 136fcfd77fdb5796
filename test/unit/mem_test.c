#include "base/mem.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static void array_that_overflows_is_refused(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    assert_null(mem_calloc(&f.mem, SIZE_MAX / 2, 3));
    assert_null(mem_resize(&f.mem, NULL, SIZE_MAX, 2));
    assert_null(mem_strndup(&f.mem, "", SIZE_MAX));
    assert_int_equal(f.call_count, 0);
}

static void calloc_is_zeroed_and_resize_keeps(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    unsigned char *bytes = mem_calloc(&f.mem, 4, 2);
    assert_non_null(bytes);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(bytes[i], 0);
    }
    bytes[7] = 9;
    failing_mem_fail_at(&f, 1);
    assert_null(mem_resize(&f.mem, bytes, 100, 1));
    assert_int_equal(bytes[7], 9);
    bytes = mem_resize(&f.mem, bytes, 100, 1);
    assert_non_null(bytes);
    assert_int_equal(bytes[7], 9);
    mem_free(&f.mem, bytes);
    mem_free(&f.mem, NULL);
    assert_int_equal(f.live_count, 0);
}

/* An allocator may take a size of 0 for "free" or for "nothing to give": it is never asked. */
static void nothing_is_still_a_piece(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    void *none = mem_calloc(&f.mem, 0, 8);
    assert_non_null(none);
    assert_int_equal(f.live_bytes, 1);
    none = mem_resize(&f.mem, none, 0, 8);
    assert_non_null(none);
    assert_int_equal(f.live_bytes, 1);
    mem_free(&f.mem, none);
    assert_int_equal(f.live_count, 0);
}

static void strndup_is_terminated_and_binary(void **state) {
    (void)state;
    char *copy = mem_strndup(&mem_default, "a\0b", 3);
    assert_non_null(copy);
    assert_memory_equal(copy, "a\0b", 4);
    mem_free(&mem_default, copy);
    copy = mem_strndup(&mem_default, NULL, 0);
    assert_non_null(copy);
    assert_string_equal(copy, "");
    mem_free(&mem_default, copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(array_that_overflows_is_refused),
        cmocka_unit_test(calloc_is_zeroed_and_resize_keeps),
        cmocka_unit_test(nothing_is_still_a_piece),
        cmocka_unit_test(strndup_is_terminated_and_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
