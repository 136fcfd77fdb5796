/* Every cap on what a peer or a caller can make grow. Options may lower or raise those that
 * src/client/options.c names, inside the bounds given there. */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#define LIMIT_REPLY_BYTES (1024ull * 1024 * 1024) /* one whole reply on the wire */
#define LIMIT_BULK_BYTES (512ull * 1024 * 1024)   /* one string: the servers' proto-max-bulk-len */
#define LIMIT_REPLY_DEPTH 64                      /* aggregates inside aggregates */
#define LIMIT_REPLY_ELEMENTS (128ull * 1024 * 1024) /* elements of one aggregate, announced */
#define LIMIT_REPLY_VALUES (16ull * 1024 * 1024)    /* in one reply, nested ones counted */
#define LIMIT_LINE_BYTES (64 * 1024)                /* a simple string, error or number */
#define LIMIT_ARGUMENTS (1024 * 1024)               /* arguments of one command */
#define LIMIT_COMMAND_BYTES (512ull * 1024 * 1024)  /* one encoded command */

#define LIMIT_NODES 1024        /* nodes in a map, replicas among them */
#define LIMIT_SLOT_RANGES 16384 /* entries of one CLUSTER SLOTS reply */
#define LIMIT_REPLICAS 64       /* of one slot range */
#define LIMIT_HOST_BYTES 255    /* a host name */
#define LIMIT_NODE_ID_BYTES 64
#define LIMIT_SEEDS 64
#define LIMIT_ADDRESSES 16 /* of one name */

#define LIMIT_IN_FLIGHT 16384 /* commands sent and not answered, a node */
#define LIMIT_IN_FLIGHT_BYTES (64ull * 1024 * 1024)
#define LIMIT_WAITING 131072 /* commands not yet sent, all nodes */
#define LIMIT_WAITING_BYTES (256ull * 1024 * 1024)
#define LIMIT_REDIRECTS 5           /* of one command; fixed by ROUTING */
#define LIMIT_EVENTS 1024           /* not yet delivered; the oldest are dropped */
#define LIMIT_LEARNED_COMMANDS 1024 /* commands not in the table */
#define LIMIT_TRACE_HOPS 16
#define LIMIT_CONNECTIONS_PER_NODE 16
#define LIMIT_BLOCKING_CONNECTIONS 64 /* a node, beside these: a blocking command each */

#define LIMIT_REPLICA_INBOX_BYTES (256ull * 1024 * 1024) /* of a lab: sent, not yet run */

#endif
