/* The benchmark while it runs: each second a few lines that stay in their place on a terminal, or
 * one plain line in a pipe. */
#ifndef TOOL_BENCH_LINE_H
#define TOOL_BENCH_LINE_H

#include "tool/bench_tally.h"
#include "tool/bench_text.h"

enum { BENCH_SPARKS = 128 };

/* One second, or so. */
typedef struct bench_second {
    double at_s; /* its end, since the load began */
    double span_s;
    double total_s; /* how long the load will be, with its warm-up; 0: nobody knows */
    bool is_warmup;
    const bench_tally *tally;
    const bench_counters *now;
    const bench_counters *before;
} bench_second;

typedef struct bench_line {
    term look;
    bool is_live;
    out screen;
    int lines; /* of the picture on the screen */
    int width; /* it was drawn for */
    size_t samples;
    double rate[BENCH_SPARKS]; /* commands a second; sample i at i % BENCH_SPARKS */
} bench_line;

void bench_line_init(bench_line *l, bool plain, bool no_colour);
void bench_line_show(bench_line *l, bench_nodes *nodes, const bench_second *s);
/* The cursor is back below the picture. */
void bench_line_done(bench_line *l);

#endif
