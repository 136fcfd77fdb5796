/* Taking from the first of several keys that is there, or waiting for one: what the commands of
 * lists and of sorted sets share. Replicas get the plain command of the key that was taken from. */
#ifndef NODE_SERVE_POP_H
#define NODE_SERVE_POP_H

#include "node/node_block.h"
#include "node/node_call.h"

typedef struct pop_kind {
    const value_kind *value;
    block_reason reason;
    const char *head; /* how clients name the ends */
    const char *tail;
    const char *pop_head; /* the commands that take from one key */
    const char *pop_tail;
    size_t element_values; /* of one element in a reply: itself, or a score too */
    /* Answers `count` elements, which are there, and removes them. */
    void (*take)(node_call *c, keyspace_entry *e, bool from_tail, size_t count, bool in_pairs);
} pop_kind;

/* key ... timeout */
void pop_one_or_wait(node_call *c, const pop_kind *kind, bool from_tail);
/* numkeys key ... end [COUNT count] */
void pop_many(node_call *c, const pop_kind *kind);
/* timeout numkeys key ... end [COUNT count] */
void pop_many_or_wait(node_call *c, const pop_kind *kind);

#endif
