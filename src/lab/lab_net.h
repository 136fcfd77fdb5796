/* What the sockets of all of a lab's nodes share. Belongs to the lab's thread. */
#ifndef LAB_LAB_NET_H
#define LAB_LAB_NET_H

#include "io/loop.h"
#include "io/tls.h"
#include "node/node_fleet.h"

#define LAB_HOST "127.0.0.1"
#define LAB_NEVER UINT64_MAX

/* What a loop event may belong to; the first member of each. */
typedef enum lab_owner_kind {
    LAB_OWNER_WAKER,
    LAB_OWNER_PORT,
    LAB_OWNER_CONNECTION
} lab_owner_kind;

/* How much may wait to be sent to a client that does not read. */
typedef struct lab_output_limits {
    size_t full_bytes; /* no more of its commands are run then */
    size_t hard_bytes; /* it is cut off, whatever client-output-buffer-limit allows */
    uint64_t stall_us; /* full, or to be closed, and nothing was taken for so long: it is cut off */
} lab_output_limits;

typedef struct lab_net {
    const mem *mem;
    loop *loop;
    node_fleet *fleet;
    tls_context *tls; /* NULL: no node speaks it */
    bool speaks_plain;
    bool has_ipv6;
    struct lab_server **servers; /* by index; those of dead nodes have closed ports */
    uint16_t server_count;
    uint16_t server_capacity;
    lab_output_limits limits;
    buffer input;         /* what was just read, of whatever connection */
    list waiting;         /* connections whose sockets do not take all that could go */
    list starved;         /* ports that could not accept for want of descriptors */
    uint64_t check_at_us; /* by loop_now_us, as all times of sockets are */
    uint64_t idle_at_us;
} lab_net;

/* Times by which a client is judged are these, unless a test is in a hurry. */
extern const lab_output_limits lab_output_limits_default;

/* speaks_plain and tls are the caller's to set, and fleet, before the first connection. */
KW_CHECKED bool lab_net_init(lab_net *net, const mem *m, loop *l, const lab_output_limits *limits);
void lab_net_done(lab_net *net);

/* Looks after those who wait or are idle, if it is time; and how long until it is again. */
void lab_net_check(lab_net *net, uint64_t now_us);
uint64_t lab_net_wait_us(const lab_net *net);

#endif
