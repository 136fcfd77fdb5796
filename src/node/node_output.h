/* How the bytes that a session has to send go out when a fault shapes them: later, one at a time,
 * without end, never. Whoever owns the connection sends what session_sendable gives and nothing
 * else; without a fault that is all of `out`. */
#ifndef NODE_NODE_OUTPUT_H
#define NODE_NODE_OUTPUT_H

#include "base/list.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define OUTPUT_NEVER UINT64_MAX
#define OUTPUT_NEST_CHUNK (16 * 1024)

struct node;
struct node_session;

/* Zeroed: nothing is shaped. */
typedef struct session_shape {
    list in_node; /* linked while a shape is active */
    bool active;
    size_t free_count;   /* bytes at the front of `out` that go at once: earlier replies */
    uint64_t due_us;     /* the others go then; OUTPUT_NEVER */
    bool told;           /* the session was woken when they were due */
    bool trickles;       /* they go one at a time, */
    uint64_t trickle_us; /* ... so far apart */
    bool stalls;         /* nothing follows them, for ever */
    uint64_t nest_left;  /* bytes of a nest yet to be made; then the session is CLOSING */
} session_shape;

/* Shapes what `out` holds behind its first free_count bytes, and what is appended from now on, as
 * the caller then sets its fields. The session reads no commands until all has gone out
 * (HOLD_FAULT). */
session_shape *session_shape_begin(struct node *n, struct node_session *s, size_t free_count);
/* Whatever is shaped no longer is. */
void session_shape_end(struct node_session *s);

/* The bytes that may be sent now, from the front of `out`; empty: none. Makes more of a nest. When
 * nothing is left of what was shaped, the session reads on. */
kw_slice session_sendable(struct node_session *s, uint64_t now_us);
/* `count` of them were sent, and leave `out`. */
void session_sent(struct node_session *s, size_t count, uint64_t now_us);
/* True once a CLOSING session has nothing left to send, now or later: its connection is closed. */
bool session_is_over(const struct node_session *s);

/* Wakes the sessions that may send since time has gone by; and when to call again. */
void node_wake_shaped(struct node *n);
uint64_t node_shaped_deadline_us(const struct node *n);

#endif
