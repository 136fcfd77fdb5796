/* The commands that a lab's nodes received, for tests to assert on: the most recent ones, each with
 * its place in the order over all nodes and what became of it. Arguments are kept as far as they
 * fit. Owns its memory, which is bounded by its capacity. */
#ifndef NODE_NODE_LOG_H
#define NODE_NODE_LOG_H

#include "base/mem.h"
#include "node/node_command.h"

#define NODE_LOG_CAPACITY 4096 /* entries, when nothing else was asked for */
#define NODE_LOG_CAPACITY_MAX 1000000
#define NODE_LOG_ARGUMENTS_MAX 32       /* kept of one command */
#define NODE_LOG_ARGUMENT_BYTES_MAX 256 /* kept of one argument */
#define NODE_LOG_NAME_SIZE 64
#define NODE_LOG_OUTCOME_SIZE 24

typedef struct node_log_entry {
    uint64_t number; /* from 1, in the order in which commands were read */
    uint64_t time_us;
    uint64_t client; /* its session's id at the node */
    uint64_t rule;   /* the fault rule that hit it; 0: none */
    uint16_t node;
    char name[NODE_LOG_NAME_SIZE]; /* lower case, "cluster|slots" */
    /* "served", "queued" (in MULTI), "waits" (blocked, or no reply wanted), "dropped" (by a rule,
     * not executed), else the code of the error it was answered with: "MOVED", "ERR" ... */
    char outcome[NODE_LOG_OUTCOME_SIZE];
    bool has_keys;
    node_key_range keys;
    size_t argc;       /* as received */
    size_t kept_count; /* arguments kept */
    struct {
        uint32_t len;  /* as received */
        uint32_t kept; /* bytes kept of it */
    } arguments[NODE_LOG_ARGUMENTS_MAX];
    char *bytes; /* of the arguments kept, one after the other */
    size_t bytes_capacity;
} node_log_entry;

typedef struct node_log {
    const mem *mem;
    node_log_entry *ring; /* NULL: nothing is kept */
    size_t capacity;
    uint64_t last;      /* number of the newest; 0: none yet */
    uint64_t forgotten; /* entries up to this number are gone by node_log_clear */
} node_log;

/* What a reader wants to see; a zeroed one with node NODE_NOBODY lets all pass. */
typedef struct node_log_filter {
    uint16_t node;    /* NODE_NOBODY: of any */
    uint64_t client;  /* 0: any */
    kw_slice command; /* glob in lower case; empty: any */
    kw_slice key;     /* glob that one of the keys must fit; empty: any */
    kw_slice outcome; /* glob; empty: any */
    uint64_t after;   /* numbers above it */
    uint64_t rule;    /* 0: any */
} node_log_filter;

void node_log_init(node_log *l, const mem *m);
void node_log_done(node_log *l);

/* Room for so many entries, 0: none is kept; the ones kept so far are forgotten. KW_ERR_INVALID:
 * more than NODE_LOG_CAPACITY_MAX; KW_ERR_NOMEM: it stays as it was. */
KW_CHECKED kw_status node_log_set_capacity(node_log *l, size_t capacity);
void node_log_clear(node_log *l);

/* What is known when a command is read. Returns its number. Where memory is short its arguments
 * are not kept. */
typedef struct node_log_command {
    uint64_t time_us;
    uint64_t client;
    uint16_t node;
    kw_slice name; /* lower case */
    const kw_slice *argv;
    size_t argc;
    bool has_keys;
    node_key_range keys;
} node_log_command;
uint64_t node_log_begin(node_log *l, const node_log_command *command);
/* What became of it; nothing if the entry is no longer there. */
void node_log_end(node_log *l, uint64_t number, kw_slice outcome, uint64_t rule);

/* The oldest entry above `after` that passes the filter; NULL: none. */
const node_log_entry *node_log_next(const node_log *l, const node_log_filter *filter,
                                    uint64_t after);
size_t node_log_count(const node_log *l, const node_log_filter *filter);
/* The bytes kept of an argument, index < kept_count. */
kw_slice node_log_argument(const node_log_entry *e, size_t index);

#endif
