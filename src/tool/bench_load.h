/* The load of one thread: its handles, driven by their descriptors, and the commands that they have
 * in flight. Commands end in callbacks, which submit the next ones; so a turn's commands share the
 * writes. What is counted is handed over a few times a second. */
#ifndef TOOL_BENCH_LOAD_H
#define TOOL_BENCH_LOAD_H

#include "tool/bench_flights.h"
#include "tool/bench_run.h"
#include "tool/bench_verify.h"

typedef struct bench_op bench_op;

/* A handle, for the clients that share it. */
typedef struct bench_client {
    kw_client *handle;
    bench_load *load;
    bench_op *ops; /* as many as it may have in flight */
    uint64_t depth;
    uint64_t *flight; /* the keys of its flight; NULL: each command draws its own */
    uint32_t flight_left;
    uint32_t number; /* among its thread's */
    uint32_t open;
    bool is_touched; /* submitted to outside of its callbacks */
} bench_client;

enum { BENCH_WARMUP, BENCH_COUNTED, BENCH_PHASES };

struct bench_load {
    bench_run *run;
    const bench_plan *plan;
    uint32_t number; /* of the thread */
    pthread_t thread;
    int epoll;
    uint64_t depth_max;
    bench_client *clients;
    uint32_t client_count;
    bench_op *unused; /* first come, first served */
    bench_op **unused_end;
    bench_client **touched;
    uint32_t touched_count;
    uint32_t open;
    uint32_t connecting; /* next client to connect */
    uint64_t fill_next;
    uint64_t quota; /* commands taken from the run's */
    bool is_over;   /* nothing more is submitted */
    bool is_closing;

    prng random;
    bench_keys keys;
    bench_flights flights;
    bench_scratch scratch;
    kw_call_options *bounded; /* of commands that would block for ever */
    char key[BENCH_KEY_BYTES];
    size_t prefix_len;
    uint32_t weight_sum;
    bench_owners owners;
    bool owners_old;
    const kw_client *owners_from; /* whose map has changed */
    uint64_t owners_us;
    bench_verify *verify; /* NULL: not asked for */

    uint64_t due_count; /* with a rate: commands that were due and are submitted */
    uint64_t due_us;    /* when the next one is */
    uint64_t scan_us;
    uint64_t publish_us;
    uint64_t count_us;              /* when the handles' counters are read next */
    uint64_t last_us;               /* end of the last command that counts */
    bench_tally *now[BENCH_PHASES]; /* the thread's own */
    bool is_measuring;
    bench_counters base; /* when it began to count */

    pthread_mutex_t lock;
    bench_tally *shared[BENCH_PHASES]; /* handed over, not yet collected */
    bench_counters counters;           /* since base */
};

bench_load *bench_load_new(bench_run *run, uint32_t number);
/* Opens one more handle, for so many commands in flight; false: *err. */
bool bench_load_add_client(bench_load *l, const char *url, const kw_options *options,
                           uint64_t depth, kw_error *err);
void bench_load_free(bench_load *l);

/* The thread of a stage. */
void *bench_load_run(void *load);

#endif
