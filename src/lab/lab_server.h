/* One node's sockets: its listener and its connections, each with a session of the node. Owns the
 * sockets and the bytes that wait; belongs to the lab's thread. */
#ifndef LAB_LAB_SERVER_H
#define LAB_LAB_SERVER_H

#include "io/listener.h"
#include "io/stream.h"
#include "node/node_fleet.h"

/* What a loop event may belong to; the first member of each. */
typedef enum lab_owner_kind {
    LAB_OWNER_WAKER,
    LAB_OWNER_SERVER,
    LAB_OWNER_CONNECTION
} lab_owner_kind;

typedef struct lab_server {
    lab_owner_kind kind;
    const mem *mem;
    loop *loop;
    node_fleet *fleet;
    uint16_t index; /* of its node in the fleet */
    uint16_t port;
    listener *listener; /* NULL while the node is dead */
    list connections;
} lab_server;

typedef struct lab_connection {
    lab_owner_kind kind;
    list in_server;
    lab_server *server;
    stream *stream;
    node_session *session;
    buffer in;
} lab_connection;

/* Begins to listen; s->port 0 is replaced by the port taken. */
KW_CHECKED kw_status lab_server_listen(lab_server *s, kw_error *err);
/* Resets all connections and closes the port, as the end of a process does. */
void lab_server_shut(lab_server *s);
/* Stops taking connections and bytes, or goes on. */
void lab_server_pause(lab_server *s, bool paused, uint64_t now_us);

void lab_server_accept(lab_server *s, uint64_t now_us);
void lab_connection_handle(lab_connection *c, unsigned ready, uint64_t now_us);
/* Its session was handed out as ready: sends what waits, and reads on. */
void lab_connection_resume(lab_connection *c, uint64_t now_us);

#endif
