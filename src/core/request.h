/* One command on its way: its bytes, its place in a queue, and what is known of its fate. Lives in
 * exactly one queue at a time; core/cluster owns it.
 *
 * Most commands are sent at once and answered: for these the request is all there is, and small,
 * since thousands are in flight. What waits, is sent again, timed or traced by itself, or is our
 * own has a request_more besides. */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include "base/list.h"
#include "base/wheel.h"
#include "core/chunk.h"
#include "core/slot.h"

#include <assert.h>

typedef struct link link;
struct kw_reply;

typedef enum request_kind {
    REQUEST_USER,
    REQUEST_HELLO,        /* handshake: HELLO 3 with AUTH and SETNAME */
    REQUEST_AUTH,         /* handshake in RESP2 */
    REQUEST_IGNORED,      /* its reply does not matter: CLIENT SETINFO, SETNAME */
    REQUEST_PING,         /* is the connection alive? */
    REQUEST_VIEW_PING,    /* a refresh: how long is the round trip */
    REQUEST_VIEW_SLOTS,   /* a refresh: CLUSTER SLOTS */
    REQUEST_VIEW_INFO,    /* a refresh: CLUSTER INFO */
    REQUEST_COMMAND_INFO, /* what an unknown command is */
    REQUEST_GETKEYS       /* which arguments are keys */
} request_kind;

/* Where a request is. */
typedef enum request_place {
    PLACE_NOWHERE,
    PLACE_MAP,      /* waits for a map */
    PLACE_LEARNING, /* waits to learn what the command is */
    PLACE_LANE,     /* waits for its slot: backoff, or commands on another node */
    PLACE_LINK,     /* given to a link that cannot take it yet */
    PLACE_POOL,     /* blocking: waits for one of its node's connections to be free */
    PLACE_PIPELINE  /* in a link's pipeline: written, or about to be */
} request_place;

typedef struct request {
    list node; /* in the queue of its place; then among the completed */
    void *user;
    void *user2;
    uint64_t submitted_us;
    union {
        chunk *chunk;              /* of its bytes, while it is alone */
        struct kw_reply *reply;    /* completed, alone; NULL: memory was too short to say why */
        struct request_more *more; /* has_more */
    } at;
    uint32_t offset; /* of its bytes in their chunk */
    uint32_t len;
    uint32_t seq;       /* order of submission: compare with request_before */
    int16_t slot;       /* SLOT_NONE: no key */
    unsigned kind : 4;  /* request_kind */
    unsigned place : 3; /* request_place */
    bool has_more : 1;
    bool reads_only : 1; /* sending it again does no harm */
    bool only_reads : 1; /* ... because it changes nothing */
    bool on_wire : 1;    /* bytes of it were written on this link */
    bool was_sent : 1;   /* bytes of it were written once, and no refusal came since */
    bool in_lane : 1;    /* counted in its slot's lane */
    bool completed : 1;  /* its fate is known; still in a pipeline: its reply is thrown away */
    bool fetched : 1;    /* ... and was fetched */
    bool keys_known : 1; /* COMMAND GETKEYS has answered */
} request;

_Static_assert(sizeof(void *) != 8 || sizeof(request) == 64,
               "100000 in flight: docs/performance.md");

typedef struct request_more {
    list done;    /* completed while it stays in a pipeline: among these */
    list in_lane; /* the first of those that wait in a lane: among these */
    request *request;
    wheel_timer deadline;
    wheel_timer retry; /* when a waiting request goes on */
    uint64_t timeout_us;
    uint64_t sent_us; /* given to the pipeline */
    chunk *chunk;
    link *link; /* PLACE_LINK, PLACE_PIPELINE */
    kw_trace *trace;
    const char *reason;        /* why it goes where it goes, for the trace */
    struct request *peer;      /* REQUEST_GETKEYS and the command that it asks for */
    struct blocking *blocking; /* it may block, and goes its own way; NULL: as any other */
    struct kw_reply *reply;    /* completed */
    kw_error *err;             /* completed without reply, or NULL: memory was short */
    kw_status status;          /* completed */
    uint64_t avoid;            /* node (uid) that just refused it; 0: none */
    uint64_t hop_from;         /* nodes (uid) of the last redirect */
    uint64_t hop_to;
    uint32_t ask; /* REQUEST_VIEW_*: which question of the refresh it belongs to */
    uint8_t redirects;
    uint8_t attempts; /* backoffs so far */
    uint8_t bounces;
    bool asking; /* its bytes begin with an ASKING: two replies are due */
    bool asking_answered;
    bool yields;      /* refused for a while: those behind it in its pipeline go first */
    bool probe;       /* goes to some node to find the owner */
    bool forced;      /* its slot is the caller's word: only the owner may get it */
    bool was_refused; /* a node refused it: not executed then */
    bool lost;        /* a connection was lost after bytes of it were written */
} request_more;

#define REQUEST_OF(list_node) LIST_ENTRY(list_node, request, node)

/* Submitted earlier; the numbers wrap around. */
static inline bool request_before(const request *a, const request *b) {
    return (int32_t)(a->seq - b->seq) < 0;
}

static inline bool request_blocks(const request *r) {
    return r->has_more && r->at.more->blocking;
}

static inline chunk *request_chunk(const request *r) {
    return r->has_more ? r->at.more->chunk : r->at.chunk;
}

/* One argument of it lies where its caller has it. */
static inline bool request_is_lent(const request *r) {
    return request_chunk(r)->lent.data;
}

/* Of one that is not lent. */
static inline const char *request_bytes(const request *r) {
    assert(!request_is_lent(r));
    return request_chunk(r)->data + r->offset;
}

static inline uint64_t request_sent_us(const request *r) {
    return r->has_more ? r->at.more->sent_us : r->submitted_us;
}

#endif
