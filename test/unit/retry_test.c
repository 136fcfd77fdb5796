#include "core/retry.h"

#include "unit/support/unit.h"

#define DRAWS 2000

typedef struct spread {
    uint64_t least;
    uint64_t most;
} spread;

static spread jitter_spread(unsigned attempt) {
    prng p;
    prng_init(&p, 7);
    spread s = {UINT64_MAX, 0};
    for (int i = 0; i < DRAWS; i++) {
        uint64_t us = retry_full_jitter_us(&p, 10000, 1000000, attempt);
        s.least = us < s.least ? us : s.least;
        s.most = us > s.most ? us : s.most;
    }
    return s;
}

static void full_jitter_doubles_up_to_its_cap(void **state) {
    (void)state;
    static const struct {
        unsigned attempt;
        uint64_t most;
    } rows[] = {{0, 10000}, {1, 20000}, {4, 160000}, {6, 640000}, {7, 1000000}, {255, 1000000}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        spread s = jitter_spread(rows[i].attempt);
        assert_true(s.most <= rows[i].most && s.most > rows[i].most * 9 / 10);
        assert_true(s.least >= 1000 && s.least < 1000 + rows[i].most / 10);
    }
}

static void full_jitter_of_very_little_is_that(void **state) {
    (void)state;
    prng p;
    prng_init(&p, 7);
    assert_int_equal(retry_full_jitter_us(&p, 500, 500, 3), 500);
    assert_int_equal(retry_full_jitter_us(&p, 0, 0, 3), 0);
}

static void growing_delay_grows_by_its_fraction(void **state) {
    (void)state;
    static const struct {
        unsigned num;
        unsigned den;
        unsigned attempt;
        uint64_t middle;
    } rows[] = {{2, 1, 0, 100000}, {2, 1, 3, 800000}, {2, 1, 60, 10000000},
                {3, 2, 1, 150000}, {3, 2, 2, 225000}, {3, 2, 1000000, 10000000}};
    prng p;
    prng_init(&p, 9);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        spread s = {UINT64_MAX, 0};
        for (int k = 0; k < DRAWS; k++) {
            uint64_t us =
                retry_growing_us(&p, 100000, 10000000, rows[i].num, rows[i].den, rows[i].attempt);
            s.least = us < s.least ? us : s.least;
            s.most = us > s.most ? us : s.most;
        }
        uint64_t middle = rows[i].middle;
        assert_true(s.least >= middle * 8 / 10 && s.least < middle * 82 / 100);
        assert_true(s.most <= middle * 12 / 10 && s.most > middle * 118 / 100);
    }
}

static unsigned spend_all(retry_budget *b, uint32_t percent, uint64_t commands) {
    unsigned count = 0;
    while (retry_budget_spend(b, percent, commands)) {
        count++;
    }
    return count;
}

static void budget_is_a_share_of_the_traffic(void **state) {
    (void)state;
    retry_budget b;
    retry_budget_init(&b, 10);
    assert_int_equal(spend_all(&b, 10, 0), 100); /* to begin with */
    assert_int_equal(spend_all(&b, 10, 95), 9);
    assert_int_equal(spend_all(&b, 10, 95), 0);
    assert_int_equal(spend_all(&b, 10, 100), 1); /* what was left of the last is not lost */
}

static void budget_has_a_cap(void **state) {
    (void)state;
    retry_budget b;
    retry_budget_init(&b, 100);
    assert_int_equal(spend_all(&b, 100, 100000), 1000);
    assert_int_equal(spend_all(&b, 100, UINT64_MAX), 1000);
}

static void no_percent_is_no_retry(void **state) {
    (void)state;
    retry_budget b;
    retry_budget_init(&b, 0);
    assert_false(retry_budget_spend(&b, 0, 1000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_jitter_doubles_up_to_its_cap),
        cmocka_unit_test(full_jitter_of_very_little_is_that),
        cmocka_unit_test(growing_delay_grows_by_its_fraction),
        cmocka_unit_test(budget_is_a_share_of_the_traffic),
        cmocka_unit_test(budget_has_a_cap),
        cmocka_unit_test(no_percent_is_no_retry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
