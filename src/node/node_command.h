/* The commands that a node knows: name, handler, arity, flags, where the keys are. */
#ifndef NODE_NODE_COMMAND_H
#define NODE_NODE_COMMAND_H

#include "base/slice.h"

struct node_call;

enum {
    NODE_WRITES = 1u << 0,
    NODE_READS = 1u << 1,
    NODE_NO_AUTH = 1u << 2,    /* allowed before AUTH */
    NODE_ASKING = 1u << 3,     /* carries ASKING in itself: RESTORE-ASKING */
    NODE_NOT_QUEUED = 1u << 4, /* inside MULTI it runs at once */
    NODE_MIGRATE = 1u << 5,    /* MIGRATE: its keys may follow the word KEYS */
    NODE_EXEC = 1u << 6,
    NODE_PUBSUB = 1u << 8,         /* its keys are shard channels */
    NODE_SUBSCRIBED = 1u << 9,     /* allowed to a RESP2 session that has subscriptions */
    NODE_ADMIN = 1u << 10,         /* monitors do not see it */
    NODE_MAY_REPLICATE = 1u << 11, /* CLIENT PAUSE WRITE holds it back like a write */
    NODE_NOT_IN_MULTI = 1u << 13,  /* refused while a transaction is open */
    NODE_LAB = 1u << 15, /* controls the lab: not of the servers, so COMMAND does not name it */
    NODE_STORE_WORD = 1u << 12, /* SORT: one more key may follow the word STORE */
    NODE_COUNTED_KEYS = 1u << 7 /* how many keys follow is told by the argument before them */
};

typedef void node_handler(struct node_call *c);

typedef struct node_command {
    const char *name; /* lower case; a subcommand as "cluster|slots" */
    node_handler *run;
    int arity; /* negative: at least; the name counts */
    unsigned flags;
    int first_key; /* 0: none; with NODE_COUNTED_KEYS the first of those that are counted */
    int last_key;  /* negative: from the end; with NODE_COUNTED_KEYS one more key, or 0 */
    int key_step;
    const struct node_command *subcommands;
    size_t subcommand_count;
} node_command;

/* Of a container (CLUSTER, CLIENT, COMMAND) the subcommand if there is one by that name. NULL:
 * unknown. *ret_container is set if argv names a container, with or without a known subcommand. */
const node_command *node_command_find(const kw_slice *argv, size_t argc,
                                      const node_command **ret_container);
bool node_command_arity_fits(const node_command *command, size_t argc);

/* Positions of the keys: `first`, then every `step` to `last`, both included, then `extra` (0:
 * there is none), as ZUNIONSTORE's destination. */
typedef struct node_key_range {
    size_t first;
    size_t last;
    size_t step;
    size_t extra;
} node_key_range;

static inline size_t node_key_count(const node_key_range *range) {
    return (range->last - range->first) / range->step + 1 + (range->extra != 0);
}

/* The position of the index-th key, index < node_key_count. */
static inline size_t node_key_at(const node_key_range *range, size_t index) {
    size_t position = range->first + index * range->step;
    return position <= range->last ? position : range->extra;
}

/* False: the command has no keys, or counts them wrongly and will be refused. */
bool node_command_keys(const node_command *command, const kw_slice *argv, size_t argc,
                       node_key_range *ret);

size_t node_command_count(void);
/* A number of each command, subcommands too, below node_command_total. */
size_t node_command_number(const node_command *command);
size_t node_command_total(void);
const node_command *node_command_at(size_t index);

#endif
