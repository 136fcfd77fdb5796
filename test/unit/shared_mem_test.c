#include "client/shared_mem.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static void lives_until_the_last_reference_is_gone(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    const mem *shared = shared_mem_new(&f.mem);
    assert_non_null(shared);
    assert_int_equal(f.live_count, 1);
    assert_ptr_equal(shared_mem_ref(shared), shared);
    shared_mem_unref(shared);
    void *piece = mem_alloc(shared, 8);
    assert_non_null(piece);
    assert_int_equal(f.live_count, 2);
    mem_free(shared, piece);
    shared_mem_unref(shared);
    assert_int_equal(f.live_count, 0);
    shared_mem_unref(NULL);
}

static void short_memory_gives_none(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    failing_mem_fail_after(&f, 0);
    assert_null(shared_mem_new(&f.mem));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_until_the_last_reference_is_gone),
        cmocka_unit_test(short_memory_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
