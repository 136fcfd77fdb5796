/* One side of the differential tests: six nodes, real ones or the lab's, and the connections to
 * them. Owns its sockets and the bytes received. Ports and ids, which differ between the sides, are
 * written as @P0 and @ID0 in commands and come back so in replies. */
#ifndef INTEGRATION_SUPPORT_DIFF_SIDE_H
#define INTEGRATION_SUPPORT_DIFF_SIDE_H

#include "base/buffer.h"
#include "integration/support/redis_cluster.h"
#include "keyway/lab.h"

enum {
    DIFF_NODES = 6,
    DIFF_PRIMARIES = 3, /* nodes 0..2; node 3 + n follows node n */
    DIFF_LANES = 28,    /* connections to each node: none by letter, then a..z */
    DIFF_CONNECTIONS = DIFF_NODES * DIFF_LANES,
    DIFF_ARGUMENTS_MAX = 64
};

typedef struct diff_connection {
    int fd; /* 0: not open */
    buffer in;
} diff_connection;

typedef struct diff_side {
    const char *name;
    uint16_t ports[DIFF_NODES];
    char ids[DIFF_NODES][41];
    diff_connection connections[DIFF_CONNECTIONS];
} diff_side;

void diff_side_of_cluster(diff_side *s, const redis_cluster *cluster);
void diff_side_of_lab(diff_side *s, const kw_lab *lab);
void diff_side_done(diff_side *s);

/* Starts a lab that looks like the cluster: the same nodes with the same slots. */
kw_lab *diff_lab_start(const redis_cluster *cluster, bool full_coverage);
/* A real node lists a replica only when it has heard how far that is: waits for it. */
void diff_wait_for_replicas(redis_cluster *cluster);

/* Sends a command to node `connection % DIFF_NODES`; the connection is opened if need be. */
void diff_send(diff_side *s, int connection, const kw_slice *argv, size_t argc);
/* Takes the next value off the connection, ports and ids replaced. False: none came within
 * timeout_ms, or the connection ended. */
bool diff_receive(diff_side *s, int connection, int timeout_ms, buffer *ret);
/* Closes a connection, or all. */
void diff_close(diff_side *s, int connection);
void diff_close_all(diff_side *s);

/* Sends and takes one reply; the test fails if none comes. */
void diff_ask(diff_side *s, int connection, const char *words, buffer *ret);

#endif
