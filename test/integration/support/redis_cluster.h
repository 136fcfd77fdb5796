/* A real cluster of redis-server processes on free loopback ports, made without redis-cli so that
 * it stands within about two seconds. Owns its processes, one admin connection to each, and their
 * directory. Whatever goes wrong fails the running test with a message.
 * It never outlives the test process (process.h). */
#ifndef INTEGRATION_SUPPORT_REDIS_CLUSTER_H
#define INTEGRATION_SUPPORT_REDIS_CLUSTER_H

#include "integration/support/process.h"
#include "integration/support/raw.h"

enum { REDIS_NODES_MAX = 12, REDIS_URL_SIZE = 512 };

typedef struct redis_cluster_options {
    int primaries;               /* they share the slots evenly: 0 = 3 */
    int replicas;                /* in total; replica i follows primary i modulo primaries */
    int spares;                  /* primaries that own nothing yet */
    int node_timeout_ms;         /* 0 = 1000 */
    bool full_coverage;          /* cluster-require-full-coverage */
    const char *host;            /* to listen on; NULL = 127.0.0.1 */
    const char *hostname;        /* cluster-announce-hostname; NULL = none */
    const char *endpoint_type;   /* cluster-preferred-endpoint-type; NULL = ip */
    bool tls;                    /* each node listens with TLS too, and announces that port */
    const char *acl;             /* text of the ACL file; NULL = none */
    const char *user;            /* for the admin connections; NULL = default */
    const char *password;        /* NULL = none */
    const char *const *settings; /* further arguments, NULL at the end; may be NULL */
} redis_cluster_options;

typedef struct redis_node {
    pid_t pid;
    uint16_t port, bus_port, tls_port;
    char id[41];
    int primary; /* the index of the primary it follows; of a primary, its own */
    int first_slot, last_slot;
    raw *admin;
} redis_node;

typedef struct redis_cluster {
    redis_cluster_options options;
    const char *host;
    temp_dir dir;
    int count;
    redis_node nodes[REDIS_NODES_MAX];
} redis_cluster;

redis_cluster *redis_cluster_start(const redis_cluster_options *options);
void redis_cluster_stop(redis_cluster *cluster);

/* redis://host:port,... with the ports of all primaries (TLS: rediss and the TLS ports). */
const char *redis_cluster_url(const redis_cluster *cluster, char url[REDIS_URL_SIZE]);
/* host:port of a node, as Keyway names it. */
const char *redis_cluster_endpoint(const redis_cluster *cluster, int node, char text[80]);

/* The primary that owned the slot when the cluster was made. */
int redis_cluster_first_owner(const redis_cluster *cluster, int slot);
/* The node of this id, -1 if there is none. */
int redis_cluster_by_id(const redis_cluster *cluster, const char *id);

/* A command to one node; the test fails if no reply comes. The caller frees it. */
raw_reply *redis_cluster_ask(redis_cluster *cluster, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a command that must succeed. */
void redis_cluster_do(redis_cluster *cluster, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A connection of one's own to a node, logged in; NULL if the node does not answer. */
raw *redis_cluster_connect(const redis_cluster *cluster, int node, int timeout_ms);

/* Waits until each running node sees every other (spares apart) and calls the cluster ok. */
void redis_cluster_wait_ok(redis_cluster *cluster);

void redis_cluster_kill(redis_cluster *cluster, int node); /* kill -9 */
void redis_cluster_signal(redis_cluster *cluster, int node, int signal);
/* Starts a killed node again with its directory, on other ports if asked for. It must be
 * introduced anew then: redis_cluster_meet. */
void redis_cluster_restart(redis_cluster *cluster, int node, bool other_ports);
void redis_cluster_meet(redis_cluster *cluster);

/* Moves a slot with its keys, a few at a time, by way of own connections to the two nodes and to
 * any others that shall hear of it at once. May be called in any thread; false if it fails. */
typedef struct slot_move {
    raw *from, *to;
    const char *from_id, *to_id;
    const char *to_host;
    uint16_t to_port;
    int keys_at_once;
    int pause_ms;      /* between portions of keys, so that clients see the slot half moved */
    char problem[256]; /* why it failed */
} slot_move;
bool slot_move_run(slot_move *move, int slot);

#endif
