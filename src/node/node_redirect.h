/* Where a command belongs: the one decision that makes a cluster node (getNodeByQuery of the
 * servers). A pure function of facts that its caller has gathered. */
#ifndef NODE_NODE_REDIRECT_H
#define NODE_NODE_REDIRECT_H

#include "node/node_view.h"

typedef struct redirect_facts {
    /* the command, or with EXEC all that were queued */
    bool lone_exec; /* EXEC without MULTI */
    bool has_keys;
    bool same_slot;    /* all keys are in the first one's slot */
    bool several_keys; /* some key differs from the first */
    bool writes;
    bool exec;          /* whose own flags say nothing of what it runs */
    bool shard_channel; /* SSUBSCRIBE, SPUBLISH: its keys are channels */
    bool is_migrate;
    bool brings_asking; /* RESTORE-ASKING */
    /* the connection */
    bool asking;
    bool readonly;
    /* the node's view */
    uint16_t self;
    uint16_t shard; /* its primary; itself if it is one */
    uint16_t owner; /* of the slot; NODE_NOBODY: none */
    uint16_t migrating_to;
    uint16_t importing_from;
    bool up;
    bool reads_when_down;    /* cluster-allow-reads-when-down */
    bool channels_when_down; /* cluster-allow-pubsubshard-when-down */
    /* the keyspace; counted for an open slot only, none expired by it */
    size_t missing_count;
    size_t existing_count;
} redirect_facts;

typedef enum redirect_verdict {
    REDIRECT_SERVE,
    REDIRECT_MOVED,
    REDIRECT_ASK,
    REDIRECT_TRYAGAIN,
    REDIRECT_CROSSSLOT,
    REDIRECT_UNBOUND,       /* CLUSTERDOWN Hash slot not served */
    REDIRECT_DOWN,          /* CLUSTERDOWN The cluster is down */
    REDIRECT_DOWN_READ_ONLY /* ... and only accepts read commands */
} redirect_verdict;

/* The steps that can decide, in their order. */
typedef enum redirect_step {
    STEP_LONE_EXEC,
    STEP_NO_KEYS,
    STEP_UNBOUND,
    STEP_CROSSSLOT,
    STEP_DOWN,
    STEP_DOWN_WRITE,
    STEP_MIGRATE,
    STEP_MIGRATING_PART, /* some keys are here, some not */
    STEP_MIGRATING_GONE,
    STEP_IMPORTING_PART,
    STEP_IMPORTING,
    STEP_REPLICA, /* a read of my primary's slot */
    STEP_FOREIGN,
    STEP_OWN,
    STEP_COUNT
} redirect_step;

typedef struct redirect_ruling {
    redirect_step step; /* which decided */
    redirect_verdict verdict;
    uint16_t target; /* of MOVED and ASK, else NODE_NOBODY */
} redirect_ruling;

redirect_ruling node_redirect_decide(const redirect_facts *facts);

#endif
