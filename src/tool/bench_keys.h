/* Which key a command is for: numbers 0..count-1, all alike or by Zipf's law (number k as often as
 * 1/(k+1)^exponent), drawn in constant time without a table; and the key's name. */
#ifndef TOOL_BENCH_KEYS_H
#define TOOL_BENCH_KEYS_H

#include "base/prng.h"
#include "base/slice.h"

enum {
    BENCH_DIGITS = 12,
    BENCH_PREFIX_MAX = 200,
    BENCH_KEY_BYTES = BENCH_PREFIX_MAX + BENCH_DIGITS
};

typedef struct bench_keys {
    uint64_t count;
    double exponent; /* of Zipf's law; 0: uniform */
    /* Of the hat over Zipf's law: its integral at both ends, and where the first key's bar is sure
     * to be hit. */
    double integral_first;
    double integral_last;
    double sure;
} bench_keys;

/* exponent 0: uniform. count > 0. */
void bench_keys_init(bench_keys *k, uint64_t count, double exponent);
uint64_t bench_keys_draw(const bench_keys *k, prng *random);

/* Writes the digits of a key's number behind a prefix of that length. */
void bench_key_number(char *text, size_t prefix_len, uint64_t number);

#endif
