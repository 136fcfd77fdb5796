#include "lab/lab_server.h"

#include <unistd.h>

#define READ_BYTES (16 * 1024)
#define READS_PER_TURN 16 /* then it is another connection's turn */
#define WRITES_PER_TURN 64
#define UNSENT_BYTES_MAX (1024 * 1024) /* a client that does not read is not read from */
#define KEPT_BYTES (64 * 1024)         /* of an empty buffer */
#define IN_BYTES_MAX (LIMIT_COMMAND_BYTES + READ_BYTES)

kw_status lab_server_listen(lab_server *s, kw_error *err) {
    const net_address address = {.family = NET_IPV4, .port = s->port, .ip = {127, 0, 0, 1}};
    kw_status status = listener_new(s->loop, s->mem, &address, s, &s->listener, err);
    if (status == KW_OK) {
        s->port = listener_port(s->listener);
    }
    return status;
}

static buffer *out_of(lab_connection *c) {
    return &c->session->out;
}

static void free_connection(lab_connection *c, bool reset) {
    node *n = fleet_node(c->server->fleet, c->server->index);
    if (reset) {
        stream_reset(c->stream);
    } else {
        stream_free(c->stream);
    }
    node_session_free(n, c->session);
    list_remove(&c->in_server);
    buffer_done(&c->in);
    mem_free(c->server->mem, c);
}

void lab_server_shut(lab_server *s) {
    LIST_FOR_EACH(at, after, &s->connections) {
        free_connection(LIST_ENTRY(at, lab_connection, in_server), true);
    }
    listener_free(s->listener);
    s->listener = NULL;
}

static lab_connection *new_connection(lab_server *s, node *n, int fd, uint64_t now_us) {
    lab_connection *c = mem_calloc(s->mem, 1, sizeof *c);
    if (!c) {
        return NULL;
    }
    c->kind = LAB_OWNER_CONNECTION;
    c->server = s;
    c->session = node_session_new(n, "127.0.0.1:0", now_us);
    if (!c->session || stream_adopt(s->loop, s->mem, fd, NULL, c, &c->stream) != KW_OK) {
        node_session_free(n, c->session);
        mem_free(s->mem, c);
        return NULL;
    }
    c->session->owner = c;
    buffer_init(&c->in, s->mem, IN_BYTES_MAX);
    list_push_back(&s->connections, &c->in_server);
    return c;
}

void lab_server_accept(lab_server *s, uint64_t now_us) {
    node *n = fleet_node(s->fleet, s->index);
    while (n && s->listener && !fleet_is_paused(s->fleet, s->index)) {
        int fd = listener_accept(s->listener);
        if (fd < 0) {
            return;
        }
        if (!new_connection(s, n, fd, now_us)) {
            close(fd);
        }
    }
}

/* Sends what may go; true if all of that went out. */
static bool flush(lab_connection *c, uint64_t now_us) {
    kw_slice bytes = session_sendable(c->session, now_us);
    for (int i = 0; bytes.len > 0; i++) {
        size_t sent = i < WRITES_PER_TURN ? stream_write(c->stream, &bytes, 1) : 0;
        session_sent(c->session, sent, now_us);
        if (sent < bytes.len) {
            return false;
        }
        bytes = session_sendable(c->session, now_us);
    }
    if (buffer_len(out_of(c)) == 0) {
        buffer_clear(out_of(c), KEPT_BYTES);
    }
    return true;
}

/* Runs what has come in, as long as the replies find room; false: the connection is over. */
static bool serve(lab_connection *c, uint64_t now_us) {
    node *n = fleet_node(c->server->fleet, c->server->index);
    bool sent;
    bool again;
    do {
        size_t before = buffer_len(&c->in);
        bool was_full = buffer_len(out_of(c)) >= UNSENT_BYTES_MAX || c->session->holds;
        node_receive(n, c->session, &c->in, now_us, UNSENT_BYTES_MAX);
        sent = flush(c, now_us);
        bool reads = !c->session->holds && (was_full || buffer_len(&c->in) < before);
        again = sent && buffer_len(&c->in) > 0 && reads;
    } while (again);
    if (buffer_len(&c->in) == 0) {
        buffer_clear(&c->in, KEPT_BYTES);
    }
    bool closing = (c->session->flags & SESSION_CLOSING) != 0;
    if ((c->session->flags & SESSION_FAILED) || session_is_over(c->session)) {
        return false;
    }
    stream_want_write(c->stream, !sent);
    stream_want_read(c->stream, !closing && buffer_len(out_of(c)) < UNSENT_BYTES_MAX);
    return true;
}

/* Takes in what has arrived; false: memory is short, or the command is too long. */
static bool read_input(lab_connection *c) {
    for (int i = 0; i < READS_PER_TURN; i++) {
        char *to = buffer_reserve(&c->in, READ_BYTES);
        if (!to) {
            return false;
        }
        size_t len = stream_read(c->stream, to, buffer_room(&c->in));
        buffer_commit(&c->in, len);
        if (len == 0) {
            break;
        }
    }
    return true;
}

void lab_connection_handle(lab_connection *c, unsigned ready, uint64_t now_us) {
    if (fleet_is_paused(c->server->fleet, c->server->index)) {
        return; /* the stream is not watched; this event was under way */
    }
    bool alive = stream_handle(c->stream, ready) != STREAM_ENDED;
    bool reads = alive && buffer_len(out_of(c)) < UNSENT_BYTES_MAX;
    alive = alive && (!reads || read_input(c));
    alive = alive && serve(c, now_us) && stream_get_state(c->stream) != STREAM_ENDED;
    if (!alive) {
        free_connection(c, false);
    }
}

void lab_connection_resume(lab_connection *c, uint64_t now_us) {
    if (!fleet_is_paused(c->server->fleet, c->server->index) && !serve(c, now_us)) {
        free_connection(c, false);
    }
}

void lab_server_pause(lab_server *s, bool paused, uint64_t now_us) {
    if (!s->listener) {
        return;
    }
    listener_want_accept(s->listener, !paused);
    LIST_FOR_EACH(at, after, &s->connections) {
        lab_connection *c = LIST_ENTRY(at, lab_connection, in_server);
        if (paused) {
            stream_want_read(c->stream, false);
            stream_want_write(c->stream, false);
        } else if (!serve(c, now_us)) {
            free_connection(c, false);
        }
    }
}
