#include "core/block_time.h"

#include <stdio.h>

typedef enum place { AT_THE_END, AT_FIRST, AS_OPTION } place;

static const struct row {
    const char *name;
    place place;
} rows[] = {
    {"BLMOVE", AT_THE_END},    {"BLMPOP", AT_FIRST},       {"BLPOP", AT_THE_END},
    {"BRPOP", AT_THE_END},     {"BRPOPLPUSH", AT_THE_END}, {"BZMPOP", AT_FIRST},
    {"BZPOPMAX", AT_THE_END},  {"BZPOPMIN", AT_THE_END},   {"XREAD", AS_OPTION},
    {"XREADGROUP", AS_OPTION},
};

/* The value of BLOCK, among the options before STREAMS; 0: it is not there. */
static size_t find_option(const kw_slice *argv, size_t argc) {
    size_t i = 1;
    while (i + 1 < argc && !slice_is_nocase(argv[i], "STREAMS")) {
        if (slice_is_nocase(argv[i], "BLOCK")) {
            return i + 1;
        }
        i += slice_is_nocase(argv[i], "GROUP") ? 3 : slice_is_nocase(argv[i], "COUNT") ? 2 : 1;
    }
    return 0;
}

static size_t find_argument(place at, const kw_slice *argv, size_t argc) {
    switch (at) {
    case AT_THE_END:
        return argc > 2 ? argc - 1 : 0;
    case AT_FIRST:
        return argc > 2 ? 1 : 0;
    case AS_OPTION:
        return find_option(argv, argc);
    }
    return 0;
}

/* Adds up digits, and holds at the most that counts; false if one is none. */
static bool add_digits(kw_slice digits, uint64_t *sum) {
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.data[i];
        if (c < '0' || c > '9') {
            return false;
        }
        if (*sum <= BLOCK_US_MAX) {
            *sum = *sum * 10 + (uint64_t)(c - '0');
        }
    }
    return true;
}

/* Millionths, rounded up: a server takes the least fraction for a millisecond. */
static bool read_fraction(kw_slice digits, uint64_t *ret) {
    uint64_t rest = 0;
    size_t len = digits.len < 6 ? digits.len : 6;
    *ret = 0;
    if (!add_digits(slice_of(digits.data, len), ret) ||
        !add_digits(slice_of(digits.data + len, digits.len - len), &rest)) {
        return false;
    }
    for (size_t i = len; i < 6; i++) {
        *ret *= 10;
    }
    *ret += rest != 0;
    return true;
}

/* 10, 0.5, 2. and .25, no signs and no exponents: nobody writes them here. */
static bool read_seconds(kw_slice text, uint64_t *ret_us) {
    const char *point = memchr(text.data, '.', text.len);
    size_t whole_len = point ? (size_t)(point - text.data) : text.len;
    uint64_t whole = 0;
    uint64_t fraction = 0;
    if (text.len == (point ? 1u : 0u) || !add_digits(slice_of(text.data, whole_len), &whole) ||
        (point && !read_fraction(slice_of(point + 1, text.len - whole_len - 1), &fraction))) {
        return false;
    }
    *ret_us = whole < BLOCK_US_MAX / 1000000 ? whole * 1000000 + fraction : BLOCK_US_MAX;
    return true;
}

static bool read_ms(kw_slice text, uint64_t *ret_us) {
    uint64_t ms = 0;
    if (text.len == 0 || !add_digits(text, &ms)) {
        return false;
    }
    *ret_us = ms < BLOCK_US_MAX / 1000 ? ms * 1000 : BLOCK_US_MAX;
    return true;
}

void block_time_read(const char *name, const kw_slice *argv, size_t argc, block_time *ret) {
    *ret = (block_time){.argument = 0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(name, rows[i].name) != 0) {
            continue;
        }
        bool in_ms = rows[i].place == AS_OPTION;
        size_t argument = find_argument(rows[i].place, argv, argc);
        uint64_t us = 0;
        if (argument != 0 &&
            (in_ms ? read_ms(argv[argument], &us) : read_seconds(argv[argument], &us))) {
            *ret = (block_time){.us = us, .argument = argument, .forever = us == 0, .in_ms = in_ms};
        }
        return;
    }
}

size_t block_time_format(const block_time *t, uint64_t left_us, char dst[BLOCK_TEXT_BYTES]) {
    uint64_t ms = left_us > 0 ? (left_us - 1) / 1000 + 1 : 1;
    int len = t->in_ms ? snprintf(dst, BLOCK_TEXT_BYTES, "%llu", (unsigned long long)ms)
                       : snprintf(dst, BLOCK_TEXT_BYTES, "%llu.%03llu",
                                  (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000));
    return (size_t)len;
}
