/* Times in microseconds: each power of two in 256 steps, so at most 0.4 % off, up to 71 minutes.
 * Counts of 64 bits; fixed size, no allocation. Only what was touched is merged and cleared. */
#ifndef TOOL_BENCH_HISTOGRAM_H
#define TOOL_BENCH_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BENCH_STEP_BITS = 8,
    BENCH_STEPS = 1 << BENCH_STEP_BITS,
    BENCH_MAX_BITS = 32,
    BENCH_BUCKETS = (BENCH_MAX_BITS - BENCH_STEP_BITS + 1) * BENCH_STEPS
};

typedef struct bench_histogram {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t min_us;
    uint32_t first; /* buckets first..last have been touched; first > last: none */
    uint32_t last;
    uint64_t buckets[BENCH_BUCKETS];
} bench_histogram;

void bench_histogram_init(bench_histogram *h);
void bench_histogram_clear(bench_histogram *h);
void bench_histogram_add(bench_histogram *h, uint64_t value_us);
void bench_histogram_merge(bench_histogram *to, const bench_histogram *from);

/* The highest value that a bucket stands for. */
uint64_t bench_histogram_bucket_top(uint32_t bucket);

/* The value at or below which this share (0..1) of the values lies; 0 if there are none. */
uint64_t bench_histogram_quantile(const bench_histogram *h, double share);
/* How many values are at most value_us, as exactly as its bucket is. */
uint64_t bench_histogram_at_most(const bench_histogram *h, uint64_t value_us);

double bench_histogram_mean_us(const bench_histogram *h);
double bench_histogram_deviation_us(const bench_histogram *h);

/* Walks the values as the percentile text of HdrHistogram wants them: five steps, then five in the
 * half of what is left, and so on. Start with a zeroed walk; false at the end. */
typedef struct bench_percentile {
    double share;      /* 0..1 */
    uint64_t value_us; /* at or below it lies that share */
    uint64_t count;    /* values up to it */
    uint32_t bucket;   /* the walk's own, as the rest */
    double next;
    enum { WALK_START, WALK_GOING, WALK_OVER } state;
} bench_percentile;
bool bench_histogram_walk(const bench_histogram *h, bench_percentile *at);

#endif
