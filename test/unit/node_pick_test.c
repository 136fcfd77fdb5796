#include "node/node_pick.h"

#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static void picks_are_distinct_and_in_range(void **state) {
    (void)state;
    static const uint32_t cases[][2] = {{1, 0},     {1, 1},      {5, 5},         {10, 3},
                                        {1000, 10}, {1000, 249}, {1000, 251},    {1000, 999},
                                        {4, 1},     {8, 2},      {100000, 20000}};
    prng random;
    prng_init(&random, 1);
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        uint32_t bound = cases[c][0];
        uint32_t count = cases[c][1];
        uint32_t *picks = pick_distinct(&mem_default, &random, bound, count);
        bool *seen = mem_calloc(&mem_default, bound, sizeof *seen);
        assert_non_null(picks);
        assert_non_null(seen);
        for (uint32_t i = 0; i < count; i++) {
            assert_true(picks[i] < bound);
            assert_false(seen[picks[i]]);
            seen[picks[i]] = true;
        }
        mem_free(&mem_default, seen);
        mem_free(&mem_default, picks);
    }
}

/* Each of the 20 numbers should come in count / 20 of the draws: 20 000 draws stray by less than a
 * tenth from that, with room to spare. */
static void every_number_is_as_likely(void **state) {
    (void)state;
    enum { BOUND = 20, DRAWS = 20000 };
    for (uint32_t count = 1; count <= 15; count += 7) {
        unsigned hits[BOUND] = {0};
        prng random;
        prng_init(&random, count);
        for (unsigned i = 0; i < DRAWS; i++) {
            uint32_t *picks = pick_distinct(&mem_default, &random, BOUND, count);
            assert_non_null(picks);
            for (uint32_t p = 0; p < count; p++) {
                hits[picks[p]]++;
            }
            mem_free(&mem_default, picks);
        }
        unsigned expected = DRAWS * count / BOUND;
        for (unsigned n = 0; n < BOUND; n++) {
            assert_in_range(hits[n], expected - expected / 8, expected + expected / 8);
        }
    }
}

static void short_memory_gives_nothing(void **state) {
    (void)state;
    failing_mem f;
    failing_mem_init(&f);
    prng random;
    prng_init(&random, 1);
    for (size_t fail = 1; fail <= 2; fail++) {
        failing_mem_fail_at(&f, fail);
        assert_null(pick_distinct(&f.mem, &random, 1000, 10));
        assert_int_equal(f.live_count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_are_distinct_and_in_range),
        cmocka_unit_test(every_number_is_as_likely),
        cmocka_unit_test(short_memory_gives_nothing),
    };
    return cmocka_run_group_tests_name("node_pick", tests, NULL, NULL);
}
