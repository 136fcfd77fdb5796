/* Client-side caching: which sessions may hold which keys, and who is to hear that a key changed.
 * Decides whom to tell of which keys; how it is said is its caller's. Owns the tables. */
#ifndef NODE_NODE_TRACKING_H
#define NODE_NODE_TRACKING_H

#include "node/node_relation.h"

#define TRACKING_KEYS_MAX 1000000 /* tracking-table-max-keys at first; 0: no such limit */
#define TRACKING_LINKS_MAX 4000000
#define TRACKING_BYTES_MAX (256u * 1024 * 1024)
#define TRACKING_PREFIXES_MAX 65536 /* all connections together */
#define TRACKING_PENDING_MAX 65536  /* changed keys of one prefix and turn; then: all keys */

enum {
    TRACKING_ON = 1u << 0,
    TRACKING_BCAST = 1u << 1, /* changes of all keys that begin with a prefix of its own */
    TRACKING_OPTIN = 1u << 2,
    TRACKING_OPTOUT = 1u << 3,
    TRACKING_NOLOOP = 1u << 4,  /* not its own changes */
    TRACKING_CACHING = 1u << 5, /* CLIENT CACHING was given for the next command */
    TRACKING_BROKEN = 1u << 6   /* the session that it redirects to is gone */
};

/* One session's side. */
typedef struct tracker {
    list in_tracking;
    uint64_t id; /* the session's */
    unsigned flags;
    uint64_t redirect; /* a session's id; 0: none */
    relation_member keys;
    relation_member prefixes;
} tracker;

typedef struct tracking_own {
    char *key; /* NULL: all keys */
    size_t len;
} tracking_own;

typedef struct tracking {
    const mem *mem;
    relation keys;
    relation prefixes;
    list trackers; /* in the order of their first use */
    size_t on_count;
    size_t keys_max;
    tracker *current; /* whose command runs; what it is to hear waits for its reply */
    tracking_own *own;
    size_t own_count;
    size_t own_capacity;
    bool own_lost; /* memory was short */
    bool pending;  /* a prefix has changed keys */
    bool lost;     /* ... and memory was too short to note them */
} tracking;

/* Tells a session of keys that changed; count 0: of all. */
typedef void tracking_send(void *arg, tracker *to, const kw_slice *keys, size_t count);
typedef struct tracking_way {
    tracking_send *send;
    void *arg;
} tracking_way;

void tracking_init(tracking *t, const mem *m, uint64_t seed);
/* Its trackers must have been freed. */
void tracking_done(tracking *t);

/* NULL if memory is short. */
KW_CHECKED tracker *tracker_new(tracking *t, uint64_t id, void *owner);
void tracker_free(tracking *t, tracker *r);
static inline void *tracker_owner(const tracker *r) {
    return r->keys.owner;
}
static inline bool tracker_has(const tracker *r, unsigned flags) {
    return r && (r->flags & flags) == flags;
}

/* True if one of the prefixes holds another one of them or one that the tracker has (NULL: none
 * yet); then *ret_a is the one, *ret_b the other, *ret_own whether it had that. */
bool tracking_collides(const tracker *r, const kw_slice *prefixes, size_t count, kw_slice *ret_a,
                       kw_slice *ret_b, bool *ret_own);
/* flags: BCAST, OPTIN, OPTOUT, NOLOOP. BCAST without prefixes means all keys. False on memory or a
 * cap: it may then have some of the prefixes. */
KW_CHECKED bool tracking_enable(tracking *t, tracker *r, unsigned flags, uint64_t redirect,
                                const kw_slice *prefixes, size_t count);
/* What it read is remembered still, as the servers do, and told if it is on again by then. */
void tracking_disable(tracking *t, tracker *r);

/* The session's command reads a key. */
void tracking_remember(tracking *t, tracker *r, kw_slice key, const tracking_way *way);
/* A key changed, by the command of session `changer` (0: by none's). */
void tracking_invalidate(tracking *t, kw_slice key, uint64_t changer, const tracking_way *way);
/* All keys are gone. */
void tracking_invalidate_all(tracking *t, const tracking_way *way);

/* Before each command: no more keys than keys_max. */
void tracking_limit(tracking *t, const tracking_way *way);
/* Around a session's command (r may be NULL): what it is to hear itself waits until the end. */
void tracking_begin(tracking *t, tracker *r);
void tracking_end(tracking *t, const tracking_way *way);
/* The turn is over: the prefixes' changed keys are told. */
void tracking_flush(tracking *t, const tracking_way *way);

#endif
