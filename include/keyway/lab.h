/* Keyway's lab: a cluster inside this process, for a first look, for tests and for teaching.
 *
 * Its nodes listen on loopback ports and answer as nodes of a real cluster do: they own slots,
 * redirect with MOVED and ASK, migrate, fail over, and misbehave on demand. Data lives in memory
 * only. It is never the distributed store: real clusters run on Redis or Valkey.
 *
 * A lab runs its nodes in a thread of its own. Its functions may be called from any thread.
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
/** The port of the first node; the others follow. 0 (the default) takes free ones. */
KW_API void kw_lab_options_set_port(kw_lab_options *options, uint16_t port);
/** How long after a primary's death its replica takes over; -1 = never by itself. */
KW_API void kw_lab_options_set_failover_ms(kw_lab_options *options, int failover_ms);
/** As cluster-require-full-coverage: a node answers CLUSTERDOWN to all when a slot is not served.
 * On by default, as in the servers. */
KW_API void kw_lab_options_set_full_coverage(kw_lab_options *options, bool required);
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
/** Ends all nodes and frees the lab; NULL is allowed. */
KW_API void kw_lab_stop(kw_lab *lab);

/** A URL with the nodes (the first 64 of them) as seeds: redis://, or rediss:// if they speak only
 * TLS. It belongs to the lab. */
KW_API const char *kw_lab_url(const kw_lab *lab);
/** The same by TLS; NULL if the nodes do not speak it. */
KW_API const char *kw_lab_tls_url(const kw_lab *lab);
/** The certificate that clients must trust, as PEM: the authority of a certificate made at the
 * start, else the one that the nodes show. NULL without TLS. It belongs to the lab. */
KW_API const char *kw_lab_tls_certificate(const kw_lab *lab);

/** The number of nodes: first the primaries in the order of their slots, then the replicas. */
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
/** Starts a dead node again on its port, as a replica of whoever owns its slots now. */
KW_API KW_CHECKED kw_status kw_lab_revive(kw_lab *lab, int node);
/** Makes a replica the primary of its shard now; the old primary, if it lives, becomes a replica.
 */
KW_API KW_CHECKED kw_status kw_lab_promote(kw_lab *lab, int replica);
/** Stops a node as SIGSTOP would (its port accepts, nothing answers), or lets it go on. No failover
 * follows by itself: a paused node is slow, not dead; kw_lab_promote does what the others would. */
KW_API KW_CHECKED kw_status kw_lab_pause(kw_lab *lab, int node, bool paused);
/** Freezes a node's view: it hears of no change until thawed, and then of all at once. */
KW_API KW_CHECKED kw_status kw_lab_freeze_view(kw_lab *lab, int node, bool frozen);

/** Begins to move a slot: IMPORTING at the target, MIGRATING at the owner. Like the two that follow
 * it is an operator's act: both nodes do it even if their views are frozen. */
KW_API KW_CHECKED kw_status kw_lab_migrate_begin(kw_lab *lab, int slot, int target);
/** Moves at most count keys of an open slot; *ret_left (may be NULL) = the keys still there. */
KW_API KW_CHECKED kw_status kw_lab_migrate_keys(kw_lab *lab, int slot, size_t count,
                                                size_t *ret_left);
/** Ends the move: the slot belongs to the target. Errors: KW_ERR_INVALID while keys are left. */
KW_API KW_CHECKED kw_status kw_lab_migrate_end(kw_lab *lab, int slot);

/** Gives the slots first..last to a node at once (keys stay where they are), or with node -1 to
 * nobody, in every view that is not frozen. */
KW_API KW_CHECKED kw_status kw_lab_assign(kw_lab *lab, int first, int last, int node);

#ifdef __cplusplus
}
#endif

#endif
