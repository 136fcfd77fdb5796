/* How long a command lets its server block, by its own words: which argument says so, and the same
 * argument for the time that is left. Pure; owns nothing. */
#ifndef CORE_BLOCK_TIME_H
#define CORE_BLOCK_TIME_H

#include "base/slice.h"

#define BLOCK_US_MAX UINT64_C(1000000000000000) /* 31 years; longer ones are held to be so long */
#define BLOCK_TEXT_BYTES 32

typedef struct block_time {
    uint64_t us;     /* 0 with `forever`, and if there is none that can be read */
    size_t argument; /* its position; 0: there is none */
    bool forever;    /* the argument is zero */
    bool in_ms;      /* whole milliseconds (XREAD); else seconds with a fraction */
} block_time;

/* `name` is the command's, in upper case. Of a command that is not known, and of an argument that
 * no server takes, nothing is said: argument is 0. */
void block_time_read(const char *name, const kw_slice *argv, size_t argc, block_time *ret);

/* What the argument says for left_us, rounded up to milliseconds, and never zero: that would be for
 * ever. Returns its length. */
size_t block_time_format(const block_time *t, uint64_t left_us, char dst[BLOCK_TEXT_BYTES]);

#endif
