/* One cluster node without input or output: the bytes that a session received go in with a clock
 * value, and bytes to be sent gather in the `out` of that session and of others that the command
 * concerns; those others are handed out by node_next_ready (NODE.md). It makes no system call,
 * reads no clock and draws its randomness from a seed. Owns its view, its keyspace and its
 * sessions. Other nodes are reached only through node_peers. Not safe for use by several threads at
 * once. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/buffer.h"
#include "node/node_acl_log.h"
#include "node/node_block.h"
#include "node/node_jobs.h"
#include "node/node_keyspace.h"
#include "node/node_names.h"
#include "node/node_notify.h"
#include "node/node_push.h"
#include "node/node_session.h"
#include "node/node_settings.h"
#include "node/node_stats.h"
#include "node/node_view.h"
#include "node/node_watch.h"

/* The server whose replies a node gives, byte for byte. */
#define NODE_IMITATES "7.0.15"

struct node_call;

/* The way to the other nodes; whoever holds several nodes together provides it. */
typedef struct node_peers {
    void *arg;
    /* Runs a command of MIGRATE on the node at host:port, as user (NULL: none) with password; its
     * reply is appended to `reply`. False: nobody answers there. */
    bool (*deliver)(void *arg, kw_slice host, uint16_t port, const kw_slice *auth,
                    size_t auth_count, const kw_slice *argv, size_t argc, uint64_t now_us,
                    buffer *reply);
    /* My part of the view has changed (node_view.changed): the others are to hear of it. */
    void (*announce)(void *arg, uint16_t self);
    /* How many living replicas have all that was propagated up to `offset`: WAIT. */
    size_t (*replicas_at)(void *arg, uint16_t self, uint64_t offset);
    /* A write was done here: the replicas are to do the same, at the same time of the clock. */
    void (*replicate)(void *arg, uint16_t self, const kw_slice *argv, size_t argc, uint64_t now_us);
    /* A message was published here: the cluster's other nodes are to give it to their subscribers;
     * of a shard channel (CHANNEL_SHARD), those of my shard. */
    void (*publish)(void *arg, uint16_t self, channel_kind kind, kw_slice channel,
                    kw_slice message);
    /* The replication offset that a peer has told of. */
    uint64_t (*offset_of)(void *arg, uint16_t peer);
    /* CLUSTER MEET: false if nobody answers at host:port. */
    bool (*meet)(void *arg, uint16_t self, kw_slice host, uint16_t port, uint64_t now_us);
    /* CLUSTER FAILOVER, or with FORCE: it may take a while, and may fail. */
    void (*fail_over)(void *arg, uint16_t self, bool forced, uint64_t now_us);
    /* How many primaries have reported a peer as silent. */
    size_t (*failure_reports)(void *arg, uint16_t self, uint16_t peer);
    /* The jobs that move slots from server to server; one that was added begins, or is ended. */
    slot_jobs *(*jobs)(void *arg);
    void (*job_begun)(void *arg, slot_job *job, uint64_t now_us);
    void (*job_end)(void *arg, slot_job *job, job_phase phase, const char *message,
                    uint64_t now_us);
    /* SHUTDOWN: the node is to end once its command is done. */
    void (*shut_down)(void *arg, uint16_t self, uint64_t now_us);
    /* The command LAB; NULL: there is none. */
    void (*control)(void *arg, struct node_call *c);
} node_peers;

typedef struct node_config {
    const mem *mem;
    uint64_t seed;
    const char *user;     /* NULL: the user `default` */
    const char *password; /* NULL: no AUTH needed */
    node_peers peers;
    list *ready;          /* shared by several nodes; NULL: the node's own */
    struct node_lab *lab; /* NULL: none */
    node_names *names;    /* of all that know each other */
} node_config;

typedef struct node {
    const mem *mem;
    node_config config; /* user and password are borrowed for the node's life */
    node_view *view;
    node_settings settings;
    acl *acl;
    acl_log acl_log;
    node_stats stats;
    keyspace *keys;
    prng random;
    list sessions;
    list own_ready;
    list *ready; /* sessions that something happened to without their asking */
    node_blocked blocked;
    node_push push;
    node_notify notify;
    relation watched;           /* keys and the sessions that watch them */
    node_session *running;      /* whose command runs; NULL: none's */
    buffer muted;               /* replies that nobody wants: CLIENT REPLY */
    uint64_t pause_until_us;    /* CLIENT PAUSE; 0: none */
    bool pauses_all;            /* ... not only writes */
    list shaped;                /* sessions whose output a fault shapes */
    node_session *primary_link; /* what is replicated to this node comes in by it */
    uint64_t now_us;            /* of the call that runs */
    bool wrap_due;              /* MULTI goes before the next write that is propagated */
    bool wrap_open;             /* it went, and EXEC is to follow */
    uint64_t offset;            /* bytes of commands propagated, or as a replica: received */
    uint64_t next_session_id;
    uint64_t started_us;
    uint64_t command_count;
    uint64_t connection_count;
    uint64_t writes_paused_until_us;
    uint64_t saved_us;             /* when SAVE or BGSAVE was last asked for; 0: never */
    bool expires_nothing;          /* DEBUG SET-ACTIVE-EXPIRE 0 */
    char own_host[NODE_HOST_SIZE]; /* where it listens, whatever it announces */
    uint16_t own_port;
    uint16_t own_tls_port;
    int expire_cursor;
    char run_id[NODE_ID_SIZE];
} node;

/* Takes view and keyspace over; both stay the caller's on failure. */
KW_CHECKED kw_status node_new(const node_config *config, node_view *view, keyspace *keys,
                              uint64_t now_us, node **ret);
/* Its sessions must have been freed. */
void node_free(node *n);

/* `address` is the peer's, as text. NULL if memory is short. */
KW_CHECKED node_session *node_session_new(node *n, const char *address, uint64_t now_us);
void node_session_free(node *n, node_session *s);
/* NULL: there is none of that id. */
node_session *node_find_session(const node *n, uint64_t id);

/* Reads whole commands off `in` and appends their replies to s->out, until nothing whole is left,
 * s->out holds out_max bytes or more, or the session is held, CLOSING or FAILED (look at its
 * flags). Call again when there is more to read or room to write, and when the session was handed
 * out as ready. now_us counts from the Unix epoch. */
void node_receive(node *n, node_session *s, buffer *in, uint64_t now_us, size_t out_max);

/* Runs one command that is already cut into arguments. */
void node_execute(node *n, node_session *s, const kw_slice *argv, size_t argc, uint64_t now_us);

/* Something happened to a session that was not its own doing: there is output, it may read on, or
 * it is CLOSING. Its user hears of it by node_next_ready. */
void node_wake(node *n, node_session *s);
/* Where replies to the session's command go: nothing follows on a connection that closes. */
static inline buffer *node_reply_to(node *n, node_session *s) {
    return session_is_muted(s) || (s->flags & SESSION_CLOSING) ? &n->muted : &s->out;
}
/* Until then no command runs, or none that writes; a pause that lasts longer or holds more stays as
 * it is. */
void node_pause(node *n, uint64_t until_us, bool all);
void node_resume(node *n);
/* Forgets a session's transaction and what it watched. */
void node_discard(node *n, node_session *s);
/* Takes a session off a list of ready ones (node_config.ready); NULL: there is none. */
node_session *node_next_ready(list *ready);

/* Runs a command that the primary has propagated, at the time at which it ran there. */
void node_apply(node *n, const kw_slice *argv, size_t argc, uint64_t now_us);
/* Hands a write to the replicas and counts it into the offset. */
void node_propagate(node *n, const kw_slice *argv, size_t argc);
/* Around an EXEC: if it writes several times, its writes go in a transaction of their own. */
void node_wrap_begin(node *n, bool several);
void node_wrap_end(node *n);

/* Removes some expired keys and ends the waiting of those whose time is over; call it ten times a
 * second or so, and at node_deadline_us. */
void node_tick(node *n, uint64_t now_us);
/* When the next blocked session's time is over; UINT64_MAX: none is. */
uint64_t node_deadline_us(const node *n);

/* No command that writes is begun before until_us (0: now again); their sessions are held. */
void node_pause_writes(node *n, uint64_t until_us);
/* The settings have changed: what of them is in the view is put there, and told to the others. */
KW_CHECKED bool node_apply_settings(node *n);

/* Takes another keyspace over, as a full synchronisation does. */
void node_replace_keys(node *n, keyspace *keys, uint64_t offset);

#endif
