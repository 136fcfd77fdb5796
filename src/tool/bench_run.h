/* A benchmark while it runs: the handles, the threads that drive them through its stages, and what
 * they have in common. The main thread makes it, starts each stage, collects what was counted, and
 * waits for the end. */
#ifndef TOOL_BENCH_RUN_H
#define TOOL_BENCH_RUN_H

#include "tool/bench_plan.h"
#include "tool/bench_tally.h"
#include "tool/bench_verify.h"

#include <stdatomic.h>

typedef struct bench_load bench_load;

typedef enum bench_stage {
    BENCH_CONNECT, /* each handle to each primary */
    BENCH_FILL,    /* every key once */
    BENCH_MEASURE  /* the load, after its warm-up */
} bench_stage;

typedef struct bench_run {
    const bench_plan *plan;
    bench_nodes nodes;
    bench_owners owners;                 /* when it began */
    uint16_t node_slot[BENCH_NODES_MAX]; /* a slot of each node that owns some, when it began */
    int primary_count;
    uint64_t run_id; /* in the names of verified keys */
    bench_template fill_template;
    char *values; /* from which values are cut */
    size_t values_len;

    bench_stage stage;
    uint64_t begin_us;   /* of the stage */
    uint64_t measure_us; /* from here on it counts */
    uint64_t end_us;     /* of the time; UINT64_MAX: none */
    atomic_bool stop;    /* nothing new is sent */
    atomic_bool abandon; /* nor are replies waited for */
    atomic_uint_least64_t ops_left;
    atomic_int running; /* threads */
    int done_fd;        /* readable: a thread has ended */

    pthread_mutex_t trouble_lock;
    bool has_trouble; /* a command that no handle takes: the benchmark ends */
    kw_error trouble;

    bench_load **loads;
    uint64_t load_count;
} bench_run;

/* Makes the handles; nothing is sent. scout has loaded its map; with_lab: the cluster lives in this
 * process. On failure it has complained; bench_run_close in any case. */
exit_status bench_run_open(bench_run *r, const bench_plan *plan, const char *url, bool with_lab,
                           const kw_client *scout);
void bench_run_close(bench_run *r);

void bench_run_start(bench_run *r, bench_stage stage);
/* True once all threads have ended; then they are joined. */
bool bench_run_is_over(bench_run *r);

/* Moves what was counted since the last call into the tallies (of the warm-up, and of what counts)
 * and the sum of the handles' counters since the measuring began into *ret. */
void bench_run_collect(bench_run *r, bench_tally *warmup, bench_tally *measured,
                       bench_counters *ret);

/* After the end: when the last command that counts ended, and what --verify found. */
uint64_t bench_run_last_us(const bench_run *r);
void bench_run_verdict(const bench_run *r, bench_verdict *ret);

/* A thread reports what keeps the benchmark from going on. */
void bench_run_trouble(bench_run *r, const kw_error *err);

#endif
