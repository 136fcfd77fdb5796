/* The LAB command: everything that can be done to a fleet, as text. `LAB HELP` lists it. The same
 * over the wire of any node, in a script, and from a program. */
#ifndef NODE_FLEET_CONTROL_H
#define NODE_FLEET_CONTROL_H

#include "node/node_fleet.h"

struct node_call;

/* Runs the call's arguments, of which the first is LAB, and answers it. The call's node may be NULL
 * (a script, a program); else it is the one that was asked: `me`. */
void fleet_control(node_fleet *f, struct node_call *c);

#endif
