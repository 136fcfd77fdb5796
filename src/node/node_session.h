/* What a node remembers of one connection: protocol version, flags, an open transaction, watched
 * keys, names, and the bytes that wait to be sent to it. Owns copies of what was queued. */
#ifndef NODE_NODE_SESSION_H
#define NODE_NODE_SESSION_H

#include "base/buffer.h"
#include "base/list.h"
#include "node/node_output.h"
#include "node/node_reader.h"

#define SESSION_NAME_SIZE 128
#define SESSION_ADDRESS_SIZE 80

enum {
    SESSION_ASKING = 1u << 0,   /* the next command may enter an importing slot */
    SESSION_READONLY = 1u << 1, /* reads may be served by a replica */
    SESSION_MULTI = 1u << 2,
    SESSION_DIRTY = 1u << 3, /* a command was refused while queueing: EXEC aborts */
    SESSION_AUTHENTICATED = 1u << 4,
    SESSION_CLOSING = 1u << 5, /* to be closed once its replies are written */
    SESSION_FAILED = 1u << 6,  /* memory was short: a reply is missing, close it now */
    SESSION_TLS = 1u << 16,    /* came over TLS: it is told of TLS ports */
};

/* Why a session reads no commands for now; any of them is enough. */
enum {
    HOLD_BLOCKED = 1u << 0, /* its command waits: node_block.h */
    HOLD_FAULT = 1u << 1,   /* its replies are kept back: node_output.h */
    HOLD_PAUSED = 1u << 2,  /* it wants to write, and writes are paused: node_pause_writes */
};

struct node_command;
struct session_block;

typedef struct session_queued {
    const struct node_command *command;
    kw_slice *argv; /* one block, the bytes after the slices */
    size_t argc;
} session_queued;

typedef struct session_watched {
    char *key;
    size_t key_len;
    uint64_t version; /* of the entry, 0: it was missing */
} session_watched;

typedef struct node_session {
    list in_node;
    list in_ready; /* node_wake */
    const mem *mem;
    void *owner; /* its user's: the connection that it belongs to */
    node_reader reader;
    buffer out; /* replies and messages to be sent: session_sendable */
    session_shape shape;
    uint64_t id;
    unsigned flags;
    unsigned holds;
    struct session_block *block; /* while HOLD_BLOCKED */
    int resp;
    uint64_t since_us;
    uint64_t used_us;
    const char *last_command;
    char address[SESSION_ADDRESS_SIZE]; /* of the peer, for CLIENT LIST */
    char name[SESSION_NAME_SIZE];
    char lib_name[SESSION_NAME_SIZE];
    char lib_version[SESSION_NAME_SIZE];
    session_queued *queue;
    size_t queue_count;
    size_t queue_capacity;
    uint64_t queue_bytes;
    session_watched *watched;
    size_t watched_count;
    size_t watched_capacity;
} node_session;

/* All arguments in one block: first the slices, then their bytes; NULL if memory is short. */
KW_CHECKED kw_slice *session_copy_arguments(const mem *m, const kw_slice *argv, size_t argc,
                                            uint64_t *ret_bytes);

/* Copies a command into the transaction; false if memory is short. */
KW_CHECKED bool session_queue(node_session *s, const struct node_command *command,
                              const kw_slice *argv, size_t argc);
/* Forgets the transaction and all that was watched. */
void session_discard(node_session *s);

/* Remembers a key's version; a key already watched keeps its first one. */
KW_CHECKED bool session_watch(node_session *s, kw_slice key, uint64_t version);
void session_unwatch(node_session *s);

#endif
