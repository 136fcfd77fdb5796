/* Several nodes, and what passes between them: gossip (heard at once, by all that are not dead,
 * paused or frozen), replication (at once, or after a delay), MIGRATE's deliveries, failure and
 * failover. Owns the nodes. Sans-I/O like a node: time is handed in, and connections
 * are its user's, who learns by generation whether a node is still the one it was connected to. */
#ifndef NODE_NODE_FLEET_H
#define NODE_NODE_FLEET_H

#include "node/node.h"
#include "node/node_lab.h"

#define FLEET_PEERS_MAX 2048 /* nodes of one fleet, those that were removed among them */

typedef struct node_fleet node_fleet;

typedef struct fleet_config {
    const mem *mem;
    uint64_t seed;
    uint16_t primary_count;
    uint16_t replica_count; /* of each primary */
    const char *host;
    const uint16_t *ports; /* of all nodes: the primaries, then the first's replicas, and so on */
    const uint16_t *tls_ports; /* NULL, or of each node: 0: it has none */
    int failover_ms;           /* negative: never by itself; FAIL is marked all the same */
    bool full_coverage_required;
    const char *user;     /* NULL: `default`; both are borrowed for the fleet's life */
    const char *password; /* NULL: none is asked for */
    size_t log_capacity;  /* commands that the log keeps: node_log.h */
    bool control;         /* the nodes know the command LAB: fleet_control.h */
} fleet_config;

/* All slots are assigned evenly, in order. */
KW_CHECKED kw_status fleet_new(const fleet_config *config, uint64_t now_us, node_fleet **ret);
/* The nodes' sessions must have been freed. */
void fleet_free(node_fleet *f);

/* As it was made, with what was set since; `ports` are NULL. */
const fleet_config *fleet_get_config(const node_fleet *f);
/* The first slot of the index-th of so many primaries that share all evenly; of the one behind the
 * last: SLOT_COUNT. Rounded as redis-cli --cluster create does. */
int fleet_first_slot(uint16_t primary_count, uint32_t index);
uint16_t fleet_count(const node_fleet *f);
/* NULL while it is dead. */
node *fleet_node(const node_fleet *f, uint16_t index);
bool fleet_is_paused(const node_fleet *f, uint16_t index);
bool fleet_is_frozen(const node_fleet *f, uint16_t index);
/* Its fault rules, log, events and clock. */
node_lab *fleet_lab(node_fleet *f);
/* The cluster as its newest configuration has it: what a node would see that missed nothing. */
const node_view *fleet_view(const node_fleet *f);

/* The sessions of a node must be freed before it is killed. All errors are KW_ERR_INVALID: no such
 * node, or not in a state to do that; KW_ERR_NOMEM. */
KW_CHECKED kw_status fleet_kill(node_fleet *f, uint16_t index, uint64_t now_us);
KW_CHECKED kw_status fleet_revive(node_fleet *f, uint16_t index, uint64_t now_us);
KW_CHECKED kw_status fleet_promote(node_fleet *f, uint16_t replica);
/* A paused node is not to be given bytes; it is taken for slow, not for failed. */
KW_CHECKED kw_status fleet_pause(node_fleet *f, uint16_t index, bool paused);
KW_CHECKED kw_status fleet_freeze(node_fleet *f, uint16_t index, bool frozen);
/* From now on (not at first) a paused node is taken for dead, as a real one would be. */
void fleet_set_pause_is_failure(node_fleet *f, bool on);
/* From now on (not at first) no node is marked as failed and no replica takes over without a
 * majority of the primaries, as in a real cluster. While it is partitioned that is always so. */
void fleet_set_strict_elections(node_fleet *f, bool on);
/* How long after a node falls silent it is suspected; a quarter more, and it is marked as failed.
 * Of all nodes; CONFIG SET cluster-node-timeout sets one node's. */
void fleet_set_node_timeout(node_fleet *f, uint64_t timeout_ms);
/* Nodes of different groups do not hear each other; all are in group 0 at first. */
KW_CHECKED kw_status fleet_set_group(node_fleet *f, uint16_t index, uint16_t group);
/* The node hears of everything so much later than the others. */
KW_CHECKED kw_status fleet_set_gossip_delay(node_fleet *f, uint16_t index, uint64_t delay_us);

/* How a node is added: knowing nobody, as one newly installed; as a primary without slots; as a
 * replica of `primary`. */
typedef struct fleet_addition {
    uint16_t port;
    uint16_t tls_port; /* 0: none */
    bool alone;
    uint16_t primary; /* NODE_NOBODY: a primary */
} fleet_addition;
/* Its index is the next one. Errors: KW_ERR_INVALID (no such primary), KW_ERR_LIMIT, KW_ERR_NOMEM.
 */
KW_CHECKED kw_status fleet_add_node(node_fleet *f, const fleet_addition *addition, uint64_t now_us,
                                    uint16_t *ret_index);
/* All forget a node that is dead and owns no slots; its index stays, without a node. */
KW_CHECKED kw_status fleet_remove_node(node_fleet *f, uint16_t index);

/* owner NODE_NOBODY: to nobody. */
KW_CHECKED kw_status fleet_assign(node_fleet *f, int first, int last, uint16_t owner);

/* Moves slots to a living primary with their keys, those of dead owners excepted. If memory is
 * short some keys are with the target already. */
KW_CHECKED kw_status fleet_move(node_fleet *f, int first, int last, uint16_t target);

/* An operator's move of one slot: both nodes do it even if their views are frozen. */
KW_CHECKED kw_status fleet_migrate_begin(node_fleet *f, int slot, uint16_t target);
KW_CHECKED kw_status fleet_migrate_keys(node_fleet *f, int slot, size_t count, size_t *ret_left);
KW_CHECKED kw_status fleet_migrate_end(node_fleet *f, int slot);

/* How long a write takes to reach the replicas; 0 (at first): it is there before its reply. What a
 * primary has not sent yet when it is killed is lost. */
void fleet_set_replication_delay(node_fleet *f, uint64_t delay_us);

/* As fleet_config.failover_ms, for nodes that die from now on. */
void fleet_set_failover_ms(node_fleet *f, int failover_ms);
/* Where a dead node listens when it is started; a view that is frozen does not learn of it. */
void fleet_set_port(node_fleet *f, uint16_t index, uint16_t port);
/* What replicas have not run yet they run now; paused ones do not. */
void fleet_sync(node_fleet *f, uint64_t now_us);

/* Failure marks, failovers, late replication and expiry whose time has come; and when to call
 * again. */
void fleet_tick(node_fleet *f, uint64_t now_us);
uint64_t fleet_deadline_us(const node_fleet *f);

/* The next session that has output, or may read on, without having been called (node_wake); NULL:
 * none. To be asked after each call into the fleet or one of its nodes. */
node_session *fleet_next_ready(node_fleet *f);

#endif
