#include "core/retry.h"

uint64_t retry_full_jitter_us(prng *p, uint64_t min_us, uint64_t max_us, unsigned attempt) {
    uint64_t ceiling = min_us;
    while (attempt-- > 0 && ceiling < max_us) {
        ceiling *= 2;
    }
    if (ceiling > max_us) {
        ceiling = max_us;
    }
    return prng_range(p, ceiling < 1000 ? ceiling : 1000, ceiling);
}

uint64_t retry_growing_us(prng *p, uint64_t start_us, uint64_t max_us, unsigned num, unsigned den,
                          unsigned attempt) {
    uint64_t delay = start_us;
    while (attempt-- > 0 && delay < max_us) {
        delay = delay * num / den;
    }
    return prng_jitter(p, delay < max_us ? delay : max_us, 20);
}

void retry_budget_init(retry_budget *b, uint32_t percent) {
    *b = (retry_budget){.tokens = percent > 0 ? RETRY_TOKENS_START : 0};
}

bool retry_budget_spend(retry_budget *b, uint32_t percent, uint64_t commands) {
    const uint64_t each = percent * (RETRY_TOKEN / 100);
    uint64_t fill = each > 0 ? (RETRY_TOKENS_MAX + each - 1) / each : 0; /* so many fill it */
    uint64_t fresh = commands - b->counted;
    uint64_t tokens = b->tokens + (fresh < fill ? fresh : fill) * each;
    b->counted = commands;
    b->tokens = (uint32_t)(tokens < RETRY_TOKENS_MAX ? tokens : RETRY_TOKENS_MAX);
    if (b->tokens < RETRY_TOKEN) {
        return false;
    }
    b->tokens -= RETRY_TOKEN;
    return true;
}
