/* What a client hears whose command is not run, and what becomes of its transaction. */
#ifndef NODE_NODE_REFUSE_H
#define NODE_NODE_REFUSE_H

#include "node/node_judge.h"

/* Inside MULTI the transaction is spoilt; with EXEC it is over. */
void node_refuse(node_call *c, objection why);

/* The error that a verdict stands for; target: of MOVED and ASK. */
void node_refuse_place(node_call *c, redirect_verdict verdict, int slot, uint16_t target);

#endif
