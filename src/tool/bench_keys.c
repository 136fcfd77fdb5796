/* Zipf's law by rejection-inversion (W. Hörmann, G. Derflinger: Rejection-inversion to generate
 * variates from monotone discrete distributions, 1996): a point under a hat whose integral can be
 * inverted, taken if it lies under the law. Near 1.0x tries a draw for any count and exponent. */
#include "tool/bench_keys.h"

#include <math.h>

/* (exp(x) - 1) / x and log(1 + x) / x, also near 0 where they lose their digits. */
static double expm1_share(double x) {
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2 * (1 + x / 3);
}

static double log1p_share(double x) {
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x / 3);
}

/* The hat, 1/x^exponent; its integral, and the inverse of that. */
static double hat(const bench_keys *k, double x) {
    return exp(-k->exponent * log(x));
}

static double integral(const bench_keys *k, double x) {
    double logarithm = log(x);
    return expm1_share((1 - k->exponent) * logarithm) * logarithm;
}

static double integral_inverse(const bench_keys *k, double y) {
    double t = y * (1 - k->exponent);
    t = t < -1 ? -1 : t; /* by rounding */
    return exp(log1p_share(t) * y);
}

void bench_keys_init(bench_keys *k, uint64_t count, double exponent) {
    *k = (bench_keys){.count = count, .exponent = exponent};
    if (exponent > 0) {
        k->integral_first = integral(k, 1.5) - 1;
        k->integral_last = integral(k, (double)count + 0.5);
        k->sure = 2 - integral_inverse(k, integral(k, 2.5) - hat(k, 2));
    }
}

/* Uniform in 0..1, 1 not included. */
static double draw_share(prng *random) {
    return (double)(prng_next(random) >> 11) * 0x1p-53;
}

uint64_t bench_keys_draw(const bench_keys *k, prng *random) {
    if (!(k->exponent > 0)) {
        return prng_below(random, k->count);
    }
    for (;;) {
        double y = k->integral_last + draw_share(random) * (k->integral_first - k->integral_last);
        double x = integral_inverse(k, y);
        double rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : rank > (double)k->count ? (double)k->count : rank;
        if (rank - x <= k->sure || y >= integral(k, rank + 0.5) - hat(k, rank)) {
            return (uint64_t)rank - 1;
        }
    }
}

void bench_key_number(char *text, size_t prefix_len, uint64_t number) {
    for (size_t i = prefix_len + BENCH_DIGITS; i > prefix_len; i--) {
        text[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}
