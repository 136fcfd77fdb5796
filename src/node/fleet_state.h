/* What the parts of a fleet share: node_fleet.c (life and death, time), fleet_slots.c (who owns
 * what), fleet_replication.c (who has whose keyspace), fleet_gossip.c (who hears of what, and
 * when), fleet_failover.c (who is taken for dead, and who takes over). For them only. */
#ifndef NODE_FLEET_STATE_H
#define NODE_FLEET_STATE_H

#include "node/fleet_stream.h"
#include "node/node_fleet.h"
#include "node/node_gossip.h"
#include "node/node_names.h"

#define NEVER UINT64_MAX

static inline uint64_t earlier_us(uint64_t a_us, uint64_t b_us) {
    return a_us < b_us ? a_us : b_us;
}

/* Something said that has not arrived yet. */
typedef struct fleet_letter {
    list in_mail;
    uint64_t due_us;
    node_news news;
} fleet_letter;

typedef struct member {
    node *node; /* NULL: dead */
    bool paused;
    bool frozen;
    uint16_t group;           /* only nodes of one group hear each other */
    uint64_t gossip_delay_us; /* it hears of everything so much later */
    list mail;                /* letters on their way to it, in order */
    size_t mail_count;
    uint64_t life;        /* which of its lives it lives, to tell it from the one before */
    uint16_t source;      /* of a replica: whose keyspace it has, or NODE_NOBODY */
    uint64_t source_life; /* ... of which life */
    stream_inbox inbox;   /* what its primary has sent and it has not run yet */
    int home_slot;        /* when it died: a slot of its shard, or SLOT_NONE */
    bool *roster;         /* when it died: whom it knew; NULL: everybody */
    uint16_t roster_count;
    uint64_t failover_at_us;  /* its replicas try to take over then, or NEVER */
    uint64_t manual_until_us; /* a replica that was told to take over gives up then, or 0 */
    bool manual_forced;       /* without a word to its primary */
} member;

struct node_fleet {
    const mem *mem;
    fleet_config config;
    prng random;
    uint16_t count;
    member **members;
    node_names names;
    const char *host;    /* of all nodes, as names keeps it */
    node_view *observer; /* hears everything */
    uint64_t expire_at_us;
    uint64_t replication_delay_us;
    uint64_t node_timeout_ms;
    bool pause_is_failure;
    bool strict;             /* nothing is decided without a majority */
    bool partitioned;        /* not all are in one group */
    bool restless;           /* something changed since the last round of gossip */
    uint64_t round_at_us;    /* when all tell all, if restless */
    uint64_t acquaint_at_us; /* a ban ends: who is forgotten may be heard of again */
    slot_jobs jobs;
    uint64_t failure_due_us; /* when failures are to be judged again */
    uint64_t lives;
    list ready;
    node_lab lab;
    uint16_t told_owner[SLOT_COUNT]; /* what events have told of the observer's view */
};

/* ------------------------------------------------------------------------------ node_fleet.c */

void fleet_make_id(node_fleet *f, char id[NODE_ID_SIZE]);
KW_CHECKED member *fleet_new_member(const node_fleet *f);
KW_CHECKED node_view *fleet_new_view(node_fleet *f, uint16_t self, const node_peer *peers);
/* Starts the node that the view (NULL: memory was short) is of. Takes the view over. */
KW_CHECKED kw_status fleet_start_node(node_fleet *f, node_view *view, uint64_t now_us);

/* After any change of views: states, blocked commands, and whom each replica follows. */
void fleet_settle(node_fleet *f);
static inline bool fleet_is_primary(const node *n) {
    return node_view_self(n->view)->primary;
}
void fleet_tell(node_fleet *f, node_event_kind kind, uint16_t index, const char *what);

/* ----------------------------------------------------------------------- fleet_replication.c */

/* What the primary `self` did is sent to its replicas. */
void fleet_replicate(void *arg, uint16_t self, const kw_slice *argv, size_t argc, uint64_t now_us);
/* The replicas get a key and its value as from RESTORE. If memory is short they get it with the
 * next full synchronisation. */
void fleet_propagate_value(node *n, const keyspace_entry *e);
/* How many replicas have run all up to an offset; and how far a node is. */
size_t fleet_replicas_at(void *arg, uint16_t self, uint64_t offset);
uint64_t fleet_offset_of(void *arg, uint16_t index);
/* True if the replica has run all that its primary has sent. */
bool fleet_is_level(const node_fleet *f, uint16_t replica, uint16_t primary);
/* A living node follows whom its view says, and gets that one's keyspace if it has not. */
void fleet_choose_source(node_fleet *f, uint16_t index);
/* A replica runs what has reached it until then. */
void fleet_apply_due(const node_fleet *f, member *m, uint64_t now_us);
/* What a dying primary has not sent yet is lost; its replicas run the rest. */
void fleet_drop_unsent(node_fleet *f, uint16_t primary, uint64_t now_us);

/* ------------------------------------------------------------------------------ fleet_jobs.c */

slot_jobs *fleet_slot_jobs(void *arg);
void fleet_slot_job_begun(void *arg, slot_job *job, uint64_t now_us);
void fleet_slot_job_end(void *arg, slot_job *job, job_phase phase, const char *message,
                        uint64_t now_us);
void fleet_step_slot_jobs(node_fleet *f);
uint64_t fleet_slot_jobs_due_us(const node_fleet *f);

/* ---------------------------------------------------------------------------- fleet_gossip.c */

/* True if the node takes in what others say. */
static inline bool fleet_listens(const member *m) {
    return m->node && !m->paused && !m->frozen;
}
/* True if what one says gets to the other. */
bool fleet_reaches(const node_fleet *f, uint16_t from, uint16_t to);
/* Everybody whose own part changed says so, until nothing changes any more. */
void fleet_spread_changes(node_fleet *f);
/* All tell all. */
void fleet_spread_all(node_fleet *f);
void fleet_deliver_mail(node_fleet *f);
uint64_t fleet_mail_due_us(const node_fleet *f);
void fleet_drop_mail(node_fleet *f, member *m);
/* What letters tell of hosts is not to be swept away. */
void fleet_hold_mail(const member *m);
/* Two nodes come to know each other. */
void fleet_introduce(node_fleet *f, uint16_t a, uint16_t b);
bool fleet_meet(void *arg, uint16_t self, kw_slice host, uint16_t port, uint64_t now_us);
/* The living node at host:port, or NODE_NOBODY. */
uint16_t fleet_find(const node_fleet *f, kw_slice host, uint16_t port);

/* -------------------------------------------------------------------------- fleet_failover.c */

/* Notes who is silent for whom since now, and who is no longer. */
void fleet_note_silence(node_fleet *f);
/* Marks who has been silent for too long, and has replicas take over. */
void fleet_judge_failures(node_fleet *f);
void fleet_take_over_by_hand(void *arg, uint16_t self, bool forced, uint64_t now_us);
size_t fleet_failure_reports(void *arg, uint16_t self, uint16_t peer);

#endif
