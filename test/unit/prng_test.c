#include "base/prng.h"

#include "unit/support/unit.h"

/* xoshiro256** started with the state 1, 2, 3, 4: its first outputs, as other implementations of
 * the published algorithm give them. */
static void sequence_is_the_published_one(void **state) {
    (void)state;
    static const uint64_t expected[] = {
        11520, 0, 1509978240, UINT64_C(1215971899390074240), UINT64_C(1216172134540287360),
    };
    prng p = {.state = {1, 2, 3, 4}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(prng_next(&p) == expected[i]);
    }
}

static void same_seed_gives_same_sequence(void **state) {
    (void)state;
    prng a;
    prng b;
    prng c;
    prng_init(&a, 1);
    prng_init(&b, 1);
    prng_init(&c, 2);
    unsigned same_count = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = prng_next(&a);
        assert_true(value == prng_next(&b));
        same_count += value == prng_next(&c);
    }
    assert_int_equal(same_count, 0);
}

static void below_reaches_every_value_and_no_other(void **state) {
    (void)state;
    prng p;
    unsigned counts[7] = {0};
    prng_init(&p, 0);
    for (int i = 0; i < 7000; i++) {
        uint64_t value = prng_below(&p, 7);
        assert_true(value < 7);
        counts[value]++;
    }
    for (size_t i = 0; i < 7; i++) {
        assert_in_range(counts[i], 850, 1150);
    }
    assert_int_equal(prng_below(&p, 0), 0);
    assert_int_equal(prng_below(&p, 1), 0);
}

/* A bound of 3/4 of all values: taking the remainder alone would favour the lower third. */
static void below_has_no_bias_for_large_bounds(void **state) {
    (void)state;
    prng p;
    unsigned low_count = 0;
    uint64_t bound = UINT64_C(3) << 62;
    prng_init(&p, 9);
    for (int i = 0; i < 9000; i++) {
        low_count += prng_below(&p, bound) < bound / 3;
    }
    assert_in_range(low_count, 2800, 3200);
}

static void range_includes_both_ends(void **state) {
    (void)state;
    prng p;
    bool seen[3] = {false};
    prng_init(&p, 5);
    for (int i = 0; i < 200; i++) {
        uint64_t value = prng_range(&p, 10, 12);
        assert_in_range(value, 10, 12);
        seen[value - 10] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    assert_int_equal(prng_range(&p, 4, 4), 4);
    assert_true(prng_range(&p, 0, UINT64_MAX) != prng_range(&p, 0, UINT64_MAX));
}

static void jitter_stays_within_its_percentage(void **state) {
    (void)state;
    prng p;
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    prng_init(&p, 6);
    for (int i = 0; i < 5000; i++) {
        uint64_t value = prng_jitter(&p, 1000, 20);
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    assert_in_range(low, 800, 810);
    assert_in_range(high, 1190, 1200);
    assert_int_equal(prng_jitter(&p, 1000, 0), 1000);
    assert_int_equal(prng_jitter(&p, 0, 50), 0);
    assert_true(prng_jitter(&p, 1000, 500) <= 2000);
    assert_true(prng_jitter(&p, UINT64_MAX, 1) >= UINT64_MAX / 100 * 98);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence_is_the_published_one),
        cmocka_unit_test(same_seed_gives_same_sequence),
        cmocka_unit_test(below_reaches_every_value_and_no_other),
        cmocka_unit_test(below_has_no_bias_for_large_bounds),
        cmocka_unit_test(range_includes_both_ends),
        cmocka_unit_test(jitter_stays_within_its_percentage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
