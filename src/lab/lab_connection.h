/* One client's connection: bytes from its stream into its session of a node, and from the session's
 * output into the stream. Owns the stream, the session, and what was read of a command that is not
 * whole yet; what a client makes wait is bounded. Belongs to the lab's thread. */
#ifndef LAB_LAB_CONNECTION_H
#define LAB_LAB_CONNECTION_H

#include "io/stream.h"
#include "lab/lab_net.h"

struct lab_port;
struct lab_server;

typedef struct lab_connection {
    lab_owner_kind kind;
    list in_server;
    list in_waiting; /* lab_net.waiting */
    struct lab_server *server;
    stream *stream;
    node_session *session;
    buffer in;         /* read, and not yet run */
    bool is_unread;    /* reading stopped before there was nothing left */
    uint64_t taken_us; /* while it waits: when its socket last took bytes */
    uint64_t soft_us;  /* since when more waits than the soft limit; 0: it does not */
} lab_connection;

/* Takes over an accepted descriptor; on failure it stays the caller's. */
KW_CHECKED bool lab_connection_open(const struct lab_port *port, int fd, const net_address *peer,
                                    uint64_t now_us);
/* reset: as the end of a process does, what is unsent is lost and the peer sees a reset. */
void lab_connection_close(lab_connection *c, bool reset);

/* All of these may end it. */
void lab_connection_handle(lab_connection *c, unsigned ready, uint64_t now_us);
/* Its session was handed out as ready: sends what waits, and reads on. */
void lab_connection_resume(lab_connection *c, uint64_t now_us);
/* It has waited for a while: has it stopped reading? at_us is by loop_now_us. */
void lab_connection_check(lab_connection *c, uint64_t at_us);

/* By the lab's clock: has it said nothing for too long? */
void lab_connection_check_idle(lab_connection *c, uint64_t idle_us, uint64_t now_us);

/* Its node is stopped. */
void lab_connection_pause(lab_connection *c);

#endif
