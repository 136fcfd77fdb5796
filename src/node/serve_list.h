/* What the commands of lists share. */
#ifndef NODE_SERVE_LIST_H
#define NODE_SERVE_LIST_H

#include "node/node_call.h"
#include "node/value_list.h"

/* The list at argv[index]; both NULL if there is none. False: WRONGTYPE was answered. */
KW_CHECKED bool list_find(node_call *c, size_t index, keyspace_entry **ret_entry, value_list **ret);
/* Answers `count` elements, which are there, from one end on, and removes them. */
void list_take(node_call *c, keyspace_entry *e, list_end end, size_t count);

#endif
