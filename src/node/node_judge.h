/* Whether a node runs a command: the checks in the servers' order, with the facts that the
 * redirection decides by. It answers nothing and changes nothing; node_refuse.h does. */
#ifndef NODE_NODE_JUDGE_H
#define NODE_NODE_JUDGE_H

#include "node/node_call.h"
#include "node/node_redirect.h"

typedef enum objection {
    OBJECTION_NONE,
    OBJECTION_UNKNOWN, /* no such command: never said by node_judge */
    OBJECTION_ARITY,
    OBJECTION_AUTH,
    OBJECTION_IN_MULTI,
    OBJECTION_ACL,          /* its user may not */
    OBJECTION_ELSEWHERE,    /* another node serves it, or none */
    OBJECTION_FEW_REPLICAS, /* min-replicas-to-write */
    OBJECTION_READ_ONLY,
    OBJECTION_SUBSCRIBED,
    OBJECTION_MONITORS
} objection;

/* Of a known command: that there is none of its name is the first objection, before these. */
objection node_judge(const node_call *c);

/* Where a known command's keys are served; *ret_slot is the first one's. */
redirect_ruling node_judge_place(const node_call *c, int *ret_slot);

/* Flags of what the command does, or with EXEC those that were queued. */
unsigned node_judge_effects(const node_call *c);

#endif
