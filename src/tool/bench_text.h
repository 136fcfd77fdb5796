/* Numbers and bars, as the lines and tables of a benchmark have them. */
#ifndef TOOL_BENCH_TEXT_H
#define TOOL_BENCH_TEXT_H

#include "tool/grouped.h"
#include "tool/term.h"

#include <stdint.h>

enum { BENCH_TEXT_BYTES = GROUPED_BYTES };

/* Microseconds as milliseconds with three digits that count: 0.412, 3.10, 41.2, 1 234. */
const char *bench_ms(uint64_t us, char ret[BENCH_TEXT_BYTES]);
/* 1536 as 1.5 KiB. */
const char *bench_bytes(double bytes, char ret[BENCH_TEXT_BYTES]);

/* A bar of `share` (0..1) of that many columns, filled up with spaces; what is more than nothing
 * shows. */
void bench_bar(out *o, const term *t, double share, int columns);

#endif
