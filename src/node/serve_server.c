#include "node/node_args.h"
#include "node/node_block.h"
#include "node/node_call.h"
#include "node/node_handlers.h"

#include <stdio.h>

void serve_time(node_call *c) {
    char text[24];
    call_array(c, 2);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(c->now_us / 1000000));
    call_text(c, text);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(c->now_us % 1000000));
    call_text(c, text);
}

static size_t replicas_up_to_date(const node_call *c) {
    const node *n = c->node;
    return n->config.peers.replicas_at(n->config.peers.arg, n->view->self,
                                       c->session->write_offset);
}

static void answer_replicas(node_call *c) {
    call_integer(c, (int64_t)replicas_up_to_date(c));
}

void serve_wait(node_call *c) {
    int64_t wanted;
    uint64_t deadline_us;
    if (!node_view_self(c->node->view)->primary) {
        call_error(c, "ERR WAIT cannot be used with replica instances. Please also note that since "
                      "Redis 4.0 if a replica is configured to be writable (which is not the "
                      "default) writes to replicas are just local and are not propagated.");
        return;
    }
    if (!call_read_integer(c, 1, &wanted) || !args_read_timeout_ms(c, 2, &deadline_us)) {
        return;
    }
    if (c->in_exec || wanted <= (int64_t)replicas_up_to_date(c)) {
        answer_replicas(c);
    } else {
        call_block(c, BLOCK_FOR_REPLICAS, 0, 0, deadline_us, answer_replicas);
    }
}

static void answer_role_of_primary(node_call *c) {
    const node_view *view = c->node->view;
    const node_peers *peers = &c->node->config.peers;
    size_t count = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        count += node_view_is_attached(view, i);
    }
    call_array(c, 3);
    call_text(c, "master");
    call_integer(c, (int64_t)c->node->offset);
    call_array(c, count);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (node_view_is_attached(view, i)) {
            char port[8];
            char offset[24];
            (void)snprintf(port, sizeof port, "%u", view->peers[i].port);
            (void)snprintf(offset, sizeof offset, "%llu",
                           (unsigned long long)peers->offset_of(peers->arg, i));
            call_array(c, 3);
            call_text(c, view->peers[i].host);
            call_text(c, port);
            call_text(c, offset);
        }
    }
}

void serve_role(node_call *c) {
    const node_peer *me = node_view_self(c->node->view);
    if (me->primary) {
        answer_role_of_primary(c);
        return;
    }
    const node_peer *primary = &c->node->view->peers[me->primary_of];
    call_array(c, 5);
    call_text(c, "slave");
    call_text(c, primary->host);
    call_integer(c, primary->port);
    call_text(c, primary->silent_since_us ? "connect" : "connected");
    call_integer(c, (int64_t)c->node->offset);
}

/* ------------------------------------------------------------------------------ persistence */

/* There is none: the data of a lab lives in memory. */

void serve_lastsave(node_call *c) {
    const node *n = c->node;
    call_integer(c, (int64_t)((n->saved_us ? n->saved_us : n->started_us) / 1000000));
}

void serve_save(node_call *c) {
    c->node->saved_us = c->now_us;
    call_ok(c);
}

void serve_bgsave(node_call *c) {
    if (c->argc > 2 || (c->argc == 2 && !call_argument_is(c, 1, "schedule"))) {
        call_syntax_error(c);
        return;
    }
    c->node->saved_us = c->now_us;
    call_status(c, "Background saving started");
}

void serve_bgrewriteaof(node_call *c) {
    call_status(c, "Background append only file rewriting started");
}

/* ---------------------------------------------------------------------------------- the end */

void serve_shutdown(node_call *c) {
    const node_peers *peers = &c->node->config.peers;
    bool save = false;
    bool nosave = false;
    bool abort = false;
    bool other = false;
    for (size_t i = 1; i < c->argc; i++) {
        bool is_other = call_argument_is(c, i, "now") || call_argument_is(c, i, "force");
        save = save || call_argument_is(c, i, "save");
        nosave = nosave || call_argument_is(c, i, "nosave");
        abort = abort || call_argument_is(c, i, "abort");
        other = other || is_other;
        if (!is_other && !call_argument_is(c, i, "save") && !call_argument_is(c, i, "nosave") &&
            !call_argument_is(c, i, "abort")) {
            call_syntax_error(c);
            return;
        }
    }
    if ((save && nosave) || (abort && (save || nosave || other))) {
        call_syntax_error(c);
        return;
    }
    if (abort) {
        call_error(c, "ERR No shutdown in progress.");
        return;
    }
    peers->shut_down(peers->arg, c->node->view->self, c->now_us);
    c->session->flags |= SESSION_CLOSING;
}

/* ------------------------------------------------------- what a node of a cluster does not do */

void serve_replicaof(node_call *c) {
    call_error(c, "ERR REPLICAOF not allowed in cluster mode.");
}

void serve_failover(node_call *c) {
    call_error(c,
               "ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.");
}

void serve_swapdb(node_call *c) {
    call_error(c, "ERR SWAPDB is not allowed in cluster mode");
}

void serve_move(node_call *c) {
    call_error(c, "ERR MOVE is not allowed in cluster mode");
}
