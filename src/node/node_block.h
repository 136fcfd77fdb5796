/* Commands that wait: for a key that another client fills, for replicas that catch up, for the time
 * to pass. A waiting session keeps a copy of its command, which is run again when what it waits for
 * happens, first come first served; waiters are found by key. Owned by a node. */
#ifndef NODE_NODE_BLOCK_H
#define NODE_NODE_BLOCK_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/map.h"

#define BLOCK_NEVER UINT64_MAX

struct keyspace_entry;
struct node;
struct node_call;
struct node_session;
struct session_block;
struct value_kind;

typedef enum block_reason {
    BLOCK_FOR_LIST, /* at one of some keys */
    BLOCK_FOR_ZSET,
    BLOCK_FOR_REPLICAS,
    BLOCK_FOR_TIME,
    BLOCK_REASON_COUNT
} block_reason;

/* All that waits at one node. */
typedef struct node_blocked {
    list sessions; /* in the order in which they came */
    size_t count;
    size_t counts[BLOCK_REASON_COUNT];
    map keys;                         /* that somebody waits for */
    list ready;                       /* of these, those that were added, in that order */
    struct session_block **deadlines; /* a heap: the earliest is the first */
    size_t deadline_count;
    size_t deadline_capacity;
} node_blocked;

void node_blocked_init(node_blocked *b, const mem *m, uint64_t seed);
/* No session waits any more. */
void node_blocked_done(node_blocked *b, const mem *m);

/* Parks the call's command until deadline_us (BLOCK_NEVER), when `expire` gives the reply, or until
 * it has what it waits for: a list or a sorted set is added at one of the keys argv[first] ..
 * argv[first + count - 1], or a replica has got further. Then it runs again (c->retried), for
 * c->ready_key only; if it is not content it calls this once more, and keeps its place. Not to be
 * called inside EXEC (c->in_exec). */
void call_block(struct node_call *c, block_reason reason, size_t first_key, size_t key_count,
                uint64_t deadline_us, void (*expire)(struct node_call *c));

/* The first of these keys that is there, for a command that takes from one of them; of one that is
 * retried only c->ready_key is looked at. *ret NULL: none is. False: WRONGTYPE was answered. */
KW_CHECKED bool call_find_first(struct node_call *c, const struct value_kind *kind,
                                size_t first_key, size_t key_count, kw_slice *ret_key,
                                struct keyspace_entry **ret);

/* A key is there that was not, or that was replaced by another: who waits for it is served at the
 * end of the command. A value that takes the place of another (ZUNIONSTORE) wakes nobody, as in the
 * servers. */
void node_block_added(struct node *n, const struct keyspace_entry *e);
/* Runs what waits for keys that were added; after each command. */
void node_serve_blocked(struct node *n);
/* Runs what waits for replicas; after one has got further. */
void node_serve_replica_waits(struct node *n);
/* Who waits for keys of a slot that is no longer served here is told where it is, and all waiting
 * ends when the node has become a replica; after each change of the view, and now and then for what
 * changes at the node alone. */
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
