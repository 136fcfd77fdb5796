#include "core/chunk.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

typedef struct fixture {
    failing_mem mem;
    chunk_pool pool;
    chunk *current;
} fixture;

static fixture f;

static int setup(void **state) {
    (void)state;
    failing_mem_init(&f.mem);
    chunk_pool_init(&f.pool, &f.mem.mem);
    f.current = NULL;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    chunk_unref(&f.pool, f.current);
    chunk_pool_done(&f.pool);
    assert_int_equal(f.mem.live_count, 0);
    return 0;
}

static char *reserve(size_t size, chunk **ret) {
    return chunk_reserve(&f.pool, &f.current, size, ret);
}

static void neighbours_lie_side_by_side(void **state) {
    (void)state;
    chunk *a;
    chunk *b;
    char *first = reserve(10, &a);
    char *second = reserve(20, &b);
    assert_ptr_equal(second, first + 10);
    assert_ptr_equal(a, b);
    assert_int_equal(f.mem.call_count, 1);
    chunk_unref(&f.pool, a);
    chunk_unref(&f.pool, b);
}

static void done_chunk_begins_anew(void **state) {
    (void)state;
    chunk *a;
    char *first = reserve(100, &a);
    chunk_unref(&f.pool, a);
    char *second = reserve(100, &a);
    assert_ptr_equal(first, second);
    chunk_unref(&f.pool, a);
}

static void full_chunk_is_replaced_and_lives_while_it_is_used(void **state) {
    (void)state;
    chunk *a;
    chunk *b;
    char *first = reserve(CHUNK_BYTES - 5, &a);
    memset(first, 'a', CHUNK_BYTES - 5);
    char *second = reserve(6, &b);
    assert_ptr_not_equal(a, b);
    memset(second, 'b', 6);
    assert_int_equal(first[CHUNK_BYTES - 6], 'a');
    chunk_unref(&f.pool, a);
    assert_int_equal(f.pool.free_count, 1);
    chunk_unref(&f.pool, b);
}

static void large_command_has_a_chunk_of_its_own(void **state) {
    (void)state;
    chunk *a;
    chunk *b;
    chunk *c;
    char *first = reserve(10, &a);
    char *large = reserve(CHUNK_BYTES + 1, &b);
    memset(large, 'x', CHUNK_BYTES + 1);
    char *second = reserve(10, &c);
    assert_ptr_equal(second, first + 10);
    size_t live = f.mem.live_count;
    chunk_unref(&f.pool, b);
    assert_int_equal(f.mem.live_count, live - 1); /* not for the pool */
    chunk_unref(&f.pool, a);
    chunk_unref(&f.pool, c);
}

static void lone_chunk_is_full_and_lends_nothing(void **state) {
    (void)state;
    chunk *a;
    chunk *b = chunk_alone(&f.pool, 10);
    b->lent = SLICE_LITERAL("lent");
    chunk_unref(&f.pool, b); /* to the pool */
    assert_ptr_equal(chunk_alone(&f.pool, 20), b);
    assert_null(b->lent.data);
    memset(b->data, 'x', b->used);
    assert_int_equal(b->used, 20);
    char *first = reserve(10, &a); /* not in there */
    assert_false(first >= b->data && first < b->data + CHUNK_BYTES);
    chunk_unref(&f.pool, a);
    chunk_unref(&f.pool, b);
    failing_mem_fail_at(&f.mem, 1);
    assert_null(chunk_alone(&f.pool, CHUNK_BYTES + 1));
}

static void references_are_counted(void **state) {
    (void)state;
    chunk *a;
    char *first = reserve(10, &a);
    chunk_take(a, a->data + a->used);
    chunk_unref(&f.pool, a);
    memset(first, 'a', 10);
    chunk *b;
    assert_ptr_equal(reserve(10, &b), first + 10); /* still in use: not begun anew */
    chunk_unref(&f.pool, a);
    chunk_unref(&f.pool, b);
    chunk_unref(&f.pool, NULL);
}

static void pool_keeps_so_many(void **state) {
    (void)state;
    static chunk *chunks[CHUNK_POOL_MAX + 10];
    for (size_t i = 0; i < COUNT_OF(chunks); i++) {
        assert_non_null(reserve(CHUNK_BYTES, &chunks[i]));
    }
    for (size_t i = 0; i < COUNT_OF(chunks); i++) {
        chunk_unref(&f.pool, chunks[i]);
    }
    assert_int_equal(f.pool.free_count, CHUNK_POOL_MAX);
}

static void failed_allocation_leaves_all_as_it_was(void **state) {
    (void)state;
    chunk *a;
    char *first = reserve(CHUNK_BYTES - 10, &a);
    failing_mem_fail_at(&f.mem, 1);
    chunk *b = NULL;
    assert_null(reserve(20, &b));
    assert_null(b);
    failing_mem_fail_at(&f.mem, 1);
    assert_null(reserve(CHUNK_BYTES * 2, &b));
    assert_ptr_equal(reserve(10, &b), first + CHUNK_BYTES - 10);
    chunk_unref(&f.pool, a);
    chunk_unref(&f.pool, b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(neighbours_lie_side_by_side, setup, teardown),
        cmocka_unit_test_setup_teardown(done_chunk_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(full_chunk_is_replaced_and_lives_while_it_is_used, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(large_command_has_a_chunk_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(lone_chunk_is_full_and_lends_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(references_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(pool_keeps_so_many, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_allocation_leaves_all_as_it_was, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
