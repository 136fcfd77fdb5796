#include "base/pool.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

enum { SIZE = 48, FREE_MAX = 2, COUNT = 4 };

static void blocks_are_used_again_up_to_the_limit(void **state) {
    (void)state;
    failing_mem memory;
    pool p;
    void *blocks[COUNT];
    failing_mem_init(&memory);
    pool_init(&p, &memory.mem, SIZE, FREE_MAX);
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = pool_take(&p);
        assert_non_null(blocks[i]);
        memset(blocks[i], i, SIZE);
    }
    for (int i = 0; i < COUNT; i++) {
        pool_give(&p, blocks[i]);
    }
    assert_int_equal(memory.live_count, FREE_MAX);
    assert_ptr_equal(pool_take(&p), blocks[1]); /* the one given back last that was kept */
    assert_ptr_equal(pool_take(&p), blocks[0]);
    pool_give(&p, blocks[0]);
    pool_give(&p, blocks[1]);
    pool_done(&p);
    assert_int_equal(memory.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_used_again_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
