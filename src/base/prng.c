#include "base/prng.h"

#include <assert.h>

/* Source of both generators: Blackman and Vigna, prng.di.unimi.it. */
static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

void prng_init(prng *p, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        p->state[i] = splitmix64(&seed);
    }
}

uint64_t prng_next(prng *p) {
    uint64_t *s = p->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(prng *p, uint64_t bound) {
    if (bound == 0) {
        return 0;
    }
    uint64_t skip = (0 - bound) % bound; /* 2^64 mod bound: the draws that would bias */
    uint64_t draw;
    do {
        draw = prng_next(p);
    } while (draw < skip);
    return draw % bound;
}

uint64_t prng_range(prng *p, uint64_t low, uint64_t high) {
    assert(low <= high);
    uint64_t span = high - low + 1;
    return span == 0 ? prng_next(p) : low + prng_below(p, span);
}

uint64_t prng_jitter(prng *p, uint64_t value, unsigned percent) {
    if (percent > 100) {
        percent = 100;
    }
    uint64_t delta = value / 100 * percent + value % 100 * percent / 100;
    uint64_t high = value > UINT64_MAX - delta ? UINT64_MAX : value + delta;
    return prng_range(p, value - delta, high);
}
