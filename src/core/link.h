/* One connection's pipeline: requests in the order they are written, their bytes as the socket
 * wants them, and the replies cut out of what comes back. Knows nothing of nodes, slots and
 * retries.
 *
 * Owns its input buffer. The requests belong to core/cluster, which decides what becomes of them.
 */
#ifndef CORE_LINK_H
#define CORE_LINK_H

#include "base/buffer.h"
#include "core/endpoint.h"
#include "core/request.h"
#include "core/resp.h"

#define LINK_INPUT_BYTES 16384 /* least room offered for a read, and what an idle link keeps */

typedef enum link_state {
    LINK_IDLE,       /* no connection, none wanted */
    LINK_RESOLVING,  /* its host name is looked up */
    LINK_CONNECTING, /* the socket is being opened */
    LINK_HANDSHAKE,  /* HELLO was sent */
    LINK_READY,
    LINK_BACKOFF, /* lost; waits to connect again */
    LINK_CLOSED   /* for good: to be freed */
} link_state;

struct node;

struct link {
    list in_node;      /* among its node's links */
    list in_effects;   /* among the links with effects to fetch */
    list in_pool;      /* own: among its node's idle ones */
    struct node *node; /* NULL: only its last effects keep it */
    uint32_t index;    /* the number that io knows it by */
    uint8_t state;     /* link_state */
    uint8_t effects;   /* a bit for each effect_kind to fetch */
    bool io_open;      /* io has a connection for it, or is making one */
    bool own;          /* for one blocking command at a time (cluster_blocking.c) */
    bool draining;     /* takes nothing new; closes when its last reply is in */
    bool drained;      /* ... and what waited for it was routed elsewhere */
    bool busy;         /* its commands are being seen to: it must not be freed */
    bool write_wanted; /* an EFFECT_WRITE is queued and not yet answered */
    int resp;          /* 2 or 3 */
    list pipeline;     /* requests written or to be written, oldest first */
    list *unsent;      /* first of them not wholly written; the list head if none */
    size_t unsent_offset;
    size_t count; /* in the pipeline */
    uint64_t bytes;
    list waiting; /* given to the link, not yet in the pipeline */
    chunk *chunk; /* where commands for this link are encoded */
    buffer input;
    resp_limits limits;
    resp_scanner scanner;
    uint64_t submitted_us; /* of the last request that has no timer of its own */
    wheel_timer expiry;    /* the deadline of the oldest request that has no timer of its own */
    wheel_timer timer;     /* connecting, backoff, idle check: by state */
    net_address address;   /* EFFECT_OPEN */
    uint64_t resolve_id;
    uint64_t cancel_id; /* EFFECT_CANCEL */
    uint64_t connected_us;
    uint64_t received_us; /* the last bytes */
    bool silent;          /* nothing came for long although replies are due */
    bool parting;         /* silent, its node was replaced, and its last time to answer runs */
};

void link_init(link *l, const mem *m, uint32_t index, uint64_t reply_bytes_max);
void link_done(link *l);

/* Forgets what was received, for a new connection. The pipeline must be empty. */
void link_reset(link *l);

/* Puts it at the end; its place is PLACE_PIPELINE, and it is not on_wire. */
static inline void link_append(link *l, request *r) {
    list_push_back(&l->pipeline, &r->node);
    if (l->unsent == &l->pipeline) {
        l->unsent = &r->node;
        l->unsent_offset = 0;
    }
    l->count++;
    l->bytes += r->len;
}

static inline void link_push(link *l, request *r) {
    r->place = PLACE_PIPELINE;
    r->on_wire = false;
    if (r->has_more) {
        r->at.more->asking_answered = false;
        r->at.more->link = l;
    }
    link_append(l, r);
}

/* Takes a request of which not one byte was written out of the pipeline. */
void link_withdraw(link *l, request *r);

/* Takes the oldest request out, written or not; NULL if there is none. */
request *link_pop(link *l);

/* The bytes to write now, in order, neighbours joined; the number of slices used. */
size_t link_output(const link *l, kw_slice *slices, size_t max);
/* `len` of these were written. Marks the requests concerned as on_wire and was_sent. */
void link_written(link *l, size_t len);

static inline bool link_has_output(const link *l) {
    return l->unsent != &l->pipeline;
}

char *link_input(link *l, size_t *ret_size);
void link_received(link *l, size_t len);

/* What comes next is the first byte of a value. */
static inline bool link_at_value(const link *l) {
    return l->scanner.offset == 0 && l->scanner.line_end == 0;
}

/* One whole value, still in the input buffer. */
typedef struct link_frame {
    const char *data;
    size_t len;
    uint64_t node_count;
    kw_slice text; /* of resp_peek; data NULL: it was scanned */
    buffer *input; /* a large value: the memory that it lies in may be taken for the reply */
} link_frame;

/* The next whole value; RESP_BROKEN: l->scanner says why. The frame is valid until link_consume. */
resp_progress link_next_frame(link *l, link_frame *ret);
void link_consume(link *l, const link_frame *frame);

/* What the scanner has passed of a value that is not all there. */
static inline kw_slice link_part(const link *l) {
    return slice_of(buffer_bytes(&l->input), (size_t)l->scanner.offset);
}

#endif
