#include "node/node_call.h"
#include "node/node_handlers.h"

#include <stdio.h>

/* A run of slots with one owner. */
typedef struct slot_run {
    int first;
    int last;
    uint16_t owner;
} slot_run;

/* The next run from *at on; slots without an owner are passed over. */
static bool next_run(const node_view *view, int *at, slot_run *ret) {
    int first = *at;
    while (first < SLOT_COUNT && view->owner[first] == NODE_NOBODY) {
        first++;
    }
    if (first == SLOT_COUNT) {
        return false;
    }
    int last = first;
    while (last + 1 < SLOT_COUNT && view->owner[last + 1] == view->owner[first]) {
        last++;
    }
    *ret = (slot_run){first, last, view->owner[first]};
    *at = last + 1;
    return true;
}

/* The next run of one owner. */
static bool next_run_of(const node_view *view, uint16_t owner, int *at, slot_run *ret) {
    while (next_run(view, at, ret)) {
        if (ret->owner == owner) {
            return true;
        }
    }
    return false;
}

static bool is_replica_of(const node_view *view, uint16_t peer, uint16_t primary) {
    return !view->peers[peer].primary && view->peers[peer].primary_of == primary;
}

/* -------------------------------------------------------------------------- CLUSTER SLOTS */

static void answer_peer(node_call *c, const node_peer *peer) {
    call_array(c, 4);
    call_text(c, peer->host);
    call_integer(c, peer->port);
    call_text(c, peer->id);
    call_map(c, 0);
}

static void answer_run(node_call *c, const slot_run *run) {
    const node_view *view = c->node->view;
    size_t replicas = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        replicas += is_replica_of(view, i, run->owner) && !view->peers[i].failed;
    }
    call_array(c, 3 + replicas);
    call_integer(c, run->first);
    call_integer(c, run->last);
    answer_peer(c, &view->peers[run->owner]);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (is_replica_of(view, i, run->owner) && !view->peers[i].failed) {
            answer_peer(c, &view->peers[i]);
        }
    }
}

void serve_cluster_slots(node_call *c) {
    const node_view *view = c->node->view;
    slot_run run;
    size_t count = 0;
    for (int at = 0; next_run(view, &at, &run);) {
        count++;
    }
    call_array(c, count);
    for (int at = 0; next_run(view, &at, &run);) {
        answer_run(c, &run);
    }
}

/* ------------------------------------------------------------------------- CLUSTER SHARDS */

static void answer_shard_node(node_call *c, const node_peer *peer) {
    call_map(c, 7);
    call_text(c, "id");
    call_text(c, peer->id);
    call_text(c, "port");
    call_integer(c, peer->port);
    call_text(c, "ip");
    call_text(c, peer->host);
    call_text(c, "endpoint");
    call_text(c, peer->host);
    call_text(c, "role");
    call_text(c, peer->primary ? "master" : "replica");
    call_text(c, "replication-offset");
    call_integer(c, (int64_t)c->node->offset);
    call_text(c, "health");
    call_text(c, peer->failed ? "fail" : "online");
}

static void answer_shard(node_call *c, uint16_t primary) {
    const node_view *view = c->node->view;
    slot_run run;
    size_t runs = 0;
    size_t nodes = 1;
    for (int at = 0; next_run_of(view, primary, &at, &run);) {
        runs++;
    }
    for (uint16_t i = 0; i < view->peer_count; i++) {
        nodes += is_replica_of(view, i, primary);
    }
    call_map(c, 2);
    call_text(c, "slots");
    call_array(c, 2 * runs);
    for (int at = 0; next_run_of(view, primary, &at, &run);) {
        call_integer(c, run.first);
        call_integer(c, run.last);
    }
    call_text(c, "nodes");
    call_array(c, nodes);
    answer_shard_node(c, &view->peers[primary]);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (is_replica_of(view, i, primary)) {
            answer_shard_node(c, &view->peers[i]);
        }
    }
}

void serve_cluster_shards(node_call *c) {
    const node_view *view = c->node->view;
    size_t count = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        count += view->peers[i].primary;
    }
    call_array(c, count);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (view->peers[i].primary) {
            answer_shard(c, i);
        }
    }
}

/* -------------------------------------------------------------------------- CLUSTER NODES */

static unsigned bus_port(uint16_t port) {
    return port <= UINT16_MAX - 10000 ? port + 10000u : port - 10000u;
}

static bool describe_slots(const node_view *view, uint16_t peer, buffer *b) {
    slot_run run;
    for (int at = 0; next_run_of(view, peer, &at, &run);) {
        bool ok = run.first == run.last ? buffer_printf(b, " %d", run.first)
                                        : buffer_printf(b, " %d-%d", run.first, run.last);
        if (!ok) {
            return false;
        }
    }
    for (int slot = 0; peer == view->self && slot < SLOT_COUNT; slot++) {
        uint16_t target = view->migrating_to[slot];
        uint16_t source = view->importing_from[slot];
        if ((target != NODE_NOBODY &&
             !buffer_printf(b, " [%d->-%s]", slot, view->peers[target].id)) ||
            (target == NODE_NOBODY && source != NODE_NOBODY &&
             !buffer_printf(b, " [%d-<-%s]", slot, view->peers[source].id))) {
            return false;
        }
    }
    return true;
}

/* One line of CLUSTER NODES, without its end. */
static bool describe_peer(const node_call *c, uint16_t index, buffer *b) {
    const node_view *view = c->node->view;
    const node_peer *peer = &view->peers[index];
    const node_peer *primary = &view->peers[peer->primary_of];
    bool me = index == view->self;
    return buffer_printf(b, "%s %s:%u@%u %s%s%s %s %llu %llu %llu %s", peer->id, peer->host,
                         peer->port, bus_port(peer->port), me ? "myself," : "",
                         peer->primary ? "master" : "slave", peer->failed ? ",fail" : "",
                         peer->primary ? "-" : primary->id,
                         peer->failed ? (unsigned long long)c->now_ms : 0ull,
                         (unsigned long long)c->now_ms, (unsigned long long)primary->config_epoch,
                         peer->failed ? "disconnected" : "connected") &&
           describe_slots(view, index, b);
}

void serve_cluster_nodes(node_call *c) {
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    bool ok = true;
    for (uint16_t i = 0; ok && i < c->node->view->peer_count; i++) {
        ok = describe_peer(c, i, &text) && buffer_append_text(&text, "\n");
    }
    if (ok) {
        call_verbatim(c, buffer_slice(&text));
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&text);
}

void serve_cluster_replicas(node_call *c) {
    const node_view *view = c->node->view;
    uint16_t primary = node_view_find(view, c->argv[2]);
    if (primary == NODE_NOBODY) {
        call_errorf(c, "ERR Unknown node %.*s", call_shown(c, 2), c->argv[2].data);
        return;
    }
    if (!view->peers[primary].primary) {
        call_error(c, "ERR The specified node is not a master");
        return;
    }
    size_t count = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        count += is_replica_of(view, i, primary);
    }
    call_array(c, count);
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (is_replica_of(view, i, primary)) {
            buffer_clear(&text, SIZE_MAX);
            if (!describe_peer(c, i, &text)) {
                c->session->flags |= SESSION_FAILED;
            }
            call_bulk(c, buffer_slice(&text));
        }
    }
    buffer_done(&text);
}

/* --------------------------------------------------------------------------- CLUSTER INFO */

void serve_cluster_info(node_call *c) {
    const node_view *view = c->node->view;
    unsigned assigned = 0;
    unsigned failed = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = view->owner[slot];
        assigned += owner != NODE_NOBODY;
        failed += owner != NODE_NOBODY && view->peers[owner].failed;
    }
    uint64_t epoch = view->peers[node_view_self(view)->primary_of].config_epoch;
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    if (buffer_printf(&text,
                      "cluster_state:%s\r\ncluster_slots_assigned:%u\r\ncluster_slots_ok:%u\r\n"
                      "cluster_slots_pfail:0\r\ncluster_slots_fail:%u\r\n"
                      "cluster_known_nodes:%u\r\ncluster_size:%u\r\n"
                      "cluster_current_epoch:%llu\r\ncluster_my_epoch:%llu\r\n"
                      "cluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n"
                      "total_cluster_links_buffer_limit_exceeded:0\r\n",
                      view->up ? "ok" : "fail", assigned, assigned - failed, failed,
                      view->peer_count, node_view_size(view),
                      (unsigned long long)view->current_epoch, (unsigned long long)epoch)) {
        call_verbatim(c, buffer_slice(&text));
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&text);
}

static void answer_link(node_call *c, const node_peer *peer, const char *direction) {
    call_map(c, 6);
    call_text(c, "direction");
    call_text(c, direction);
    call_text(c, "node");
    call_text(c, peer->id);
    call_text(c, "create-time");
    call_integer(c, (int64_t)(c->node->started_us / 1000));
    call_text(c, "events");
    call_text(c, "r");
    call_text(c, "send-buffer-allocated");
    call_integer(c, 0);
    call_text(c, "send-buffer-used");
    call_integer(c, 0);
}

void serve_cluster_links(node_call *c) {
    const node_view *view = c->node->view;
    size_t peers = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        peers += i != view->self && !view->peers[i].failed;
    }
    call_array(c, 2 * peers);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (i != view->self && !view->peers[i].failed) {
            answer_link(c, &view->peers[i], "to");
            answer_link(c, &view->peers[i], "from");
        }
    }
}
