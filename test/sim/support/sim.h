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
#define SIM_LINKS 512
#define SIM_NODES_MAX 16
#define SIM_KEYS 40
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
    struct node *node; /* NULL: none */
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

typedef enum sim_kind { SIM_APPEND, SIM_GET, SIM_MGET, SIM_ECHO, SIM_KINDS } sim_kind;

typedef struct sim_command {
    uint8_t kind; /* sim_kind */
    uint8_t key;
    bool done;
    bool overtaken; /* refused for a while: those behind it may have been executed before it */
    kw_status status;
    kw_outcome outcome;
    uint64_t submitted_us;
    uint64_t timeout_us;
    kw_trace *trace; /* while it is out */
    char *value;     /* of GET */
    int64_t length;  /* of APPEND */
} sim_command;

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
    TROUBLE_COUNT
} sim_trouble;

typedef enum sim_repair_kind {
    REPAIR_NONE,
    REPAIR_REVIVE,
    REPAIR_UNPAUSE,
    REPAIR_UNFREEZE,
    REPAIR_MIGRATE,
    REPAIR_HOLE
} sim_repair_kind;

/* What will be made good, and when. */
typedef struct sim_repair {
    sim_repair_kind kind;
    uint64_t at_us;
    uint16_t node;
    uint16_t other;
    int slot;
    int last_slot;
} sim_repair;

#define SIM_REPAIRS 32

typedef struct sim {
    uint64_t seed;
    prng prng;
    bool verbose;
    bool shut; /* the client is closed */
    uint64_t now_us;
    failing_mem mem;
    cluster_config config;
    endpoint seeds[2];
    cluster *c;
    node_fleet *fleet;
    uint16_t node_count;
    uint16_t primary_count;
    uint16_t ports[SIM_NODES_MAX];

    sim_link links[SIM_LINKS];
    uint32_t link_top; /* indices in use lie below it */
    sim_server *ghosts;
    size_t ghost_count;
    sim_resolve resolves[SIM_RESOLVES];
    uint64_t latency_us;

    sim_command *commands;
    size_t command_count;
    size_t open_count;
    uint64_t load_at_us; /* the next commands; SIM_NEVER: no more */
    unsigned burst_max;
    bool patient; /* all commands get the usual timeout */
    bool large;   /* some have long arguments */

    unsigned troubles; /* a bit for each kind in use */
    uint64_t trouble_at_us;
    sim_repair repairs[SIM_REPAIRS];
    bool locked[SIM_NODES_MAX];        /* by shard (its first primary): something is under way */
    uint64_t gained_us[SIM_NODES_MAX]; /* when a node got slots last */
    uint32_t slot_count[SIM_NODES_MAX];

    sim_truth truth;

    uint64_t refresh_started_us;
    bool refresh_ended_well;
    bool refresh_by_hand;
    unsigned events[KW_EVENT_TYPE_COUNT];
} sim;

void sim_init(sim *s, uint64_t seed);
void sim_done(sim *s);
/* Nothing is accepted any more; what is open ends now. */
void sim_shutdown(sim *s);
/* Lets time pass. */
void sim_run_until(sim *s, uint64_t until_us);
/* Takes what the brain gives, after a call of it from outside. */
void sim_drain(sim *s);
/* Ends the test, and names the seed. */
void sim_fail(sim *s, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
void sim_log(sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t sim_count(sim *s, kw_counter counter);
/* With `percent` likelihood. */
bool sim_chance(sim *s, unsigned percent);

/* sim_net.c */
void net_effects(sim *s);
uint64_t net_next_us(const sim *s);
void net_step(sim *s);
/* The node is about to be killed, or all its connections break. */
void net_node_gone(sim *s, uint16_t index);
void net_drop(sim *s, uint32_t link);
/* Nothing hangs or is slow any more. */
void net_heal(sim *s);
void net_done(sim *s);
unsigned net_open_links(const sim *s);

/* sim_load.c */
void load_step(sim *s);
void load_submit(sim *s, sim_kind kind, unsigned key, uint64_t timeout_us);
void load_completions(sim *s);
/* Compares what the client was told with what the nodes hold. */
void load_check(sim *s);
void load_done(sim *s);

/* sim_trouble.c */
void trouble_step(sim *s);
uint64_t trouble_next_us(const sim *s);
void trouble_heal(sim *s);

#endif
