/* A lab's nodes as a whole: their state, which is the fleet's, and their sockets, begun, stopped
 * and ended together. Belongs to the lab's thread. */
#ifndef LAB_LAB_NODES_H
#define LAB_LAB_NODES_H

#include "lab/lab_server.h"

/* Ports of nodes that are there from the start: the first node's, the others follow; 0: free ones.
 */
typedef struct lab_ports {
    uint16_t plain;
    uint16_t tls;
} lab_ports;

/* Makes servers for so many nodes and opens their ports; the fleet comes after them. Errors:
 * KW_ERR_CONNECTION, KW_ERR_INVALID (the ports go beyond the last one), KW_ERR_NOMEM. */
KW_CHECKED kw_status lab_nodes_open(lab_net *net, uint16_t count, lab_ports first, kw_error *err);
/* Ends all connections and ports, and the servers. */
void lab_nodes_close(lab_net *net);

/* NULL: there is none. */
lab_server *lab_nodes_server(const lab_net *net, uint16_t index);

/* A fleet_owner's act; arg is the lab_net. */
kw_status lab_nodes_act(void *arg, const fleet_act *a, uint64_t now_us);

#endif
