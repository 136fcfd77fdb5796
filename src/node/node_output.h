/* How the bytes that a session has to send go out when a fault shapes them: later, one at a time,
 * without end, never. Whoever owns the connection sends what session_sendable gives and nothing
 * else; without a fault that is all of `out`. */
#ifndef NODE_NODE_OUTPUT_H
#define NODE_NODE_OUTPUT_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define OUTPUT_NEVER UINT64_MAX
#define OUTPUT_NEST_CHUNK (16 * 1024)

struct node_session;

/* Zeroed: nothing is shaped. */
typedef struct session_shape {
    bool active;
    size_t free_count;   /* bytes at the front of `out` that go at once: earlier replies */
    uint64_t due_us;     /* the others go then; OUTPUT_NEVER */
    bool trickles;       /* ... one at a time, */
    uint64_t trickle_us; /* ... so far apart */
    uint64_t nest_left;  /* bytes of a nest to be made yet, after which the session is CLOSING */
} session_shape;

/* Shapes what is appended to `out` from now on, as the caller then sets its fields: the bytes that
 * are there already go freely. The session reads no commands until all has gone out (HOLD_FAULT).
 */
session_shape *session_shape_begin(struct node_session *s);

/* The bytes that may be sent now, from the front of `out`; empty: none. Makes more of a nest. */
kw_slice session_sendable(struct node_session *s, uint64_t now_us);
/* `count` of them were sent, and leave `out`. The last one ends the shape: the session reads on. */
void session_sent(struct node_session *s, size_t count, uint64_t now_us);

/* True once a CLOSING session has nothing left to send, now or later: its connection is closed. */
bool session_is_over(const struct node_session *s);

/* When bytes that may not go now may go (the node's node_tick then wakes the session); OUTPUT_NEVER:
 * there are none such, or never. */
uint64_t session_due_us(const struct node_session *s);

#endif
