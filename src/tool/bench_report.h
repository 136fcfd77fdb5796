/* What a benchmark has found, once it is over: the table with its totals, the histogram, and what
 * --verify says, for a person. */
#ifndef TOOL_BENCH_REPORT_H
#define TOOL_BENCH_REPORT_H

#include "tool/bench_plan.h"
#include "tool/bench_tally.h"
#include "tool/bench_text.h"
#include "tool/bench_verify.h"

/* One second of the run, kept for the files. */
typedef struct bench_moment {
    double at_s;
    double span_s;
    bool is_warmup;
    uint64_t done;
    uint64_t errors;
    uint64_t moved;
    uint64_t ask;
    uint64_t p50_us;
    uint64_t p99_us;
    uint64_t p999_us;
    uint64_t max_us;
} bench_moment;

typedef struct bench_result {
    const bench_plan *plan;
    bench_nodes *nodes;
    const bench_tally *tally;
    const bench_counters *counters;
    double seconds; /* that count */
    bool was_interrupted;
    const bench_verdict *verdict; /* NULL: not asked for */
    const bench_moment *moments;
    size_t moment_count;
} bench_result;

void bench_report_write(out *o, const term *t, const bench_result *r);

/* The percentile text of HdrHistogram, in milliseconds. */
void bench_report_hdr(out *o, const bench_histogram *h);

/* Everything, as one line of JSON; its names are in docs/bench.md. */
void bench_report_json(out *o, const bench_result *r);

#endif
