/* The client's brain: everything it knows and decides, as a state machine without input or output
 * (DESIGN §4, ROUTING). Bytes, times and events go in; effects, bytes and completions come out.
 *
 * It makes no system call, reads no clock and draws its randomness from a seed, so that a run can
 * be replayed. It owns requests, nodes, links, the map and the statistics; it never calls back into
 * its user: completions and events are fetched from queues.
 *
 * Every function that takes now_us may change the next deadline and queue effects, completions and
 * events: fetch them afterwards. now_us never goes backwards. */
#ifndef CORE_CLUSTER_H
#define CORE_CLUSTER_H

#include "base/mem.h"
#include "base/slice.h"
#include "core/endpoint.h"
#include "core/histogram.h"

typedef struct cluster cluster;
struct kw_reply;
struct reply_pool;

typedef enum cluster_uncovered { UNCOVERED_WAIT, UNCOVERED_FAIL } cluster_uncovered;

/* Numbers of ROUTING; cluster_config_init gives its defaults. Texts are borrowed for the call of
 * cluster_new only. */
typedef struct cluster_config {
    const endpoint *seeds;
    size_t seed_count;
    const char *user;        /* NULL: AUTH with password alone */
    const char *password;    /* NULL: no AUTH */
    const char *client_name; /* NULL: no CLIENT SETNAME */
    const char *lib_name;    /* for CLIENT SETINFO; NULL: not sent */
    const char *lib_version;
    int resp; /* 3: HELLO 3, falling back; 2: RESP2 only */

    uint64_t timeout_us; /* a command's deadline */
    uint64_t connect_timeout_us;
    uint64_t refresh_interval_us;   /* periodic; 0: off */
    uint64_t refresh_window_us;     /* W up to 100 nodes */
    uint64_t refresh_urgent_gap_us; /* at least this after the last */
    uint64_t refresh_urgent_jitter_us;
    uint64_t refresh_hedge_us;   /* a second node in addition after this */
    uint64_t refresh_timeout_us; /* for each node asked */
    uint64_t retry_min_us;       /* TRYAGAIN, CLUSTERDOWN ...: full jitter from */
    uint64_t retry_max_us;       /* ... to */
    uint64_t reconnect_min_us;
    uint64_t reconnect_max_us;
    uint64_t idle_ping_us;      /* 0: off */
    uint64_t failover_probe_us; /* commands of a lost primary ask its replicas this often */
    uint32_t connections_per_node;
    uint32_t blocking_connections_max; /* a node, beside these: one for each blocking command */
    uint32_t retry_percent;            /* of a node's traffic; 0: never sent again */
    uint32_t suspect_timeouts;         /* in a row until a node is suspect */
    uint32_t in_flight_max;            /* commands a node */
    uint64_t in_flight_bytes_max;
    uint32_t waiting_max; /* commands, all nodes */
    uint64_t waiting_bytes_max;
    uint64_t reply_bytes_max;
    cluster_uncovered uncovered;
    bool require_full_coverage;
    bool eager;            /* load the map without waiting for a command */
    bool resolve_literals; /* tests: ask for addresses even of literals */

    kw_remap_fn *remap; /* may be NULL */
    void *remap_arg;
} cluster_config;

void cluster_config_init(cluster_config *config);

KW_CHECKED kw_status cluster_new(const mem *m, const cluster_config *config, uint64_t seed,
                                 uint64_t now_us, cluster **ret, kw_error *err);
/* Frees everything; requests not completed are dropped silently: call cluster_shutdown first. */
void cluster_free(cluster *c);

/* ------------------------------------------------------------------ requests */

typedef struct cluster_submit_options {
    uint64_t timeout_us;   /* 0: the config's; a blocking command's own is added */
    uint64_t submitted_us; /* from when it counts, not after now; 0: now */
    int slot;              /* SLOT_NONE: by its keys */
    bool idempotent;
    bool lends;      /* its arguments stay as they are until its completion is fetched */
    kw_trace *trace; /* or NULL */
    void *user;      /* comes back with the completion */
    void *user2;
} cluster_submit_options;

/* Takes a command over, copied but for what is lent: then its longest argument, if it is large, is
 * read from where it is. On failure no completion will come; err->outcome is NOT_SENT. */
KW_CHECKED kw_status cluster_submit(cluster *c, const kw_slice *argv, size_t argc,
                                    const cluster_submit_options *options, uint64_t now_us,
                                    kw_error *err);

/* A command that was looked at and encoded beforehand, once for all: one key, nothing special. */
typedef struct cluster_encoded {
    const char *bytes;
    uint32_t len;
    int16_t slot;
    bool reads_only;
} cluster_encoded;

/* Copies it and sends it at once; as cluster_submit without options. False: it has to be submitted
 * as others are. */
bool cluster_submit_encoded(cluster *c, const cluster_encoded *e, void *user, void *user2,
                            uint64_t now_us);

/* What no state of the brain makes possible: a command without a name, or too large for any
 * connection. */
KW_CHECKED kw_status cluster_check_size(const kw_slice *argv, size_t argc, kw_error *err);

typedef struct cluster_completion {
    void *user;
    void *user2;
    struct kw_reply *reply; /* owned by whoever fetched it; NULL: err is filled */
    kw_error err;
} cluster_completion;

/* Where replies that nobody keeps are given back (reply_release). */
struct reply_pool *cluster_replies(cluster *c);

/* The next finished command; false if there is none. */
bool cluster_next_completion(cluster *c, cluster_completion *ret);

/* Commands not yet fetched as completions. */
size_t cluster_pending(const cluster *c);

/* Of these, those not yet sent. */
size_t cluster_waiting(const cluster *c);

/* Completes everything that is open with this status, closes all links; nothing is accepted
 * afterwards. */
void cluster_shutdown(cluster *c, kw_status status, uint64_t now_us);

/* ------------------------------------------------------------------- effects */

typedef enum effect_kind {
    EFFECT_OPEN,    /* connect link to address; the answer: cluster_link_connected or _lost */
    EFFECT_CLOSE,   /* close the link's socket if it is open; no answer expected */
    EFFECT_WRITE,   /* the link has bytes to write: cluster_link_output */
    EFFECT_RESOLVE, /* resolve name; the answer: cluster_resolved with the id */
    EFFECT_CANCEL   /* the resolution is not wanted any more */
} effect_kind;

typedef struct cluster_effect {
    effect_kind kind;
    uint32_t link; /* OPEN, CLOSE, WRITE: index, the least that is free; not used again before its
                      CLOSE was fetched */
    uint64_t id;   /* RESOLVE, CANCEL */
    net_address address; /* OPEN; else of no meaning */
    endpoint name; /* RESOLVE: the host; OPEN: the endpoint by name, for TLS; else as address */
} cluster_effect;

bool cluster_next_effect(cluster *c, cluster_effect *ret);

/* ------------------------------------------------------------- link input side */

void cluster_link_connected(cluster *c, uint32_t index, uint64_t now_us);
/* Could not be opened, or was lost; the link is closed by then. */
void cluster_link_lost(cluster *c, uint32_t index, kw_status status, const char *message,
                       uint64_t now_us);

/* Where received bytes are to be put (*ret_size > 0), or NULL: out of memory, the link is to be
 * left unread; it is then closed by an effect. */
char *cluster_link_input(cluster *c, uint32_t index, size_t *ret_size);
/* `len` bytes were put there. */
void cluster_link_received(cluster *c, uint32_t index, size_t len, uint64_t now_us);

/* The bytes to write now, in order, as at most max slices; 0 if there are none. */
size_t cluster_link_output(cluster *c, uint32_t index, kw_slice *slices, size_t max);
/* The first `len` of them were written. */
void cluster_link_written(cluster *c, uint32_t index, size_t len, uint64_t now_us);

void cluster_resolved(cluster *c, uint64_t id, const net_address *addresses, size_t count,
                      kw_status status, const char *message, uint64_t now_us);

/* ---------------------------------------------------------------------- time */

/* When cluster_tick must be called at the latest; UINT64_MAX: nothing is timed. */
uint64_t cluster_deadline_us(const cluster *c);
void cluster_tick(cluster *c, uint64_t now_us);

/* ------------------------------------------------------------ map and watching */

typedef enum refresh_trigger { REFRESH_PERIODIC, REFRESH_NORMAL, REFRESH_URGENT } refresh_trigger;

/* Asks for a view now (kw_refresh): counts as urgent, but is not held back. Returns the number of
 * the run that will bring it: one under way asked before now, and does not count. */
uint64_t cluster_refresh(cluster *c, uint64_t now_us);
/* Whether that run is over, and whether it, or a later one, brought a view. */
bool cluster_refresh_is_over(const cluster *c, uint64_t run, bool *ret_accepted);
/* Views accepted so far. */
uint64_t cluster_refresh_accepted_count(const cluster *c);
/* Why the last refresh run failed; filled by it. */
const kw_error *cluster_refresh_error(const cluster *c);

void cluster_forget_slots(cluster *c, int first, int last, uint64_t now_us);

/* Events wait in a queue with a cap; the oldest give way. Off (the default): none are made. */
void cluster_watch_events(cluster *c, bool on);
/* The event is valid until the next call; NULL if there is none. */
const kw_event *cluster_next_event(cluster *c);

KW_CHECKED kw_status cluster_map_snapshot(const cluster *c, kw_map **ret);
KW_CHECKED kw_status cluster_stats_snapshot(const cluster *c, kw_stats **ret);

#endif
