/* One line of commands, as redis-cli reads and shows it: words, "double quotes" with \n \xHH and
 * their like, 'single quotes' with \'. Binary-safe. */
#ifndef TOOL_QUOTE_H
#define TOOL_QUOTE_H

#include "tool/out.h"

/* The words of a line; reused from line to line. */
typedef struct words {
    kw_slice *items; /* point into bytes */
    size_t count;
    size_t capacity;
    char *bytes;
    size_t bytes_capacity;
} words;

void words_init(words *w);
void words_done(words *w);

/* Splits a line into words. False if a quote is open at its end, or closes inside a word:
 * *ret_why then says so. */
bool words_split(words *w, const char *line, size_t len, const char **ret_why);

/* `3 INCR n` runs `INCR n` three times, as in redis-cli. Cuts the number off: true with *ret_times
 * >= 1; false if the number makes no sense. */
bool words_take_repeat(words *w, uint64_t *ret_times);

/* True if the words hold a password, so that no history may keep them. */
bool words_are_secret(const words *w);

/* Writes bytes in double quotes, with escapes where they cannot be shown. */
void quote_write(out *o, kw_slice s);

#endif
