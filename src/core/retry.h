/* When to try again, and how often at most: backoffs and the retry budget (ROUTING §3, §5, §6). */
#ifndef CORE_RETRY_H
#define CORE_RETRY_H

#include "base/prng.h"

#include <stdbool.h>

#define RETRY_TOKEN 1000u /* one retry, in thousandths */
#define RETRY_TOKENS_START (100u * RETRY_TOKEN)
#define RETRY_TOKENS_MAX (1000u * RETRY_TOKEN)

/* Full jitter: uniform between 1 ms and min * 2^attempt, at most max. */
uint64_t retry_full_jitter_us(prng *p, uint64_t min_us, uint64_t max_us, unsigned attempt);

/* start * (num/den)^attempt, at most max, +- 20 %. */
uint64_t retry_growing_us(prng *p, uint64_t start_us, uint64_t max_us, unsigned num, unsigned den,
                          unsigned attempt);

/* A token bucket that traffic fills: each command earns `percent` hundredths of a retry. What was
 * earned is counted when some of it is to be spent. */
typedef struct retry_budget {
    uint32_t tokens;
    uint64_t counted; /* commands that have earned theirs */
} retry_budget;

void retry_budget_init(retry_budget *b, uint32_t percent);
/* Takes one retry out; false if there is none. `commands`: how many there were up to now. */
bool retry_budget_spend(retry_budget *b, uint32_t percent, uint64_t commands);

#endif
