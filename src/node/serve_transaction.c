#include "node/node_auth.h"
#include "node/node_call.h"
#include "node/node_handlers.h"

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
    node_discard(c->node, c->session);
    call_ok(c);
}

void serve_watch(node_call *c) {
    if (c->session->flags & SESSION_MULTI) {
        call_error(c, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    node_watch_expire(c->node, c->session);
    for (size_t i = 1; i < c->argc; i++) {
        if (!node_watch(c->node, c->session, c->argv[i])) {
            call_out_of_memory(c);
            return;
        }
    }
    call_ok(c);
}

void serve_unwatch(node_call *c) {
    node_unwatch(c->node, c->session);
    call_ok(c);
}

static size_t count_writes(const node_session *s) {
    size_t count = 0;
    for (size_t i = 0; i < s->queue_count; i++) {
        count += (s->queue[i].command->flags & NODE_WRITES) != 0;
    }
    return count;
}

static void run_queued(node_call *c) {
    node_session *s = c->session;
    node_unwatch(c->node, s);
    call_array(c, s->queue_count);
    for (size_t i = 0; i < s->queue_count; i++) {
        const session_queued *q = &s->queue[i];
        node_call queued = *c;
        queued.command = q->command;
        queued.argv = q->argv;
        queued.argc = q->argc;
        queued.in_exec = true;
        queued.out = node_reply_to(c->node, s);
        if (node_auth_still_allows(&queued)) {
            call_run(&queued);
        }
    }
}

void serve_exec(node_call *c) {
    node_session *s = c->session;
    if (!(s->flags & SESSION_MULTI)) {
        call_error(c, "ERR EXEC without MULTI");
        return;
    }
    node_watch_expire(c->node, s);
    if (s->flags & SESSION_DIRTY) {
        call_error(c, "EXECABORT Transaction discarded because of previous errors.");
    } else if (s->flags & SESSION_STALE) {
        call_null_array(c);
    } else {
        node_wrap_begin(c->node, count_writes(s) > 1);
        run_queued(c);
        node_wrap_end(c->node);
    }
    node_discard(c->node, s);
}
