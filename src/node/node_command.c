#include "node/node_command.h"

#include "node/node_handlers.h"

#include <assert.h>

#define NAME_MAX_BYTES 64

/* The order of names is that of strcmp: they are found by bisection. */
static const node_command cluster_commands[] = {
    {"cluster|addslots", serve_cluster_addslots, -3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|addslotsrange", serve_cluster_addslotsrange, -4, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|bumpepoch", serve_cluster_bumpepoch, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|cancelslotmigrations", serve_cluster_cancelslotmigrations, 2, NODE_ADMIN, 0, 0, 0,
     NULL, 0},
    {"cluster|count-failure-reports", serve_cluster_count_failure_reports, 3, NODE_ADMIN, 0, 0, 0,
     NULL, 0},
    {"cluster|countkeysinslot", serve_cluster_countkeysinslot, 3, 0, 0, 0, 0, NULL, 0},
    {"cluster|delslots", serve_cluster_delslots, -3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|delslotsrange", serve_cluster_delslotsrange, -4, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|failover", serve_cluster_failover, -2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|flushslots", serve_cluster_flushslots, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|forget", serve_cluster_forget, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|getkeysinslot", serve_cluster_getkeysinslot, 4, 0, 0, 0, 0, NULL, 0},
    {"cluster|getslotmigrations", serve_cluster_getslotmigrations, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"cluster|info", serve_cluster_info, 2, 0, 0, 0, 0, NULL, 0},
    {"cluster|keyslot", serve_cluster_keyslot, 3, 0, 0, 0, 0, NULL, 0},
    {"cluster|links", serve_cluster_links, 2, 0, 0, 0, 0, NULL, 0},
    {"cluster|meet", serve_cluster_meet, -4, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|migrateslots", serve_cluster_migrateslots, -6, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|migration", serve_cluster_migration, -4, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|myid", serve_cluster_myid, 2, 0, 0, 0, 0, NULL, 0},
    {"cluster|nodes", serve_cluster_nodes, 2, 0, 0, 0, 0, NULL, 0},
    {"cluster|replicas", serve_cluster_replicas, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|replicate", serve_cluster_replicate, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|reset", serve_cluster_reset, -2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|saveconfig", serve_cluster_saveconfig, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|set-config-epoch", serve_cluster_set_config_epoch, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|setslot", serve_cluster_setslot, -4, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|shards", serve_cluster_shards, 2, 0, 0, 0, 0, NULL, 0},
    {"cluster|slaves", serve_cluster_replicas, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"cluster|slots", serve_cluster_slots, 2, 0, 0, 0, 0, NULL, 0},
};

static const node_command client_commands[] = {
    {"client|caching", serve_client_caching, 3, 0, 0, 0, 0, NULL, 0},
    {"client|getname", serve_client_getname, 2, 0, 0, 0, 0, NULL, 0},
    {"client|getredir", serve_client_getredir, 2, 0, 0, 0, 0, NULL, 0},
    {"client|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"client|id", serve_client_id, 2, 0, 0, 0, 0, NULL, 0},
    {"client|info", serve_client_info, 2, 0, 0, 0, 0, NULL, 0},
    {"client|kill", serve_client_kill, -3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"client|list", serve_client_list, -2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"client|no-evict", serve_client_no_evict, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"client|pause", serve_client_pause, -3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"client|reply", serve_client_reply, 3, 0, 0, 0, 0, NULL, 0},
    {"client|setinfo", serve_client_setinfo, 4, 0, 0, 0, 0, NULL, 0},
    {"client|setname", serve_client_setname, 3, 0, 0, 0, 0, NULL, 0},
    {"client|tracking", serve_client_tracking, -3, 0, 0, 0, 0, NULL, 0},
    {"client|trackinginfo", serve_client_trackinginfo, 2, 0, 0, 0, 0, NULL, 0},
    {"client|unblock", serve_client_unblock, -3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"client|unpause", serve_client_unpause, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
};

static const node_command command_commands[] = {
    {"command|count", serve_command_count, 2, 0, 0, 0, 0, NULL, 0},
    {"command|docs", serve_command_docs, -2, 0, 0, 0, 0, NULL, 0},
    {"command|getkeys", serve_command_getkeys, -4, 0, 0, 0, 0, NULL, 0},
    {"command|getkeysandflags", serve_command_getkeysandflags, -4, 0, 0, 0, 0, NULL, 0},
    {"command|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"command|info", serve_command_info, -2, 0, 0, 0, 0, NULL, 0},
    {"command|list", serve_command_list, -2, 0, 0, 0, 0, NULL, 0},
};

static const node_command config_commands[] = {
    {"config|get", serve_config_get, -3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"config|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"config|resetstat", serve_config_resetstat, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"config|rewrite", serve_config_rewrite, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"config|set", serve_config_set, -4, NODE_ADMIN, 0, 0, 0, NULL, 0},
};

static const node_command pubsub_commands[] = {
    {"pubsub|channels", serve_pubsub_channels, -2, NODE_PUBSUB, 0, 0, 0, NULL, 0},
    {"pubsub|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"pubsub|numpat", serve_pubsub_numpat, 2, NODE_PUBSUB, 0, 0, 0, NULL, 0},
    {"pubsub|numsub", serve_pubsub_numsub, -2, NODE_PUBSUB, 0, 0, 0, NULL, 0},
    {"pubsub|shardchannels", serve_pubsub_shardchannels, -2, NODE_PUBSUB, 0, 0, 0, NULL, 0},
    {"pubsub|shardnumsub", serve_pubsub_shardnumsub, -2, NODE_PUBSUB, 0, 0, 0, NULL, 0},
};

static const node_command object_commands[] = {
    {"object|encoding", serve_object_encoding, 3, NODE_READS, 2, 2, 1, NULL, 0},
    {"object|freq", serve_object_freq, 3, NODE_READS, 2, 2, 1, NULL, 0},
    {"object|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"object|idletime", serve_object_idletime, 3, NODE_READS, 2, 2, 1, NULL, 0},
    {"object|refcount", serve_object_refcount, 3, NODE_READS, 2, 2, 1, NULL, 0},
};

static const node_command latency_commands[] = {
    {"latency|graph", serve_latency_graph, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"latency|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"latency|histogram", serve_latency_histogram, -2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"latency|history", serve_latency_empty, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"latency|latest", serve_latency_empty, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"latency|reset", serve_latency_reset, -2, NODE_ADMIN, 0, 0, 0, NULL, 0},
};

static const node_command memory_commands[] = {
    {"memory|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"memory|purge", serve_memory_purge, 2, 0, 0, 0, 0, NULL, 0},
    {"memory|usage", serve_memory_usage, -3, NODE_READS, 2, 2, 1, NULL, 0},
};

static const node_command slowlog_commands[] = {
    {"slowlog|get", serve_slowlog_get, -2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"slowlog|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"slowlog|len", serve_slowlog_len, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"slowlog|reset", serve_slowlog_reset, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
};

static const node_command acl_commands[] = {
    {"acl|cat", serve_acl_cat, -2, 0, 0, 0, 0, NULL, 0},
    {"acl|deluser", serve_acl_deluser, -3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|dryrun", serve_acl_dryrun, -4, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|genpass", serve_acl_genpass, -2, 0, 0, 0, 0, NULL, 0},
    {"acl|getuser", serve_acl_getuser, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|help", serve_help, 2, 0, 0, 0, 0, NULL, 0},
    {"acl|list", serve_acl_list, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|load", serve_acl_file, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|log", serve_acl_log, -2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|save", serve_acl_file, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|setuser", serve_acl_setuser, -3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|users", serve_acl_users, 2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"acl|whoami", serve_acl_whoami, 2, 0, 0, 0, 0, NULL, 0},
};

#define CONTAINER(name, arity, run, table)                                                         \
    { name, run, arity, 0, 0, 0, 0, table, sizeof table / sizeof *table }

static const node_command commands[] = {
    CONTAINER("acl", -2, NULL, acl_commands),
    {"append", serve_append, 3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"asking", serve_asking, 1, 0, 0, 0, 0, NULL, 0},
    {"auth", serve_auth, -2, NODE_NO_AUTH, 0, 0, 0, NULL, 0},
    {"bgrewriteaof", serve_bgrewriteaof, 1, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"bgsave", serve_bgsave, -1, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"bitcount", serve_bitcount, -2, NODE_READS, 1, 1, 1, NULL, 0},
    {"bitfield", serve_bitfield, -2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"bitfield_ro", serve_bitfield_ro, -2, NODE_READS, 1, 1, 1, NULL, 0},
    {"bitop", serve_bitop, -4, NODE_WRITES, 2, -1, 1, NULL, 0},
    {"bitpos", serve_bitpos, -3, NODE_READS, 1, 1, 1, NULL, 0},
    {"blmove", serve_blmove, 6, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"blmpop", serve_blmpop, -5, NODE_WRITES | NODE_COUNTED_KEYS, 3, 0, 1, NULL, 0},
    {"blpop", serve_blpop, -3, NODE_WRITES, 1, -2, 1, NULL, 0},
    {"brpop", serve_brpop, -3, NODE_WRITES, 1, -2, 1, NULL, 0},
    {"brpoplpush", serve_brpoplpush, 4, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"bzmpop", serve_bzmpop, -5, NODE_WRITES | NODE_COUNTED_KEYS, 3, 0, 1, NULL, 0},
    {"bzpopmax", serve_bzpopmax, -3, NODE_WRITES, 1, -2, 1, NULL, 0},
    {"bzpopmin", serve_bzpopmin, -3, NODE_WRITES, 1, -2, 1, NULL, 0},
    CONTAINER("client", -2, NULL, client_commands),
    CONTAINER("cluster", -2, NULL, cluster_commands),
    CONTAINER("command", -1, serve_command_all, command_commands),
    CONTAINER("config", -2, NULL, config_commands),
    {"copy", serve_copy, -3, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"dbsize", serve_dbsize, 1, NODE_READS, 0, 0, 0, NULL, 0},
    {"debug", serve_debug, -2, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"decr", serve_decr, 2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"decrby", serve_decrby, 3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"del", serve_del, -2, NODE_WRITES, 1, -1, 1, NULL, 0},
    {"discard", serve_discard, 1, NODE_NOT_QUEUED, 0, 0, 0, NULL, 0},
    {"dump", serve_dump, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"echo", serve_echo, 2, 0, 0, 0, 0, NULL, 0},
    {"exec", serve_exec, 1, NODE_NOT_QUEUED | NODE_EXEC, 0, 0, 0, NULL, 0},
    {"exists", serve_exists, -2, NODE_READS, 1, -1, 1, NULL, 0},
    {"expire", serve_expire, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"expireat", serve_expireat, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"expiretime", serve_expiretime, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"failover", serve_failover, -1, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"flushall", serve_flush, -1, NODE_WRITES, 0, 0, 0, NULL, 0},
    {"flushdb", serve_flush, -1, NODE_WRITES, 0, 0, 0, NULL, 0},
    {"get", serve_get, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"getbit", serve_getbit, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"getdel", serve_getdel, 2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"getex", serve_getex, -2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"getrange", serve_getrange, 4, NODE_READS, 1, 1, 1, NULL, 0},
    {"getset", serve_getset, 3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"hdel", serve_hdel, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"hello", serve_hello, -1, NODE_NO_AUTH, 0, 0, 0, NULL, 0},
    {"hexists", serve_hexists, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"hget", serve_hget, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"hgetall", serve_hgetall, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"hincrby", serve_hincrby, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"hincrbyfloat", serve_hincrbyfloat, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"hkeys", serve_hkeys, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"hlen", serve_hlen, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"hmget", serve_hmget, -3, NODE_READS, 1, 1, 1, NULL, 0},
    {"hmset", serve_hmset, -4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"hrandfield", serve_hrandfield, -2, NODE_READS, 1, 1, 1, NULL, 0},
    {"hscan", serve_hscan, -3, NODE_READS, 1, 1, 1, NULL, 0},
    {"hset", serve_hset, -4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"hsetnx", serve_hsetnx, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"hstrlen", serve_hstrlen, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"hvals", serve_hvals, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"incr", serve_incr, 2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"incrby", serve_incrby, 3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"incrbyfloat", serve_incrbyfloat, 3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"info", serve_info, -1, 0, 0, 0, 0, NULL, 0},
    {"keys", serve_keys, 2, NODE_READS, 0, 0, 0, NULL, 0},
    {"lastsave", serve_lastsave, 1, 0, 0, 0, 0, NULL, 0},
    CONTAINER("latency", -2, NULL, latency_commands),
    {"lcs", serve_lcs, -3, NODE_READS, 1, 2, 1, NULL, 0},
    {"lindex", serve_lindex, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"linsert", serve_linsert, 5, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"llen", serve_llen, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"lmove", serve_lmove, 5, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"lmpop", serve_lmpop, -4, NODE_WRITES | NODE_COUNTED_KEYS, 2, 0, 1, NULL, 0},
    {"lpop", serve_lpop, -2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"lpos", serve_lpos, -3, NODE_READS, 1, 1, 1, NULL, 0},
    {"lpush", serve_lpush, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"lpushx", serve_lpushx, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"lrange", serve_lrange, 4, NODE_READS, 1, 1, 1, NULL, 0},
    {"lrem", serve_lrem, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"lset", serve_lset, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"ltrim", serve_ltrim, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    CONTAINER("memory", -2, NULL, memory_commands),
    {"mget", serve_mget, -2, NODE_READS, 1, -1, 1, NULL, 0},
    {"migrate", serve_migrate, -6, NODE_WRITES | NODE_MIGRATE, 3, 3, 1, NULL, 0},
    {"monitor", serve_monitor, 1, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"move", serve_move, 3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"mset", serve_mset, -3, NODE_WRITES, 1, -1, 2, NULL, 0},
    {"msetnx", serve_msetnx, -3, NODE_WRITES, 1, -1, 2, NULL, 0},
    {"multi", serve_multi, 1, NODE_NOT_QUEUED, 0, 0, 0, NULL, 0},
    CONTAINER("object", -2, NULL, object_commands),
    {"persist", serve_persist, 2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"pexpire", serve_pexpire, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"pexpireat", serve_pexpireat, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"pexpiretime", serve_pexpiretime, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"ping", serve_ping, -1, NODE_SUBSCRIBED, 0, 0, 0, NULL, 0},
    {"psetex", serve_psetex, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"psubscribe", serve_psubscribe, -2, NODE_PUBSUB | NODE_SUBSCRIBED, 0, 0, 0, NULL, 0},
    {"pttl", serve_pttl, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"publish", serve_publish, 3, NODE_PUBSUB | NODE_MAY_REPLICATE, 0, 0, 0, NULL, 0},
    CONTAINER("pubsub", -2, NULL, pubsub_commands),
    {"punsubscribe", serve_punsubscribe, -1, NODE_PUBSUB | NODE_SUBSCRIBED, 0, 0, 0, NULL, 0},
    {"quit", serve_quit, -1, NODE_NO_AUTH | NODE_NOT_QUEUED | NODE_SUBSCRIBED, 0, 0, 0, NULL, 0},
    {"randomkey", serve_randomkey, 1, NODE_READS, 0, 0, 0, NULL, 0},
    {"readonly", serve_readonly, 1, 0, 0, 0, 0, NULL, 0},
    {"readwrite", serve_readwrite, 1, 0, 0, 0, 0, NULL, 0},
    {"rename", serve_rename, 3, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"renamenx", serve_renamenx, 3, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"replicaof", serve_replicaof, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"reset", serve_reset, 1, NODE_NO_AUTH | NODE_NOT_QUEUED | NODE_SUBSCRIBED, 0, 0, 0, NULL, 0},
    {"restore", serve_restore, -4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"restore-asking", serve_restore, -4, NODE_WRITES | NODE_ASKING, 1, 1, 1, NULL, 0},
    {"role", serve_role, 1, 0, 0, 0, 0, NULL, 0},
    {"rpop", serve_rpop, -2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"rpoplpush", serve_rpoplpush, 3, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"rpush", serve_rpush, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"rpushx", serve_rpushx, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"sadd", serve_sadd, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"save", serve_save, 1, NODE_ADMIN, 0, 0, 0, NULL, 0},
    {"scan", serve_scan, -2, NODE_READS, 0, 0, 0, NULL, 0},
    {"scard", serve_scard, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"sdiff", serve_sdiff, -2, NODE_READS, 1, -1, 1, NULL, 0},
    {"sdiffstore", serve_sdiffstore, -3, NODE_WRITES, 1, -1, 1, NULL, 0},
    {"select", serve_select, 2, 0, 0, 0, 0, NULL, 0},
    {"set", serve_set, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"setbit", serve_setbit, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"setex", serve_setex, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"setnx", serve_setnx, 3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"setrange", serve_setrange, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"shutdown", serve_shutdown, -1, NODE_ADMIN | NODE_NOT_IN_MULTI, 0, 0, 0, NULL, 0},
    {"sinter", serve_sinter, -2, NODE_READS, 1, -1, 1, NULL, 0},
    {"sintercard", serve_sintercard, -3, NODE_READS | NODE_COUNTED_KEYS, 2, 0, 1, NULL, 0},
    {"sinterstore", serve_sinterstore, -3, NODE_WRITES, 1, -1, 1, NULL, 0},
    {"sismember", serve_sismember, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"slaveof", serve_replicaof, 3, NODE_ADMIN, 0, 0, 0, NULL, 0},
    CONTAINER("slowlog", -2, NULL, slowlog_commands),
    {"smembers", serve_smembers, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"smismember", serve_smismember, -3, NODE_READS, 1, 1, 1, NULL, 0},
    {"smove", serve_smove, 4, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"sort", serve_sort, -2, NODE_WRITES | NODE_STORE_WORD, 1, 1, 1, NULL, 0},
    {"sort_ro", serve_sort_ro, -2, NODE_READS, 1, 1, 1, NULL, 0},
    {"spop", serve_spop, -2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"spublish", serve_spublish, 3, NODE_PUBSUB | NODE_MAY_REPLICATE, 1, 1, 1, NULL, 0},
    {"srandmember", serve_srandmember, -2, NODE_READS, 1, 1, 1, NULL, 0},
    {"srem", serve_srem, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"sscan", serve_sscan, -3, NODE_READS, 1, 1, 1, NULL, 0},
    {"ssubscribe", serve_ssubscribe, -2, NODE_PUBSUB | NODE_SUBSCRIBED, 1, -1, 1, NULL, 0},
    {"strlen", serve_strlen, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"subscribe", serve_subscribe, -2, NODE_PUBSUB | NODE_SUBSCRIBED, 0, 0, 0, NULL, 0},
    {"substr", serve_getrange, 4, NODE_READS, 1, 1, 1, NULL, 0},
    {"sunion", serve_sunion, -2, NODE_READS, 1, -1, 1, NULL, 0},
    {"sunionstore", serve_sunionstore, -3, NODE_WRITES, 1, -1, 1, NULL, 0},
    {"sunsubscribe", serve_sunsubscribe, -1, NODE_PUBSUB | NODE_SUBSCRIBED, 1, -1, 1, NULL, 0},
    {"swapdb", serve_swapdb, 3, NODE_WRITES, 0, 0, 0, NULL, 0},
    {"time", serve_time, 1, 0, 0, 0, 0, NULL, 0},
    {"touch", serve_touch, -2, NODE_READS, 1, -1, 1, NULL, 0},
    {"ttl", serve_ttl, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"type", serve_type, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"unlink", serve_del, -2, NODE_WRITES, 1, -1, 1, NULL, 0},
    {"unsubscribe", serve_unsubscribe, -1, NODE_PUBSUB | NODE_SUBSCRIBED, 0, 0, 0, NULL, 0},
    {"unwatch", serve_unwatch, 1, 0, 0, 0, 0, NULL, 0},
    {"wait", serve_wait, 3, 0, 0, 0, 0, NULL, 0},
    {"watch", serve_watch, -2, NODE_NOT_QUEUED, 1, -1, 1, NULL, 0},
    {"zadd", serve_zadd, -4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"zcard", serve_zcard, 2, NODE_READS, 1, 1, 1, NULL, 0},
    {"zcount", serve_zcount, 4, NODE_READS, 1, 1, 1, NULL, 0},
    {"zdiff", serve_zdiff, -3, NODE_READS | NODE_COUNTED_KEYS, 2, 0, 1, NULL, 0},
    {"zdiffstore", serve_zdiffstore, -4, NODE_WRITES | NODE_COUNTED_KEYS, 3, 1, 1, NULL, 0},
    {"zincrby", serve_zincrby, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"zinter", serve_zinter, -3, NODE_READS | NODE_COUNTED_KEYS, 2, 0, 1, NULL, 0},
    {"zintercard", serve_zintercard, -3, NODE_READS | NODE_COUNTED_KEYS, 2, 0, 1, NULL, 0},
    {"zinterstore", serve_zinterstore, -4, NODE_WRITES | NODE_COUNTED_KEYS, 3, 1, 1, NULL, 0},
    {"zlexcount", serve_zlexcount, 4, NODE_READS, 1, 1, 1, NULL, 0},
    {"zmpop", serve_zmpop, -4, NODE_WRITES | NODE_COUNTED_KEYS, 2, 0, 1, NULL, 0},
    {"zmscore", serve_zmscore, -3, NODE_READS, 1, 1, 1, NULL, 0},
    {"zpopmax", serve_zpopmax, -2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"zpopmin", serve_zpopmin, -2, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"zrandmember", serve_zrandmember, -2, NODE_READS, 1, 1, 1, NULL, 0},
    {"zrange", serve_zrange, -4, NODE_READS, 1, 1, 1, NULL, 0},
    {"zrangebylex", serve_zrangebylex, -4, NODE_READS, 1, 1, 1, NULL, 0},
    {"zrangebyscore", serve_zrangebyscore, -4, NODE_READS, 1, 1, 1, NULL, 0},
    {"zrangestore", serve_zrangestore, -5, NODE_WRITES, 1, 2, 1, NULL, 0},
    {"zrank", serve_zrank, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"zrem", serve_zrem, -3, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"zremrangebylex", serve_zremrangebylex, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"zremrangebyrank", serve_zremrangebyrank, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"zremrangebyscore", serve_zremrangebyscore, 4, NODE_WRITES, 1, 1, 1, NULL, 0},
    {"zrevrange", serve_zrevrange, -4, NODE_READS, 1, 1, 1, NULL, 0},
    {"zrevrangebylex", serve_zrevrangebylex, -4, NODE_READS, 1, 1, 1, NULL, 0},
    {"zrevrangebyscore", serve_zrevrangebyscore, -4, NODE_READS, 1, 1, 1, NULL, 0},
    {"zrevrank", serve_zrevrank, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"zscan", serve_zscan, -3, NODE_READS, 1, 1, 1, NULL, 0},
    {"zscore", serve_zscore, 3, NODE_READS, 1, 1, 1, NULL, 0},
    {"zunion", serve_zunion, -3, NODE_READS | NODE_COUNTED_KEYS, 2, 0, 1, NULL, 0},
    {"zunionstore", serve_zunionstore, -4, NODE_WRITES | NODE_COUNTED_KEYS, 3, 1, 1, NULL, 0},
};

static const node_command *bisect(const node_command *table, size_t count, const char *name) {
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, table[middle].name);
        if (order == 0) {
            return &table[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* Appends s in lower case; false if it does not fit or holds a zero byte. */
static bool append_lower(char dst[NAME_MAX_BYTES], size_t at, kw_slice s) {
    if (s.len >= NAME_MAX_BYTES - at) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        char byte = s.data[i];
        if (byte == '\0') {
            return false;
        }
        dst[at + i] = (char)(byte + ('A' <= byte && byte <= 'Z' ? 'a' - 'A' : 0));
    }
    dst[at + s.len] = '\0';
    return true;
}

/* Apart from the others, so that COMMAND and its like do not show it. */
static const node_command lab_command = {
    "lab", serve_lab, -1, NODE_LAB | NODE_NO_AUTH | NODE_NOT_QUEUED, 0, 0, 0, NULL, 0};

const node_command *node_command_find(const kw_slice *argv, size_t argc,
                                      const node_command **ret_container) {
    char name[NAME_MAX_BYTES];
    *ret_container = NULL;
    if (!append_lower(name, 0, argv[0])) {
        return NULL;
    }
    const node_command *found = bisect(commands, sizeof commands / sizeof *commands, name);
    if (!found && strcmp(name, lab_command.name) == 0) {
        return &lab_command;
    }
    if (!found || !found->subcommands || argc == 1) {
        return found;
    }
    *ret_container = found;
    size_t len = argv[0].len;
    name[len++] = '|';
    if (len >= NAME_MAX_BYTES || !append_lower(name, len, argv[1])) {
        return NULL;
    }
    return bisect(found->subcommands, found->subcommand_count, name);
}

bool node_command_arity_fits(const node_command *command, size_t argc) {
    return command->arity < 0 ? argc >= (size_t)-command->arity : argc == (size_t)command->arity;
}

/* As atoi reads it, which is what the servers use here: a leading number is good enough. */
static size_t leading_number(kw_slice s) {
    size_t at = 0;
    while (at < s.len && (s.data[at] == ' ' || (s.data[at] >= '\t' && s.data[at] <= '\r'))) {
        at++;
    }
    at += at < s.len && s.data[at] == '+';
    size_t number = 0;
    for (; at < s.len && s.data[at] >= '0' && s.data[at] <= '9' && number < INT32_MAX; at++) {
        number = number * 10 + (size_t)(s.data[at] - '0');
    }
    return number;
}

static bool counted_keys(const node_command *command, const kw_slice *argv, size_t argc,
                         node_key_range *ret) {
    size_t first = (size_t)command->first_key;
    size_t count = leading_number(argv[first - 1]);
    if (count == 0 || first >= argc || count > argc - first) {
        return false;
    }
    *ret = (node_key_range){first, first + count - 1, 1, (size_t)command->last_key};
    return true;
}

/* The key after the last STORE of SORT, whose other options may hold that word; 0: none. */
static size_t stored_key(const kw_slice *argv, size_t argc) {
    size_t found = 0;
    for (size_t i = 2; i < argc; i++) {
        if (slice_is_nocase(argv[i], "limit")) {
            i += 2;
        } else if (slice_is_nocase(argv[i], "get") || slice_is_nocase(argv[i], "by")) {
            i++;
        } else if (slice_is_nocase(argv[i], "store") && i + 1 < argc) {
            found = i + 1;
        }
    }
    return found;
}

/* The key, or those behind the word KEYS: then the key must be empty, else MIGRATE will complain.
 */
static bool migrate_keys(const kw_slice *argv, size_t argc, node_key_range *ret) {
    *ret = (node_key_range){3, 3, 1, 0};
    for (size_t i = 6; i < argc; i++) {
        if (slice_is_nocase(argv[i], "keys")) {
            *ret = (node_key_range){i + 1, argc - 1, 1, 0};
            return argv[3].len == 0 && i + 1 < argc;
        }
        size_t values = slice_is_nocase(argv[i], "auth") ? 1 : 0;
        i += slice_is_nocase(argv[i], "auth2") ? 2 : values;
    }
    return true;
}

bool node_command_keys(const node_command *command, const kw_slice *argv, size_t argc,
                       node_key_range *ret) {
    if (command->first_key == 0) {
        return false;
    }
    if (command->flags & NODE_COUNTED_KEYS) {
        return counted_keys(command, argv, argc, ret);
    }
    if (command->flags & NODE_MIGRATE) {
        return migrate_keys(argv, argc, ret);
    }
    size_t step = (size_t)command->key_step;
    size_t first = (size_t)command->first_key;
    if (first >= argc) {
        return false;
    }
    size_t last =
        command->last_key < 0 ? argc - (size_t)-command->last_key : (size_t)command->last_key;
    last = first + (last - first) / step * step;
    size_t extra = command->flags & NODE_STORE_WORD ? stored_key(argv, argc) : 0;
    *ret = (node_key_range){first, last, step, extra};
    return true;
}

size_t node_command_count(void) {
    return sizeof commands / sizeof *commands;
}

const node_command *node_command_at(size_t index) {
    return index < node_command_count() ? &commands[index] : NULL;
}

static bool is_in(const node_command *command, const node_command *table, size_t count) {
    uintptr_t at = (uintptr_t)command;
    return count > 0 && at >= (uintptr_t)table && at < (uintptr_t)(table + count);
}

size_t node_command_total(void) {
    size_t total = node_command_count() + 1;
    for (size_t i = 0; i < node_command_count(); i++) {
        total += commands[i].subcommand_count;
    }
    return total;
}

/* First the commands, then the subcommands of each in turn, then LAB, which is in no table. */
size_t node_command_number(const node_command *command) {
    size_t number = node_command_count();
    if (is_in(command, commands, number)) {
        return (size_t)(command - commands);
    }
    for (size_t i = 0; i < node_command_count(); i++) {
        if (is_in(command, commands[i].subcommands, commands[i].subcommand_count)) {
            return number + (size_t)(command - commands[i].subcommands);
        }
        number += commands[i].subcommand_count;
    }
    return number;
}
