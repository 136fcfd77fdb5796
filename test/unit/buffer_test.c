#include "base/buffer.h"

#include "base/prng.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static void bytes_come_out_as_they_went_in(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    buffer b;
    buffer_init(&b, &f.mem, 0);
    assert_int_equal(buffer_slice(&b).len, 0);
    assert_non_null(buffer_slice(&b).data);
    assert_true(buffer_append(&b, "ab\0", 3));
    assert_true(buffer_append_text(&b, "cd"));
    assert_true(buffer_append_slice(&b, SLICE_LITERAL("ef")));
    assert_true(buffer_append(&b, NULL, 0));
    buffer_consume(&b, 2);
    assert_int_equal(buffer_len(&b), 5);
    assert_memory_equal(buffer_slice(&b).data, "\0cdef", 5);
    buffer_done(&b);
    assert_int_equal(f.live_count, 0);
    buffer_done(NULL);
}

/* The buffer's beginning and end run far beyond its size: it must stay small. */
static void stream_through_a_buffer_needs_little_room(void **state) {
    (void)state;
    buffer b;
    prng random;
    buffer_init(&b, &mem_default, 0);
    prng_init(&random, 3);
    uint8_t in = 0;
    uint8_t out = 0;
    for (int round = 0; round < 20000; round++) {
        size_t count = prng_range(&random, 0, 100);
        char *room = buffer_reserve(&b, count);
        assert_non_null(room);
        assert_true(buffer_room(&b) >= count);
        for (size_t i = 0; i < count; i++) {
            room[i] = (char)in++;
        }
        buffer_commit(&b, count);
        kw_slice bytes = buffer_slice(&b);
        size_t taken = bytes.len > 300 ? bytes.len - 300 : prng_below(&random, bytes.len + 1);
        for (size_t i = 0; i < taken; i++) {
            assert_int_equal((uint8_t)bytes.data[i], out++);
        }
        buffer_consume(&b, taken);
        assert_true(b.capacity <= 2048);
    }
    buffer_done(&b);
}

static void cap_is_reached_exactly_and_never_passed(void **state) {
    (void)state;
    for (size_t cap = 1; cap < 1000; cap += 37) {
        buffer b;
        size_t count = 0;
        buffer_init(&b, &mem_default, cap);
        while (buffer_append(&b, "x", 1)) {
            count++;
        }
        assert_int_equal(count, cap);
        assert_int_equal(b.capacity, cap);
        assert_null(buffer_reserve(&b, 1));
        buffer_consume(&b, 1);
        assert_true(buffer_append(&b, "y", 1));
        assert_false(buffer_append(&b, "z", 1));
        assert_int_equal(buffer_slice(&b).data[cap - 1], 'y');
        buffer_done(&b);
    }
}

static void impossible_size_is_refused(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    buffer b;
    buffer_init(&b, &f.mem, 0);
    assert_true(buffer_append_text(&b, "abc"));
    assert_null(buffer_reserve(&b, SIZE_MAX));
    assert_null(buffer_reserve(&b, SIZE_MAX - 3));
    assert_slice_is(buffer_slice(&b), "abc");
    buffer_done(&b);
}

static void failed_allocation_leaves_the_buffer_whole(void **state) {
    (void)state;
    char piece[100];
    memset(piece, 'p', sizeof(piece));
    for (size_t consumed = 0; consumed <= 50; consumed += 50) {
        failing_mem f;
        failing_mem_init(&f);
        buffer b;
        buffer_init(&b, &f.mem, 0);
        failing_mem_fail_at(&f, 1);
        assert_false(buffer_append_text(&b, "x"));
        assert_int_equal(buffer_len(&b), 0);
        assert_true(buffer_append(&b, piece, 100));
        assert_true(buffer_append(&b, piece, 100));
        buffer_consume(&b, consumed);
        failing_mem_fail_at(&f, 1);
        /* 256 bytes there are: what was consumed makes room, without memory. */
        assert_int_equal(buffer_append(&b, piece, 100), consumed > 0);
        failing_mem_fail_at(&f, 1);
        assert_null(buffer_reserve(&b, 100000));
        assert_true(buffer_len(&b) >= 200 - consumed);
        for (size_t i = 0; i < buffer_len(&b); i++) {
            assert_int_equal(buffer_slice(&b).data[i], 'p');
        }
        buffer_done(&b);
        assert_int_equal(f.live_count, 0);
    }
}

static void room_in_front_is_used_when_memory_is_short(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    buffer b;
    buffer_init(&b, &f.mem, 0);
    for (int i = 0; i < 256; i++) {
        assert_true(buffer_append(&b, "x", 1));
    }
    buffer_consume(&b, 20);
    failing_mem_fail_at(&f, 1);
    assert_true(buffer_append(&b, "0123456789", 10));
    assert_int_equal(buffer_len(&b), 246);
    assert_memory_equal(buffer_slice(&b).data + 230, "xxxxxx0123456789", 16);
    buffer_done(&b);
}

static void clear_gives_large_memory_back(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    buffer b;
    buffer_init(&b, &f.mem, 0);
    assert_non_null(buffer_reserve(&b, 10000));
    buffer_commit(&b, 10000);
    buffer_clear(&b, 20000);
    assert_int_equal(buffer_len(&b), 0);
    assert_true(b.capacity >= 10000);
    failing_mem_fail_at(&f, 1);
    buffer_clear(&b, 512);
    assert_true(b.capacity >= 10000); /* could not be made smaller: still whole */
    buffer_clear(&b, 512);
    assert_int_equal(b.capacity, 512);
    assert_int_equal(f.live_bytes, 512);
    buffer_clear(&b, 0);
    assert_int_equal(f.live_count, 0);
    assert_true(buffer_append_text(&b, "again"));
    assert_slice_is(buffer_slice(&b), "again");
    buffer_done(&b);
}

static void printf_of_any_length_is_all_or_nothing(void **state) {
    (void)state;
    static const int widths[] = {0, 1, 254, 255, 256, 257, 5000};
    for (size_t i = 0; i < COUNT_OF(widths); i++) {
        buffer b;
        size_t len = (size_t)widths[i] + 1;
        buffer_init(&b, &mem_default, len);
        assert_true(buffer_printf(&b, "%*s%c", widths[i], "", 'e'));
        assert_int_equal(buffer_len(&b), len);
        assert_int_equal(buffer_slice(&b).data[len - 1], 'e');
        assert_false(buffer_printf(&b, "%d", 1));
        assert_int_equal(buffer_len(&b), len);
        buffer_done(&b);
    }
}

static void printf_survives_failed_allocations(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    for (size_t call = 1; call <= 3; call++) {
        buffer b;
        buffer_init(&b, &f.mem, 0);
        failing_mem_fail_at(&f, call);
        bool ok = buffer_printf(&b, "%1000d", 7);
        assert_int_equal(ok, call == 3);
        assert_int_equal(buffer_len(&b), ok ? 1000 : 0);
        buffer_done(&b);
        assert_int_equal(f.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_as_they_went_in),
        cmocka_unit_test(stream_through_a_buffer_needs_little_room),
        cmocka_unit_test(cap_is_reached_exactly_and_never_passed),
        cmocka_unit_test(impossible_size_is_refused),
        cmocka_unit_test(failed_allocation_leaves_the_buffer_whole),
        cmocka_unit_test(room_in_front_is_used_when_memory_is_short),
        cmocka_unit_test(clear_gives_large_memory_back),
        cmocka_unit_test(printf_of_any_length_is_all_or_nothing),
        cmocka_unit_test(printf_survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
