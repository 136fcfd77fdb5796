/* A gate: any number of threads go in and out until one shuts it, who can then wait until the last
 * is out. Guards what must not be freed while a thread is inside. */
#ifndef IO_GATE_H
#define IO_GATE_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct gate {
    atomic_uint word; /* how many are inside, and whether it is shut */
} gate;

void gate_init(gate *g);

/* False: it is shut, and nobody went in. */
bool gate_enter(gate *g);
void gate_leave(gate *g);

/* False: it was shut already. */
bool gate_shut(gate *g);
bool gate_is_shut(const gate *g);

/* After gate_shut: sleeps until nobody is inside. Whoever leaves does not touch the gate
 * afterwards. */
void gate_wait_empty(gate *g);

#endif
