/* What a node says of itself to the others, and what they make of it: its address, role, epochs and
 * the slots it claims, as the header of a message of the cluster bus. A copy, so that it can be on
 * its way for a while. Pure. */
#ifndef NODE_NODE_GOSSIP_H
#define NODE_NODE_GOSSIP_H

#include "node/node_view.h"

typedef struct node_news {
    uint16_t sender;
    node_peer about;
    uint64_t current_epoch;
    uint64_t slots[SLOT_COUNT / 64]; /* those that it claims, the lowest bit first */
} node_news;

void node_view_tell(const node_view *v, node_news *ret);

/* Nothing is heard from who is not known. The slots claimed are the sender's where its epoch is
 * higher than the owner's (and I do not import the slot). A shard's last slot taken makes its old
 * nodes replicas of the one that took it. Of two primaries with one epoch the one with the smaller
 * id takes a new one. */
void node_view_hear(node_view *v, const node_news *news);

/* Takes everything over that another view knows of those whom I know, as after a long silence.
 * Marks stay for slots that are still as they were marked. */
void node_view_adopt(node_view *v, const node_view *from);

#endif
