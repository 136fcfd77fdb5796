/* What the nodes of a side show of themselves: the cluster as each sees it, how far replication
 * has come, who is connected. Asked on connections of their own, which episodes leave open. */
#ifndef INTEGRATION_SUPPORT_DIFF_VIEW_H
#define INTEGRATION_SUPPORT_DIFF_VIEW_H

#include "integration/support/diff_side.h"

enum {
    DIFF_OBSERVER = DIFF_NODES * (DIFF_LANES - 1), /* + node: asks */
    DIFF_FENCE = DIFF_NODES * (DIFF_LANES - 2)     /* + node: is subscribed to DIFF_FENCE_CHANNEL */
};
#define DIFF_FENCE_CHANNEL "fence"

/* Asks a node; the reply is dropped. An error is a reply too. */
void diff_tell(diff_side *s, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The cluster as a node sees it, in a form that both sides can agree on: peers with their flags and
 * slots in the order of their names, and the state; without epochs and times. */
void diff_view_read(diff_side *s, int node, buffer *ret);
bool diff_view_is_replica(const buffer *view, int node);
bool diff_view_owns(const buffer *view, int node, int slot);

/* The number behind a field of a section of INFO; 0 if there is none. */
unsigned long long diff_info(diff_side *s, int node, const char *section, const char *field);

/* How many clients a node has, without the connections that MIGRATE leaves open for a while. */
size_t diff_client_count(diff_side *s, int node);

/* Subscribes the connections that a fence is waited for on. */
void diff_fence_open(diff_side *s);
/* Waits until all that was published at a node has come to all others. */
void diff_fence(diff_side *s, int node);

#endif
