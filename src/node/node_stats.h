/* What a node counts for INFO: calls of each command, and errors by their code. Owns its table. */
#ifndef NODE_NODE_STATS_H
#define NODE_NODE_STATS_H

#include "base/mem.h"
#include "base/slice.h"

#define STATS_ERRORS_MAX 128
#define STATS_CODE_SIZE 32

struct node_command;

typedef struct command_stats {
    uint64_t calls;
    uint64_t rejected; /* not run: arity, redirect, authentication ... */
    uint64_t failed;   /* run, and answered with an error */
} command_stats;

typedef struct error_stats {
    char code[STATS_CODE_SIZE];
    uint64_t count;
} error_stats;

typedef struct node_stats {
    const mem *mem;
    command_stats *commands; /* by node_command_number */
    error_stats errors[STATS_ERRORS_MAX];
    size_t error_count;
    uint64_t error_replies;
    uint64_t key_hits;
    uint64_t key_misses;
} node_stats;

/* False if memory is short. */
KW_CHECKED bool node_stats_init(node_stats *s, const mem *m);
void node_stats_done(node_stats *s);
/* CONFIG RESETSTAT. */
void node_stats_clear(node_stats *s);

command_stats *node_stats_of(const node_stats *s, const struct node_command *command);
/* `text` is the error reply: "ERR syntax error". Codes past STATS_ERRORS_MAX are not told apart. */
void node_stats_error(node_stats *s, const char *text);

#endif
