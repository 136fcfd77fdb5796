/* Short texts as 64-bit words: compared and changed without a loop. Owns nothing. */
#ifndef BASE_WORD_H
#define BASE_WORD_H

#include <stddef.h>
#include <stdint.h>

#define WORD_BYTES 8
#define WORD_ONES UINT64_C(0x0101010101010101)
#define WORD_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15) /* spreads a word over the top bits */
#define WORD_TOPS UINT64_C(0x8080808080808080)

/* Four and eight bytes, the first one lowest: compilers make one load of it. */
static inline uint32_t word_load_half(const char *data) {
    const uint8_t *at = (const uint8_t *)data;
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t word_load(const char *data) {
    return word_load_half(data) | (uint64_t)word_load_half(data + 4) << 32;
}

/* Up to eight bytes, the first one lowest, zeros behind them; reads no byte past `len`. */
static inline uint64_t word_load_short(const char *data, size_t len) {
    if (len >= 4) {
        uint64_t tail = word_load_half(data + len - 4);
        return word_load_half(data) | tail << (8 * (len - 4));
    }
    uint64_t word = 0;
    if (len > 0) {
        word = (uint8_t)data[0] | (uint64_t)(uint8_t)data[len / 2] << (8 * (len / 2)) |
               (uint64_t)(uint8_t)data[len - 1] << (8 * (len - 1));
    }
    return word;
}

/* Marks the bytes that are less than `limit` (at most 0x80); those behind the first of them perhaps
 * wrongly. 0: there is none. */
static inline uint64_t word_find_below(uint64_t word, uint8_t limit) {
    return (word - WORD_ONES * limit) & ~word & WORD_TOPS;
}

/* Which byte the first mark is at. */
static inline size_t word_first(uint64_t marks) {
    return (size_t)__builtin_ctzll(marks) / 8; /* bits of a byte */
}

/* ASCII letters become capitals. */
static inline uint64_t word_upper(uint64_t word) {
    uint64_t low = word & ~WORD_TOPS;
    uint64_t from_a = low + WORD_ONES * (0x80 - 'a');
    uint64_t past_z = low + WORD_ONES * (0x7f - 'z');
    return word ^ ((from_a & ~past_z & ~word & WORD_TOPS) >> 2);
}

#endif
