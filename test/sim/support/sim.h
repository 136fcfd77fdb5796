/* A whole cluster and its client in one process: the real brain, real nodes (a fleet), and between
 * them a network that delays, splits, drops and hangs; all on a virtual clock, all drawn from one
 * seed, so that a run can be repeated. A load of commands is checked against what the nodes hold in
 * the end (ROUTING §9). */
#ifndef TEST_SIM_SUPPORT_SIM_H
#define TEST_SIM_SUPPORT_SIM_H

#include "base/buffer.h"
#include "base/prng.h"
#include "core/cluster.h"
#include "core/watch.h"
#include "node/node_fleet.h"
#include "sim/support/sim_truth.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

#define SIM_NEVER UINT64_MAX
#define SIM_LINKS 1024
#define SIM_NODES_MAX 50
#define SIM_CLIENTS_MAX 6
#define SIM_PORT 7000     /* of the first node */
#define SIM_PORT_STEP 100 /* a node that moves gets another; the ones before lead to it as well */
#define SIM_KEYS 40
#define SIM_QUEUES 10
#define SIM_PAIR 6 /* this queue and the next share a slot: elements go from one to the other */
#define SIM_NOTHING SIZE_MAX
#define SIM_RESOLVES 64
#define FAILOVER_MS_MAX 1500

#define SIM_MS UINT64_C(1000)
#define SIM_S UINT64_C(1000000)

/* -------------------------------------------------------------------- network */

typedef struct sim_segment {
    struct sim_segment *next;
    uint64_t at_us;
    size_t len;
    char data[];
} sim_segment;

/* One direction of a connection: bytes arrive in order, each piece at its time. */
typedef struct sim_pipe {
    sim_segment *first;
    sim_segment *last;
} sim_pipe;

/* A connection's end at a node. */
typedef struct sim_server {
    bool woken;           /* its session has something to say without having been asked */
    uint64_t close_at_us; /* the client has closed; the node hears of it then */
    struct node *node;    /* NULL: none */
    uint16_t index;
    node_session *session;
    buffer in;
    sim_pipe up;
} sim_server;

typedef enum sim_link_state { SIM_CLOSED, SIM_CONNECTING, SIM_OPEN } sim_link_state;

typedef struct sim_link {
    sim_link_state state;
    uint16_t node;
    uint64_t answer_at_us; /* connecting: when it succeeds, or is refused */
    uint64_t reset_at_us;  /* the client learns that the connection is gone */
    uint64_t write_at_us;  /* the socket takes bytes again */
    uint64_t slow_until_us;
    bool hung; /* whatever is sent vanishes */
    sim_server server;
    sim_pipe down;
} sim_link;

typedef struct sim_resolve {
    uint64_t id;
    uint64_t at_us;
    endpoint name;
    bool active;
} sim_resolve;

/* ----------------------------------------------------------------------- load */

typedef enum sim_kind {
    SIM_APPEND,
    SIM_GET,
    SIM_MGET,
    SIM_ECHO,
    SIM_PUSH, /* onto a queue: an element that names its command */
    SIM_POP,  /* off one, or on to another; it may block */
    SIM_KINDS
} sim_kind;

typedef struct sim_command {
    uint8_t kind; /* sim_kind */
    uint8_t key;  /* of PUSH and POP: the queue */
    uint8_t way;  /* of PUSH and POP: by which command */
    uint8_t client;
    bool done;
    bool overtaken; /* refused for a while: those behind it may have been executed before it */
    bool unsettled; /* POP: its slot was on the move meanwhile */
    bool endless;   /* POP: without a deadline while it is at a node */
    uint16_t node;  /* that was asked last */
    kw_status status;
    kw_outcome outcome;
    uint64_t submitted_us;
    uint64_t ended_us;
    uint64_t timeout_us; /* from submission to deadline */
    uint64_t block_us;   /* POP: how long it waits at a node */
    size_t element;      /* POP: the PUSH that it got, or SIM_NOTHING */
    kw_trace *trace;     /* while it is out */
    char *words;         /* ... too: its arguments, which it may lend */
    size_t words_len;
    char *value;    /* of GET */
    int64_t length; /* of APPEND */
} sim_command;

/* Commands submitted at once, over several slots; what became of each, in the order added. */
typedef struct sim_batch {
    size_t first; /* command */
    size_t count;
    size_t open;
    kw_status *statuses;
} sim_batch;

/* --------------------------------------------------------------------- faults */

typedef enum sim_trouble {
    TROUBLE_DROP,
    TROUBLE_HANG,
    TROUBLE_SLOW,
    TROUBLE_KILL,
    TROUBLE_PAUSE,
    TROUBLE_FREEZE,
    TROUBLE_PROMOTE,
    TROUBLE_MIGRATE,
    TROUBLE_HOLE,
    TROUBLE_FORGET,
    TROUBLE_REFRESH,
    TROUBLE_MEMORY,
    TROUBLE_ABANDON,
    TROUBLE_ERRORS,
    TROUBLE_LOOP,
    TROUBLE_NAMES,
    TROUBLE_LAG,
    TROUBLE_MOVE,
    TROUBLE_VIEW,
    TROUBLE_COUNT
} sim_trouble;

typedef enum sim_repair_kind {
    REPAIR_NONE,
    REPAIR_REVIVE,
    REPAIR_UNPAUSE,
    REPAIR_UNFREEZE,
    REPAIR_MIGRATE,
    REPAIR_HOLE,
    REPAIR_RULE /* a fault rule ends */
} sim_repair_kind;

/* What will be made good, and when. */
typedef struct sim_repair {
    sim_repair_kind kind;
    uint64_t at_us;
    uint16_t node;
    uint16_t other;
    int slot;
    uint64_t rule;
} sim_repair;

#define SIM_REPAIRS 32

/* A primary's death, by which what it had executed after lost_from_us may be lost. */
typedef struct sim_death {
    uint16_t node;
    uint64_t at_us;
    uint64_t lost_from_us;
} sim_death;

#define SIM_DEATHS 256

/* A client: the real brain, and its ends of the connections. */
typedef struct sim_client {
    struct sim *s;
    unsigned index;
    bool shut;
    failing_mem mem;
    cluster_config config;
    endpoint seeds[2];
    cluster *c;

    sim_link links[SIM_LINKS];
    uint32_t link_top; /* indices in use lie below it */
    sim_server *ghosts;
    size_t ghost_count;
    sim_resolve resolves[SIM_RESOLVES];

    size_t open_count;
    uint64_t load_at_us; /* the next commands; SIM_NEVER: no more */
    unsigned burst_max;
    bool large;   /* some commands have long arguments */
    size_t batch; /* that commands are added to just now; 0: none, 1: the first */

    client_truth truth;
    uint64_t refresh_started_us;
    bool refresh_ended_well;
    bool refresh_by_hand;
    unsigned events[KW_EVENT_TYPE_COUNT];
} sim_client;

typedef struct sim {
    uint64_t seed;
    prng prng;
    bool verbose;
    uint64_t hash; /* of all that has passed: the same seed gives the same */
    uint64_t now_us;
    uint64_t latency_us;

    node_fleet *fleet;
    uint16_t node_count;
    uint16_t primary_count;
    const char *password;
    uint16_t ports[SIM_NODES_MAX]; /* where they say that they are */
    cluster_truth truth;

    sim_client clients[SIM_CLIENTS_MAX];
    unsigned client_count;
    sim_command *commands; /* of all clients */
    size_t command_count;
    size_t command_capacity;
    sim_batch *batches;
    size_t batch_count;
    bool patient; /* all commands get the usual timeout */

    unsigned allowed;  /* troubles that a run may choose from */
    unsigned troubles; /* a bit for each kind in use */
    unsigned chosen;   /* those that were in use in this run */
    uint64_t trouble_at_us;
    sim_repair repairs[SIM_REPAIRS];
    uint64_t names_fail_until_us;
    uint64_t lag_us; /* of the replicas */
    sim_death deaths[SIM_DEATHS];
    size_t death_count;
    bool locked[SIM_NODES_MAX];        /* by shard (its first primary): something is under way */
    uint64_t gained_us[SIM_NODES_MAX]; /* when a node got slots last */
    uint32_t slot_count[SIM_NODES_MAX];
} sim;

void sim_init(sim *s, uint64_t seed);
void sim_done(sim *s);
/* The client accepts nothing any more; what is open ends now. */
void sim_shutdown(sim_client *k);
/* Lets time pass. */
void sim_run_until(sim *s, uint64_t until_us);
/* Takes what the brain gives, after a call of it from outside. */
void sim_drain(sim_client *k);
/* Ends the test, and names the seed. */
void sim_fail(sim *s, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
void sim_log(sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Something has happened that a repetition must repeat. */
void sim_mark(sim *s, uint64_t what, uint64_t value);
uint64_t sim_count(sim_client *k, kw_counter counter);
size_t sim_open_count(const sim *s);
/* With `percent` likelihood. */
bool sim_chance(sim *s, unsigned percent);

/* sim_net.c */
void net_effects(sim_client *k);
uint64_t net_next_us(const sim_client *k);
void net_step(sim_client *k);
/* Sessions that have something to say though they were not asked. */
void net_wake(sim *s);
/* The node is about to be killed, or all its connections break. */
void net_node_gone(sim_client *k, uint16_t index);
void net_drop(sim_client *k, uint32_t link);
/* What is on its way to the client arrives so much later. */
void net_delay(sim_link *l, uint64_t us);
/* Nothing hangs or is slow any more. */
void net_heal(sim_client *k);
void net_done(sim_client *k);
unsigned net_open_links(const sim_client *k);

/* sim_load.c */
void load_step(sim_client *k);
void load_submit(sim_client *k, sim_kind kind, unsigned key, uint64_t timeout_us);
/* One more command, not yet submitted, of this kind; its number. */
size_t load_add(sim_client *k, sim_kind kind, unsigned key);
void load_send(sim_client *k, size_t index, const kw_slice *argv, size_t argc, uint64_t timeout_us);
void load_completions(sim_client *k);
void load_done(sim *s);
const char *load_key_name(unsigned key, char dst[32]);
int load_key_slot(unsigned key);

/* sim_queue.c: elements that are pushed and popped, by commands that may block. */
void queue_push(sim_client *k, unsigned queue);
void queue_pop(sim_client *k, unsigned queue, uint64_t block_us);
void queue_step(sim_client *k);
int queue_slot(unsigned queue);
void queue_take_reply(sim *s, size_t index, const kw_reply *reply);
/* Pops that wait for ever get something. */
void queue_wake_endless(sim *s);
/* Each element was taken once at most, by one, and nothing is missing. */
void queue_check(sim *s);

/* sim_batch.c */
void batch_begin(sim_client *k);
void batch_end(sim_client *k);
/* The number to submit the command with: batch and place in it; 0: it is in none. */
uintptr_t batch_add(sim_client *k, size_t index);
void batch_take(sim *s, size_t index, uintptr_t number, kw_status status);
void batch_done(sim *s);

/* sim_history.c: compares what the clients were told with what the nodes hold. */
void history_check(sim *s);
/* What it did may be lost: the node that answered it died before its replicas had heard of it. */
bool history_may_be_lost(const sim *s, const sim_command *k);

/* sim_trouble.c */
void trouble_step(sim *s);
uint64_t trouble_next_us(const sim *s);
uint16_t sim_shard_of(const sim *s, uint16_t index);
uint16_t sim_node_named(const sim *s, const char *endpoint);
static inline uint16_t sim_node_at_port(uint16_t port) {
    return (uint16_t)((port - SIM_PORT) % SIM_PORT_STEP);
}
/* A node gets another address; who has the old one still reaches it. */
void trouble_move_node(sim *s, uint16_t n);
/* A slot with all its keys goes to another node: its number, or NODE_NOBODY if it stays. */
uint16_t trouble_migrate_at_once(sim *s, int slot);
void trouble_heal(sim *s);
const char *trouble_name(sim_trouble kind);

#endif
