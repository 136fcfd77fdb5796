/* A lab's time: goes with the real one, stands still, or is set forward. It never goes back.
 * Everything that waits in a fleet (expiry, failover, delays, blocked commands) goes by it. Reads
 * no clock: the real time is handed in. Microseconds since the Unix epoch. */
#ifndef NODE_NODE_CLOCK_H
#define NODE_NODE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct node_clock {
    bool frozen;
    uint64_t real_us; /* when it was last read */
    uint64_t at_us;   /* what it showed then */
} node_clock;

void node_clock_init(node_clock *c, uint64_t real_us);

/* Goes on by what has gone by in reality, unless it is frozen; the time it shows. */
uint64_t node_clock_read(node_clock *c, uint64_t real_us);

/* Stands still at what it showed when last read. */
void node_clock_freeze(node_clock *c);
/* Goes on from there at the pace of the real time. */
void node_clock_resume(node_clock *c);
/* Leaps forward, frozen or not; the time it shows. */
uint64_t node_clock_advance(node_clock *c, uint64_t us);

/* How long in reality until it shows at_us; UINT64_MAX: never, since it is frozen. */
uint64_t node_clock_until(const node_clock *c, uint64_t at_us);

#endif
