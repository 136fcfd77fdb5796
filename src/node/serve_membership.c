#include "core/endpoint.h"

#include "node/node_args.h"
#include "node/node_call.h"
#include "node/node_handlers.h"
#include "node/node_number.h"

#include <stdio.h>

#define FORGOTTEN_US 60000000 /* gossip does not bring a forgotten node back before */
#define HANDSHAKE_MS_MIN 1000 /* a node that does not answer is met for so long at least */

/* ---------------------------------------------------------------------- meeting, forgetting */

static void make_id(node *n, char id[NODE_ID_SIZE]) {
    for (size_t i = 0; i + 1 < NODE_ID_SIZE; i++) {
        id[i] = "0123456789abcdef"[prng_below(&n->random, 16)];
    }
    id[NODE_ID_SIZE - 1] = '\0';
}

/* Names are not resolved. */
static bool is_address(kw_slice host) {
    endpoint e;
    net_address address;
    return host.len < NODE_HOST_SIZE && endpoint_make(host, 1, &e) &&
           endpoint_to_address(&e, &address);
}

static void begin_handshake(node_call *c, uint16_t port, uint16_t bus_port) {
    node *n = c->node;
    int64_t timeout_ms = node_settings_number(&n->settings, SETTING_CLUSTER_NODE_TIMEOUT);
    timeout_ms = timeout_ms < HANDSHAKE_MS_MIN ? HANDSHAKE_MS_MIN : timeout_ms;
    node_handshake handshake = {
        .port = port,
        .bus_port = bus_port,
        .until_us = c->now_us + (uint64_t)timeout_ms * 1000,
    };
    make_id(n, handshake.id);
    slice_copy(handshake.host, sizeof handshake.host, c->argv[2]);
    for (size_t i = 0; i < n->view->handshake_count; i++) {
        const node_handshake *h = &n->view->handshakes[i];
        if (strcmp(h->host, handshake.host) == 0 && h->bus_port == bus_port) {
            return; /* under way */
        }
    }
    node_view_begin_handshake(n->view, &handshake);
}

void serve_cluster_meet(node_call *c) {
    int64_t port;
    int64_t bus_port;
    if (c->argc > 5) {
        call_subcommand_error(c, "CLUSTER");
        return;
    }
    if (!number_read_integer(c->argv[3], &port)) {
        call_errorf(c, "ERR Invalid TCP base port specified: %.*s", call_shown(c, 3),
                    c->argv[3].data);
        return;
    }
    bus_port = (int64_t)((uint64_t)port + 10000);
    if (c->argc == 5 && !number_read_integer(c->argv[4], &bus_port)) {
        call_errorf(c, "ERR Invalid TCP bus port specified: %.*s", call_shown(c, 4),
                    c->argv[4].data);
        return;
    }
    if (!is_address(c->argv[2]) || port <= 0 || port > UINT16_MAX || bus_port <= 0 ||
        bus_port > UINT16_MAX) {
        call_errorf(c, "ERR Invalid node address specified: %.*s:%.*s", call_shown(c, 2),
                    c->argv[2].data, call_shown(c, 3), c->argv[3].data);
        return;
    }
    const node_peers *peers = &c->node->config.peers;
    if (!peers->meet(peers->arg, c->node->view->self, c->argv[2], (uint16_t)port, c->now_us)) {
        begin_handshake(c, (uint16_t)port, (uint16_t)bus_port);
    }
    call_ok(c);
}

void serve_cluster_forget(node_call *c) {
    node_view *view = c->node->view;
    const node_peer *me = node_view_self(view);
    uint16_t peer;
    if (!args_read_peer(c, 2, "Unknown", &peer)) {
        return;
    }
    if (peer == view->self) {
        call_error(c, "ERR I tried hard but I can't forget myself...");
        return;
    }
    if (!me->primary && me->primary_of == peer) {
        call_error(c, "ERR Can't forget my master!");
        return;
    }
    node_view_forget(view, peer, c->now_us + FORGOTTEN_US);
    view->changed = true;
    call_ok(c);
}

void serve_cluster_reset(node_call *c) {
    node *n = c->node;
    bool hard = call_argument_is(c, 2, "hard");
    if (c->argc > 3) {
        call_subcommand_error(c, "CLUSTER");
        return;
    }
    if (c->argc == 3 && !hard && !call_argument_is(c, 2, "soft")) {
        call_syntax_error(c);
        return;
    }
    bool primary = node_view_self(n->view)->primary;
    if (primary && keyspace_count(n->keys) > 0) {
        call_error(c, "ERR CLUSTER RESET can't be called with master nodes containing keys");
        return;
    }
    char id[NODE_ID_SIZE];
    make_id(n, id);
    node_view_reset(n->view, hard ? id : NULL);
    if (!primary) {
        keyspace_clear(n->keys);
    }
    call_ok(c);
}

void serve_cluster_count_failure_reports(node_call *c) {
    const node_peers *peers = &c->node->config.peers;
    uint16_t peer;
    if (args_read_peer(c, 2, "Unknown", &peer)) {
        call_integer(c, (int64_t)peers->failure_reports(peers->arg, c->node->view->self, peer));
    }
}

/* --------------------------------------------------------------------------------- epochs */

void serve_cluster_bumpepoch(node_call *c) {
    node_view *view = c->node->view;
    bool bumped = node_view_bump_epoch(view);
    char text[48];
    (void)snprintf(text, sizeof text, "%s %llu", bumped ? "BUMPED" : "STILL",
                   (unsigned long long)node_view_self(view)->config_epoch);
    call_status(c, text);
}

void serve_cluster_set_config_epoch(node_call *c) {
    node_view *view = c->node->view;
    node_peer *me = node_view_self(view);
    int64_t epoch;
    if (!call_read_integer(c, 2, &epoch)) {
        return;
    }
    if (epoch < 0) {
        call_errorf(c, "ERR Invalid config epoch specified: %lld", (long long)epoch);
    } else if (node_view_known_count(view) > 1) {
        call_error(c, "ERR The user can assign a config epoch only when the node does not know any "
                      "other node.");
    } else if (me->config_epoch != 0) {
        call_error(c, "ERR Node config epoch is already non-zero");
    } else {
        me->config_epoch = (uint64_t)epoch;
        if (view->current_epoch < me->config_epoch) {
            view->current_epoch = me->config_epoch;
        }
        view->changed = true;
        call_ok(c);
    }
}

void serve_cluster_saveconfig(node_call *c) {
    call_ok(c);
}

/* ---------------------------------------------------------------------------------- roles */

void serve_cluster_failover(node_call *c) {
    node_view *view = c->node->view;
    const node_peer *me = node_view_self(view);
    const node_peers *peers = &c->node->config.peers;
    bool takeover = call_argument_is(c, 2, "takeover");
    bool forced = takeover || call_argument_is(c, 2, "force");
    if (c->argc > 3) {
        call_subcommand_error(c, "CLUSTER");
        return;
    }
    if (c->argc == 3 && !forced) {
        call_syntax_error(c);
        return;
    }
    if (me->primary) {
        call_error(c, "ERR You should send CLUSTER FAILOVER to a replica");
        return;
    }
    const node_peer *primary = &view->peers[me->primary_of];
    if (!primary->known) {
        call_error(c, "ERR I'm a replica but my master is unknown to me");
        return;
    }
    if ((primary->failed || primary->silent_since_us != 0) && !forced) {
        call_error(c, "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE");
        return;
    }
    if (takeover) {
        node_view_take_over(view);
    } else {
        peers->fail_over(peers->arg, view->self, forced, c->now_us);
    }
    call_ok(c);
}

void serve_cluster_replicate(node_call *c) {
    node_view *view = c->node->view;
    const node_peer *me = node_view_self(view);
    uint16_t primary;
    if (!args_read_peer(c, 2, "Unknown", &primary)) {
        return;
    }
    if (primary == view->self) {
        call_error(c, "ERR Can't replicate myself");
        return;
    }
    if (!view->peers[primary].primary) {
        call_error(c, "ERR I can only replicate a master, not a replica.");
        return;
    }
    if (me->primary && (me->slot_count > 0 || keyspace_count(c->node->keys) > 0)) {
        call_error(c, "ERR To set a master the node must be empty and without assigned slots.");
        return;
    }
    node_view_follow(view, primary);
    call_ok(c);
}
