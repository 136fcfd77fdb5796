/* What a node sends to sessions without their asking: messages of channels, invalidations of keys
 * that they may have cached, commands that monitors watch. */
#ifndef NODE_NODE_PUSH_H
#define NODE_NODE_PUSH_H

#include "node/node_channels.h"
#include "node/node_keyspace.h"
#include "node/node_tracking.h"

/* Unread output above which a session that gets messages is cut off: the servers' hard limit for
 * subscribers; and for others, who may have a large reply in it. */
#define PUSH_UNREAD_BYTES_MAX (32u * 1024 * 1024)
#define PUSH_UNREAD_OTHER_BYTES_MAX (1024u * 1024 * 1024)

struct node;
struct node_call;
struct node_session;

typedef struct node_push {
    channels channels;
    tracking tracking;
    list monitors;
} node_push;

void node_push_init(node_push *p, const mem *m, uint64_t seed);
/* Its sessions must have been freed. */
void node_push_done(node_push *p);

/* The session hears of nothing any more: RESET, or it ends. */
void node_push_leave(struct node *n, struct node_session *s);
/* The session's side of it, made when first needed; NULL if memory is short. */
KW_CHECKED subscriber *node_push_subscriber(struct node *n, struct node_session *s);
KW_CHECKED tracker *node_push_tracker(struct node *n, struct node_session *s);

/* A session that gets messages in RESP2 may send little else. */
bool session_is_subscribed(const struct node_session *s);

/* To this node's subscribers; returns how many there were. */
size_t node_publish(struct node *n, channel_kind kind, kw_slice channel, kw_slice text);
/* "subscribe", "sunsubscribe" ...: one line of the answer to such a command. channel.data NULL:
 * none. */
void node_push_subscribed(struct node_session *s, const char *what, kw_slice channel, size_t count);
/* The view has changed: who listens to shard channels of slots that left is told that it no longer
 * does. */
void node_follow_channels(struct node *n);

/* What the keyspace told; e NULL: all keys go. */
void node_push_changed(struct node *n, const keyspace_entry *e);
/* Around each command of a session. */
void node_push_begin(struct node *n, struct node_session *s);
void node_push_end(struct node *n);
/* After a command's handler: keys that it read are remembered, and monitors see it. */
void node_push_called(struct node_call *c);
/* All that came at once has been run: broadcast what changed. */
void node_push_flush(struct node *n);

#endif
