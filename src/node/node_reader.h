/* Cuts what one connection sends into commands, as the servers do: arrays of bulk strings, or lines
 * with quoted words; what it refuses, it refuses with their words. Remembers how far it got in a
 * command that is not whole: no argument is read twice, and memory grows with arguments received,
 * not with those announced. Owns the list of arguments; their bytes stay in the caller's buffer. */
#ifndef NODE_NODE_READER_H
#define NODE_NODE_READER_H

#include "base/mem.h"
#include "base/slice.h"

#include <stdint.h>

#define READER_ERROR_SIZE 64

typedef struct node_reader {
    const mem *mem;
    kw_slice *argv;
    size_t argc;
    size_t capacity;
    uintptr_t base;     /* where the command began when argv was filled */
    size_t at;          /* bytes of the command that are read */
    uint64_t left;      /* arguments of an array that are still to come */
    int64_t bulk_bytes; /* of the one that comes; negative: its header comes first */
    bool whole;         /* argv is what was handed out last */
    char error[READER_ERROR_SIZE];
} node_reader;

/* What a peer may send. */
typedef struct reader_limits {
    uint64_t bulk_bytes; /* of one argument: proto-max-bulk-len */
    bool short_only;     /* it has not shown yet who it is */
} reader_limits;

typedef enum reader_result {
    READER_MORE,    /* the command is not whole yet */
    READER_COMMAND, /* argv holds it, until the next call; argc 0: an empty line or array */
    READER_REFUSED, /* `error` says why, for the peer: nothing after it can be read */
    READER_NO_MEMORY
} reader_result;

void node_reader_init(node_reader *r, const mem *m);
void node_reader_done(node_reader *r);

/* Reads on in the command that begins at data; `len` bytes of it and what follows are there. Each
 * call for one command gets all its bytes again, at the same address or another. Words in quotes
 * are unfolded in place. READER_COMMAND: *ret_len bytes were the command. */
reader_result node_reader_next(node_reader *r, const reader_limits *limits, char *data, size_t len,
                               size_t *ret_len);

#endif
