#include "tool/bench_histogram.h"

#include <math.h>
#include <string.h>

#define VALUE_MAX ((UINT64_C(1) << BENCH_MAX_BITS) - 1)

enum { TICKS_PER_HALF = 5 };

static uint32_t bucket_of(uint64_t value) {
    if (value < BENCH_STEPS) {
        return (uint32_t)value;
    }
    value = value > VALUE_MAX ? VALUE_MAX : value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - BENCH_STEP_BITS;
    return ((shift + 1) << BENCH_STEP_BITS) + ((uint32_t)(value >> shift) & (BENCH_STEPS - 1));
}

uint64_t bench_histogram_bucket_top(uint32_t bucket) {
    if (bucket < BENCH_STEPS) {
        return bucket;
    }
    unsigned shift = (bucket >> BENCH_STEP_BITS) - 1;
    uint64_t low = (uint64_t)(BENCH_STEPS + (bucket & (BENCH_STEPS - 1))) << shift;
    return low + ((UINT64_C(1) << shift) - 1);
}

void bench_histogram_init(bench_histogram *h) {
    memset(h, 0, sizeof *h);
    h->min_us = UINT64_MAX;
    h->first = BENCH_BUCKETS;
}

void bench_histogram_clear(bench_histogram *h) {
    if (h->first <= h->last) {
        memset(&h->buckets[h->first], 0, (h->last - h->first + 1) * sizeof h->buckets[0]);
    }
    h->count = 0;
    h->sum_us = 0;
    h->max_us = 0;
    h->min_us = UINT64_MAX;
    h->first = BENCH_BUCKETS;
    h->last = 0;
}

void bench_histogram_add(bench_histogram *h, uint64_t value_us) {
    uint32_t bucket = bucket_of(value_us);
    h->count++;
    h->sum_us += value_us;
    h->max_us = value_us > h->max_us ? value_us : h->max_us;
    h->min_us = value_us < h->min_us ? value_us : h->min_us;
    h->first = bucket < h->first ? bucket : h->first;
    h->last = bucket > h->last ? bucket : h->last;
    h->buckets[bucket]++;
}

void bench_histogram_merge(bench_histogram *to, const bench_histogram *from) {
    for (uint32_t i = from->first; i <= from->last && i < BENCH_BUCKETS; i++) {
        to->buckets[i] += from->buckets[i];
    }
    to->count += from->count;
    to->sum_us += from->sum_us;
    to->max_us = from->max_us > to->max_us ? from->max_us : to->max_us;
    to->min_us = from->min_us < to->min_us ? from->min_us : to->min_us;
    to->first = from->first < to->first ? from->first : to->first;
    to->last = from->last > to->last ? from->last : to->last;
}

static uint64_t value_at(const bench_histogram *h, uint32_t bucket) {
    uint64_t top = bench_histogram_bucket_top(bucket);
    return top < h->max_us && bucket < BENCH_BUCKETS - 1 ? top : h->max_us;
}

uint64_t bench_histogram_quantile(const bench_histogram *h, double share) {
    double rank = ceil(share * (double)h->count);
    uint64_t seen = 0;
    if (share >= 1) {
        return h->max_us;
    }
    for (uint32_t i = h->first; h->count > 0 && i <= h->last; i++) {
        seen += h->buckets[i];
        if (seen > 0 && (double)seen >= rank) {
            return value_at(h, i);
        }
    }
    return h->max_us;
}

uint64_t bench_histogram_at_most(const bench_histogram *h, uint64_t value_us) {
    uint32_t bucket = bucket_of(value_us);
    uint64_t count = 0;
    for (uint32_t i = h->first; i <= h->last && i <= bucket; i++) {
        count += h->buckets[i];
    }
    return count;
}

double bench_histogram_mean_us(const bench_histogram *h) {
    return h->count > 0 ? (double)h->sum_us / (double)h->count : 0;
}

double bench_histogram_deviation_us(const bench_histogram *h) {
    double mean = bench_histogram_mean_us(h);
    double squares = 0;
    for (uint32_t i = h->first; h->count > 0 && i <= h->last; i++) {
        double top = (double)value_at(h, i);
        double bottom = i > 0 ? (double)bench_histogram_bucket_top(i - 1) + 1 : 0;
        double off = (top + (bottom < top ? bottom : top)) / 2 - mean;
        squares += off * off * (double)h->buckets[i];
    }
    return h->count > 0 ? sqrt(squares / (double)h->count) : 0;
}

bool bench_histogram_walk(const bench_histogram *h, bench_percentile *at) {
    if (at->state == WALK_OVER || h->count == 0) {
        return false;
    }
    if (at->state == WALK_START) {
        at->bucket = h->first;
        at->count = h->buckets[h->first];
        at->state = WALK_GOING;
    }
    if (at->count >= h->count && at->share > 0) {
        at->state = WALK_OVER;
        at->share = 1;
        at->value_us = h->max_us;
        return true;
    }
    while ((double)at->count < at->next * (double)h->count && at->bucket < h->last) {
        at->count += h->buckets[++at->bucket];
    }
    at->share = at->next;
    at->value_us = value_at(h, at->bucket);
    double halvings = floor(log2(1 / (1 - at->next))) + 1;
    at->next += 1 / (TICKS_PER_HALF * exp2(halvings));
    return true;
}
