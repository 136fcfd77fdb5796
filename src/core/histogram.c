#include "core/histogram.h"

#include <string.h>

#define STEPS (1u << HISTOGRAM_STEP_BITS)

static uint64_t bucket_middle(uint32_t bucket) {
    if (bucket < STEPS) {
        return bucket;
    }
    unsigned shift = (bucket >> HISTOGRAM_STEP_BITS) - 1;
    uint64_t low = (uint64_t)(STEPS + (bucket & (STEPS - 1))) << shift;
    return low + ((UINT64_C(1) << shift) >> 1);
}

void histogram_init(histogram *h) {
    memset(h, 0, sizeof(*h));
}

uint64_t histogram_quantile(const histogram *h, double share) {
    /* Full buckets no longer count: the ranks are those of what the buckets hold. */
    uint64_t total = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        total += h->buckets[i];
    }
    if (total == 0) {
        return 0;
    }
    if (!(share > 0)) {
        share = 0;
    }
    double rank = share * (double)total;
    if (share >= 1 || rank > (double)(total - 1)) {
        return h->max_us;
    }
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > 0 && (double)seen >= rank) {
            uint64_t middle = bucket_middle(i);
            return middle < h->max_us ? middle : h->max_us;
        }
    }
    return h->max_us;
}

uint64_t histogram_count_below(const histogram *h, uint64_t value_us) {
    if (value_us >= h->max_us) {
        return h->count;
    }
    uint64_t count = 0;
    for (uint32_t i = 0; i <= histogram_bucket(value_us); i++) {
        count += h->buckets[i];
    }
    return count;
}
