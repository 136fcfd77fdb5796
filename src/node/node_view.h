/* The cluster as one node knows it: peers, who owns each slot, which slots are open, epochs, and
 * whether the cluster is up. Each node has its own, so that views can differ as in a real cluster.
 * Peers are named by their index, the same in all views. Owns its memory, but not the texts that it
 * knows of peers (node_names.h); decides by epochs whom to believe, never speaks to anyone. */
#ifndef NODE_NODE_VIEW_H
#define NODE_NODE_VIEW_H

#include "base/mem.h"
#include "core/slot.h"

#define NODE_NOBODY UINT16_MAX
#define NODE_ID_SIZE 41
#define NODE_HOST_SIZE 64 /* longer ones are cut */
#define NODE_HOSTNAME_SIZE 256
#define NODE_HANDSHAKES_MAX 8

typedef struct node_peer {
    char id[NODE_ID_SIZE]; /* 40 hex digits */
    const char *host;      /* its address; "": a node does not know its own yet */
    const char *hostname;  /* cluster-announce-hostname, or "" */
    uint16_t port;
    uint16_t tls_port; /* 0: none */
    uint16_t bus_port; /* 0: port + 10000 */
    bool known;        /* a node of my cluster; what is not known is in no answer */
    bool primary;
    bool suspected;      /* flag fail?: silent for longer than the node timeout */
    bool failed;         /* flag FAIL */
    bool no_address;     /* flag noaddr: another node answers at its address */
    bool no_failover;    /* flag nofailover */
    uint16_t primary_of; /* of a replica: its primary; of a primary: itself */
    uint32_t slot_count; /* kept by node_view_give */
    uint64_t config_epoch;
    uint64_t silent_since_us; /* 0: it can be heard */
    uint64_t banned_until_us; /* forgotten: gossip does not bring it back before */
} node_peer;

/* A node that was to be met and has not answered. */
typedef struct node_handshake {
    char id[NODE_ID_SIZE]; /* made up */
    char host[NODE_HOST_SIZE];
    uint16_t port;
    uint16_t bus_port;
    uint64_t until_us;
} node_handshake;

typedef struct node_view {
    const mem *mem;
    uint16_t self; /* NODE_NOBODY: an observer's view */
    uint16_t peer_count;
    node_peer *peers;
    uint64_t current_epoch;
    bool full_coverage_required;
    bool up;           /* the state that CLUSTER INFO calls ok */
    bool changed;      /* my own part changed: the others are to be told */
    bool roster_dirty; /* ... and so did whom I know */
    bool lost_slots;   /* slots of mine went to others without my doing */
    uint16_t owner[SLOT_COUNT];
    uint16_t migrating_to[SLOT_COUNT]; /* marks of this node, else NODE_NOBODY */
    uint16_t importing_from[SLOT_COUNT];
    size_t handshake_count;
    node_handshake handshakes[NODE_HANDSHAKES_MAX];
} node_view;

/* A view without peers' slots; peers are copied; their texts, NULL is "", outlive it. NULL if
 * memory is short. */
KW_CHECKED node_view *node_view_new(const mem *m, uint16_t self, const node_peer *peers,
                                    uint16_t peer_count);
void node_view_free(node_view *v);

static inline node_peer *node_view_self(const node_view *v) {
    return &v->peers[v->self];
}

/* Room for another peer at the end, which is not known yet. All views get the same peers in the
 * same order. False if memory is short. */
KW_CHECKED bool node_view_add_peer(node_view *v, const node_peer *peer);

/* The known peer with this id, or NODE_NOBODY. */
uint16_t node_view_find(const node_view *v, kw_slice id);
uint32_t node_view_known_count(const node_view *v);
/* True if the peer is a replica of mine that I can hear. */
static inline bool node_view_is_attached(const node_view *v, uint16_t peer) {
    const node_peer *p = &v->peers[peer];
    return p->known && !p->primary && p->primary_of == v->self && p->silent_since_us == 0;
}
static inline uint16_t node_peer_bus_port(const node_peer *p) {
    uint16_t port = p->port ? p->port : p->tls_port;
    uint16_t by_port =
        port <= UINT16_MAX - 10000 ? (uint16_t)(port + 10000) : (uint16_t)(port - 10000);
    return p->bus_port ? p->bus_port : by_port;
}

/* I come to know a peer, as it says of itself that it is. */
void node_view_meet(node_view *v, uint16_t peer, const node_view *its);
/* A peer is no longer known: its slots are nobody's, and marks that name it are cleared. */
void node_view_forget(node_view *v, uint16_t peer, uint64_t banned_until_us);
/* CLUSTER RESET: a primary without slots that knows nobody; with new_id (not NULL, HARD) under
 * another id and with its epochs at 0. */
void node_view_reset(node_view *v, const char *new_id);
/* Shows a node that is being met as long as it has not answered; the oldest makes room. */
void node_view_begin_handshake(node_view *v, const node_handshake *handshake);
void node_view_end_handshakes(node_view *v, uint64_t now_us);

/* Gives a slot to a peer or to NODE_NOBODY; epochs and marks stay. */
void node_view_give(node_view *v, int slot, uint16_t owner);

/* All slots of a peer are nobody's. */
void node_view_release(node_view *v, uint16_t peer);

/* Marks an open slot, or clears the mark (NODE_NOBODY). */
void node_view_set_migrating(node_view *v, int slot, uint16_t target);
void node_view_set_importing(node_view *v, int slot, uint16_t source);

/* SETSLOT NODE: the slot goes to `owner` by the word of an operator. Closes it: the migration if no
 * keys are left here, the import if I am the owner, which then gets a new epoch so that the others
 * believe it. A primary that gives its last slot away becomes a replica of the one that got it. */
void node_view_settle(node_view *v, int slot, uint16_t owner, bool keys_left);

/* Raises my epoch above all I know of, without asking anyone: CLUSTER BUMPEPOCH. False if it is
 * already the highest. */
bool node_view_bump_epoch(node_view *v);

/* I become the replica of a peer; my slots are nobody's. */
void node_view_follow(node_view *v, uint16_t primary);
/* I, a replica, become the primary of my shard: its slots are mine, with a new epoch. */
void node_view_take_over(node_view *v);
/* A shard's head lost slots to `heir`: if it has none left, its nodes follow the heir. */
void node_view_follow_heir(node_view *v, uint16_t head, uint16_t heir);

/* Works out `up`: false if a slot has no owner or a failed one (full coverage required), or if the
 * primaries that are neither failed nor suspected are no majority. To be called after a change. */
void node_view_judge(node_view *v);

/* Primaries that own slots: cluster_size. */
uint32_t node_view_size(const node_view *v);

#endif
