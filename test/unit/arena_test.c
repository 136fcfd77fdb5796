#include "base/arena.h"

#include "base/prng.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#define PIECES 2000

static void pieces_are_aligned_and_their_own(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    arena a;
    prng random;
    unsigned char *pieces[PIECES];
    size_t sizes[PIECES];
    arena_init(&a, &f.mem);
    prng_init(&random, 5);
    for (size_t i = 0; i < PIECES; i++) {
        sizes[i] = prng_below(&random, i % 100 == 0 ? 200000 : 200);
        pieces[i] = arena_alloc(&a, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_int_equal(pieces[i][j], i & 0xff);
        }
    }
    assert_true(f.live_count < PIECES / 4);
    arena_done(&a);
    assert_int_equal(f.live_count, 0);
    arena_done(&a);
    arena_done(NULL);
}

static void large_piece_leaves_room_of_the_first_block(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    arena a;
    arena_init(&a, &f.mem);
    assert_non_null(arena_alloc(&a, 16));
    assert_non_null(arena_alloc(&a, 1000000));
    assert_non_null(arena_alloc(&a, 16));
    assert_int_equal(f.live_count, 2);
    arena_done(&a);
}

static void reset_arena_needs_no_memory_for_as_much_again(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    arena a;
    arena_init(&a, &f.mem);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 40; i++) {
            assert_non_null(arena_alloc(&a, 100));
        }
        arena_reset(&a);
        assert_int_equal(f.live_count, 1);
    }
    size_t before = f.call_count;
    assert_non_null(arena_alloc(&a, 100));
    assert_int_equal(f.call_count, before);
    arena_done(&a);
    assert_int_equal(f.live_count, 0);
}

static void reset_arena_keeps_no_large_block(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    arena a;
    arena_init(&a, &f.mem);
    assert_non_null(arena_alloc(&a, 1000000));
    arena_reset(&a);
    assert_int_equal(f.live_count, 0);
}

static void failed_allocation_leaves_the_arena_usable(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    arena a;
    arena_init(&a, &f.mem);
    failing_mem_fail_at(&f, 1);
    assert_null(arena_alloc(&a, 1));
    assert_non_null(arena_alloc(&a, 1));
    failing_mem_fail_at(&f, 1);
    assert_null(arena_alloc(&a, 100000));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 100));
    assert_null(arena_strndup(&a, "", SIZE_MAX));
    char *text = arena_strndup(&a, "a\0b", 3);
    assert_non_null(text);
    assert_memory_equal(text, "a\0b", 4);
    arena_done(&a);
    assert_int_equal(f.live_count, 0);
}

static void room_becomes_a_piece_of_what_is_taken_of_it(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    arena a;
    arena_init(&a, &f.mem);
    failing_mem_fail_at(&f, 1);
    assert_null(arena_room(&a, 10));
    char *room = arena_room(&a, 600); /* more than half a block, and yet the first one */
    assert_non_null(room);
    assert_ptr_equal(arena_room(&a, 600), room); /* nothing was taken */
    memset(room, 'r', 600);
    arena_take(&a, 5);
    char *next = arena_alloc(&a, 8);
    assert_true(next >= room + 5 && next < room + 5 + 2 * sizeof(max_align_t));
    assert_non_null(arena_room(&a, 1000000));
    memset(arena_room(&a, 1000000), 'r', 1000000);
    assert_int_equal(f.live_count, 2);
    arena_done(&a);
    assert_int_equal(f.live_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_their_own),
        cmocka_unit_test(large_piece_leaves_room_of_the_first_block),
        cmocka_unit_test(room_becomes_a_piece_of_what_is_taken_of_it),
        cmocka_unit_test(failed_allocation_leaves_the_arena_usable),
        cmocka_unit_test(reset_arena_needs_no_memory_for_as_much_again),
        cmocka_unit_test(reset_arena_keeps_no_large_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
