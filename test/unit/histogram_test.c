#include "core/histogram.h"

#include "base/prng.h"
#include "unit/support/unit.h"

#include <stdlib.h>

static int compare_values(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void assert_close(uint64_t value, uint64_t expected) {
    uint64_t off = value > expected ? value - expected : expected - value;
    assert_true(off * 100 <= expected * 3);
}

static void empty_has_no_quantiles(void **state) {
    (void)state;
    histogram h;
    histogram_init(&h);
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    assert_int_equal(histogram_count_below(&h, 1000), 0);
}

static void one_value_is_every_quantile(void **state) {
    (void)state;
    static const uint64_t values[] = {0,  1,    31,     32,         33,        63,
                                      64, 1000, 123456, 3600000000, 4294967295};
    static const double shares[] = {-1, 0, 0.001, 0.5, 0.999, 1, 2};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        histogram h;
        histogram_init(&h);
        histogram_add(&h, values[i]);
        for (size_t j = 0; j < COUNT_OF(shares); j++) {
            assert_close(histogram_quantile(&h, shares[j]), values[i]);
        }
        assert_true(h.max_us == values[i] && h.sum_us == values[i] && h.count == 1);
    }
}

/* Against the sorted values themselves, over seven powers of ten. */
static void quantiles_are_at_most_three_percent_off(void **state) {
    (void)state;
    enum { COUNT = 20001 };
    static const double shares[] = {0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999};
    uint64_t *values = calloc(COUNT, sizeof(*values));
    assert_non_null(values);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        histogram h;
        prng random;
        histogram_init(&h);
        prng_init(&random, seed);
        for (size_t i = 0; i < COUNT; i++) {
            values[i] = prng_below(&random, UINT64_C(1) << prng_range(&random, 3, 32));
            histogram_add(&h, values[i]);
        }
        qsort(values, COUNT, sizeof(*values), compare_values);
        for (size_t j = 0; j < COUNT_OF(shares); j++) {
            double rank = shares[j] * COUNT;
            size_t index = (size_t)rank; /* rounded up, counted from 0 */
            assert_close(histogram_quantile(&h, shares[j]), values[index]);
        }
        assert_true(histogram_quantile(&h, 1) == values[COUNT - 1]);
    }
    free(values);
}

static void values_beyond_the_last_bucket_keep_the_maximum(void **state) {
    (void)state;
    histogram h;
    histogram_init(&h);
    histogram_add(&h, 5);
    histogram_add(&h, UINT64_C(1) << 40);
    assert_true(histogram_quantile(&h, 1) == UINT64_C(1) << 40);
    assert_true(histogram_quantile(&h, 0.5) == 5);
}

static void full_bucket_stays_full(void **state) {
    (void)state;
    histogram h;
    histogram_init(&h);
    histogram_add(&h, 7);
    h.buckets[7] = UINT32_MAX;
    histogram_add(&h, 7);
    assert_true(h.buckets[7] == UINT32_MAX);
    assert_true(histogram_quantile(&h, 0.99) == 7);
}

static void count_below_is_cumulative(void **state) {
    (void)state;
    histogram h;
    histogram_init(&h);
    for (uint64_t value = 1; value <= 1000; value++) {
        histogram_add(&h, value);
    }
    assert_int_equal(histogram_count_below(&h, 0), 0);
    assert_int_equal(histogram_count_below(&h, 10), 10);
    assert_close(histogram_count_below(&h, 500), 500);
    assert_int_equal(histogram_count_below(&h, 1000), 1000);
    assert_int_equal(histogram_count_below(&h, UINT64_MAX), 1000);
    uint64_t before = 0;
    for (uint64_t value = 0; value < 1100; value++) {
        uint64_t count = histogram_count_below(&h, value);
        assert_true(count >= before && count <= h.count);
        before = count;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_has_no_quantiles),
        cmocka_unit_test(one_value_is_every_quantile),
        cmocka_unit_test(quantiles_are_at_most_three_percent_off),
        cmocka_unit_test(values_beyond_the_last_bucket_keep_the_maximum),
        cmocka_unit_test(full_bucket_stays_full),
        cmocka_unit_test(count_below_is_cumulative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
