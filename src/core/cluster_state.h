/* The inside of core/cluster, shared by its files and by nobody else. One idea a file:
 *   cluster.c          making, submitting, completing, deadlines
 *   cluster_direct.c   the short way of most commands, there and back
 *   cluster_route.c    which link a request goes to, and the order within a slot (lanes)
 *   cluster_answer.c   what each answer does
 *   cluster_node.c     nodes: finding, states, leaving
 *   cluster_link.c     connections: opening, handshake, bytes, loss
 *   cluster_blocking.c commands that may block, on connections of their own
 *   cluster_refresh.c  when to ask for a view, and whom
 *   cluster_view.c     which view to believe, and taking it over
 *   cluster_learn.c    commands that the table does not know
 *   cluster_watch.c    traces, events, counters, snapshots
 */
#ifndef CORE_CLUSTER_STATE_H
#define CORE_CLUSTER_STATE_H

#include "base/map.h"
#include "base/pool.h"
#include "base/prng.h"
#include "base/wheel.h"
#include "core/block_time.h"
#include "core/cluster.h"
#include "core/command.h"
#include "core/link.h"
#include "core/mutant.h"
#include "core/redirect.h"
#include "core/reply_pool.h"
#include "core/retry.h"
#include "core/slotmap.h"
#include "core/topology.h"
#include "core/watch.h"

#define NODE_LINKS_MAX LIMIT_CONNECTIONS_PER_NODE
#define REFRESH_NODES_MAX 3 /* asked before the seeds */
#define REFRESH_SEEDS_MAX 2 /* at a time */
#define REFRESH_ASKS_MAX (REFRESH_NODES_MAX + REFRESH_SEEDS_MAX)
#define FENCE_AGREEING 3 /* refusals that agree: it is the truth after all */

typedef enum node_state {
    NODE_UNKNOWN,    /* never tried */
    NODE_CONNECTING, /* tried for the first time */
    NODE_UP,
    NODE_SUSPECT, /* a connection was lost, or it is silent */
    NODE_DOWN,    /* it could not be reached again */
    NODE_DRAINING /* left the map */
} node_state;

typedef struct node {
    uint64_t uid;   /* never used twice */
    uint16_t index; /* in cluster.nodes; used again after the node is freed */
    uint8_t state;  /* node_state */
    bool in_map;    /* the view names it, or a redirect did since */
    bool in_view;   /* scratch of cluster_view.c */
    bool replica;
    bool was_up;
    bool reroute;     /* some of what waits for it belongs elsewhere now */
    bool says_down;   /* its last word on keys was CLUSTERDOWN or LOADING */
    uint16_t primary; /* of a replica: its primary's index, or SLOTMAP_NONE */
    char id[LIMIT_NODE_ID_BYTES + 1];
    endpoint endpoint;           /* as announced: what redirects name */
    link *links[NODE_LINKS_MAX]; /* NULL until first used */
    list all_links;              /* these, the draining ones, and those for blocking commands: */
    list blocking_idle;          /* links; the one used last is the first */
    list blocking_waiting;       /* requests: as many links as may be are in use */
    uint32_t holds;              /* who needs it though it is in no map: questions under way */
    uint32_t timeouts_in_row;
    uint32_t failures_in_row; /* of connecting: the exponent of the backoff */
    retry_budget budget;
    wheel_timer probe; /* commands wait for it: ask its replicas */
    size_t address_count;
    size_t address_next;
    uint64_t counters[KW_COUNTER_COUNT];
    struct node_contact *contact; /* NULL until it has had a link */
} node;

/* What only a node needs that was connected to: most of a large cluster's are not. */
typedef struct node_contact {
    endpoint endpoint; /* where to connect to: after the remap hook */
    net_address addresses[LIMIT_ADDRESSES];
    histogram latency;
} node_contact;

/* What the commands of one slot have under way: it keeps them in order (ROUTING §7). */
typedef struct lane {
    uint32_t assigned;  /* requests given to a link */
    uint32_t link : 30; /* ... to this one */
    uint32_t split : 1; /* ... and some to another: new ones wait until all are answered */
    uint32_t waits : 1; /* requests wait here: lane_first */
} lane;

#define LANE_LINK_MASK 0x3fffffffu
#define LANE_BUCKETS 256 /* of the few lanes in which something waits */

/* One node asked for its view in a refresh run. */
typedef struct refresh_ask {
    bool active;
    bool is_seed;
    uint32_t serial; /* of the requests that belong to it; others are late */
    uint64_t node;   /* uid */
    wheel_timer timer;
    uint32_t requested_at; /* the overlay's clock when it was asked */
    uint64_t ping_us;
    view_reader *reader; /* while CLUSTER SLOTS' reply comes */
    view *view;          /* read; CLUSTER INFO's reply is awaited */
} refresh_ask;

typedef struct refresh {
    bool armed;
    bool running;
    uint64_t run_count; /* runs begun */
    bool again;         /* a trigger came while running */
    bool in_seeds;      /* this run asks the seeds by now */
    refresh_trigger trigger;
    refresh_trigger again_trigger;
    wheel_timer start; /* armed: when to run */
    wheel_timer hedge; /* running: when to ask one more */
    wheel_timer periodic;
    uint64_t last_us; /* start of the last run */
    bool ever_run;
    uint64_t stretch_us;    /* least gap, from the last fetch's cost */
    uint64_t not_before_us; /* the backoff after runs that failed */
    unsigned failures;      /* runs in a row */
    uint32_t serial;
    unsigned asked_count;                            /* nodes asked in this run, seeds apart */
    uint64_t asked[REFRESH_NODES_MAX + LIMIT_SEEDS]; /* all uids asked in this run */
    unsigned asked_total;
    size_t seed_next; /* seeds asked in this run */
    uint64_t suspect; /* the node (uid) that gave cause for the next run ... */
    uint64_t spared;  /* ... and for this one: asked last */
    bool again_at_once;
    uint64_t last_accepted; /* the run that brought the last view */
    refresh_ask asks[REFRESH_ASKS_MAX];
    kw_error error; /* why the last run failed */
    uint64_t accepted_count;
} refresh;

/* What speaks against believing a view at once (ROUTING §4). */
typedef struct fence {
    bool taking; /* a view is being taken over: no other one may be meanwhile */
    bool taken;  /* it was */
    bool has_epoch;
    uint64_t epoch_seen;
    view *smaller; /* covers less than the map; waits for a second opinion */
    uint32_t smaller_requested_at;
    uint64_t smaller_from;
    view *refused;          /* too old by its epoch */
    uint64_t refused_by;    /* the last node that gave it, in ... */
    uint64_t refused_run;   /* ... this run */
    unsigned refused_count; /* how often it was given */
    uint64_t seeds_agree;   /* a bit for each seed that does */
} fence;

struct cluster {
    const mem *mem;
    cluster_config config;
    endpoint *seeds;
    prng prng;
    wheel wheel;
    uint64_t now_us;
    uint64_t next_uid;
    uint32_t next_seq;
    uint64_t next_resolve;
    bool closed;
    kw_status closed_status;

    node *nodes[LIMIT_NODES];
    uint16_t node_count; /* slots of `nodes` in use or free below it */
    uint16_t node_free;  /* none below this one is free */
    map by_endpoint;
    slotmap slots;
    lane lanes[SLOT_COUNT];
    list waiting_lanes[LANE_BUCKETS]; /* the first requests of those that wait, by slot */
    request *inserted;                /* the last that was sorted into a queue, while it is there */
    list map_waiting;
    list keyless_waiting; /* commands without a slot, in a backoff */
    list learning;
    bool learning_out; /* a COMMAND INFO is under way */

    link **links; /* by index; NULL: free */
    uint32_t link_count;

    chunk_pool chunks;
    chunk *chunk;          /* for requests with no link yet */
    chunk *blocking_chunk; /* for those that may stay long, and hold their neighbours' memory */
    pool requests;
    pool mores;
    char *hello; /* the parts of a handshake, encoded once */
    size_t hello_len;
    char *setinfo[2];
    size_t setinfo_len[2];
    char *auth;
    size_t auth_len;
    char *setname;
    size_t setname_len;

    reply_pool replies;
    list completed;
    list timed_out;   /* completed, but still in a pipeline */
    size_t pending;   /* user requests not fetched */
    uint32_t waiting; /* user requests in MAP, LEARNING, LANE, LINK */
    uint64_t waiting_bytes;
    list effects; /* links that have some */
    command_book book;
    command_recent recent;
    refresh refresh;
    fence fence;

    bool watching;
    list events;
    size_t event_count;
    struct event_entry *event_out; /* the one last given out */
    uint64_t counters[KW_COUNTER_COUNT];
    histogram latency;
};

/* ------------------------------------------------------------------- cluster.c */

/* cluster_submit for what is not plain; c->now_us is set. */
KW_CHECKED kw_status request_submit(cluster *c, const kw_slice *argv, size_t argc,
                                    const cluster_submit_options *options, kw_error *err);
/* Bare: its bytes are yet to come. NULL: no memory. */
request *request_blank(cluster *c, size_t len);
/* A request of our own, with `len` bytes to be filled in (*ret_bytes), encoded at *current. */
request *request_new(cluster *c, chunk **current, size_t len, request_kind kind, char **ret_bytes);
/* The same, with these bytes. */
request *request_copy(cluster *c, chunk **current, const char *bytes, size_t len,
                      request_kind kind);
/* Gives it a request_more if it has none, `l` being its link or NULL; false if memory is short. */
KW_CHECKED bool request_widen(cluster *c, request *r, link *l);
void request_free(cluster *c, request *r);
/* A user's request is in one of the waiting places, or leaves it. */
void request_waits(cluster *c, request *r, request_place place);
void request_stops_waiting(cluster *c, request *r);
/* Reads an encoded command's arguments back: they point into its bytes, the array is the caller's
 * to free. NULL: no memory. */
kw_slice *request_arguments(const cluster *c, const char *bytes, size_t len, size_t *ret_argc);
/* Takes a request out of wherever it waits; never out of a pipeline. */
void request_unqueue(cluster *c, request *r);
/* Ends a request that is in no queue: completes a user's, tells whoever asked an internal one. */
void request_reply(cluster *c, request *r, const link_frame *frame);
void request_fail(cluster *c, request *r, kw_status status, const node *at, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* A request has left its pipeline though its fate was known: it is freed, now or when fetched. */
void request_discard(cluster *c, request *r);
/* Why a command cannot share its connection; NULL if it can. way->info is not NULL. */
const char *request_disturbs(const command_route *way, kw_slice name);
#define REQUEST_DISTURBS                                                                           \
    "%s is not supported: it %s, and all commands to a node share one connection"
/* A node refused it: it was not executed there. */
void request_refused(request *r);
/* Puts ASKING before its bytes, or takes it away; false if memory is short. */
bool request_set_asking(cluster *c, request *r, chunk **current, bool asking);
#define REQUEST_ASKING "*1\r\n$6\r\nASKING\r\n"
#define REQUEST_ASKING_LEN ((uint32_t)sizeof REQUEST_ASKING - 1)

/* -------------------------------------------------------------- cluster_lend.c */

#ifndef LEND_BYTES_MIN /* of an argument, so that lending it pays; the simulation lends short ones \
                        */
#define LEND_BYTES_MIN ((size_t)16 * 1024)
#endif

/* An argument is long enough: the longest, at *ret_apart. */
bool lend_pays(const kw_slice *argv, size_t argc, size_t *ret_apart);
/* A request with all but the bytes of that one encoded; NULL: no memory. */
request *lend_encode(cluster *c, const kw_slice *argv, size_t argc, size_t size, size_t apart);
/* Its caller goes, and it stays in this pipeline: what is still to be written of it is copied, if
 * it is lent. False: no memory; the link must be ended. */
KW_CHECKED bool lend_end(cluster *c, const link *l, request *r);

/* ------------------------------------------------------------ cluster_timers.c */

/* Runs what was put off to the end of the input (timer_start_now), no other timer: what came in the
 * same batch as a deadline is to be seen before it. */
void cluster_settle(cluster *c);

/* Beside what every command has: they need a request_more. */
static inline bool cluster_has_options(const cluster_submit_options *options) {
    return options->slot != SLOT_NONE || options->timeout_us != 0 || options->trace;
}

/* When the caller submitted it. */
static inline uint64_t cluster_submitted_us(const cluster *c,
                                            const cluster_submit_options *options) {
    return options->submitted_us > 0 ? options->submitted_us : c->now_us;
}

/* ------------------------------------------------------------ cluster_direct.c */

/* The link that can take a new command of this slot at once: the map knows its owner, and nothing
 * is to be waited for. NULL: there is none. */
link *direct_link(const cluster *c, int slot, uint64_t submitted_us);
/* Sends a command without options down this link; false: no memory. */
bool direct_send(cluster *c, link *l, const kw_slice *argv, size_t argc, int slot, bool reads_only,
                 const cluster_submit_options *options);
/* Hands out the short replies that are whole, as long as their commands are plain. */
void direct_replies(cluster *c, link *l);

/* ------------------------------------------------------------- cluster_route.c */

/* Sends a request that is in no queue on its way by the map, or lets it wait. */
void route(cluster *c, request *r);
/* There is a map, as whole as it must be. */
static inline bool route_map_is_usable(const cluster *c) {
    return slotmap_loaded(&c->slots) &&
           (!c->config.require_full_coverage || c->slots.known_count == SLOT_COUNT);
}
/* Sends it to this node now, past the lane's order: it was redirected there. */
void route_to(cluster *c, request *r, node *n, const char *reason);
/* Lets it wait in its lane for delay_us; then it is routed again. */
void route_later(cluster *c, request *r, uint64_t delay_us, const char *reason);
/* It does not count in its lane any more. */
void lane_leave(cluster *c, request *r);
void lane_remove(cluster *c, request *r);
/* The oldest that waits in the slot's lane; NULL: none. */
request *lane_first(const cluster *c, int slot);
/* Some of the slot's commands are unanswered on another link: those that follow must wait. */
static inline bool lane_is_elsewhere(const lane *a, const link *l) {
    return a->assigned > 0 && (a->split || a->link != l->index) && !MUTANT(NO_ORDER);
}
/* An earlier one of its slot is away asking another node, or waits: it must not be overtaken by
 * this one, which waited at `l`. */
bool lane_is_behind(const cluster *c, const request *r, const link *l);
void lane_on_timer(cluster *c, request *r);
/* The slot has an owner again: what waits for it goes on at once. */
void route_wake_slot(cluster *c, int slot);
/* All that have one. */
void route_wake_all(cluster *c);
list *route_sorted_place(cluster *c, list *first, list *end, const request *r, bool same_queue);
/* Lets it wait for a (better) map, which is asked for. */
void route_wait_for_map(cluster *c, request *r);
/* All that wait for a map are routed. */
void route_map_waiting(cluster *c);
/* What waits for a link is routed again, where the map says now. */
void route_link_waiting(cluster *c, link *l);
/* Any healthy primary but `avoid` (uid); NULL if there is none at all. */
node *route_random_primary(cluster *c, uint64_t avoid);

/* ------------------------------------------------------------ cluster_answer.c */

void answer_frame(cluster *c, link *l, request *r, const link_frame *frame);

/* -------------------------------------------------------------- cluster_node.c */

node *node_find(const cluster *c, const endpoint *e);
node *node_by_uid(const cluster *c, uint64_t uid);
/* Finds or makes it; NULL: too many nodes, or no memory. */
node *node_get(cluster *c, const endpoint *e);
/* The announced endpoint changes: connections to the old one take nothing new, and are drained by
 * node_drain once the map is whole again. False: no memory. */
bool node_move(cluster *c, node *n, const endpoint *e);
/* What it needs to have links; false: no memory. */
KW_CHECKED bool node_make_contact(cluster *c, node *n);
/* What waits for links that take nothing new is routed elsewhere; they close when they are empty.
 */
void node_drain(cluster *c, node *n);
void node_set_state(cluster *c, node *n, node_state state, const char *why);
bool node_is_healthy(const node *n);
void node_leave_map(cluster *c, node *n);
/* Frees it if nothing refers to it any more. */
void node_release(cluster *c, node *n);
void node_on_probe(cluster *c, node *n);
/* It answered CLUSTERDOWN or its like; it serves keys again. */
void node_says_down(cluster *c, node *n);
void node_recovered(cluster *c, node *n);
/* The map changed for some of what waits for it: soon, all of that is routed again. */
void node_reroute_soon(cluster *c, node *n);
const char *node_state_name(const node *n);
/* "host:port" for a person; never NULL. */
const char *node_text(const node *n, char dst[ENDPOINT_TEXT_BYTES]);

/* -------------------------------------------------------------- cluster_link.c */

/* The node's link for a slot (or any), made and connected if need be; NULL: no memory. */
link *link_for(cluster *c, node *n, int slot);
/* Gives it the request: into the pipeline if it can take it, else it waits there. */
void link_give(cluster *c, link *l, request *r);
/* An internal request that goes before those that wait. */
void link_give_first(cluster *c, link *l, request *r);
/* Moves what waits into the pipeline as far as limits allow. */
void link_pump(cluster *c, link *l);
/* Nothing new goes to this link; it closes when it is empty. */
void link_drain(cluster *c, link *l);
/* io closes what it has for this link, and forgets what it was asked for. */
void link_disconnect(cluster *c, link *l);
void link_close_if_drained(cluster *c, link *l);
/* Closes the connection as lost. */
void link_fail(cluster *c, link *l, kw_status status, const char *message);
void link_on_timer(cluster *c, link *l);
/* Time is up for the oldest of those that have no timer of their own. */
void link_on_expiry(cluster *c, link *l);
/* Into the pipeline of a link that is ready. */
void link_dispatch(cluster *c, link *l, request *r);
/* A command is about to go into its empty pipeline. */
void link_begins(cluster *c, link *l);
/* There is something to write. */
void link_want_write(cluster *c, link *l);
static inline bool link_has_room(const cluster *c, const link *l) {
    return l->count == 0 ||
           (l->count < c->config.in_flight_max && l->bytes < c->config.in_flight_bytes_max);
}
void link_on_handshake(cluster *c, link *l, request *r, const link_frame *frame);

/* A new one of the node's, in no place yet; NULL: no memory. */
link *link_new(cluster *c, node *n);
/* Connects it to the address that `like`, which is open, was connected to. */
void link_connect_like(cluster *c, link *l, const link *like);
/* Closed and forgotten; its pipeline and its queue are empty. */
void link_free(cluster *c, link *l);
/* Of a link that was lost, or is given up: who is to be sent again goes into the queue, in order;
 * all others are ended. */
void link_take_requests(cluster *c, link *l, list *queue, kw_status status, const char *message);
/* Waiting would not help: nobody trusts this certificate, nobody knows this user. */
bool link_loss_is_final(const node *n, kw_status status);
/* Asks whether the node still answers, if nothing else does. */
void link_ping(cluster *c, link *l);

/* ------------------------------------------------------- cluster_blocking.c */

/* What is known of a command that may block, beside its request. */
typedef struct blocking {
    block_time time;
    uint64_t started_us; /* when a server got it first; 0: none has */
    bool endless;        /* no deadline while it is at a server */
} blocking;

/* The request will go its own way. Its timeout_us, filled in already, is what is given to it beside
 * the time for which it blocks; `given` by the caller, for this command. False: no memory. */
bool blocking_init(cluster *c, request *r, const char *name, const kw_slice *argv, size_t argc,
                   bool given);
/* It is at no server any more, or not yet: its deadline holds. */
void blocking_under_way(cluster *c, request *r);
/* The node is up, as its shared link tells: the request goes over a link of its own there. */
void blocking_give(cluster *c, link *shared, request *r);
/* The link is up, or its command is done: it takes the next one, or is idle. */
void blocking_pump(cluster *c, link *l);
void blocking_on_timer(cluster *c, link *l);
void blocking_on_lost(cluster *c, link *l, kw_status status, const char *message);
/* What waits for one of the node's links is routed again. */
void blocking_reroute(cluster *c, node *n);
/* Gives the link up, with all that is in it. */
void blocking_close(cluster *c, link *l);
/* It holds a command just now. */
bool blocking_is_busy(const link *l);

/* ----------------------------------------------------------- cluster_refresh.c */

void refresh_init(cluster *c);
void refresh_done(cluster *c);
/* Commands wait for a map: a backoff after failures must not outlast them. */
void refresh_hurry(cluster *c);
/* There is cause for a refresh; `suspect` (may be NULL) gave it. */
void refresh_arm(cluster *c, refresh_trigger trigger, const node *suspect);
void refresh_on_timer(cluster *c, wheel_timer *t);
void refresh_on_ask_timer(cluster *c, refresh_ask *ask);
/* A question's answer came (frame), or cannot come any more (NULL). */
void refresh_on_answer(cluster *c, request *r, const link_frame *frame, kw_status status,
                       const char *message);
/* The first bytes of a CLUSTER SLOTS reply, so far as it came. */
void refresh_on_part(cluster *c, const request *r, kw_slice part);
/* The run ends with a view that was taken over. */
void refresh_accepted(cluster *c);
/* This view was no use, or needs a second opinion: another node is asked, or the run ends. */
void refresh_go_on(cluster *c);
void refresh_note_error(cluster *c, kw_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* -------------------------------------------------------------- cluster_view.c */

/* Judges a view that `from` gave; takes it over, or refuses it and has another node asked. Owns the
 * view. */
void view_judge(cluster *c, node *from, uint32_t requested_at, view *v);
/* Nobody is left to ask: what is there must do. False if nothing is. */
bool view_settle(cluster *c);
void view_forget_opinions(cluster *c);

/* ------------------------------------------------------------- cluster_learn.c */

void learn_command(cluster *c, request *r);
void learn_on_answer(cluster *c, request *asked, const link_frame *frame);
/* The node asked does not answer: another one is asked. */
void learn_on_timeout(cluster *c, request *asked);

/* ------------------------------------------------------------- cluster_watch.c */

void watch_hop(cluster *c, request *r, const node *n);
void watch_answer(cluster *c, request *r, const char *what);
void watch_event(cluster *c, kw_event_type type, int slot, const node *n, const node *target,
                 const char *format, ...) __attribute__((format(printf, 6, 7)));
void watch_done(cluster *c);
static inline void watch_count(cluster *c, node *n, kw_counter counter) {
    c->counters[counter]++;
    if (n) {
        n->counters[counter]++;
    }
}

/* Every timer belongs to one of these: the tag of its wheel_timer. */
typedef enum timer_tag {
    TIMER_DEADLINE, /* request_more.deadline */
    TIMER_RETRY,    /* request_more.retry: of the first in a lane */
    TIMER_EXPIRY,   /* link.expiry */
    TIMER_LINK,     /* link.timer */
    TIMER_PROBE,    /* node.probe */
    TIMER_REFRESH,  /* refresh.timer, hedge, periodic */
    TIMER_ASK       /* refresh_ask.timer */
} timer_tag;

void timer_init(wheel_timer *t, timer_tag tag);
/* Fires before the input function that is running returns, or at the next tick; starting it for
 * `now_us` would round up to the end of the millisecond. */
static inline void timer_start_now(cluster *c, wheel_timer *t) {
    wheel_start(&c->wheel, t, 0);
}

#endif
