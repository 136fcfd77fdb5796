/* Percentiles of times, and the text that HdrHistogram's plotters read. */
#include "base/prng.h"
#include "tool/bench_report.h"
#include "tool/bench_tally.h"

#include "unit/support/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

static void quantiles_are_near_the_sorted_values(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static const double shares[] = {0, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    static uint64_t values[COUNT];
    static bench_histogram h;
    prng random;
    prng_init(&random, 3);
    bench_histogram_init(&h);
    for (int i = 0; i < COUNT; i++) {
        values[i] = prng_below(&random, UINT64_C(1) << (1 + prng_below(&random, 28)));
        bench_histogram_add(&h, values[i]);
    }
    qsort(values, COUNT, sizeof values[0], compare);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double rank = ceil(shares[i] * COUNT);
        uint64_t exact = values[rank > 0 ? (size_t)rank - 1 : 0];
        uint64_t found = bench_histogram_quantile(&h, shares[i]);
        assert_true(found >= exact && (double)found <= (double)exact * 1.004 + 1);
    }
    assert_int_equal(h.max_us, values[COUNT - 1]);
    assert_int_equal(h.min_us, values[0]);
}

static void nothing_has_no_quantiles(void **state) {
    (void)state;
    static bench_histogram h;
    bench_histogram_init(&h);
    assert_int_equal(bench_histogram_quantile(&h, 0.5), 0);
    assert_int_equal(bench_histogram_quantile(&h, 1), 0);
    bench_histogram_add(&h, UINT64_MAX / 2); /* beyond the range: the last bucket, and itself */
    assert_int_equal(bench_histogram_quantile(&h, 0.5), UINT64_MAX / 2);
}

static void merged_is_as_added_to_one_and_cleared_is_empty(void **state) {
    (void)state;
    static bench_histogram a;
    static bench_histogram b;
    static bench_histogram both;
    bench_histogram_init(&a);
    bench_histogram_init(&b);
    bench_histogram_init(&both);
    for (uint64_t i = 0; i < 1000; i++) {
        bench_histogram_add(i % 3 ? &a : &b, i * i);
        bench_histogram_add(&both, i * i);
    }
    bench_histogram_merge(&a, &b);
    assert_memory_equal(&a, &both, sizeof a);
    bench_histogram_clear(&a);
    bench_histogram_init(&b);
    assert_memory_equal(&a, &b, sizeof a);
}

static void mean_and_deviation_are_those_of_the_values(void **state) {
    (void)state;
    static bench_histogram h;
    bench_histogram_init(&h);
    for (int i = 0; i < 100; i++) {
        bench_histogram_add(&h, i % 2 ? 90 : 110);
    }
    assert_true(fabs(bench_histogram_mean_us(&h) - 100) < 0.01);
    assert_true(fabs(bench_histogram_deviation_us(&h) - 10) < 0.01);
}

/* Columns as in HdrHistogram's own outputPercentileDistribution: value, percentile, total count,
 * 1/(1-percentile); the last line has no fourth; then the footer. */
static void percentile_text_is_that_of_hdrhistogram(void **state) {
    (void)state;
    static bench_histogram h;
    out o;
    bench_histogram_init(&h);
    for (uint64_t i = 1; i <= 10000; i++) {
        bench_histogram_add(&h, i);
    }
    out_init(&o, -1);
    bench_report_hdr(&o, &h);
    out_char(&o, '\0');
    char *text = (char *)(uintptr_t)out_slice(&o).data;
    static const char head[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
    assert_int_equal(strncmp(text, head, sizeof head - 1), 0);
    double value = -1;
    double share = -1;
    unsigned long long count = 0;
    int rows = 0;
    char *end = text;
    for (char *line = strtok_r(text + sizeof head - 1, "\n", &end); line && *line != '#';
         line = strtok_r(NULL, "\n", &end)) {
        double next_value = 0;
        double next_share = 0;
        double inverse = 0;
        unsigned long long next_count = 0;
        int fields =
            sscanf(line, "%lf %lf %llu %lf", &next_value, &next_share, &next_count, &inverse);
        assert_int_equal(fields, next_share < 1 ? 4 : 3);
        assert_true(next_value >= value && next_share > share && next_count >= count);
        assert_true((double)next_count >= next_share * 10000 - 0.001);
        if (next_share < 1) {
            assert_true(fabs(inverse - 1 / (1 - next_share)) < 0.01 * inverse);
        }
        value = next_value;
        share = next_share;
        count = next_count;
        rows++;
    }
    assert_true(rows > 40 && rows < 100);
    assert_true(fabs(value - 10.0) < 0.001 && fabs(share - 1) < 1e-9);
    assert_int_equal(count, 10000);
    assert_non_null(strstr(end, "#[Max     =       10.000, Total count    =        10000]"));
    buffer_done(&o.bytes);
}

static void errors_are_counted_by_name_and_the_rest_together(void **state) {
    (void)state;
    bench_tally *a = bench_tally_new();
    bench_tally *b = bench_tally_new();
    char name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "ERR%d", i % 20);
        bench_tally_error(i % 2 ? a : b, name, strlen(name), 1);
    }
    bench_tally_merge(a, b);
    uint64_t sum = 0;
    for (int i = 0; i < BENCH_ERRORS_MAX; i++) {
        sum += a->errors[i].count;
    }
    assert_int_equal(a->error_count, 40);
    assert_int_equal(sum, 40);
    assert_string_equal(a->errors[0].name, "ERR1");
    assert_int_equal(a->errors[0].count, 2);
    assert_string_equal(a->errors[BENCH_ERRORS_MAX - 1].name, "others");
    bench_tally_free(a);
    bench_tally_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_near_the_sorted_values),
        cmocka_unit_test(nothing_has_no_quantiles),
        cmocka_unit_test(merged_is_as_added_to_one_and_cleared_is_empty),
        cmocka_unit_test(mean_and_deviation_are_those_of_the_values),
        cmocka_unit_test(percentile_text_is_that_of_hdrhistogram),
        cmocka_unit_test(errors_are_counted_by_name_and_the_rest_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
