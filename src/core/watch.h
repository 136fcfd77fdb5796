/* What a user watches a client by: traces, events, counters, the map. The brain fills these; the
 * accessors are in src/client/. Snapshots own their memory and are free of the brain. */
#ifndef CORE_WATCH_H
#define CORE_WATCH_H

#include "base/mem.h"
#include "core/endpoint.h"
#include "core/histogram.h"
#include "core/slot.h"

typedef struct trace_hop {
    char node[ENDPOINT_TEXT_BYTES];
    const char *reason; /* static text */
    const char *answer; /* static text; NULL while it is out */
    uint64_t start_us;
    uint64_t end_us;
} trace_hop;

struct kw_trace {
    int slot;
    uint64_t generation;
    uint64_t submitted_us;            /* on the brain's clock */
    uint64_t total_us;                /* 0 until the command is done */
    size_t hop_count;                 /* all hops; the last LIMIT_TRACE_HOPS of them are kept */
    trace_hop hops[LIMIT_TRACE_HOPS]; /* hop i at i % LIMIT_TRACE_HOPS */
};

struct kw_event {
    kw_event_type type;
    int slot;
    char node[ENDPOINT_TEXT_BYTES];
    char target[ENDPOINT_TEXT_BYTES];
    char text[192];
};

typedef struct stats_node {
    char endpoint[ENDPOINT_TEXT_BYTES];
    uint64_t counters[KW_COUNTER_COUNT];
    histogram latency;
} stats_node;

struct kw_stats {
    const mem *mem;
    uint64_t counters[KW_COUNTER_COUNT];
    histogram latency;
    size_t node_count;
    stats_node *nodes;
    char *prometheus; /* made on demand by the accessor */
};

typedef struct map_node {
    char id[LIMIT_NODE_ID_BYTES + 1];
    char endpoint[ENDPOINT_TEXT_BYTES];
    const char *state; /* static text */
    int primary_index; /* -1 for a primary */
    int slot_count;
} map_node;

struct kw_map {
    const mem *mem;
    uint64_t generation;
    size_t node_count;
    map_node *nodes;
    int16_t owner[SLOT_COUNT]; /* index into nodes, or -1 */
    uint8_t suspect[SLOT_COUNT / 8];
};

#endif
