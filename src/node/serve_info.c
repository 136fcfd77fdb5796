#include "node/node_call.h"
#include "node/node_handlers.h"

#include <stdio.h>

/* The sections of INFO. What a lab's node has no part of (processes, memory pages, disks) is told
 * as of a server that does nothing there. */

static bool info_server(node_call *c, buffer *b) {
    const node *n = c->node;
    unsigned long long uptime_s = (c->now_us - n->started_us) / 1000000;
    int hz = (int)node_settings_number(&n->settings, SETTING_HZ);
    return buffer_printf(
        b,
        "# Server\r\nredis_version:" NODE_IMITATES "\r\nredis_git_sha1:00000000\r\n"
        "redis_git_dirty:0\r\nredis_build_id:keyway-lab\r\nredis_mode:cluster\r\nos:keyway lab\r\n"
        "arch_bits:64\r\nmonotonic_clock:virtual\r\nmultiplexing_api:epoll\r\nprocess_id:%u\r\n"
        "process_supervised:no\r\nrun_id:%s\r\ntcp_port:%u\r\nserver_time_usec:%llu\r\n"
        "uptime_in_seconds:%llu\r\nuptime_in_days:%llu\r\nhz:%d\r\nconfigured_hz:%d\r\n"
        "lru_clock:%llu\r\nexecutable:keyway\r\nconfig_file:\r\nio_threads_active:0\r\n",
        n->view->self + 1u, n->run_id, n->own_port, (unsigned long long)c->now_us, uptime_s,
        uptime_s / 86400, hz, hz, (unsigned long long)(c->now_ms / 1000 & 0xffffff));
}

static bool info_clients(node_call *c, buffer *b) {
    const node *n = c->node;
    size_t clients = 0;
    size_t blocked = 0;
    size_t tracking_clients = 0;
    LIST_FOR_EACH(at, after, &n->sessions) {
        const node_session *s = LIST_ENTRY(at, node_session, in_node);
        clients++;
        blocked += (s->holds & HOLD_BLOCKED) != 0;
        tracking_clients += s->tracker && (s->tracker->flags & TRACKING_ON);
    }
    return buffer_printf(
        b,
        "# Clients\r\nconnected_clients:%zu\r\ncluster_connections:%u\r\nmaxclients:%lld\r\n"
        "client_recent_max_input_buffer:0\r\nclient_recent_max_output_buffer:0\r\n"
        "blocked_clients:%zu\r\ntracking_clients:%zu\r\nclients_in_timeout_table:%zu\r\n",
        clients, 2 * (node_view_known_count(n->view) - 1),
        (long long)node_settings_number(&n->settings, SETTING_MAXCLIENTS), blocked,
        tracking_clients, blocked);
}

/* A rough sum over keys and values. */
static unsigned long long used_memory(const node *n) {
    unsigned long long bytes = sizeof *n;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        for (const keyspace_entry *e = keyspace_first(n->keys, slot); e;
             e = keyspace_next(n->keys, slot, e)) {
            bytes += sizeof *e + e->key_len + e->value_capacity;
        }
    }
    return bytes;
}

static bool info_memory(node_call *c, buffer *b) {
    const node_settings *s = &c->node->settings;
    unsigned long long used = used_memory(c->node);
    unsigned long long most = (unsigned long long)node_settings_number(s, SETTING_MAXMEMORY);
    buffer policy;
    buffer_init(&policy, c->node->mem, 0);
    bool ok =
        node_settings_show(s, SETTING_MAXMEMORY_POLICY, &policy) &&
        buffer_printf(b,
                      "# Memory\r\nused_memory:%llu\r\nused_memory_human:%.2fK\r\n"
                      "used_memory_rss:%llu\r\nused_memory_peak:%llu\r\nused_memory_lua:0\r\n"
                      "used_memory_scripts:0\r\nnumber_of_cached_scripts:0\r\n"
                      "number_of_functions:0\r\nnumber_of_libraries:0\r\nmaxmemory:%llu\r\n"
                      "maxmemory_human:%lluB\r\nmaxmemory_policy:%.*s\r\n"
                      "mem_fragmentation_ratio:1.00\r\nmem_not_counted_for_evict:0\r\n"
                      "mem_clients_slaves:0\r\nmem_clients_normal:0\r\nmem_cluster_links:0\r\n"
                      "mem_aof_buffer:0\r\nmem_allocator:libc\r\nactive_defrag_running:0\r\n"
                      "lazyfree_pending_objects:0\r\nlazyfreed_objects:0\r\n",
                      used, (double)used / 1024, used, used, most, most,
                      (int)buffer_slice(&policy).len, buffer_slice(&policy).data);
    buffer_done(&policy);
    return ok;
}

static bool info_persistence(node_call *c, buffer *b) {
    const node *n = c->node;
    return buffer_printf(
        b,
        "# Persistence\r\nloading:0\r\nasync_loading:0\r\ncurrent_cow_peak:0\r\n"
        "current_cow_size:0\r\ncurrent_cow_size_age:0\r\ncurrent_fork_perc:0.00\r\n"
        "current_save_keys_processed:0\r\ncurrent_save_keys_total:0\r\n"
        "rdb_changes_since_last_save:0\r\nrdb_bgsave_in_progress:0\r\nrdb_last_save_time:%llu\r\n"
        "rdb_last_bgsave_status:ok\r\nrdb_last_bgsave_time_sec:-1\r\n"
        "rdb_current_bgsave_time_sec:-1\r\nrdb_saves:0\r\nrdb_last_cow_size:0\r\n"
        "rdb_last_load_keys_expired:0\r\nrdb_last_load_keys_loaded:0\r\naof_enabled:%d\r\n"
        "aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\naof_last_rewrite_time_sec:-1\r\n"
        "aof_current_rewrite_time_sec:-1\r\naof_last_bgrewrite_status:ok\r\naof_rewrites:0\r\n"
        "aof_rewrites_consecutive_failures:0\r\naof_last_write_status:ok\r\n"
        "aof_last_cow_size:0\r\nmodule_fork_in_progress:0\r\nmodule_fork_last_cow_size:0\r\n",
        (unsigned long long)((n->saved_us ? n->saved_us : n->started_us) / 1000000),
        node_settings_flag(&n->settings, SETTING_APPENDONLY));
}

static size_t channel_count(const node *n, channel_kind kind) {
    return map_count(&n->push.channels.of[kind].by_name);
}

static bool info_stats(node_call *c, buffer *b) {
    const node *n = c->node;
    const node_stats *s = &n->stats;
    const tracking *tracked = &n->push.tracking;
    return buffer_printf(
        b,
        "# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
        "instantaneous_ops_per_sec:0\r\ntotal_net_input_bytes:0\r\ntotal_net_output_bytes:0\r\n"
        "rejected_connections:0\r\nsync_full:0\r\nsync_partial_ok:0\r\nsync_partial_err:0\r\n"
        "expired_keys:0\r\nevicted_keys:0\r\nevicted_clients:0\r\nkeyspace_hits:%llu\r\n"
        "keyspace_misses:%llu\r\npubsub_channels:%zu\r\npubsub_patterns:%zu\r\n"
        "pubsubshard_channels:%zu\r\nlatest_fork_usec:0\r\ntotal_forks:0\r\n"
        "migrate_cached_sockets:0\r\nslave_expires_tracked_keys:0\r\n"
        "tracking_total_keys:%zu\r\ntracking_total_items:%zu\r\ntracking_total_prefixes:%zu\r\n"
        "unexpected_error_replies:0\r\ntotal_error_replies:%llu\r\n"
        "dump_payload_sanitizations:0\r\ntotal_reads_processed:%llu\r\n"
        "total_writes_processed:%llu\r\nio_threaded_reads_processed:0\r\n"
        "io_threaded_writes_processed:0\r\n",
        (unsigned long long)n->connection_count, (unsigned long long)n->command_count,
        (unsigned long long)s->key_hits, (unsigned long long)s->key_misses,
        channel_count(n, CHANNEL_PLAIN), channel_count(n, CHANNEL_PATTERN),
        channel_count(n, CHANNEL_SHARD), relation_topic_count(&tracked->keys),
        tracked->keys.link_count, relation_topic_count(&tracked->prefixes),
        (unsigned long long)s->error_replies, (unsigned long long)n->command_count,
        (unsigned long long)n->command_count);
}

/* ----------------------------------------------------------------------------- replication */

static bool info_replicas(const node_call *c, buffer *b) {
    const node_view *view = c->node->view;
    const node_peers *peers = &c->node->config.peers;
    size_t count = 0;
    for (uint16_t i = 0; i < view->peer_count; i++) {
        count += node_view_is_attached(view, i);
    }
    bool ok = buffer_printf(b, "connected_slaves:%zu\r\n", count);
    unsigned number = 0;
    for (uint16_t i = 0; ok && i < view->peer_count; i++) {
        if (node_view_is_attached(view, i)) {
            ok = buffer_printf(b, "slave%u:ip=%s,port=%u,state=online,offset=%llu,lag=0\r\n",
                               number++, view->peers[i].host, view->peers[i].port,
                               (unsigned long long)peers->offset_of(peers->arg, i));
        }
    }
    return ok;
}

static bool info_primary_link(const node_call *c, buffer *b) {
    const node *n = c->node;
    const node_peer *primary = &n->view->peers[node_view_self(n->view)->primary_of];
    bool up = primary->silent_since_us == 0 && n->offset != 0;
    unsigned long long silent_s =
        up || !primary->silent_since_us ? 0 : (c->now_us - primary->silent_since_us) / 1000000;
    return buffer_printf(b,
                         "master_host:%s\r\nmaster_port:%u\r\nmaster_link_status:%s\r\n"
                         "master_last_io_seconds_ago:%lld\r\nmaster_sync_in_progress:0\r\n"
                         "slave_read_repl_offset:%llu\r\nslave_repl_offset:%llu\r\n",
                         primary->host, primary->port, up ? "up" : "down", up ? 0LL : -1LL,
                         (unsigned long long)n->offset, (unsigned long long)n->offset) &&
           (up || buffer_printf(b, "master_link_down_since_seconds:%llu\r\n", silent_s)) &&
           buffer_printf(b, "slave_priority:%lld\r\nslave_read_only:1\r\nreplica_announced:1\r\n",
                         (long long)node_settings_number(&n->settings, SETTING_REPLICA_PRIORITY));
}

static bool info_replication(node_call *c, buffer *b) {
    const node *n = c->node;
    bool primary = node_view_self(n->view)->primary;
    unsigned long long offset = n->offset;
    return buffer_printf(b, "# Replication\r\nrole:%s\r\n", primary ? "master" : "slave") &&
           (primary || info_primary_link(c, b)) && info_replicas(c, b) &&
           buffer_printf(
               b,
               "master_failover_state:no-failover\r\nmaster_replid:%s\r\n"
               "master_replid2:0000000000000000000000000000000000000000\r\n"
               "master_repl_offset:%llu\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:%d\r\n"
               "repl_backlog_size:%lld\r\nrepl_backlog_first_byte_offset:%d\r\n"
               "repl_backlog_histlen:%llu\r\n",
               n->run_id, offset, offset != 0,
               (long long)node_settings_number(&n->settings, SETTING_REPL_BACKLOG_SIZE),
               offset != 0, offset);
}

/* --------------------------------------------------------------------------------- counts */

static bool info_cpu(node_call *c, buffer *b) {
    (void)c; /* nodes share one thread */
    return buffer_append_text(b, "# CPU\r\nused_cpu_sys:0.000000\r\nused_cpu_user:0.000000\r\n"
                                 "used_cpu_sys_children:0.000000\r\n"
                                 "used_cpu_user_children:0.000000\r\n"
                                 "used_cpu_sys_main_thread:0.000000\r\n"
                                 "used_cpu_user_main_thread:0.000000\r\n");
}

static bool info_modules(node_call *c, buffer *b) {
    (void)c; /* there are none */
    return buffer_append_text(b, "# Modules\r\n");
}

static bool info_command(const node_call *c, const node_command *command, buffer *b) {
    const command_stats *s = node_stats_of(&c->node->stats, command);
    if (s->calls == 0 && s->rejected == 0) {
        return true;
    }
    return buffer_printf(b,
                         "cmdstat_%s:calls=%llu,usec=0,usec_per_call=0.00,rejected_calls=%llu,"
                         "failed_calls=%llu\r\n",
                         command->name, (unsigned long long)s->calls,
                         (unsigned long long)s->rejected, (unsigned long long)s->failed);
}

static bool info_commandstats(node_call *c, buffer *b) {
    bool ok = buffer_append_text(b, "# Commandstats\r\n");
    for (size_t i = 0; ok && i < node_command_count(); i++) {
        const node_command *command = node_command_at(i);
        ok = info_command(c, command, b);
        for (size_t sub = 0; ok && sub < command->subcommand_count; sub++) {
            ok = info_command(c, &command->subcommands[sub], b);
        }
    }
    return ok;
}

static bool info_errorstats(node_call *c, buffer *b) {
    const node_stats *s = &c->node->stats;
    bool ok = buffer_append_text(b, "# Errorstats\r\n");
    for (size_t i = 0; ok && i < s->error_count; i++) {
        ok = buffer_printf(b, "errorstat_%s:count=%llu\r\n", s->errors[i].code,
                           (unsigned long long)s->errors[i].count);
    }
    return ok;
}

static bool info_latencystats(node_call *c, buffer *b) {
    (void)c; /* commands take no time of the virtual clock */
    return buffer_append_text(b, "# Latencystats\r\n");
}

static bool info_cluster(node_call *c, buffer *b) {
    (void)c; /* a node is always part of a cluster */
    return buffer_append_text(b, "# Cluster\r\ncluster_enabled:1\r\n");
}

static unsigned long long average_ttl_ms(const node_call *c) {
    unsigned long long sum = 0;
    size_t count = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        for (const keyspace_entry *e = keyspace_first(c->node->keys, slot); e;
             e = keyspace_next(c->node->keys, slot, e)) {
            if (e->expire_ms > c->now_ms) {
                sum += e->expire_ms - c->now_ms;
                count++;
            }
        }
    }
    return count ? sum / count : 0;
}

static bool info_keyspace(node_call *c, buffer *b) {
    const keyspace *ks = c->node->keys;
    if (keyspace_count(ks) == 0) {
        return buffer_append_text(b, "# Keyspace\r\n");
    }
    return buffer_printf(b, "# Keyspace\r\ndb0:keys=%zu,expires=%zu,avg_ttl=%llu\r\n",
                         keyspace_count(ks), ks->expiring_count,
                         ks->expiring_count ? average_ttl_ms(c) : 0);
}

/* -------------------------------------------------------------------------------- sections */

enum { IN_DEFAULT = 1, IN_ALL = 2, IN_EVERYTHING = 4 };

typedef struct info_section {
    const char *name;
    unsigned in;
    bool (*write)(node_call *c, buffer *b);
} info_section;

static const info_section info_sections[] = {
    {"server", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_server},
    {"clients", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_clients},
    {"memory", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_memory},
    {"persistence", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_persistence},
    {"stats", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_stats},
    {"replication", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_replication},
    {"cpu", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_cpu},
    {"modules", IN_DEFAULT | IN_EVERYTHING, info_modules},
    {"commandstats", IN_ALL | IN_EVERYTHING, info_commandstats},
    {"errorstats", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_errorstats},
    {"latencystats", IN_ALL | IN_EVERYTHING, info_latencystats},
    {"cluster", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_cluster},
    {"keyspace", IN_DEFAULT | IN_ALL | IN_EVERYTHING, info_keyspace},
};

static bool wants_section(const node_call *c, const info_section *section) {
    if (c->argc == 1) {
        return section->in & IN_DEFAULT;
    }
    for (size_t i = 1; i < c->argc; i++) {
        if (call_argument_is(c, i, section->name) ||
            (call_argument_is(c, i, "default") && (section->in & IN_DEFAULT)) ||
            (call_argument_is(c, i, "all") && (section->in & IN_ALL)) ||
            call_argument_is(c, i, "everything")) {
            return true;
        }
    }
    return false;
}

void serve_info(node_call *c) {
    buffer text;
    buffer_init(&text, c->node->mem, 0);
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof info_sections / sizeof *info_sections; i++) {
        if (wants_section(c, &info_sections[i])) {
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
