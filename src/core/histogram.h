/* Response times in microseconds, log-linear: 32 steps each power of two, at most 3 % off, up to
 * one hour; fixed size, no allocation. */
#ifndef CORE_HISTOGRAM_H
#define CORE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 5
#define HISTOGRAM_MAX_BITS 32
#define HISTOGRAM_BUCKETS ((HISTOGRAM_MAX_BITS - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS)

typedef struct histogram {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint32_t buckets[HISTOGRAM_BUCKETS]; /* stay at UINT32_MAX when full */
} histogram;

void histogram_init(histogram *h);
/* Its bucket: values below a power of two have one each, above it each power has as many. */
static inline uint32_t histogram_bucket(uint64_t value_us) {
    const uint64_t most = (UINT64_C(1) << HISTOGRAM_MAX_BITS) - 1;
    const uint32_t steps = 1u << HISTOGRAM_STEP_BITS;
    uint64_t value = value_us < most ? value_us : most;
    if (value < steps) {
        return (uint32_t)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return ((shift + 1) << HISTOGRAM_STEP_BITS) + ((uint32_t)(value >> shift) & (steps - 1));
}

/* Several values in two steps: each into its bucket; then how many, their sum and the largest. */
static inline void histogram_count(histogram *h, uint32_t bucket) {
    h->buckets[bucket] += h->buckets[bucket] != UINT32_MAX;
}

static inline void histogram_sum(histogram *h, uint64_t count, uint64_t sum_us, uint64_t max_us) {
    h->count += count;
    h->sum_us += sum_us;
    h->max_us = max_us > h->max_us ? max_us : h->max_us;
}

static inline void histogram_add(histogram *h, uint64_t value_us) {
    histogram_count(h, histogram_bucket(value_us));
    histogram_sum(h, 1, value_us, value_us);
}
/* The value below which `share` (0..1) of the values lie; 0 if empty. */
uint64_t histogram_quantile(const histogram *h, double share);
/* How many values are at most value_us, for cumulative text. */
uint64_t histogram_count_below(const histogram *h, uint64_t value_us);

#endif
