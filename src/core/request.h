/* One command on its way: its bytes, its place in a queue, and what is known of its fate. Lives in
 * exactly one queue at a time; core/cluster owns it. */
#ifndef CORE_REQUEST_H
#define CORE_REQUEST_H

#include "base/list.h"
#include "base/wheel.h"
#include "core/chunk.h"
#include "core/slot.h"

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
    list node; /* in the queue of its place */
    list done; /* among the completed */
    wheel_timer deadline;
    wheel_timer retry; /* when a waiting request goes on */
    uint64_t seq;      /* order of submission */
    uint64_t submitted_us;
    uint64_t timeout_us;
    uint64_t sent_us; /* given to the pipeline */
    chunk *chunk;
    const char *bytes;
    size_t len;
    link *link; /* PLACE_LINK, PLACE_PIPELINE */
    void *user;
    void *user2;
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
    uint32_t ask;  /* REQUEST_VIEW_*: which question of the refresh it belongs to */
    int16_t slot;  /* SLOT_NONE: no key */
    uint8_t kind;  /* request_kind */
    uint8_t place; /* request_place */
    uint8_t redirects;
    uint8_t attempts; /* backoffs so far */
    uint8_t bounces;
    bool reads_only; /* sending it again does no harm */
    bool only_reads; /* ... because it changes nothing */
    bool asking;     /* its bytes begin with an ASKING: two replies are due */
    bool asking_answered;
    bool on_wire;     /* bytes of it were written on this link */
    bool yields;      /* refused for a while: those behind it in its pipeline go first */
    bool probe;       /* goes to some node to find the owner */
    bool forced;      /* its slot is the caller's word: only the owner may get it */
    bool in_lane;     /* counted in its slot's lane */
    bool was_sent;    /* bytes of it were written once, and no refusal came since */
    bool was_refused; /* a node refused it: not executed then */
    bool lost;        /* a connection was lost after bytes of it were written */
    bool completed;   /* its fate is known; still in a pipeline: its reply is thrown away */
    bool fetched;     /* ... and was fetched */
    bool keys_known;  /* COMMAND GETKEYS has answered */
} request;

#define REQUEST_OF(list_node) LIST_ENTRY(list_node, request, node)

#endif
