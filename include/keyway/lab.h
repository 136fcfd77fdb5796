/* Keyway's lab: a cluster inside this process, for a first look, for tests and for teaching.
 *
 * Its nodes listen on loopback ports and answer as nodes of a real cluster do: they own slots,
 * redirect with MOVED and ASK, migrate, fail over, and misbehave on demand. Data lives in memory
 * only. It is never the distributed store: real clusters run on Redis or Valkey.
 *
 * A lab runs its nodes in a thread of its own. Its functions may be called from any thread; each
 * returns when what it asks for has been done. The same can be done from any language by the
 * command LAB, sent to any node: `LAB HELP`.
 *
 * Nodes are named by their index, slots are 0..16383, times are milliseconds. Where nothing else is
 * said, errors are KW_ERR_INVALID (no such node, or it is in no state for that) and KW_ERR_NOMEM,
 * and nothing has changed then.
 */
#ifndef KEYWAY_LAB_H
#define KEYWAY_LAB_H

#include <keyway/keyway.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An opaque handle of one embedded cluster. */
typedef struct kw_lab kw_lab;
/** What a lab shall look like. */
typedef struct kw_lab_options kw_lab_options;

/** Makes options that hold the defaults: 3 primaries, 1 replica each, failover after 500 ms. */
KW_API KW_CHECKED kw_status kw_lab_options_new(kw_lab_options **ret);
/** Frees options; NULL is allowed. */
KW_API void kw_lab_options_free(kw_lab_options *options);
/** The number of primaries, 1..128, and of replicas of each, 0..8. */
KW_API KW_CHECKED kw_status kw_lab_options_set_size(kw_lab_options *options, int primaries,
                                                    int replicas);
/** The port of the first node; the others follow. 0 (the default) takes free ones. Nodes listen at
 * 127.0.0.1 and, where there is IPv6, with the same number at ::1 (up to 128 nodes). */
KW_API void kw_lab_options_set_port(kw_lab_options *options, uint16_t port);
/** How long after a primary's death its replica takes over; -1 = never by itself. */
KW_API void kw_lab_options_set_failover_ms(kw_lab_options *options, int failover_ms);
/** As cluster-require-full-coverage: a node answers CLUSTERDOWN to all when a slot is not served.
 * On by default, as in the servers. */
KW_API void kw_lab_options_set_full_coverage(kw_lab_options *options, bool required);
/** From which all that is random is drawn: node ids, faults' chances, RANDOMKEY ... The default is
 * another one at each start. */
KW_API void kw_lab_options_set_seed(kw_lab_options *options, uint64_t seed);
/** Whether clients may control the lab by the command LAB, sent to any node (`LAB HELP`). On by
 * default. LAB runs before AUTH, is never redirected, and neither COMMAND nor the log shows it. */
KW_API void kw_lab_options_set_control(kw_lab_options *options, bool allowed);
/** What clients must give to AUTH; both NULL (the default): nothing. user NULL: `default`. */
KW_API KW_CHECKED kw_status kw_lab_options_set_auth(kw_lab_options *options, const char *user,
                                                    const char *password);

/** Whether nodes speak TLS. */
typedef enum kw_lab_tls {
    KW_LAB_TLS_OFF,   /* the default */
    KW_LAB_TLS_ONLY,  /* on their ports, and nothing else */
    KW_LAB_TLS_BESIDE /* on a second port of each node; clients are redirected to ports of the kind
                         that they came by */
} kw_lab_tls;
/** Has the nodes speak TLS (1.2 or newer). */
KW_API KW_CHECKED kw_status kw_lab_options_set_tls(kw_lab_options *options, kw_lab_tls tls);
/** With KW_LAB_TLS_BESIDE the TLS port of the first node; the others follow. 0 (the default) takes
 * free ones. */
KW_API void kw_lab_options_set_tls_port(kw_lab_options *options, uint16_t port);
/** The certificate that all nodes show, a PEM file with its chain, and its key, NULL: in the same
 * file. Both NULL (the default): one is made at each start, for localhost, 127.0.0.1 and ::1,
 * signed by an authority of its own (kw_lab_tls_certificate). */
KW_API KW_CHECKED kw_status kw_lab_options_set_tls_files(kw_lab_options *options,
                                                         const char *cert_file,
                                                         const char *key_file);
/** Whether clients must show a certificate, as tls-auth-clients of the servers. */
typedef enum kw_lab_tls_clients {
    KW_LAB_TLS_CLIENTS_ANY,     /* they are not asked for one: the default */
    KW_LAB_TLS_CLIENTS_CHECKED, /* they need not, but it must be a good one */
    KW_LAB_TLS_CLIENTS_REQUIRED
} kw_lab_tls_clients;
/** Asks clients for certificates. ca_file: PEM of the authorities that sign good ones; may be NULL
 * if clients are not asked. */
KW_API KW_CHECKED kw_status kw_lab_options_set_tls_clients(kw_lab_options *options,
                                                           kw_lab_tls_clients demand,
                                                           const char *ca_file);

/** Starts a cluster with all slots assigned evenly, in order. options may be NULL.
 * Errors: KW_ERR_CONNECTION (a port cannot be had), KW_ERR_TLS (the certificate), KW_ERR_NOMEM,
 * KW_ERR_INVALID. */
KW_API KW_CHECKED kw_status kw_lab_start(const kw_lab_options *options, kw_lab **ret,
                                         kw_error *err);
/** Ends all nodes and frees the lab; NULL is allowed. No other call on the lab may be under way; of
 * a listener of its events it may be the last one. In the child of a fork it only frees the child's
 * copy (all else ends with KW_ERR_FORKED there): the parent's nodes go on. */
KW_API void kw_lab_stop(kw_lab *lab);

/** A URL with the nodes (the first 64 of them) as seeds: redis://, or rediss:// if they speak only
 * TLS. It belongs to the lab. */
KW_API const char *kw_lab_url(const kw_lab *lab);
/** The same by TLS; NULL if the nodes do not speak it. */
KW_API const char *kw_lab_tls_url(const kw_lab *lab);
/** The certificate that clients must trust, as PEM: the authority of a certificate made at the
 * start, else the one that the nodes show. NULL without TLS. It belongs to the lab. */
KW_API const char *kw_lab_tls_certificate(const kw_lab *lab);

/** The number of nodes: first the primaries in the order of their slots, then the replicas, then
 * those that were added. Dead and removed ones count, so that an index always names the same node.
 */
KW_API int kw_lab_node_count(const kw_lab *lab);

/** One node of a lab, now. */
typedef struct kw_lab_node {
    char id[41];       /* 40 hex digits */
    char endpoint[64]; /* host:port */
    uint16_t tls_port; /* 0: it does not speak TLS */
    bool primary;
    int primary_index; /* of a replica: its primary; else -1 */
    bool alive;
    bool paused;
    bool stale;     /* its view is frozen */
    int slot_count; /* slots it owns by its own view */
    uint64_t key_count;
} kw_lab_node;

/** Fills *ret; false if there is no such node. */
KW_API bool kw_lab_node_at(const kw_lab *lab, int node, kw_lab_node *ret);
/** The node that owns a slot, as the cluster's newest configuration has it; -1 if none. */
KW_API int kw_lab_owner(const kw_lab *lab, int slot);

/** Kills a node as kill -9 would: its connections are reset, its port refuses; its data is gone.
 * The failover, if a replica lives, follows by itself. Errors: KW_ERR_INVALID. */
KW_API KW_CHECKED kw_status kw_lab_kill(kw_lab *lab, int node);
/** Ends a node as SHUTDOWN would: its replicas have all that it had. */
KW_API KW_CHECKED kw_status kw_lab_shutdown(kw_lab *lab, int node);
/** Starts a dead node again on its port, as a replica of whoever owns its slots now.
 * Errors: also KW_ERR_CONNECTION: the port cannot be had. */
KW_API KW_CHECKED kw_status kw_lab_revive(kw_lab *lab, int node);
/** The same on another port, 0: its own. All but frozen views learn of it. */
KW_API KW_CHECKED kw_status kw_lab_revive_at(kw_lab *lab, int node, uint16_t port);
/** Kills a node, if it lives, and starts it again, on another port or (0) its own. */
KW_API KW_CHECKED kw_status kw_lab_restart(kw_lab *lab, int node, uint16_t port);
/** Adds a node that the others know: a replica of a primary, or with primary -1 a primary without
 * slots; on a port, or (0) any that is free. *ret_node = its index. Errors: also KW_ERR_CONNECTION,
 * KW_ERR_LIMIT. */
KW_API KW_CHECKED kw_status kw_lab_add_node(kw_lab *lab, int primary, uint16_t port, int *ret_node);
/** Ends a node that owns no slots and has no replicas; all others forget it. */
KW_API KW_CHECKED kw_status kw_lab_remove_node(kw_lab *lab, int node);
/** Makes a replica the primary of its shard now; the old primary, if it lives, becomes a replica.
 */
KW_API KW_CHECKED kw_status kw_lab_promote(kw_lab *lab, int replica);
/** Stops a node as SIGSTOP would (its port accepts, nothing answers), or lets it go on. No failover
 * follows by itself: a paused node is slow, not dead; kw_lab_promote does what the others would. */
KW_API KW_CHECKED kw_status kw_lab_pause(kw_lab *lab, int node, bool paused);
/** How long after a primary's death its replica takes over; -1 = never by itself. */
KW_API KW_CHECKED kw_status kw_lab_set_failover_ms(kw_lab *lab, int failover_ms);
/** How late writes reach the replicas; 0 (at first): before their replies. A primary that is killed
 * takes with it what has not reached them. */
KW_API KW_CHECKED kw_status kw_lab_set_replication_delay_ms(kw_lab *lab, int delay_ms);
/** What is on its way arrives now: writes at the replicas, so that a test need not wait. */
KW_API KW_CHECKED kw_status kw_lab_sync(kw_lab *lab);
/** For between two tests: no faults, no log, no keys, no time that stands still, no node that is
 * dead, paused or misled; slots and roles are as at the start, added nodes are gone. Connections
 * stay, as do settings (CONFIG SET, host names, failover time). */
KW_API KW_CHECKED kw_status kw_lab_reset(kw_lab *lab);
/** All nodes are without keys. */
KW_API KW_CHECKED kw_status kw_lab_flush(kw_lab *lab);

/** Freezes a node's view: it hears of no change until thawed, and then of all at once. */
KW_API KW_CHECKED kw_status kw_lab_freeze_view(kw_lab *lab, int node, bool frozen);
/** A node hears of each change so much later. */
KW_API KW_CHECKED kw_status kw_lab_delay_view(kw_lab *lab, int node, int delay_ms);
/** Makes nodes disagree: this one takes the slots first..last for owner's (-1: nobody's), tells
 * nobody, and its view is frozen. */
KW_API KW_CHECKED kw_status kw_lab_force_view(kw_lab *lab, int node, int first, int last,
                                              int owner);

/** How a node names others to its clients, as cluster-preferred-endpoint-type. */
typedef enum kw_lab_endpoint {
    KW_LAB_ENDPOINT_IP,
    KW_LAB_ENDPOINT_HOSTNAME, /* `?` for a node that has no host name */
    KW_LAB_ENDPOINT_UNKNOWN   /* null in CLUSTER SLOTS, empty in redirects: "the host you asked" */
} kw_lab_endpoint;
/** node -1: all. */
KW_API KW_CHECKED kw_status kw_lab_set_endpoint(kw_lab *lab, int node, kw_lab_endpoint type);
/** What a node announces as its host name; NULL: none. */
KW_API KW_CHECKED kw_status kw_lab_set_hostname(kw_lab *lab, int node, const char *hostname);
/** What a node announces as its address; NULL: the true one. */
KW_API KW_CHECKED kw_status kw_lab_set_host(kw_lab *lab, int node, const char *host);

/** Begins to move a slot: IMPORTING at the target, MIGRATING at the owner. Like the two that follow
 * it is an operator's act: both nodes do it even if their views are frozen. */
KW_API KW_CHECKED kw_status kw_lab_migrate_begin(kw_lab *lab, int slot, int target);
/** Moves at most count keys of an open slot; *ret_left (may be NULL) = the keys still there. */
KW_API KW_CHECKED kw_status kw_lab_migrate_keys(kw_lab *lab, int slot, size_t count,
                                                size_t *ret_left);
/** Ends the move: the slot belongs to the target. Errors: KW_ERR_INVALID while keys are left. */
KW_API KW_CHECKED kw_status kw_lab_migrate_end(kw_lab *lab, int slot);

/** Clears the marks of an open slot at one node, or with -1 at all: keys stay where they are, so a
 * slot can be left half moved, with marks on neither side or on one. */
KW_API KW_CHECKED kw_status kw_lab_migrate_clear(kw_lab *lab, int slot, int node);
/** Moves the slots first..last to a primary with their keys, at once. */
KW_API KW_CHECKED kw_status kw_lab_move(kw_lab *lab, int first, int last, int node);
/** Gives the slots first..last to a node at once (keys stay where they are), or with node -1 to
 * nobody, in every view that is not frozen. */
KW_API KW_CHECKED kw_status kw_lab_assign(kw_lab *lab, int first, int last, int node);

/* ------------------------------------------------------------- misbehaviour */

/** What becomes of a command that a fault hits. */
typedef enum kw_lab_action {
    KW_LAB_NONE, /* nothing but the fault's delay */
    /* it is not executed: */
    KW_LAB_ERROR,       /* `text` is its error reply: "LOADING Redis is loading" */
    KW_LAB_REPLY,       /* the bytes of `text` are its reply, whatever they are */
    KW_LAB_MOVED,       /* to `target`, which may be the node itself */
    KW_LAB_ASK,         /* to `target` */
    KW_LAB_DROP_BEFORE, /* the connection is closed */
    /* it is executed: */
    KW_LAB_DROP_AFTER, /* the connection is closed instead of a reply */
    KW_LAB_CUT,        /* the first `amount` bytes of the reply, then the connection is closed */
    KW_LAB_STALL,      /* the first `amount` bytes of the reply, then nothing more, ever */
    KW_LAB_SWALLOW,    /* no reply; later commands get theirs */
    KW_LAB_TRICKLE,    /* the reply comes one byte at a time, `amount` ms apart */
    KW_LAB_GARBAGE,    /* `amount` bytes that are no RESP, up to 1 MiB */
    KW_LAB_OVERSIZED,  /* a header that announces `amount`; text: its type, "$" (NULL), "*" ... */
    KW_LAB_NEST        /* arrays in arrays, `amount` bytes of them up to 1 GiB, then closed */
} kw_lab_action;

/** Which commands a node treats badly, and how. Make one by kw_lab_fault_init, then set fields. */
typedef struct kw_lab_fault {
    int node;            /* -1: any */
    const char *command; /* a name or glob, "get", "cluster|slots", "z*"; NULL: any */
    const char *key;     /* a glob that one of its keys fits; NULL: any, or none */
    int first_slot;      /* a key's slot is in first..last; -1: any */
    int last_slot;
    uint64_t skip;      /* the first so many pass, */
    uint64_t count;     /* then so many are hit; 0: all */
    double probability; /* of each to be hit, 0.0 to 1.0, drawn from the lab's seed */
    int delay_ms;       /* its reply, or its end, comes so much later; the connection waits */
    kw_lab_action action;
    uint64_t amount;
    int target;      /* of MOVED and ASK */
    int target_slot; /* the slot that they name; -1: the command's */
    const char *text;
    size_t text_len; /* 0: text is terminated */
} kw_lab_fault;
/** A fault that hits every command of every node, and does nothing. */
KW_API void kw_lab_fault_init(kw_lab_fault *fault);
/** Adds a fault, whose texts are copied; of several that fit a command the first one hits. A
 * command that waits (BLPOP) has its late reply untouched. *ret_id (may be NULL) names the fault.
 * Errors: also KW_ERR_LIMIT: 256 are there. */
KW_API KW_CHECKED kw_status kw_lab_add_fault(kw_lab *lab, const kw_lab_fault *fault,
                                             uint64_t *ret_id);
/** Removes one fault. Errors: KW_ERR_INVALID: there is none of that id. */
KW_API KW_CHECKED kw_status kw_lab_remove_fault(kw_lab *lab, uint64_t id);
/** Removes all faults. */
KW_API KW_CHECKED kw_status kw_lab_clear_faults(kw_lab *lab);
/** How many commands a fault has hit; 0 if there is none of that id. */
KW_API uint64_t kw_lab_fault_hits(const kw_lab *lab, uint64_t id);
/** From here on the same commands meet the same chances. */
KW_API KW_CHECKED kw_status kw_lab_set_seed(kw_lab *lab, uint64_t seed);

/* ------------------------------------------------------------------- the log */

/** A command that a node received. */
typedef struct kw_lab_entry {
    uint64_t number;     /* from 1, in the order in which all nodes read them */
    uint64_t time_ms;    /* since 1970, by the lab's clock */
    int node;            /* its index */
    uint64_t client;     /* the connection, as CLIENT ID of that node */
    const char *command; /* in lower case, "cluster|slots" */
    const char *outcome; /* "served", "queued", "waits", "silent", "dropped", or the code of its
                            error: "MOVED" */
    uint64_t fault;      /* the fault that hit it, or 0 */
    size_t argc;         /* arguments received, its name among them */
    size_t kept_count;   /* arguments kept: at most 32, at most 256 bytes of each */
    const kw_slice *argv;
} kw_lab_entry;

/** Which entries are wanted. Make one by kw_lab_filter_init, then set fields. */
typedef struct kw_lab_filter {
    int node;            /* -1: any */
    uint64_t client;     /* 0: any */
    const char *command; /* a name or glob; NULL: any */
    const char *key;     /* a glob that one of its keys fits; NULL: any, or none */
    const char *outcome; /* a glob; NULL: any */
    uint64_t after;      /* entries with higher numbers */
} kw_lab_filter;
/** A filter that lets all entries pass. */
KW_API void kw_lab_filter_init(kw_lab_filter *filter);

/** Entries copied out of a lab's log, of which it keeps the latest 4096. */
typedef struct kw_lab_log kw_lab_log;
/** filter NULL: all. The copy is the caller's, and outlives the lab. */
KW_API KW_CHECKED kw_status kw_lab_read_log(const kw_lab *lab, const kw_lab_filter *filter,
                                            kw_lab_log **ret);
/** Frees a copy; NULL is allowed. */
KW_API void kw_lab_log_free(kw_lab_log *log);
/** The number of entries in a copy. */
KW_API size_t kw_lab_log_size(const kw_lab_log *log);
/** In their order; NULL if index is kw_lab_log_size or more. It belongs to the copy. */
KW_API const kw_lab_entry *kw_lab_log_at(const kw_lab_log *log, size_t index);
/** How many entries the filter lets pass. */
KW_API size_t kw_lab_count_log(const kw_lab *lab, const kw_lab_filter *filter);
/** Forgets all entries; their numbers go on. */
KW_API KW_CHECKED kw_status kw_lab_clear_log(kw_lab *lab);

/* ---------------------------------------------------------------------- time */

/** The lab's time stands still, and with it expiry, failovers, delays and timeouts of commands that
 * wait; or it goes on from there. It never goes back. */
KW_API KW_CHECKED kw_status kw_lab_freeze_time(kw_lab *lab, bool frozen);
/** It leaps forward, frozen or not; what falls due on the way has happened when this returns. */
KW_API KW_CHECKED kw_status kw_lab_advance_time(kw_lab *lab, uint64_t ms);
/** Milliseconds since 1970. */
KW_API uint64_t kw_lab_time_ms(const kw_lab *lab);

/* -------------------------------------------------------------------- events */

/** Something that happened in a lab. It lives until the function that gets it returns. */
typedef struct kw_lab_event {
    uint64_t number; /* from 1 */
    uint64_t time_ms;
    const char *name; /* "node-killed", "failover-won", "slots-moved", "rule-hit" ... */
    int node;         /* -1: none in particular */
    const char *text; /* one line for a person */
} kw_lab_event;
/** Gets each event. */
typedef void kw_lab_event_fn(kw_lab *lab, const kw_lab_event *event, void *arg);
/** Events from now on; NULL: to nobody. They come in the lab's thread, soon after they happened.
 * The function may call all of this header, and should not take long. */
KW_API KW_CHECKED kw_status kw_lab_on_event(kw_lab *lab, kw_lab_event_fn *on_event, void *arg);

/* ------------------------------------------------------------------ commands */

/** Runs a LAB command without its first word, written as for kw_call: "SLOT BEGIN %d %d". *ret_text
 * (may be NULL) = its answer as text, a line for each element, to be freed by kw_lab_free_text.
 * Errors: KW_ERR_INVALID with the reason in *err, KW_ERR_NOMEM. */
KW_API KW_CHECKED kw_status kw_lab_command(kw_lab *lab, char **ret_text, kw_error *err,
                                           const char *format, ...);
/** The same as arguments, which may hold any byte. */
KW_API KW_CHECKED kw_status kw_lab_command_argv(kw_lab *lab, char **ret_text, kw_error *err,
                                                const kw_slice *argv, size_t argc);
/** NULL is allowed. */
KW_API void kw_lab_free_text(char *text);

#ifdef __cplusplus
}
#endif

#endif
