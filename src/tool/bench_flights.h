/* Keys drawn ahead and sorted by the node that owns them, so that what one client has in flight
 * goes to one node, by one write and one read: as redis-benchmark --cluster does it. What is drawn
 * is used, only in another order: each key comes as often as its distribution wants. */
#ifndef TOOL_BENCH_FLIGHTS_H
#define TOOL_BENCH_FLIGHTS_H

#include "tool/bench_nodes.h"

typedef struct bench_flight {
    uint64_t *keys; /* as many as a flight has, while the node has been drawn */
    uint32_t count;
} bench_flight;

typedef struct bench_flights {
    uint32_t size;
    bench_flight nodes[BENCH_NODES_MAX + 1]; /* the last: of slots without owner */
} bench_flights;

void bench_flights_init(bench_flights *f, uint32_t size);
void bench_flights_done(bench_flights *f);

/* Adds a key of that node (or BENCH_NODE_NONE). With it a flight may be whole: then its keys are
 * moved to ret, and true. */
bool bench_flights_add(bench_flights *f, int node, uint64_t key, uint64_t *ret);

#endif
