#include "tool/bench_text.h"

#include <stdio.h>

const char *bench_ms(uint64_t us, char ret[BENCH_TEXT_BYTES]) {
    double ms = (double)us / 1000;
    if (us >= 1000 * 1000) {
        return grouped((us + 500) / 1000, ret);
    }
    snprintf(ret, BENCH_TEXT_BYTES, "%.*f", ms < 10 ? ms < 1 ? 3 : 2 : ms < 100 ? 1 : 0, ms);
    return ret;
}

const char *bench_bytes(double bytes, char ret[BENCH_TEXT_BYTES]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    snprintf(ret, BENCH_TEXT_BYTES, "%.*f %s", unit > 0 && bytes < 100 ? 1 : 0, bytes, units[unit]);
    return ret;
}

void bench_bar(out *o, const term *t, double share, int columns) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int steps = t->utf8 ? 8 : 1;
    int length = (int)(share * columns * steps + 0.5);
    length = length > columns * steps ? columns * steps : length;
    length = length == 0 && share > 0 ? 1 : length;
    out_fill(o, term_glyph(t, "█", "#"), (size_t)(length / steps));
    out_text(o, eighths[length % steps]);
    out_fill(o, " ", (size_t)(columns - (length + steps - 1) / steps));
}
