/* A view: what one node says about the whole cluster (CLUSTER SLOTS and CLUSTER INFO), checked and
 * put in order, before anyone believes it. Owns its memory. */
#ifndef CORE_TOPOLOGY_H
#define CORE_TOPOLOGY_H

#include "base/mem.h"
#include "core/endpoint.h"
#include "core/slot.h"

#define VIEW_NO_OWNER UINT16_MAX

typedef struct view_node {
    char id[LIMIT_NODE_ID_BYTES + 1]; /* empty if the server sent none */
    endpoint endpoint;                /* as announced; "?" hosts never get here */
    uint16_t primary;                 /* index of its primary; its own index for a primary */
    uint32_t slot_count;
} view_node;

typedef struct view {
    const mem *mem;
    view_node *nodes;
    uint16_t node_count;
    uint16_t node_capacity;
    uint16_t owner[SLOT_COUNT]; /* index into nodes, or VIEW_NO_OWNER */
    uint32_t covered_count;
    bool has_epoch; /* view_read_info found one */
    uint64_t current_epoch;
} view;

KW_CHECKED view *view_new(const mem *m);
void view_free(view *v);

/* Reads a CLUSTER SLOTS reply. `asked` is the node that sent it: an empty or null host means its
 * host; with host "?" the slots count as not covered. Errors: KW_ERR_PROTOCOL (*ret_why: no array,
 * a slot out of range or given twice, start after end, a port out of range, a cap passed),
 * KW_ERR_NOT_CLUSTER (an error reply `ERR This instance has cluster support disabled`), KW_ERR_AUTH
 * (NOAUTH, NOPERM), KW_ERR_NOMEM. */
struct kw_reply;
KW_CHECKED kw_status view_read_slots(view *v, const struct kw_reply *reply, const endpoint *asked,
                                     const char **ret_why);

/* Reads cluster_current_epoch out of a CLUSTER INFO reply, if it is there. */
void view_read_info(view *v, const struct kw_reply *reply);

/* True if both name the same owners and endpoints: the second node agrees with the first. */
bool view_agrees(const view *a, const view *b);

#endif
