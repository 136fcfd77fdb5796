/* Commands that wait: for a key that another client fills, for replicas, for the time to pass. A
 * waiting session keeps a copy of its command, which is run again when one of its keys is touched,
 * first come first served. Owned by a node. */
#ifndef NODE_NODE_BLOCK_H
#define NODE_NODE_BLOCK_H

#include "base/buffer.h"
#include "base/list.h"

#define BLOCK_NEVER UINT64_MAX

struct node;
struct node_call;
struct node_session;

/* All that waits at one node, in the order in which it came. */
typedef struct node_blocked {
    list sessions;
    size_t count;
    bool touched; /* a key changed since the waiting commands were last tried */
} node_blocked;

void node_blocked_init(node_blocked *b);

/* Parks the call's command until one of its keys is touched, or until deadline_us (BLOCK_NEVER),
 * when `expire` gives the reply. A command that runs again and has nothing to give calls it once
 * more and keeps its place. Not to be called inside EXEC (call->in_exec). */
void call_block(struct node_call *c, uint64_t deadline_us, void (*expire)(struct node_call *c));

/* A key has got a value that somebody may wait for. */
void node_block_touch(struct node *n);
/* Runs what waits for a touched key; after each command. */
void node_serve_blocked(struct node *n);
/* Who waits for keys of a slot that is no longer served here is told where it is; after each change
 * of the view. */
void node_redirect_blocked(struct node *n);
/* Ends the waiting of those whose deadline has come. */
void node_expire_blocked(struct node *n);
uint64_t node_block_deadline_us(const struct node *n);
/* CLIENT UNBLOCK: ends a session's waiting as if its time were over, or with `error` (not NULL).
 * False: it does not wait. */
bool node_end_waiting(struct node *n, struct node_session *s, const char *error);
/* Ends a session's waiting without a reply: it is gone, or its reply was given. */
void node_unblock(struct node *n, struct node_session *s);

#endif
