/* Keyspace notifications (notify-keyspace-events): messages that tell of each change of a key by
 * the name that the servers have for it. What a command changes is gathered while it runs, and
 * told when it is done. */
#ifndef NODE_NODE_NOTIFY_H
#define NODE_NODE_NOTIFY_H

#include "node/node_keyspace.h"

#define NOTIFY_CHANGES_MAX 65536 /* of one command; the others are not told */

struct node;
struct node_call;

typedef struct notify_change {
    char *key;
    size_t key_len;
    char kind;        /* the class of its value's type: $, l, s, h or z */
    unsigned changes; /* 1 << keyspace_change, of all that happened to it in a row */
    bool expires;
} notify_change;

typedef struct node_notify {
    const struct node_call *call; /* that runs; NULL: none */
    notify_change *changes;
    size_t count;
    size_t capacity;
} node_notify;

void node_notify_done(struct node *n);

/* What the keyspace told; e NULL (all keys go) is not told on. */
void node_notify_changed(struct node *n, const keyspace_entry *e, keyspace_change change);
/* Around a command; returns the one around which it runs, for the other. */
const struct node_call *node_notify_begin(struct node *n, const struct node_call *c);
void node_notify_end(struct node *n, const struct node_call *outer);

#endif
