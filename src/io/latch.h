/* A latch: one thread waits until another opens it, once. It may lie on the waiting thread's stack:
 * whoever opens it does not touch it afterwards. */
#ifndef IO_LATCH_H
#define IO_LATCH_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct latch {
    atomic_uint state;
} latch;

void latch_init(latch *l);

/* Looks at the latch `looks` times before it sleeps. True: it was open before that. */
bool latch_wait(latch *l, unsigned looks);

bool latch_is_open(const latch *l);

/* Everything done before is seen by the one who waited. */
void latch_open(latch *l);

#endif
