/* Keys come as often as their distribution says; the same seed draws the same. */
#include "tool/bench_flights.h"
#include "tool/bench_keys.h"

#include "unit/support/unit.h"

#include <math.h>
#include <string.h>

enum { DRAWS = 200000, KEYS = 100 };

/* How far the counts of DRAWS draws lie from those of this exponent. Rare keys are taken together,
 * so that each cell expects five or more. With up to 99 degrees of freedom a value above 149 has a
 * chance of 1 in 1000, and the seed is fixed. */
static double chi_square(const bench_keys *k, double exponent) {
    uint64_t counts[KEYS] = {0};
    double weight = 0;
    double sum = 0;
    prng random;
    prng_init(&random, 7);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t key = bench_keys_draw(k, &random);
        assert_true(key < KEYS);
        counts[key]++;
    }
    for (int i = 0; i < KEYS; i++) {
        weight += pow(i + 1, -exponent);
    }
    double expected = 0;
    double found = 0;
    for (int i = 0; i < KEYS; i++) {
        expected += DRAWS * pow(i + 1, -exponent) / weight;
        found += (double)counts[i];
        if (expected >= 5 || i == KEYS - 1) {
            sum += (found - expected) * (found - expected) / expected;
            expected = 0;
            found = 0;
        }
    }
    return sum;
}

static void draws_fit_the_distribution(void **state) {
    (void)state;
    static const double exponents[] = {0, 0.2, 0.99, 1, 1.1, 2, 3};
    for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
        bench_keys k;
        bench_keys_init(&k, KEYS, exponents[i]);
        double off = chi_square(&k, exponents[i]);
        if (off > 149) {
            fail_msg("exponent %g: chi square is %g", exponents[i], off);
        }
    }
}

static void other_laws_do_not_fit(void **state) {
    (void)state;
    bench_keys k;
    bench_keys_init(&k, KEYS, 1.0);
    assert_true(chi_square(&k, 1.05) > 149);
    assert_true(chi_square(&k, 0.95) > 149);
    assert_true(chi_square(&k, 0) > 149);
}

static void any_count_and_exponent_stays_within_its_keys(void **state) {
    (void)state;
    static const uint64_t counts[] = {1, 2, 3, 1000003, UINT64_C(1000000000000)};
    static const double exponents[] = {0, 0.01, 1, 1.1, 10};
    prng random;
    prng_init(&random, 1);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (size_t e = 0; e < sizeof exponents / sizeof exponents[0]; e++) {
            bench_keys k;
            bench_keys_init(&k, counts[c], exponents[e]);
            for (int i = 0; i < 2000; i++) {
                assert_true(bench_keys_draw(&k, &random) < counts[c]);
            }
        }
    }
}

static void same_seed_draws_the_same(void **state) {
    (void)state;
    bench_keys k;
    prng a;
    prng b;
    prng c;
    int differ = 0;
    bench_keys_init(&k, 1000000, 1.1);
    prng_init(&a, 5);
    prng_init(&b, 5);
    prng_init(&c, 6);
    for (int i = 0; i < 100; i++) {
        uint64_t key = bench_keys_draw(&k, &a);
        assert_int_equal(key, bench_keys_draw(&k, &b));
        differ += key != bench_keys_draw(&k, &c);
    }
    assert_true(differ > 10);
}

static void numbers_are_twelve_digits(void **state) {
    (void)state;
    char text[32] = "key:............!";
    bench_key_number(text, 4, 1234567);
    assert_string_equal(text, "key:000001234567!");
    bench_key_number(text, 4, 999999999999);
    assert_string_equal(text, "key:999999999999!");
}

/* All that was drawn for a node comes out again, in flights of one node. */
static void flights_are_whole_and_keep_every_key(void **state) {
    (void)state;
    bench_flights f;
    uint64_t flight[4];
    int landed = 0;
    uint64_t sum = 0;
    bench_flights_init(&f, 4);
    for (uint64_t key = 0; key < 120; key++) {
        if (bench_flights_add(&f, key % 3 == 2 ? BENCH_NODE_NONE : (int)(key % 3), key, flight)) {
            landed++;
            for (int i = 0; i < 4; i++) {
                assert_int_equal(flight[i] % 3, flight[0] % 3);
                sum += flight[i];
            }
        }
    }
    assert_int_equal(landed, 30);
    assert_int_equal(sum, 119 * 120 / 2);
    bench_flights_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_fit_the_distribution),
        cmocka_unit_test(other_laws_do_not_fit),
        cmocka_unit_test(any_count_and_exponent_stays_within_its_keys),
        cmocka_unit_test(same_seed_draws_the_same),
        cmocka_unit_test(numbers_are_twelve_digits),
        cmocka_unit_test(flights_are_whole_and_keep_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
