/* One cluster node without input or output: the bytes that a session received go in with a clock
 * value, the bytes of the replies come out (NODE.md). It makes no system call, reads no clock and
 * draws its randomness from a seed. Owns its view and sessions, and a share of its keyspace. Other
 * nodes are reached only through node_peers. Not safe for use by several threads at once. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/buffer.h"
#include "node/node_keyspace.h"
#include "node/node_session.h"
#include "node/node_view.h"

/* The server whose replies a node gives, byte for byte. */
#define NODE_IMITATES "7.0.15"

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
    /* The number of living replicas, for WAIT. */
    size_t (*replica_count)(void *arg, uint16_t self);
} node_peers;

typedef struct node_config {
    const mem *mem;
    uint64_t seed;
    const char *user;     /* NULL: the user `default` */
    const char *password; /* NULL: no AUTH needed */
    node_peers peers;
} node_config;

typedef struct node {
    const mem *mem;
    node_config config; /* user and password are borrowed for the node's life */
    node_view *view;
    keyspace *keys;
    prng random;
    list sessions;
    uint64_t next_session_id;
    uint64_t started_us;
    uint64_t command_count;
    uint64_t connection_count;
    int expire_cursor;
    kw_slice *argv; /* of the command that is being read */
    size_t argv_capacity;
    char run_id[NODE_ID_SIZE];
} node;

/* Takes the view over and a reference to the keyspace; both stay the caller's on failure. */
KW_CHECKED kw_status node_new(const node_config *config, node_view *view, keyspace *keys,
                              uint64_t now_us, node **ret);
/* Its sessions must have been freed. */
void node_free(node *n);

/* `address` is the peer's, as text. NULL if memory is short. */
KW_CHECKED node_session *node_session_new(node *n, const char *address, uint64_t now_us);
void node_session_free(node *n, node_session *s);

/* Reads whole commands off `in` and appends their replies to `out`, until nothing whole is left,
 * `out` holds out_max bytes or more, or the session is CLOSING or FAILED (look at its flags). Call
 * again when there is more to read or room to write. now_us counts from the Unix epoch. */
void node_receive(node *n, node_session *s, buffer *in, uint64_t now_us, buffer *out,
                  size_t out_max);

/* Runs one command that is already cut into arguments. */
void node_execute(node *n, node_session *s, const kw_slice *argv, size_t argc, uint64_t now_us,
                  buffer *out);

/* Removes some expired keys; call it ten times a second or so. */
void node_tick(node *n, uint64_t now_us);

/* Shares another keyspace from now on. */
void node_share(node *n, keyspace *keys);

#endif
