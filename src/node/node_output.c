#include "node/node_output.h"

#include "node/node.h"

static const char nest[] = "*1\r\n";

enum { NEST_LEN = sizeof nest - 1 };

session_shape *session_shape_begin(node *n, node_session *s, size_t free_count) {
    session_shape *shape = &s->shape;
    session_shape_end(s);
    shape->active = true;
    shape->free_count = free_count;
    list_push_back(&n->shaped, &shape->in_node);
    s->holds |= HOLD_FAULT;
    return shape;
}

void session_shape_end(node_session *s) {
    if (s->shape.active) {
        list_remove(&s->shape.in_node);
    }
    s->shape = (session_shape){.active = false};
    s->holds &= ~(unsigned)HOLD_FAULT;
}

static void make_nest(node_session *s) {
    session_shape *shape = &s->shape;
    size_t room =
        shape->nest_left < OUTPUT_NEST_CHUNK ? (size_t)shape->nest_left : OUTPUT_NEST_CHUNK;
    char *to = buffer_reserve(&s->out, room);
    if (!to) {
        s->flags |= SESSION_FAILED;
        shape->nest_left = 0;
        return;
    }
    for (size_t i = 0; i < room; i++) {
        to[i] = nest[i % NEST_LEN]; /* a chunk is made of whole headers */
    }
    buffer_commit(&s->out, room);
    shape->nest_left -= room;
    if (shape->nest_left == 0) {
        s->flags |= SESSION_CLOSING;
    }
}

kw_slice session_sendable(node_session *s, uint64_t now_us) {
    session_shape *shape = &s->shape;
    kw_slice bytes = buffer_slice(&s->out);
    if (!shape->active) {
        return bytes;
    }
    if (shape->free_count > 0) {
        bytes.len = shape->free_count;
        return bytes;
    }
    if (shape->due_us > now_us) {
        bytes.len = 0;
        return bytes;
    }
    if (bytes.len == 0 && shape->nest_left > 0) {
        make_nest(s);
        bytes = buffer_slice(&s->out);
    }
    if (bytes.len == 0 && shape->stalls) {
        shape->due_us = OUTPUT_NEVER;
    } else if (bytes.len == 0) {
        session_shape_end(s);
    } else if (shape->trickles) {
        bytes.len = 1;
    }
    return bytes;
}

void session_sent(node_session *s, size_t count, uint64_t now_us) {
    session_shape *shape = &s->shape;
    buffer_consume(&s->out, count);
    if (!shape->active || count == 0) {
        return;
    }
    if (shape->free_count > 0) {
        shape->free_count -= count;
        return;
    }
    if (buffer_len(&s->out) == 0 && shape->stalls) {
        shape->due_us = OUTPUT_NEVER;
    } else if (buffer_len(&s->out) == 0 && shape->nest_left == 0) {
        session_shape_end(s);
    } else if (shape->trickles) {
        shape->due_us = now_us + shape->trickle_us;
        shape->told = false;
    }
}

bool session_is_over(const node_session *s) {
    return (s->flags & SESSION_CLOSING) && !s->shape.active && buffer_len(&s->out) == 0;
}

void node_wake_shaped(node *n) {
    LIST_FOR_EACH(at, after, &n->shaped) {
        session_shape *shape = LIST_ENTRY(at, session_shape, in_node);
        if (shape->due_us <= n->now_us && !shape->told) {
            shape->told = true;
            node_wake(n, LIST_ENTRY(shape, node_session, shape));
        }
    }
}

uint64_t node_shaped_deadline_us(const node *n) {
    uint64_t deadline_us = OUTPUT_NEVER;
    LIST_FOR_EACH(at, after, &n->shaped) {
        const session_shape *shape = LIST_ENTRY(at, session_shape, in_node);
        if (!shape->told && shape->due_us < deadline_us) {
            deadline_us = shape->due_us;
        }
    }
    return deadline_us;
}
