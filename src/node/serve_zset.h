/* What the commands of sorted sets share. */
#ifndef NODE_SERVE_ZSET_H
#define NODE_SERVE_ZSET_H

#include "node/node_call.h"
#include "node/value_zset.h"

/* The sorted set at argv[index]; both NULL if there is none. False: WRONGTYPE was answered. */
KW_CHECKED bool zset_find(node_call *c, size_t index, keyspace_entry **ret_entry, value_zset **ret);
/* An empty one that no key has yet; NULL if memory is short. */
KW_CHECKED value_zset *zset_new(node_call *c);

/* The head of a reply of `count` members, and one of them: with scores RESP3 has pairs, RESP2 a
 * flat array. */
void zset_answer_head(node_call *c, size_t count, bool with_scores);
void zset_answer_node(node_call *c, const zset_node *at, bool with_scores);

#endif
