/* One node's sockets: a port for plain connections, one for TLS, either or both, each at 127.0.0.1
 * and, where there is IPv6, at ::1, since that is what `localhost` may be; and the connections that
 * came by them. Owns all of these; belongs to the lab's thread. */
#ifndef LAB_LAB_SERVER_H
#define LAB_LAB_SERVER_H

#include "io/listener.h"
#include "lab/lab_net.h"

enum { LAB_ADDRESSES = 2 };

struct lab_server;

typedef struct lab_port {
    lab_owner_kind kind;
    list in_starved; /* lab_net.starved */
    struct lab_server *server;
    listener *listeners[LAB_ADDRESSES]; /* NULL: closed */
    uint16_t number;                    /* kept while it is closed; 0: it has never been open */
    bool wanted;                        /* while the node lives */
    bool told;                          /* that it could not accept */
    bool tls;
} lab_port;

typedef struct lab_server {
    lab_net *net;
    uint16_t index; /* of its node in the fleet */
    lab_port plain;
    lab_port tls;
    list connections;
    size_t connection_count;
} lab_server;

/* Which ports it shall have, by number; 0 takes a free one. */
void lab_server_init(lab_server *s, lab_net *net, uint16_t index);
void lab_port_want(lab_port *port, uint16_t number);

/* Whether this machine has ::1. */
bool lab_has_ipv6(const lab_net *net);
/* Opens the ports that are wanted. On failure none is open. */
KW_CHECKED kw_status lab_server_listen(lab_server *s, kw_error *err);
/* Resets all connections and closes the ports, as the end of a process does. */
void lab_server_shut(lab_server *s);
/* Stops taking connections and bytes, or goes on. */
void lab_server_pause(lab_server *s, bool paused, uint64_t now_us);
/* Closes connections that have said nothing for longer than the setting `timeout`. */
void lab_server_check_idle(lab_server *s, uint64_t now_us);

static inline uint16_t lab_port_number(const lab_port *port) {
    return port->wanted ? port->number : 0;
}

/* The one that counts as the node's port: the plain one if there is one. */
static inline lab_port *lab_server_main_port(lab_server *s) {
    return s->plain.wanted ? &s->plain : &s->tls;
}

void lab_port_accept(lab_port *port, uint64_t now_us);
/* Has those accept again that could not for want of descriptors. */
void lab_ports_retry(lab_net *net, uint64_t now_us);

#endif
