/* What concerns a node's sockets as much as its state: its end, its start, its pause. Whoever owns
 * the connections does both parts; a fleet without such an owner does its own part alone. What a
 * node is told to do to itself is done after the command that told it. */
#ifndef NODE_FLEET_ACT_H
#define NODE_FLEET_ACT_H

#include "base/slice.h"

#define FLEET_ACTS_DEFERRED_MAX 16

struct node_fleet;

typedef enum fleet_act_kind {
    ACT_KILL,    /* as kill -9: what its replicas have not got is lost */
    ACT_STOP,    /* as SHUTDOWN: its replicas get all of it first */
    ACT_START,   /* a dead node, at `port` */
    ACT_RESTART, /* ACT_KILL if it lives, then ACT_START */
    ACT_PAUSE,
    ACT_RESUME,
    ACT_ADD,   /* a new node, at `port` */
    ACT_REMOVE /* kills it if it lives, and all others forget it */
} fleet_act_kind;

typedef struct fleet_act {
    fleet_act_kind kind;
    uint16_t node;
    uint16_t port;      /* 0: the one it had; of a new one, any that is free */
    uint16_t primary;   /* whose replica a new one is; NODE_NOBODY: a primary without slots */
    bool alone;         /* a new one knows nobody, and nobody it */
    uint16_t *ret_node; /* takes the index of a new one */
} fleet_act;

/* Runs each act in place of fleet_act_alone, which it calls when the sockets are ready for it. */
typedef struct fleet_owner {
    void *arg;
    kw_status (*act)(void *arg, const fleet_act *act, uint64_t now_us); /* NULL: there is none */
} fleet_owner;

typedef struct fleet_acts {
    fleet_owner owner;
    fleet_act deferred[FLEET_ACTS_DEFERRED_MAX];
    size_t deferred_count;
} fleet_acts;

void fleet_set_owner(struct node_fleet *f, const fleet_owner *owner);

/* Does it by way of the owner, or later if the node `me` (NODE_NOBODY: none) is the one concerned.
 * Errors: KW_ERR_INVALID: not in a state for that; KW_ERR_CONNECTION: the port cannot be had;
 * KW_ERR_LIMIT: too much waits to be done; KW_ERR_NOMEM. */
KW_CHECKED kw_status fleet_act_do(struct node_fleet *f, uint16_t me, const fleet_act *act,
                                  uint64_t now_us);
/* The fleet's part of it. The sessions of a node that ends must have been freed. */
KW_CHECKED kw_status fleet_act_alone(struct node_fleet *f, const fleet_act *act, uint64_t now_us);
/* Does what waits; to be called when no node runs a command. */
void fleet_run_deferred(struct node_fleet *f, uint64_t now_us);

#endif
