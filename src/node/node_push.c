#include "node/node_push.h"

#include "core/resp.h"
#include "node/node_call.h"

#include <assert.h>

void node_push_init(node_push *p, const mem *m, uint64_t seed) {
    channels_init(&p->channels, m, seed);
    tracking_init(&p->tracking, m, seed);
    list_init(&p->monitors);
}

void node_push_done(node_push *p) {
    channels_done(&p->channels);
    tracking_done(&p->tracking);
}

void node_push_leave(node *n, node_session *s) {
    subscriber_free(&n->push.channels, s->subscriber);
    s->subscriber = NULL;
    tracker_free(&n->push.tracking, s->tracker);
    s->tracker = NULL;
    if (list_linked(&s->in_monitors)) {
        list_remove(&s->in_monitors);
    }
}

subscriber *node_push_subscriber(node *n, node_session *s) {
    if (!s->subscriber) {
        s->subscriber = subscriber_new(&n->push.channels, s);
    }
    return s->subscriber;
}

tracker *node_push_tracker(node *n, node_session *s) {
    if (!s->tracker) {
        s->tracker = tracker_new(&n->push.tracking, s->id, s);
    }
    return s->tracker;
}

bool session_is_subscribed(const node_session *s) {
    return subscriber_count(s->subscriber, CHANNEL_PLAIN) > 0 ||
           subscriber_count(s->subscriber, CHANNEL_PATTERN) > 0 ||
           subscriber_count(s->subscriber, CHANNEL_SHARD) > 0;
}

/* --------------------------------------------------------------------------------- writing */

static bool takes_messages(const node_session *s) {
    return !(s->flags & (SESSION_CLOSING | SESSION_FAILED));
}

/* A message was appended: its reader is told, or given up. */
static void pushed(node *n, node_session *s, bool written) {
    bool listens = list_linked(&s->in_monitors) || session_is_subscribed(s);
    size_t unread_max = listens ? PUSH_UNREAD_BYTES_MAX : PUSH_UNREAD_OTHER_BYTES_MAX;
    if (!written || buffer_len(&s->out) > unread_max) {
        s->flags |= SESSION_FAILED;
    }
    if (s != n->running || (s->flags & SESSION_FAILED)) {
        node_wake(n, s);
    }
}

static bool write_header(node_session *s, size_t count) {
    return s->resp == 3 ? buffer_printf(&s->out, ">%zu\r\n", count)
                        : resp_write_array(&s->out, count);
}

/* --------------------------------------------------------------------------------- channels */

typedef struct message {
    node *node;
    const char *kind;
    kw_slice channel;
    kw_slice text;
} message;

static void send_message(void *arg, void *owner, kw_slice pattern) {
    const message *m = arg;
    node_session *s = owner;
    if (!takes_messages(s)) {
        return;
    }
    bool ok = pattern.data ? write_header(s, 4) && resp_write_bulk_text(&s->out, "pmessage") &&
                                 resp_write_bulk(&s->out, pattern)
                           : write_header(s, 3) && resp_write_bulk_text(&s->out, m->kind);
    ok = ok && resp_write_bulk(&s->out, m->channel) && resp_write_bulk(&s->out, m->text);
    pushed(m->node, s, ok);
}

size_t node_publish(node *n, channel_kind kind, kw_slice channel, kw_slice text) {
    message m = {n, kind == CHANNEL_SHARD ? "smessage" : "message", channel, text};
    return channels_publish(&n->push.channels, kind, channel, send_message, &m);
}

void node_push_subscribed(node_session *s, const char *what, kw_slice channel, size_t count) {
    bool ok =
        write_header(s, 3) && resp_write_bulk_text(&s->out, what) &&
        (channel.data ? resp_write_bulk(&s->out, channel) : resp_write_null(&s->out, s->resp)) &&
        resp_write_integer(&s->out, (int64_t)count);
    if (!ok) {
        s->flags |= SESSION_FAILED;
    }
}

static void tell_end(void *arg, void *owner, kw_slice channel) {
    node *n = arg;
    node_session *s = owner;
    if (takes_messages(s)) {
        size_t left = subscriber_count(s->subscriber, CHANNEL_SHARD) - 1;
        node_push_subscribed(s, "sunsubscribe", channel, left);
        pushed(n, s, true);
    }
}

void node_follow_channels(node *n) {
    channels_follow(&n->push.channels, n->view->owner, n->view->self, tell_end, n);
}

/* --------------------------------------------------------------------------------- tracking */

static void tell_broken(node *n, node_session *s, uint64_t redirect) {
    if (s->resp == 3 && takes_messages(s)) {
        pushed(n, s,
               write_header(s, 2) && resp_write_bulk_text(&s->out, "tracking-redir-broken") &&
                   resp_write_integer(&s->out, (int64_t)redirect));
    }
}

static void send_invalidation(void *arg, tracker *r, const kw_slice *keys, size_t count) {
    node *n = arg;
    node_session *s = tracker_owner(r);
    assert(s);
    node_session *to = r->redirect ? node_find_session(n, r->redirect) : s;
    if (!to) {
        r->flags |= TRACKING_BROKEN;
        tell_broken(n, s, r->redirect);
        return;
    }
    bool as_message = to->resp == 2;
    if (!takes_messages(to) || (as_message && (!r->redirect || !session_is_subscribed(to)))) {
        return;
    }
    bool ok = as_message ? write_header(to, 3) && resp_write_bulk_text(&to->out, "message") &&
                               resp_write_bulk_text(&to->out, "__redis__:invalidate")
                         : write_header(to, 2) && resp_write_bulk_text(&to->out, "invalidate");
    ok =
        ok && (count == 0 ? resp_write_null(&to->out, s->resp) : resp_write_array(&to->out, count));
    for (size_t i = 0; ok && i < count; i++) {
        ok = resp_write_bulk(&to->out, keys[i]);
    }
    pushed(n, to, ok);
}

static tracking_way way_of(node *n) {
    return (tracking_way){send_invalidation, n};
}

void node_push_changed(node *n, const keyspace_entry *e) {
    tracking_way way = way_of(n);
    if (n->push.tracking.on_count == 0 && relation_topic_count(&n->push.tracking.keys) == 0) {
        return;
    }
    if (e) {
        tracking_invalidate(&n->push.tracking, keyspace_key(e), n->running ? n->running->id : 0,
                            &way);
    } else {
        tracking_invalidate_all(&n->push.tracking, &way);
    }
}

void node_push_begin(node *n, node_session *s) {
    tracking_way way = way_of(n);
    n->running = s;
    tracking_limit(&n->push.tracking, &way);
    tracking_begin(&n->push.tracking, s->tracker);
}

void node_push_end(node *n) {
    tracking_way way = way_of(n);
    tracking_end(&n->push.tracking, &way);
    n->running = NULL;
}

void node_push_flush(node *n) {
    tracking_way way = way_of(n);
    tracking_flush(&n->push.tracking, &way);
}

static void remember_keys(const node_call *c) {
    node_key_range range;
    tracker *r = c->session->tracker;
    if (!r || !(c->command->flags & NODE_READS) ||
        !node_command_keys(c->command, c->argv, c->argc, &range)) {
        return;
    }
    tracking_way way = way_of(c->node);
    for (size_t i = 0; i < node_key_count(&range); i++) {
        tracking_remember(&c->node->push.tracking, r, c->argv[node_key_at(&range, i)], &way);
    }
}

/* --------------------------------------------------------------------------------- monitors */

static bool write_shown(buffer *out, kw_slice s) {
    static const char named[] = "\\\"\n\r\t\a\b";
    static const char letters[] = "\\\"nrtab";
    bool ok = buffer_append_text(out, " \"");
    for (size_t i = 0; ok && i < s.len; i++) {
        unsigned char byte = (unsigned char)s.data[i];
        const char *at = byte ? strchr(named, byte) : NULL;
        if (at) {
            ok = buffer_printf(out, "\\%c", letters[at - named]);
        } else if (byte < ' ' || byte > '~') {
            ok = buffer_printf(out, "\\x%02x", byte);
        } else {
            ok = buffer_append(out, &s.data[i], 1);
        }
    }
    return ok && buffer_append_text(out, "\"");
}

/* Names and passwords are not shown. */
static bool is_secret(const node_call *c, size_t index) {
    if (slice_is_nocase(c->argv[0], "auth")) {
        return index > 0;
    }
    if (slice_is_nocase(c->argv[0], "hello")) {
        return (index >= 1 && call_argument_is(c, index - 1, "auth")) ||
               (index >= 2 && call_argument_is(c, index - 2, "auth"));
    }
    if (slice_is_nocase(c->argv[0], "migrate")) {
        bool user = call_argument_is(c, index - 1, "auth2");
        return index > 5 && (user || call_argument_is(c, index - 1, "auth") ||
                             call_argument_is(c, index - 2, "auth2"));
    }
    return false;
}

static bool write_watched(const node_call *c, buffer *out) {
    bool ok = buffer_printf(out, "+%llu.%06llu [0 %s]", (unsigned long long)(c->now_us / 1000000),
                            (unsigned long long)(c->now_us % 1000000), c->session->address);
    for (size_t i = 0; ok && i < c->argc; i++) {
        ok = write_shown(out, is_secret(c, i) ? SLICE_LITERAL("(redacted)") : c->argv[i]);
    }
    return ok && buffer_append_text(out, "\r\n");
}

static void show_to_monitors(const node_call *c) {
    LIST_FOR_EACH(at, after, &c->node->push.monitors) {
        node_session *s = LIST_ENTRY(at, node_session, in_monitors);
        if (takes_messages(s)) {
            pushed(c->node, s, write_watched(c, &s->out));
        }
    }
}

void node_push_called(node_call *c) {
    remember_keys(c);
    if (!list_empty(&c->node->push.monitors) && !(c->command->flags & NODE_ADMIN)) {
        show_to_monitors(c);
    }
}
