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
    const node_peer *p = &view->peers[peer];
    return p->known && !p->primary && p->primary_of == primary;
}

static uint64_t offset_of(const node_call *c, uint16_t peer) {
    const node_peers *peers = &c->node->config.peers;
    return peer == c->node->view->self ? c->node->offset : peers->offset_of(peers->arg, peer);
}

static int64_t endpoint_type(const node_call *c) {
    return node_settings_number(&c->node->settings, SETTING_CLUSTER_PREFERRED_ENDPOINT_TYPE);
}

/* -------------------------------------------------------------------------- CLUSTER SLOTS */

static void answer_peer(node_call *c, const node_peer *peer) {
    int64_t type = endpoint_type(c);
    bool tells_ip = type != ENDPOINT_IP;
    bool tells_hostname = type != ENDPOINT_HOSTNAME && peer->hostname[0];
    call_array(c, 4);
    if (type == ENDPOINT_UNKNOWN) {
        call_null(c);
    } else {
        call_text(c, call_endpoint(c, peer));
    }
    call_integer(c, call_port(c, peer));
    call_text(c, peer->id);
    call_map(c, (size_t)tells_ip + tells_hostname);
    if (tells_ip) {
        call_text(c, "ip");
        call_text(c, peer->host);
    }
    if (tells_hostname) {
        call_text(c, "hostname");
        call_text(c, peer->hostname);
    }
}

/* A replica that has failed, or has no data yet, is not told of. */
static bool is_available(const node_call *c, uint16_t peer) {
    return !c->node->view->peers[peer].failed && offset_of(c, peer) != 0;
}

static void answer_run(node_call *c, const slot_run *run) {
    const node_view *view = c->node->view;
    size_t replicas = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        replicas += is_replica_of(view, i, run->owner) && is_available(c, i);
    }
    call_array(c, 3 + replicas);
    call_integer(c, run->first);
    call_integer(c, run->last);
    answer_peer(c, &view->peers[run->owner]);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (is_replica_of(view, i, run->owner) && is_available(c, i)) {
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

static const char *health_of(const node_peer *peer, uint64_t offset) {
    if (peer->failed) {
        return "fail";
    }
    return !peer->primary && offset == 0 ? "loading" : "online";
}

static void answer_shard_node(node_call *c, uint16_t index) {
    const node_peer *peer = &c->node->view->peers[index];
    uint64_t offset = offset_of(c, index);
    call_map(c, 6u + (peer->port != 0) + (peer->tls_port != 0) + (peer->hostname[0] != '\0'));
    call_text(c, "id");
    call_text(c, peer->id);
    if (peer->port) {
        call_text(c, "port");
        call_integer(c, peer->port);
    }
    if (peer->tls_port) {
        call_text(c, "tls-port");
        call_integer(c, peer->tls_port);
    }
    call_text(c, "ip");
    call_text(c, peer->host);
    call_text(c, "endpoint");
    call_text(c, call_endpoint(c, peer));
    if (peer->hostname[0]) {
        call_text(c, "hostname");
        call_text(c, peer->hostname);
    }
    call_text(c, "role");
    call_text(c, peer->primary ? "master" : "replica");
    call_text(c, "replication-offset");
    call_integer(c, (int64_t)offset);
    call_text(c, "health");
    call_text(c, health_of(peer, offset));
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
    answer_shard_node(c, primary);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (is_replica_of(view, i, primary)) {
            answer_shard_node(c, i);
        }
    }
}

void serve_cluster_shards(node_call *c) {
    const node_view *view = c->node->view;
    size_t count = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        count += view->peers[i].known && view->peers[i].primary;
    }
    call_array(c, count);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (view->peers[i].known && view->peers[i].primary) {
            answer_shard(c, i);
        }
    }
}

/* -------------------------------------------------------------------------- CLUSTER NODES */

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

static bool describe_flags(const node_peer *peer, bool me, buffer *b) {
    return buffer_printf(b, "%s%s%s%s%s%s", me ? "myself," : "", peer->primary ? "master" : "slave",
                         peer->suspected ? ",fail?" : "", peer->failed ? ",fail" : "",
                         peer->no_address ? ",noaddr" : "", peer->no_failover ? ",nofailover" : "");
}

/* One line of CLUSTER NODES, without its end. */
static bool describe_peer(const node_call *c, uint16_t index, buffer *b) {
    const node_view *view = c->node->view;
    const node_peer *peer = &view->peers[index];
    const node_peer *primary = &view->peers[peer->primary_of];
    bool me = index == view->self;
    bool silent = !me && (peer->silent_since_us != 0 || peer->no_address);
    bool alone = me && node_view_known_count(view) == 1;
    unsigned long long ping_ms = silent ? peer->silent_since_us / 1000 : 0;
    unsigned long long pong_ms = silent ? ping_ms : alone ? 0 : c->now_ms;
    uint64_t epoch = primary->known ? primary->config_epoch : 0;
    return buffer_printf(b, "%s %s:%u@%u%s%s ", peer->id, peer->host, call_port(c, peer),
                         node_peer_bus_port(peer), peer->hostname[0] ? "," : "", peer->hostname) &&
           describe_flags(peer, me, b) &&
           buffer_printf(b, " %s %llu %llu %llu %s",
                         peer->primary || !primary->known ? "-" : primary->id, ping_ms, pong_ms,
                         (unsigned long long)epoch, silent ? "disconnected" : "connected") &&
           describe_slots(view, index, b);
}

static bool describe_handshakes(const node_view *view, buffer *b) {
    for (size_t i = 0; i < view->handshake_count; i++) {
        const node_handshake *h = &view->handshakes[i];
        if (!buffer_printf(b, "%s %s:%u@%u handshake - 0 0 0 disconnected\n", h->id, h->host,
                           h->port, h->bus_port)) {
            return false;
        }
    }
    return true;
}

void serve_cluster_nodes(node_call *c) {
    const node_view *view = c->node->view;
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    bool ok = describe_handshakes(view, &text);
    for (uint16_t i = 0; ok && i < view->peer_count; i++) {
        if (view->peers[i].known) {
            ok = describe_peer(c, i, &text) && buffer_append_text(&text, "\n");
        }
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

typedef struct slot_counts {
    unsigned assigned;
    unsigned suspected;
    unsigned failed;
} slot_counts;

static slot_counts count_slots(const node_view *view) {
    slot_counts counts = {0, 0, 0};
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = view->owner[slot];
        if (owner != NODE_NOBODY) {
            counts.assigned++;
            counts.failed += view->peers[owner].failed;
            counts.suspected += view->peers[owner].suspected && !view->peers[owner].failed;
        }
    }
    return counts;
}

/* As many as a node of this age exchanges about: it hears of each other node once a second. */
static bool describe_messages(const node_call *c, buffer *b) {
    unsigned long long seconds = (c->now_us - c->node->started_us) / 1000000;
    unsigned long long count = seconds * (node_view_known_count(c->node->view) - 1);
    static const char *const directions[] = {"sent", "received"};
    for (int i = 0; i < 2; i++) {
        const char *to = directions[i];
        if (count > 0 && !buffer_printf(b,
                                        "cluster_stats_messages_ping_%s:%llu\r\n"
                                        "cluster_stats_messages_pong_%s:%llu\r\n",
                                        to, count, to, count)) {
            return false;
        }
        if (!buffer_printf(b, "cluster_stats_messages_%s:%llu\r\n", to, 2 * count)) {
            return false;
        }
    }
    return buffer_append_text(b, "total_cluster_links_buffer_limit_exceeded:0\r\n");
}

void serve_cluster_info(node_call *c) {
    const node_view *view = c->node->view;
    slot_counts slots = count_slots(view);
    const node_peer *primary = &view->peers[node_view_self(view)->primary_of];
    uint64_t epoch = primary->known ? primary->config_epoch : node_view_self(view)->config_epoch;
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    if (buffer_printf(&text,
                      "cluster_state:%s\r\ncluster_slots_assigned:%u\r\ncluster_slots_ok:%u\r\n"
                      "cluster_slots_pfail:%u\r\ncluster_slots_fail:%u\r\n"
                      "cluster_known_nodes:%u\r\ncluster_size:%u\r\n"
                      "cluster_current_epoch:%llu\r\ncluster_my_epoch:%llu\r\n",
                      view->up ? "ok" : "fail", slots.assigned,
                      slots.assigned - slots.failed - slots.suspected, slots.suspected,
                      slots.failed, node_view_known_count(view) + (unsigned)view->handshake_count,
                      node_view_size(view), (unsigned long long)view->current_epoch,
                      (unsigned long long)epoch) &&
        describe_messages(c, &text)) {
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

static bool is_linked(const node_view *view, uint16_t peer) {
    const node_peer *p = &view->peers[peer];
    return peer != view->self && p->known && p->silent_since_us == 0 && !p->no_address;
}

void serve_cluster_links(node_call *c) {
    const node_view *view = c->node->view;
    size_t peers = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        peers += is_linked(view, i);
    }
    call_array(c, 2 * peers);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (is_linked(view, i)) {
            answer_link(c, &view->peers[i], "to");
            answer_link(c, &view->peers[i], "from");
        }
    }
}
