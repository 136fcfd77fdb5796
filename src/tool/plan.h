/* What the demo does to its embedded cluster, step by step, while the traffic runs. Knows the truth
 * about the slots, because it moves them itself, and keeps a log of what happened. */
#ifndef TOOL_PLAN_H
#define TOOL_PLAN_H

#include "tool/term.h"
#include "tool/traffic.h"

#include <keyway/lab.h>

enum { PLAN_SHARDS = 4, PLAN_MOVES = 1000, PLAN_STALE_MOVES = 100, PLAN_LOG_LINES = 64 };

typedef enum phase {
    PHASE_FILL,
    PHASE_CALM,
    PHASE_MOVE,
    PHASE_KILL,
    PHASE_STALE,
    PHASE_HOLE,
    PHASE_READ_BACK,
    PHASE_DONE
} phase;

typedef struct plan_line {
    uint64_t at_us; /* since the beginning */
    style style;
    char text[160];
} plan_line;

typedef struct plan {
    kw_lab *lab;
    kw_client *client;
    traffic *traffic;
    uint64_t started_us;
    uint64_t phase_us; /* when it began */
    phase phase;
    int16_t shard[KW_SLOT_COUNT]; /* who owns each slot, in truth */
    int primary[PLAN_SHARDS];     /* the lab's number of each shard's primary now */
    int moves_left;               /* of this phase */
    int moved;                    /* of this phase */
    uint64_t slots_moved;
    int open_slot;   /* on the move; -1 = none */
    int open_target; /* shard */
    int open_step;
    uint64_t next_us; /* of the move */
    int killed;       /* the lab's number; -1 = none */
    uint64_t killed_us;
    uint64_t outage_us; /* killed until promoted */
    bool revived;
    int frozen; /* the lab's number; -1 = none */
    int holes;  /* made so far */
    uint64_t hole_us;
    bool hole_open;
    uint64_t slots_forgotten;
    int log_count;
    plan_line log[PLAN_LOG_LINES]; /* line i at i % PLAN_LOG_LINES */
    char trouble[160];             /* the lab refused something: the demo is off */
} plan;

void plan_init(plan *p, kw_lab *lab, kw_client *client, traffic *t);
void plan_step(plan *p, uint64_t now_us);
void plan_log(plan *p, style s, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What a phase is called, and how far the one that runs is, 0..1. */
const char *plan_phase_name(phase ph);
double plan_progress(const plan *p, uint64_t now_us);

/* The shard of a node, by its `host:port`; -1 if it has none. */
int plan_shard_of(const plan *p, const char *endpoint);

#endif
