#include "lab/lab_connection.h"

#include "io/sockaddr.h"
#include "lab/lab_server.h"
#include "node/node_channels.h"

#include <stdio.h>

#define READS_PER_TURN 16            /* then it is another connection's turn */
#define WRITES_PER_TURN 64           /* of bytes that a fault lets go one by one */
#define SEND_EARLY_BYTES (64 * 1024) /* of replies, while more commands are there to run */
#define IN_KEPT_BYTES 4096           /* of an empty buffer */
#define OUT_KEPT_BYTES (32 * 1024)
#define HELD_BYTES_MAX (1024 * 1024)           /* of commands behind one that waits */
#define IN_BYTES_MAX (2 * LIMIT_COMMAND_BYTES) /* as client-query-buffer-limit */

static buffer *out_of(const lab_connection *c) {
    return &c->session->out;
}

static lab_net *net_of(const lab_connection *c) {
    return c->server->net;
}

static node *node_of(const lab_connection *c) {
    return fleet_node(net_of(c)->fleet, c->server->index);
}

/* ---------------------------------------------------------------------------- beginning, end */

static void tell(const lab_connection *c, node_event_kind kind, const char *what) {
    node_lab *lab = fleet_lab(net_of(c)->fleet);
    if (lab->tells_of_clients || kind == EVENT_CLIENT_CUT) {
        node_events_add(&lab->events, lab->now_us, kind, c->server->index, "client %s %s",
                        c->session->address, what);
    }
}

static lab_connection *new_connection(lab_server *s, node *n, const char *address,
                                      uint64_t now_us) {
    const mem *m = s->net->mem;
    lab_connection *c = mem_calloc(m, 1, sizeof *c);
    node_session *session = c ? node_session_new(n, address, now_us) : NULL;
    if (!session) {
        mem_free(m, c);
        return NULL;
    }
    c->kind = LAB_OWNER_CONNECTION;
    c->server = s;
    c->session = session;
    session->owner = c;
    buffer_init(&c->in, m, IN_BYTES_MAX);
    list_init(&c->in_waiting);
    list_push_back(&s->connections, &c->in_server);
    s->connection_count++;
    return c;
}

static void free_connection(lab_connection *c) {
    lab_server *s = c->server;
    node_session_free(node_of(c), c->session);
    list_remove(&c->in_server);
    list_remove(&c->in_waiting);
    s->connection_count--;
    buffer_done(&c->in);
    mem_free(s->net->mem, c);
}

bool lab_connection_open(const lab_port *port, int fd, const net_address *peer, uint64_t now_us) {
    lab_server *s = port->server;
    const lab_net *net = s->net;
    char address[SESSION_ADDRESS_SIZE];
    lab_connection *c = new_connection(s, fleet_node(net->fleet, s->index),
                                       sockaddr_text(peer, address, sizeof address), now_us);
    if (!c) {
        return false;
    }
    const stream_options options = {
        .keepalive_s = (uint32_t)node_settings_number(&node_of(c)->settings, SETTING_TCP_KEEPALIVE),
        .tls = port->tls ? net->tls : NULL,
    };
    if (stream_adopt(net->loop, net->mem, fd, &options, c, &c->stream) != KW_OK) {
        free_connection(c);
        return false;
    }
    c->session->fd = fd;
    c->session->flags |= port->tls ? SESSION_TLS : 0u;
    (void)snprintf(c->session->local_address, sizeof c->session->local_address, "%s:%u",
                   peer->family == NET_IPV6 ? "[::1]" : LAB_HOST, port->number); /* fits */
    tell(c, EVENT_CLIENT_CONNECTED, "connected");
    return true;
}

void lab_connection_close(lab_connection *c, bool reset) {
    tell(c, EVENT_CLIENT_GONE, "gone");
    if (reset) {
        stream_reset(c->stream);
    } else {
        stream_free(c->stream);
    }
    free_connection(c);
}

/* ------------------------------------------------------------------------------------ output */

/* Sends what may go; true if all of that went out. */
static bool flush(lab_connection *c, uint64_t now_us) {
    kw_slice bytes = session_sendable(c->session, now_us);
    for (int i = 0; bytes.len > 0; i++) {
        size_t sent = i < WRITES_PER_TURN ? stream_write(c->stream, &bytes, 1) : 0;
        session_sent(c->session, sent, now_us);
        if (sent > 0) {
            c->taken_us = 0;
        }
        if (sent < bytes.len) {
            return false;
        }
        bytes = session_sendable(c->session, now_us);
    }
    if (buffer_len(out_of(c)) == 0) {
        buffer_clear(out_of(c), OUT_KEPT_BYTES);
    }
    return stream_is_flushed(c->stream);
}

/* Runs the commands in `in` and sends their replies, early if there are many; true: all that may go
 * has gone. */
static bool run(lab_connection *c, buffer *in, uint64_t now_us) {
    node *n = node_of(c);
    size_t full_bytes = net_of(c)->limits.full_bytes;
    bool sent = true;
    bool again = true;
    while (again) {
        size_t out_max = sent && full_bytes > SEND_EARLY_BYTES ? SEND_EARLY_BYTES : full_bytes;
        bool held = c->session->holds != 0; /* what is sent may end that */
        node_receive(n, c->session, in, now_us, out_max);
        bool stopped = held || buffer_len(out_of(c)) >= out_max;
        sent = flush(c, now_us);
        again = stopped && !c->session->holds && buffer_len(out_of(c)) < full_bytes;
    }
    return sent;
}

/* ------------------------------------------------------------------------------------- input */

static bool wants_input(const lab_connection *c) {
    return !(c->session->flags & (SESSION_CLOSING | SESSION_FAILED)) &&
           buffer_len(out_of(c)) < net_of(c)->limits.full_bytes &&
           !(c->session->holds && buffer_len(&c->in) > HELD_BYTES_MAX);
}

/* Runs what was just read, behind what was there before, and keeps what is left of it. False:
 * memory is short, or the command is too long. */
static bool take_in(lab_connection *c, buffer *input, uint64_t now_us, bool *ret_sent) {
    if (buffer_len(&c->in) == 0) {
        *ret_sent = run(c, input, now_us);
        return buffer_append_slice(&c->in, buffer_slice(input));
    }
    if (!buffer_append_slice(&c->in, buffer_slice(input))) {
        return false;
    }
    *ret_sent = run(c, &c->in, now_us);
    return true;
}

static bool read_input(lab_connection *c, uint64_t now_us, bool *ret_sent) {
    buffer *input = &net_of(c)->input;
    c->is_unread = true;
    for (int i = 0; i < READS_PER_TURN && wants_input(c); i++) {
        buffer_clear(input, SIZE_MAX);
        size_t len = stream_read(c->stream, buffer_reserve(input, 1), buffer_room(input));
        buffer_commit(input, len);
        if (len == 0) {
            c->is_unread = false;
            break;
        }
        if (!take_in(c, input, now_us, ret_sent)) {
            return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------------------------- limits on output */

static bool is_subscriber(const node_session *s) {
    return subscriber_count(s->subscriber, CHANNEL_PLAIN) > 0 ||
           subscriber_count(s->subscriber, CHANNEL_PATTERN) > 0 ||
           subscriber_count(s->subscriber, CHANNEL_SHARD) > 0;
}

/* More waits than the soft limit, and has for as long as is allowed. */
static bool is_past_soft(lab_connection *c, const output_limit *limit, uint64_t at_us) {
    if (limit->soft_bytes == 0 || buffer_len(out_of(c)) <= limit->soft_bytes) {
        c->soft_us = 0;
        return false;
    }
    if (c->soft_us == 0) {
        c->soft_us = at_us;
    }
    return at_us - c->soft_us > limit->soft_s * 1000000;
}

/* NULL, or why the client has to go: it waits for more than it may. */
static const char *judge_output(lab_connection *c, uint64_t at_us) {
    const lab_output_limits *own = &net_of(c)->limits;
    size_t bytes = buffer_len(out_of(c));
    output_limit limit = node_settings_output_limit(
        &node_of(c)->settings, is_subscriber(c->session) ? OUTPUT_PUBSUB : OUTPUT_NORMAL);
    if (bytes > own->hard_bytes || (limit.hard_bytes != 0 && bytes > limit.hard_bytes)) {
        return "cut off: too much waits to be sent to it";
    }
    if (is_past_soft(c, &limit, at_us)) {
        return "cut off: much has waited for long to be sent to it";
    }
    bool blocks = bytes >= own->full_bytes || (c->session->flags & SESSION_CLOSING);
    return blocks && at_us - c->taken_us >= own->stall_us ? "cut off: it does not read" : NULL;
}

static void cut_off(lab_connection *c, const char *why) {
    tell(c, EVENT_CLIENT_CUT, why);
    lab_connection_close(c, false);
}

/* ------------------------------------------------------------------------------------- turns */

static void stop_waiting(lab_connection *c) {
    list_remove(&c->in_waiting);
    c->taken_us = 0;
    c->soft_us = 0;
}

static void wait_for_socket(lab_connection *c, uint64_t at_us) {
    if (c->taken_us == 0) {
        c->taken_us = at_us;
    }
    if (!list_linked(&c->in_waiting)) {
        list_push_back(&net_of(c)->waiting, &c->in_waiting);
    }
}

/* What is left in a TLS session makes no event of its own. */
static bool must_read_on(const lab_connection *c) {
    return c->is_unread && c->session->flags & SESSION_TLS && wants_input(c);
}

/* After its commands were run: what the loop is to tell of next, or the end. */
static void settle(lab_connection *c, bool sent) {
    bool over = (c->session->flags & SESSION_FAILED) || (sent && session_is_over(c->session)) ||
                stream_get_state(c->stream) == STREAM_ENDED;
    if (over) {
        lab_connection_close(c, false);
        return;
    }
    if (buffer_len(&c->in) == 0) {
        buffer_clear(&c->in, IN_KEPT_BYTES);
    }
    stream_want_write(c->stream, !sent || must_read_on(c));
    stream_want_read(c->stream, wants_input(c));
    if (sent) {
        stop_waiting(c);
        return;
    }
    uint64_t at_us = loop_now_us();
    wait_for_socket(c, at_us);
    lab_connection_check(c, at_us);
}

void lab_connection_handle(lab_connection *c, unsigned ready, uint64_t now_us) {
    if (fleet_is_paused(net_of(c)->fleet, c->server->index)) {
        return; /* the stream is not watched; this event was under way */
    }
    bool sent = true;
    bool alive = stream_handle(c->stream, ready) != STREAM_ENDED;
    if (stream_get_state(c->stream) == STREAM_OPEN) {
        sent = run(c, &c->in, now_us);
        alive = read_input(c, now_us, &sent);
    }
    if (alive) {
        settle(c, sent);
    } else {
        lab_connection_close(c, false);
    }
}

void lab_connection_resume(lab_connection *c, uint64_t now_us) {
    if (!fleet_is_paused(net_of(c)->fleet, c->server->index)) {
        settle(c, run(c, &c->in, now_us));
    }
}

void lab_connection_pause(lab_connection *c) {
    stream_want_read(c->stream, false);
    stream_want_write(c->stream, false);
    stop_waiting(c);
}

void lab_connection_check(lab_connection *c, uint64_t at_us) {
    const char *why = judge_output(c, at_us);
    if (why) {
        cut_off(c, why);
    }
}

void lab_connection_check_idle(lab_connection *c, uint64_t idle_us, uint64_t now_us) {
    const node_session *s = c->session;
    bool exempt = (s->holds & HOLD_BLOCKED) || is_subscriber(s);
    if (!exempt && now_us > s->used_us && now_us - s->used_us > idle_us) {
        lab_connection_close(c, false);
    }
}
