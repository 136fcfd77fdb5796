/* What a lab adds to its nodes: fault rules, the log of commands, events, a clock, and who does
 * what concerns sockets. One for all nodes of a fleet, which owns it. */
#ifndef NODE_NODE_LAB_H
#define NODE_NODE_LAB_H

#include "node/fleet_act.h"
#include "node/node_clock.h"
#include "node/node_events.h"
#include "node/node_fault.h"
#include "node/node_log.h"

struct node_call;

typedef struct node_lab {
    fault_rules faults;
    node_log log;
    node_events events;
    node_clock clock;
    fleet_acts acts;
    uint64_t now_us;       /* of the latest call into the fleet */
    bool tells_of_clients; /* events when clients come and go */
} node_lab;

/* The log keeps nothing until it is given a capacity. */
void node_lab_init(node_lab *lab, const mem *m, uint64_t seed, uint64_t now_us);
void node_lab_done(node_lab *lab);

/* Has `run` execute a command that a client sent, or does what a rule says instead, and logs it.
 * LAB itself is neither hit nor logged. */
void node_lab_run(struct node_call *c, void (*run)(struct node_call *c));

#endif
