/* The nodes that a load has met, in the order it met them, by endpoint; shared by its threads. And
 * a thread's picture of who owns each slot, by which replies are booked on nodes. */
#ifndef TOOL_BENCH_NODES_H
#define TOOL_BENCH_NODES_H

#include "tool/tool.h"

#include <pthread.h>

/* Of more nodes the last ones share a row. */
enum { BENCH_NODES_MAX = 256, BENCH_NODE_NONE = -1 };

typedef struct bench_nodes {
    pthread_mutex_t lock;
    int count;
    char endpoint[BENCH_NODES_MAX][KW_ERROR_NODE_SIZE];
} bench_nodes;

void bench_nodes_init(bench_nodes *n);
void bench_nodes_done(bench_nodes *n);

/* The node's index, found or made. */
int bench_nodes_index(bench_nodes *n, const char *endpoint);
/* ... or BENCH_NODE_NONE. */
int bench_nodes_find(bench_nodes *n, const char *endpoint);
int bench_nodes_count(bench_nodes *n);
/* An entry never changes once it is there. */
const char *bench_nodes_endpoint(const bench_nodes *n, int node);

typedef struct bench_owners {
    int16_t node[KW_SLOT_COUNT]; /* index, or BENCH_NODE_NONE */
    bool is_primary[BENCH_NODES_MAX];
    uint64_t suspect_us[BENCH_NODES_MAX]; /* when a connection to it was lost; 0: never */
    uint64_t
        failed_us[BENCH_NODES_MAX];    /* the same, of the last time when it was dead after that */
    uint64_t dead_us[BENCH_NODES_MAX]; /* when it was last seen dead, or demoted */
} bench_owners;

void bench_owners_init(bench_owners *o);

/* A connection was lost; is_dead: and none can be made. */
void bench_owners_fail(bench_owners *o, int node, bool is_dead, uint64_t now_us);
void bench_owners_read(bench_owners *o, bench_nodes *n, const kw_map *map, uint64_t now_us);

#endif
