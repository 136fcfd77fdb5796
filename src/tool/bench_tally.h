/* What a load has counted: response times, in all, for each command and each node, and what went
 * wrong by its name. Tallies add up: of a thread, of a second, of the run. */
#ifndef TOOL_BENCH_TALLY_H
#define TOOL_BENCH_TALLY_H

#include "tool/bench_command.h"
#include "tool/bench_histogram.h"
#include "tool/bench_nodes.h"

enum { BENCH_ERRORS_MAX = 16, BENCH_ERROR_BYTES = 48 };

typedef struct bench_error {
    char name[BENCH_ERROR_BYTES]; /* "WRONGTYPE", or "TIMEOUT, MAYBE_EXECUTED" */
    uint64_t count;
} bench_error;

typedef struct bench_tally {
    bench_histogram response; /* with a rate, from when the command was due */
    bench_histogram service;  /* from when it was submitted; only with a rate */
    bench_histogram commands[BENCH_COMMANDS_MAX];
    bench_histogram *nodes[BENCH_NODES_MAX]; /* made with its first reply */
    uint64_t done;                           /* commands that ended, however */
    uint64_t misses;                         /* null replies to GET {key} */
    uint64_t error_count; /* of these: errors by a server, and commands without a reply */
    uint64_t ambiguous;   /* of those without a reply: MAYBE_EXECUTED */
    uint64_t unsent;      /* with a rate: due before the end, and never sent */
    bench_error errors[BENCH_ERRORS_MAX];
} bench_tally;

bench_tally *bench_tally_new(void);
void bench_tally_free(bench_tally *t);
void bench_tally_clear(bench_tally *t);
void bench_tally_merge(bench_tally *to, const bench_tally *from);

/* One command's end: its place in the plan, its node or BENCH_NODE_NONE, its times. */
typedef struct bench_end {
    int command;
    int node;
    uint64_t response_us;
    uint64_t service_us;
    bool has_service;
} bench_end;
void bench_tally_add(bench_tally *t, const bench_end *end);
void bench_tally_error(bench_tally *t, const char *name, size_t name_len, uint64_t count);

/* What the handles count, summed; nodes by bench_nodes. */
typedef struct bench_node_counters {
    uint64_t bytes_out;
    uint64_t bytes_in;
    uint64_t moved;
    uint64_t ask;
} bench_node_counters;

typedef struct bench_counters {
    uint64_t total[KW_COUNTER_COUNT];
    bench_node_counters nodes[BENCH_NODES_MAX];
} bench_counters;

void bench_counters_add_client(bench_counters *c, bench_nodes *nodes, const kw_client *client);
void bench_counters_add(bench_counters *to, const bench_counters *from);
/* Clamped at 0: a node that leaves takes its counts along. */
void bench_counters_subtract(bench_counters *from, const bench_counters *what);
static inline uint64_t bench_grown(uint64_t now, uint64_t before) {
    return now > before ? now - before : 0;
}

#endif
