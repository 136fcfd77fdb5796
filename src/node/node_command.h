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
    NODE_EXEC = 1u << 6
};

typedef void node_handler(struct node_call *c);

typedef struct node_command {
    const char *name; /* lower case; a subcommand as "cluster|slots" */
    node_handler *run;
    int arity; /* negative: at least; the name counts */
    unsigned flags;
    int first_key; /* 0: none */
    int last_key;  /* negative: from the end */
    int key_step;
    const struct node_command *subcommands;
    size_t subcommand_count;
} node_command;

/* Of a container (CLUSTER, CLIENT, COMMAND) the subcommand if there is one by that name. NULL:
 * unknown. *ret_container is set if argv names a container, with or without a known subcommand. */
const node_command *node_command_find(const kw_slice *argv, size_t argc,
                                      const node_command **ret_container);
bool node_command_arity_fits(const node_command *command, size_t argc);

/* Positions of the keys: `first`, then every `step` to `last`, both included; false: no keys. */
typedef struct node_key_range {
    size_t first;
    size_t last;
    size_t step;
} node_key_range;
bool node_command_keys(const node_command *command, const kw_slice *argv, size_t argc,
                       node_key_range *ret);

size_t node_command_count(void);
const node_command *node_command_at(size_t index);

#endif
