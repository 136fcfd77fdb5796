/* What a node remembers of one connection: protocol version, flags, an open transaction, watched
 * keys, names, and the bytes that wait to be sent to it. Owns copies of what was queued. */
#ifndef NODE_NODE_SESSION_H
#define NODE_NODE_SESSION_H

#include "base/buffer.h"
#include "base/list.h"
#include "node/node_acl.h"
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
    SESSION_STALE = 1u << 7,   /* a watched key changed: EXEC does nothing */
    SESSION_REPLY_OFF = 1u << 8,
    SESSION_SKIP_NEXT = 1u << 9, /* CLIENT REPLY SKIP was given, */
    SESSION_SKIP = 1u << 10,     /* ... and this is the command that it was given for */
    SESSION_NO_EVICT = 1u << 11,
};

/* Why a session reads no commands for now; any of them is enough. */
enum {
    HOLD_BLOCKED = 1u << 0, /* its command waits: node_block.h */
    HOLD_FAULT = 1u << 1,   /* its replies are kept back: node_output.h */
    HOLD_PAUSED = 1u << 2,  /* a pause holds its command back: node_pause, node_pause_writes */
};

struct node_command;
struct session_block;
struct subscriber;
struct tracker;
struct watcher;

typedef struct session_queued {
    const struct node_command *command;
    kw_slice *argv; /* one block, the bytes after the slices */
    size_t argc;
} session_queued;

typedef struct node_session {
    list in_node;
    list in_ready; /* node_wake */
    const mem *mem;
    void *owner; /* its user's: the connection that it belongs to */
    node_reader reader;
    buffer out; /* replies and messages to be sent: session_sendable */
    session_shape shape;
    acl_user *user;
    uint64_t id;
    unsigned flags;
    unsigned holds;
    struct session_block *block; /* while HOLD_BLOCKED */
    int resp;
    uint64_t since_us;
    uint64_t used_us;
    uint64_t write_offset; /* of the node after the last command: what WAIT waits for */
    const char *last_command;
    int fd;                             /* for CLIENT LIST, as the two that follow; -1: none */
    char address[SESSION_ADDRESS_SIZE]; /* of the peer */
    char local_address[SESSION_ADDRESS_SIZE];
    char name[SESSION_NAME_SIZE];
    char lib_name[SESSION_NAME_SIZE];
    char lib_version[SESSION_NAME_SIZE];
    session_queued *queue;
    size_t queue_count;
    size_t queue_capacity;
    uint64_t queue_bytes;
    unsigned queue_flags;          /* of all commands in it */
    struct watcher *watcher;       /* NULL: watches no key */
    struct subscriber *subscriber; /* NULL: never subscribed */
    struct tracker *tracker;       /* NULL: never tracked */
    list in_monitors;
    kw_slice *postponed; /* the command while HOLD_PAUSED, in one block */
    size_t postponed_count;
} node_session;

/* All arguments in one block: first the slices, then their bytes; NULL if memory is short. */
KW_CHECKED kw_slice *session_copy_arguments(const mem *m, const kw_slice *argv, size_t argc,
                                            uint64_t *ret_bytes);

/* Copies a command into the transaction; false if memory is short. */
KW_CHECKED bool session_queue(node_session *s, const struct node_command *command,
                              const kw_slice *argv, size_t argc);
/* Forgets the transaction, not what was watched. */
void session_discard(node_session *s);

/* As CLIENT SETNAME takes it: of printable bytes other than spaces, and not too long. */
bool session_name_fits(kw_slice name);

/* Its replies are not to be given: CLIENT REPLY. */
static inline bool session_is_muted(const node_session *s) {
    return (s->flags & (SESSION_REPLY_OFF | SESSION_SKIP)) != 0;
}

#endif
