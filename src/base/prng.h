/* Seeded random numbers (xoshiro256**, seeded by splitmix64): the same seed gives the same run.
 * Not for secrets. */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

typedef struct prng {
    uint64_t state[4];
} prng;

void prng_init(prng *p, uint64_t seed);
uint64_t prng_next(prng *p);
/* Uniform in 0..bound-1, without bias; 0 if bound is 0. */
uint64_t prng_below(prng *p, uint64_t bound);
/* Uniform in low..high, both included. */
uint64_t prng_range(prng *p, uint64_t low, uint64_t high);
/* value -percent .. value +percent, uniform. */
uint64_t prng_jitter(prng *p, uint64_t value, unsigned percent);

#endif
