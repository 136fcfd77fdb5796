/* What clients of each kind do in that minute: when they ask whom for a view, and how many of their
 * commands are sent to the wrong node or fail. */
#ifndef TEST_SCALE_SCALE_H
#define TEST_SCALE_SCALE_H

#include "base/prng.h"
#include "scale/world.h"

#define SCALE_SECONDS 60
#define SCALE_NODES_MAX 1000
#define COMMAND_EVERY_US (SCALE_S / 10) /* of each client, on an average */
#define LATENCY_US 500                  /* one way */

typedef struct tally {
    uint32_t asked[SCALE_SECONDS][SCALE_NODES_MAX]; /* CLUSTER SLOTS, by second and node */
    uint64_t bytes[SCALE_SECONDS];                  /* of their replies */
    uint64_t redirects;
    uint64_t failures; /* commands that ended with an error */
    uint64_t commands;
} tally;

void tally_view(tally *t, world *w, unsigned node, uint64_t now_us);

/* One client from its start, some time in the first second, to the end of the minute. */
typedef void client_fn(world *w, uint64_t seed, tally *t);

client_fn run_keyway;   /* the real brain */
client_fn run_redis_py; /* its rules: peers.c */
client_fn run_go_redis;
client_fn run_libvalkey;

#endif
