/* The cluster as one node knows it: peers, who owns each slot, which slots are open, epochs, and
 * whether the cluster is up. Each node has its own, so that views can differ as in a real cluster.
 * Peers are named by their index, the same in all views. Owns its memory; decides by epochs whom to
 * believe, never speaks to anyone. */
#ifndef NODE_NODE_VIEW_H
#define NODE_NODE_VIEW_H

#include "base/mem.h"
#include "core/slot.h"

#define NODE_NOBODY UINT16_MAX
#define NODE_ID_SIZE 41
#define NODE_HOST_SIZE 64

typedef struct node_peer {
    char id[NODE_ID_SIZE]; /* 40 hex digits */
    char host[NODE_HOST_SIZE];
    uint16_t port;
    bool primary;
    bool failed;         /* flag FAIL */
    uint16_t primary_of; /* of a replica: its primary; of a primary: itself */
    uint32_t slot_count; /* kept by node_view_give */
    uint64_t config_epoch;
} node_peer;

typedef struct node_view {
    const mem *mem;
    uint16_t self; /* NODE_NOBODY: an observer's view */
    uint16_t peer_count;
    node_peer *peers;
    uint64_t current_epoch;
    bool full_coverage_required;
    bool up;      /* the state that CLUSTER INFO calls ok */
    bool changed; /* my own part changed: the others are to be told */
    uint16_t owner[SLOT_COUNT];
    uint16_t migrating_to[SLOT_COUNT]; /* marks of this node, else NODE_NOBODY */
    uint16_t importing_from[SLOT_COUNT];
} node_view;

/* A view without peers' slots; peers are copied. NULL if memory is short. */
KW_CHECKED node_view *node_view_new(const mem *m, uint16_t self, const node_peer *peers,
                                    uint16_t peer_count);
void node_view_free(node_view *v);

static inline node_peer *node_view_self(const node_view *v) {
    return &v->peers[v->self];
}

/* The peer with this id, or NODE_NOBODY. */
uint16_t node_view_find(const node_view *v, kw_slice id);

/* Gives a slot to a peer or to NODE_NOBODY; epochs and marks stay. */
void node_view_give(node_view *v, int slot, uint16_t owner);

/* Marks an open slot, or clears the mark (NODE_NOBODY). */
void node_view_set_migrating(node_view *v, int slot, uint16_t target);
void node_view_set_importing(node_view *v, int slot, uint16_t source);

/* SETSLOT NODE: the slot goes to `owner` by the word of an operator. Closes it: the migration if no
 * keys are left here, the import if I am the owner, which then gets a new epoch so that the others
 * believe it. A primary that gives its last slot away becomes a replica of the one that got it. */
void node_view_settle(node_view *v, int slot, uint16_t owner, bool keys_left);

/* Raises my epoch above all I know of, without asking anyone: CLUSTER BUMPEPOCH. False if it is
 * already the highest and nobody shares it. */
bool node_view_bump_epoch(node_view *v);

/* I become the replica of a peer; my slots are nobody's. */
void node_view_follow(node_view *v, uint16_t primary);
/* I, a replica, become the primary of my shard: its slots are mine, with a new epoch. */
void node_view_take_over(node_view *v);

/* What `from` says of itself, as its gossip would: role, epochs, and the slots it claims, which it
 * gets where its epoch is higher than the owner's (and I do not import the slot). A shard's last
 * slot taken makes its old nodes replicas of the one that took it. */
void node_view_hear(node_view *v, const node_view *from);
/* Takes everything over that another view knows, as after a long silence. Marks stay for slots that
 * are still as they were marked. */
void node_view_adopt(node_view *v, const node_view *from);

/* Works out `up`: false if a slot has no owner or a failed one (full coverage required), or if the
 * primaries that can be reached are no majority. To be called after a change. */
void node_view_judge(node_view *v);

/* Primaries that own slots: cluster_size. */
uint32_t node_view_size(const node_view *v);

#endif
