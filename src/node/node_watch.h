/* WATCH: the keys on which a session's next transaction depends. A change of one of them marks the
 * session SESSION_STALE, and its EXEC does nothing. */
#ifndef NODE_NODE_WATCH_H
#define NODE_NODE_WATCH_H

#include "node/node_keyspace.h"
#include "node/node_relation.h"

#define WATCHED_MAX 1000000 /* all sessions of a node together */
#define WATCHED_BYTES_MAX (64u * 1024 * 1024)

struct node;
struct node_session;

/* One session's side. */
typedef struct watcher {
    relation_member keys;
    uint64_t watched_ms; /* of the latest WATCH: what had expired by then is as good as missing */
} watcher;

/* False on memory or a cap. */
KW_CHECKED bool node_watch(struct node *n, struct node_session *s, kw_slice key);
void node_unwatch(struct node *n, struct node_session *s);

/* What the keyspace told; e NULL: all keys go. */
void node_watch_changed(struct node *n, const keyspace_entry *e, keyspace_change change);
/* Another keyspace replaces the node's: what is in either has changed. */
void node_watch_replaced(struct node *n, const keyspace *by);
/* Before EXEC and before another WATCH: a watched key whose time is over counts as changed. */
void node_watch_expire(struct node *n, struct node_session *s);

#endif
