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
        call_block_for_replicas(c, deadline_us, answer_replicas);
    }
}

/* True if peer is a replica of this node and lives. */
static bool is_my_replica(const node_view *view, uint16_t peer) {
    const node_peer *p = &view->peers[peer];
    return !p->primary && p->primary_of == view->self && !p->failed;
}

static void answer_role_of_primary(node_call *c, const char *offset) {
    const node_view *view = c->node->view;
    size_t count = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        count += is_my_replica(view, i);
    }
    call_array(c, 3);
    call_text(c, "master");
    call_integer(c, (int64_t)c->node->offset);
    call_array(c, count);
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (is_my_replica(view, i)) {
            char port[8];
            (void)snprintf(port, sizeof port, "%u", view->peers[i].port);
            call_array(c, 3);
            call_text(c, view->peers[i].host);
            call_text(c, port);
            call_text(c, offset);
        }
    }
}

void serve_role(node_call *c) {
    const node_peer *me = node_view_self(c->node->view);
    char offset[24];
    (void)snprintf(offset, sizeof offset, "%llu", (unsigned long long)c->node->offset);
    if (me->primary) {
        answer_role_of_primary(c, offset);
        return;
    }
    const node_peer *primary = &c->node->view->peers[me->primary_of];
    call_array(c, 5);
    call_text(c, "slave");
    call_text(c, primary->host);
    call_integer(c, primary->port);
    call_text(c, primary->failed ? "connect" : "connected");
    call_integer(c, (int64_t)c->node->offset);
}

/* ----------------------------------------------------------------------------------- INFO */

static bool info_server(node_call *c, buffer *b) {
    const node *n = c->node;
    unsigned long long uptime_s = (c->now_us - n->started_us) / 1000000;
    return buffer_printf(
        b,
        "# Server\r\nredis_version:" NODE_IMITATES "\r\nredis_git_sha1:00000000\r\n"
        "redis_git_dirty:0\r\nredis_build_id:keyway-lab\r\nredis_mode:cluster\r\n"
        "server_name:keyway-lab\r\narch_bits:64\r\nprocess_supervised:no\r\nrun_id:%s\r\n"
        "tcp_port:%u\r\nserver_time_usec:%llu\r\nuptime_in_seconds:%llu\r\n"
        "uptime_in_days:%llu\r\nhz:10\r\nconfigured_hz:10\r\n",
        n->run_id, node_view_self(n->view)->port, (unsigned long long)c->now_us, uptime_s,
        uptime_s / 86400);
}

static bool info_clients(node_call *c, buffer *b) {
    size_t count = 0;
    LIST_FOR_EACH(at, after, &c->node->sessions) {
        count++;
    }
    return buffer_printf(b, "# Clients\r\nconnected_clients:%zu\r\nblocked_clients:0\r\n", count);
}

static bool info_persistence(node_call *c, buffer *b) {
    (void)c; /* a lab's node keeps its data in memory only */
    return buffer_append_text(b, "# Persistence\r\nloading:0\r\nrdb_bgsave_in_progress:0\r\n"
                                 "aof_enabled:0\r\n");
}

static bool info_stats(node_call *c, buffer *b) {
    return buffer_printf(b,
                         "# Stats\r\ntotal_connections_received:%llu\r\n"
                         "total_commands_processed:%llu\r\n",
                         (unsigned long long)c->node->connection_count,
                         (unsigned long long)c->node->command_count);
}

static bool info_replicas(const node_call *c, buffer *b) {
    const node_view *view = c->node->view;
    unsigned number = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        if (is_my_replica(view, i) &&
            !buffer_printf(b, "slave%u:ip=%s,port=%u,state=online,offset=%llu,lag=0\r\n", number++,
                           view->peers[i].host, view->peers[i].port,
                           (unsigned long long)c->node->offset)) {
            return false;
        }
    }
    return true;
}

static bool info_replication(node_call *c, buffer *b) {
    const node_view *view = c->node->view;
    const node_peer *me = node_view_self(view);
    unsigned long long offset = c->node->offset;
    bool ok = buffer_printf(b, "# Replication\r\nrole:%s\r\n", me->primary ? "master" : "slave");
    size_t count = 0;
    if (me->primary) {
        for (uint16_t i = 0; i < view->peer_count; i++) {
            count += is_my_replica(view, i);
        }
    } else {
        const node_peer *primary = &view->peers[me->primary_of];
        ok = ok &&
             buffer_printf(b,
                           "master_host:%s\r\nmaster_port:%u\r\nmaster_link_status:%s\r\n"
                           "master_sync_in_progress:0\r\nslave_repl_offset:%llu\r\n"
                           "slave_read_only:1\r\n",
                           primary->host, primary->port, primary->failed ? "down" : "up", offset);
    }
    return ok && buffer_printf(b, "connected_slaves:%zu\r\n", count) && info_replicas(c, b) &&
           buffer_printf(b,
                         "master_failover_state:no-failover\r\nmaster_replid:%s\r\n"
                         "master_repl_offset:%llu\r\n",
                         c->node->run_id, offset);
}

static bool info_cluster(node_call *c, buffer *b) {
    (void)c; /* a node is always part of a cluster */
    return buffer_append_text(b, "# Cluster\r\ncluster_enabled:1\r\n");
}

static bool info_keyspace(node_call *c, buffer *b) {
    const keyspace *ks = c->node->keys;
    if (keyspace_count(ks) == 0) {
        return buffer_append_text(b, "# Keyspace\r\n");
    }
    return buffer_printf(b, "# Keyspace\r\ndb0:keys=%zu,expires=%zu,avg_ttl=0\r\n",
                         keyspace_count(ks), ks->expiring_count);
}

typedef struct info_section {
    const char *name;
    bool (*write)(node_call *c, buffer *b);
} info_section;

static const info_section info_sections[] = {
    {"server", info_server},           {"clients", info_clients},
    {"persistence", info_persistence}, {"stats", info_stats},
    {"replication", info_replication}, {"cluster", info_cluster},
    {"keyspace", info_keyspace},
};

static bool wants_section(const node_call *c, const char *name) {
    bool wanted = c->argc == 1;
    for (size_t i = 1; i < c->argc; i++) {
        wanted = wanted || call_argument_is(c, i, name) || call_argument_is(c, i, "default") ||
                 call_argument_is(c, i, "all") || call_argument_is(c, i, "everything");
    }
    return wanted;
}

void serve_info(node_call *c) {
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof info_sections / sizeof *info_sections; i++) {
        if (wants_section(c, info_sections[i].name)) {
            ok = buffer_len(&text) == 0 || buffer_append_text(&text, "\r\n");
            ok = ok && info_sections[i].write(c, &text);
        }
    }
    if (ok) {
        call_verbatim(c, buffer_slice(&text));
    } else {
        call_out_of_memory(c);
    }
    buffer_done(&text);
}
