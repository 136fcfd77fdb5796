#include "node/node_call.h"
#include "node/node_handlers.h"

static uint64_t key_version(const node_call *c, kw_slice key) {
    const keyspace_entry *e = keyspace_peek(c->node->keys, key, c->now_ms);
    return e ? e->version : 0;
}

static bool watched_changed(const node_call *c) {
    const node_session *s = c->session;
    for (size_t i = 0; i < s->watched_count; i++) {
        const session_watched *w = &s->watched[i];
        if (key_version(c, slice_of(w->key, w->key_len)) != w->version) {
            return true;
        }
    }
    return false;
}

void serve_multi(node_call *c) {
    if (c->session->flags & SESSION_MULTI) {
        call_error(c, "ERR MULTI calls can not be nested");
        return;
    }
    c->session->flags |= SESSION_MULTI;
    call_ok(c);
}

void serve_discard(node_call *c) {
    if (!(c->session->flags & SESSION_MULTI)) {
        call_error(c, "ERR DISCARD without MULTI");
        return;
    }
    session_discard(c->session);
    call_ok(c);
}

void serve_watch(node_call *c) {
    if (c->session->flags & SESSION_MULTI) {
        call_error(c, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (size_t i = 1; i < c->argc; i++) {
        if (!session_watch(c->session, c->argv[i], key_version(c, c->argv[i]))) {
            call_out_of_memory(c);
            return;
        }
    }
    call_ok(c);
}

void serve_unwatch(node_call *c) {
    session_unwatch(c->session);
    call_ok(c);
}

static void run_queued(node_call *c) {
    node_session *s = c->session;
    session_unwatch(s);
    call_array(c, s->queue_count);
    for (size_t i = 0; i < s->queue_count; i++) {
        const session_queued *q = &s->queue[i];
        node_call queued = *c;
        queued.command = q->command;
        queued.argv = q->argv;
        queued.argc = q->argc;
        queued.in_exec = true;
        call_run(&queued);
    }
}

void serve_exec(node_call *c) {
    node_session *s = c->session;
    if (!(s->flags & SESSION_MULTI)) {
        call_error(c, "ERR EXEC without MULTI");
        return;
    }
    if (s->flags & SESSION_DIRTY) {
        call_error(c, "EXECABORT Transaction discarded because of previous errors.");
    } else if (watched_changed(c)) {
        call_null_array(c);
    } else {
        run_queued(c);
    }
    session_discard(s);
}
