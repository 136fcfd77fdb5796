/* A large cluster as its clients meet it, at each moment of a made-up minute: who owns each slot,
 * who is up, and what the nodes answer. A pure function of time, so that clients can be simulated
 * one after the other: they meet in the nodes only, which here are never too busy to answer. */
#ifndef TEST_SCALE_WORLD_H
#define TEST_SCALE_WORLD_H

#include "base/buffer.h"
#include "core/slot.h"

#define SCALE_S UINT64_C(1000000)
#define SCALE_MINUTE (60 * SCALE_S)
#define SCALE_EVENT_US (30 * SCALE_S) /* when it happens */
#define SCALE_PORT 1024

typedef enum scale_event {
    SCALE_FAILOVER, /* the first primary dies; its replica takes over after the node timeout */
    SCALE_RESHARD,  /* 1000 slots move to other nodes, as fast as redis-cli moves them */
    SCALE_RESTART,  /* all nodes go down and come back after two seconds */
    SCALE_EVENTS
} scale_event;

typedef struct world {
    scale_event event;
    unsigned primary_count; /* each has one replica: node i + primary_count */
    unsigned cached_version;
    buffer slots_reply;
} world;

void world_init(world *w, scale_event event, unsigned node_count);
void world_done(world *w);

unsigned world_owner(const world *w, int slot, uint64_t now_us);
bool world_is_up(const world *w, unsigned node, uint64_t now_us);
/* When connections of `node` that were open are cut; UINT64_MAX: never. */
uint64_t world_cut_us(const world *w, unsigned node);
uint64_t world_epoch(const world *w, uint64_t now_us);
/* The reply to CLUSTER SLOTS; valid until the next call. */
kw_slice world_slots_reply(world *w, uint64_t now_us);

#endif
