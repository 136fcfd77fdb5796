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
void histogram_add(histogram *h, uint64_t value_us);
void histogram_merge(histogram *to, const histogram *from);
/* The value below which `share` (0..1) of the values lie; 0 if empty. */
uint64_t histogram_quantile(const histogram *h, double share);
/* How many values are at most value_us, for cumulative text. */
uint64_t histogram_count_below(const histogram *h, uint64_t value_us);

#endif
