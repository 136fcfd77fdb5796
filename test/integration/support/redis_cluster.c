#include "integration/support/redis_cluster.h"

#include "integration/support/certificates.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keyway/keyway.h"

/* Far more than any step takes, even on a busy machine; only a defect lasts so long. */
static const uint64_t patience_us = 60 * 1000000ull;

enum { ARGUMENTS_MAX = 96, ADMIN_TIMEOUT_MS = 20000 };

typedef struct arguments {
    char *argv[ARGUMENTS_MAX + 1];
    int count;
} arguments;

static void add(arguments *a, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(arguments *a, const char *name, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0 || a->count + 2 > ARGUMENTS_MAX) {
        fail_msg("too many arguments for redis-server");
    }
    a->argv[a->count++] = strdup(name);
    a->argv[a->count++] = text;
}

static void add_tls(arguments *a, const redis_cluster *cluster, const redis_node *node) {
    add(a, "--tls-port", "%u", node->tls_port);
    add(a, "--tls-cluster", "yes");
    add(a, "--tls-replication", "yes");
    add(a, "--tls-auth-clients", "no");
    add(a, "--tls-cert-file", "%s/" CERTIFICATE_FILE, cluster->dir.path);
    add(a, "--tls-key-file", "%s/" CERTIFICATE_KEY_FILE, cluster->dir.path);
    add(a, "--tls-ca-cert-file", "%s/" CERTIFICATE_CA_FILE, cluster->dir.path);
}

static void command_line(const redis_cluster *cluster, int index, arguments *a) {
    const redis_cluster_options *o = &cluster->options;
    const redis_node *node = &cluster->nodes[index];
    a->argv[a->count++] = strdup("redis-server");
    add(a, "--port", "%u", node->port);
    add(a, "--bind", "%s", cluster->host);
    add(a, "--cluster-enabled", "yes");
    add(a, "--cluster-port", "%u", node->bus_port);
    add(a, "--cluster-config-file", "nodes-%d.conf", index);
    add(a, "--cluster-node-timeout", "%d", o->node_timeout_ms);
    add(a, "--cluster-require-full-coverage", "%s", o->full_coverage ? "yes" : "no");
    add(a, "--cluster-replica-validity-factor", "0");
    add(a, "--dir", "%s", cluster->dir.path);
    add(a, "--dbfilename", "dump-%d.rdb", index);
    add(a, "--save", "%s", "");
    add(a, "--appendonly", "no");
    add(a, "--repl-diskless-sync-delay", "0");
    add(a, "--repl-ping-replica-period", "1");
    if (o->hostname) {
        add(a, "--cluster-announce-hostname", "%s", o->hostname);
    }
    if (o->endpoint_type) {
        add(a, "--cluster-preferred-endpoint-type", "%s", o->endpoint_type);
    }
    if (o->tls) {
        add_tls(a, cluster, node);
    }
    if (o->acl) {
        add(a, "--aclfile", "%s/users.acl", cluster->dir.path);
    }
    if (o->user) {
        add(a, "--masteruser", "%s", o->user);
    }
    if (o->password) {
        add(a, "--masterauth", "%s", o->password);
    }
    for (const char *const *s = o->settings; s && *s && a->count < ARGUMENTS_MAX; s++) {
        a->argv[a->count++] = strdup(*s);
    }
}

static void spawn(redis_cluster *cluster, int index) {
    arguments a = {0};
    char log[128];
    snprintf(log, sizeof log, "%s/node-%d.log", cluster->dir.path, index);
    command_line(cluster, index, &a);
    cluster->nodes[index].pid = process_start(a.argv, log);
    for (int i = 0; i < a.count; i++) {
        free(a.argv[i]);
    }
    if (cluster->nodes[index].pid < 0) {
        fail_msg("redis-server cannot be started");
    }
}

static void choose_ports(redis_cluster *cluster, int index) {
    redis_node *node = &cluster->nodes[index];
    node->port = port_reserve();
    node->bus_port = port_reserve();
    node->tls_port = cluster->options.tls ? port_reserve() : 0;
    if (!node->port || !node->bus_port) {
        fail_msg("no free port");
    }
}

static void print_log(const redis_cluster *cluster, int index) {
    char path[128];
    char line[512];
    snprintf(path, sizeof path, "%s/node-%d.log", cluster->dir.path, index);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        print_error("node %d: %s", index, line);
    }
    if (file) {
        fclose(file);
    }
}

raw *redis_cluster_connect(const redis_cluster *cluster, int index, int timeout_ms) {
    const redis_cluster_options *o = &cluster->options;
    raw *r = raw_open(cluster->host, cluster->nodes[index].port, timeout_ms);
    bool ok = r != NULL;
    if (ok && o->password) {
        ok = o->user ? raw_do(r, "AUTH %s %s", o->user, o->password)
                     : raw_do(r, "AUTH %s", o->password);
    }
    raw_reply *pong = ok ? raw_call(r, "PING") : NULL;
    ok = raw_reply_is(pong, "PONG");
    raw_reply_free(pong);
    if (!ok) {
        raw_close(r);
        return NULL;
    }
    return r;
}

/* A port may have been taken by a stranger meanwhile: the server ends at once, others are tried. */
static void wait_started(redis_cluster *cluster, int index, bool may_change_ports) {
    redis_node *node = &cluster->nodes[index];
    uint64_t end_us = now_us() + patience_us;
    int attempts = 0;
    int status = 0;
    raw_close(node->admin);
    node->admin = NULL;
    while (!node->admin) {
        node->admin = redis_cluster_connect(cluster, index, ADMIN_TIMEOUT_MS);
        if (node->admin) {
            break;
        }
        if (process_ended(node->pid, &status)) {
            node->pid = 0;
            if (++attempts == 5 || !may_change_ports) {
                print_log(cluster, index);
                fail_msg("redis-server does not start (status %d); is it installed?", status);
            }
            choose_ports(cluster, index);
            spawn(cluster, index);
        }
        if (now_us() > end_us) {
            print_log(cluster, index);
            fail_msg("redis-server on port %u does not answer", node->port);
        }
        sleep_ms(5);
    }
}

static raw_reply *ask_va(redis_cluster *cluster, int node, const char *format, va_list args) {
    char words[4096];
    vsnprintf(words, sizeof words, format, args);
    raw_reply *reply = raw_call(cluster->nodes[node].admin, "%s", words);
    if (!reply) {
        fail_msg("node %d does not answer %s", node, words);
    }
    return reply;
}

raw_reply *redis_cluster_ask(redis_cluster *cluster, int node, const char *format, ...) {
    va_list args;
    va_start(args, format);
    raw_reply *reply = ask_va(cluster, node, format, args);
    va_end(args);
    return reply;
}

void redis_cluster_do(redis_cluster *cluster, int node, const char *format, ...) {
    va_list args;
    va_start(args, format);
    raw_reply *reply = ask_va(cluster, node, format, args);
    va_end(args);
    if (reply->type == '-') {
        fail_msg("node %d answers %s to %s", node, reply->text, format);
    }
    raw_reply_free(reply);
}

static bool running(const redis_cluster *cluster, int index) {
    return cluster->nodes[index].pid > 0;
}

void redis_cluster_meet(redis_cluster *cluster) {
    for (int i = 0; i < cluster->count; i++) {
        for (int j = i + 1; j < cluster->count; j++) {
            const redis_node *node = &cluster->nodes[j];
            redis_cluster_do(cluster, i, "CLUSTER MEET %s %u %u", cluster->host,
                             cluster->options.tls ? node->tls_port : node->port, node->bus_port);
        }
    }
}

/* What a node must show: all nodes that run and have slots or follow them, their hosts known. (A
 * node that never met another does not know its own.) */
static bool slots_are_complete(redis_cluster *cluster, int index, size_t want) {
    raw_reply *slots = redis_cluster_ask(cluster, index, "CLUSTER SLOTS");
    bool complete = true;
    char seen[REDIS_NODES_MAX] = {0};
    size_t known = 0;
    for (size_t i = 0; i < slots->count; i++) {
        for (size_t n = 2; n < slots->items[i].count; n++) {
            const raw_reply *node = &slots->items[i].items[n];
            int at = redis_cluster_by_id(cluster, node->items[2].text);
            bool nameless = raw_reply_is(&node->items[0], "?") ||
                            (cluster->count > 1 && raw_reply_is(&node->items[0], ""));
            if (at < 0 || nameless) {
                complete = false;
            } else if (!seen[at]) {
                seen[at] = 1;
                known++;
            }
        }
    }
    raw_reply_free(slots);
    return complete && known == want;
}

static bool node_is_ok(redis_cluster *cluster, int index, size_t want) {
    raw_reply *info = redis_cluster_ask(cluster, index, "CLUSTER INFO");
    bool ok = info->text && strstr(info->text, "cluster_state:ok") != NULL;
    raw_reply_free(info);
    return ok && slots_are_complete(cluster, index, want);
}

void redis_cluster_wait_ok(redis_cluster *cluster) {
    uint64_t end_us = now_us() + patience_us;
    size_t want = 0;
    for (int i = 0; i < cluster->count - cluster->options.spares; i++) {
        want += running(cluster, i);
    }
    for (int i = 0; i < cluster->count; i++) {
        while (running(cluster, i) && !node_is_ok(cluster, i, want)) {
            if (now_us() > end_us) {
                print_log(cluster, i);
                fail_msg("node %d does not call the cluster ok", i);
            }
            sleep_ms(10);
        }
    }
}

static void share_slots(redis_cluster *cluster) {
    int primaries = cluster->options.primaries;
    for (int i = 0; i < primaries; i++) {
        redis_node *node = &cluster->nodes[i];
        node->first_slot = i * KW_SLOT_COUNT / primaries;
        node->last_slot = (i + 1) * KW_SLOT_COUNT / primaries - 1;
        redis_cluster_do(cluster, i, "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
        redis_cluster_do(cluster, i, "CLUSTER ADDSLOTSRANGE %d %d", node->first_slot,
                         node->last_slot);
    }
}

static void attach_replicas(redis_cluster *cluster) {
    uint64_t end_us = now_us() + patience_us;
    for (int i = cluster->options.primaries; i < cluster->count - cluster->options.spares; i++) {
        redis_node *node = &cluster->nodes[i];
        node->primary = (i - cluster->options.primaries) % cluster->options.primaries;
        const char *id = cluster->nodes[node->primary].id;
        while (!raw_do(node->admin, "CLUSTER REPLICATE %s", id)) {
            if (now_us() > end_us) {
                fail_msg("node %d cannot become a replica", i);
            }
            sleep_ms(10);
        }
    }
}

static void read_ids(redis_cluster *cluster) {
    for (int i = 0; i < cluster->count; i++) {
        raw_reply *id = redis_cluster_ask(cluster, i, "CLUSTER MYID");
        snprintf(cluster->nodes[i].id, sizeof cluster->nodes[i].id, "%s", id->text);
        raw_reply_free(id);
    }
}

redis_cluster *redis_cluster_start(const redis_cluster_options *options) {
    redis_cluster *cluster = calloc(1, sizeof *cluster);
    if (!cluster || !temp_dir_make(&cluster->dir)) {
        fail_msg("no temporary directory");
    }
    redis_cluster_options *o = &cluster->options;
    *o = *options;
    o->primaries = o->primaries ? o->primaries : 3;
    o->node_timeout_ms = o->node_timeout_ms ? o->node_timeout_ms : 1000;
    cluster->host = o->host ? o->host : "127.0.0.1";
    cluster->count = o->primaries + o->replicas + o->spares;
    if (o->tls && !certificates_make(cluster->dir.path)) {
        fail_msg("certificates cannot be made");
    }
    if (o->acl && !temp_dir_write(&cluster->dir, "users.acl", o->acl)) {
        fail_msg("the ACL file cannot be written");
    }
    for (int i = 0; i < cluster->count; i++) {
        cluster->nodes[i].primary = i;
        choose_ports(cluster, i);
        spawn(cluster, i);
    }
    for (int i = 0; i < cluster->count; i++) {
        wait_started(cluster, i, true);
    }
    read_ids(cluster);
    share_slots(cluster);
    redis_cluster_meet(cluster);
    attach_replicas(cluster);
    redis_cluster_wait_ok(cluster);
    return cluster;
}

void redis_cluster_stop(redis_cluster *cluster) {
    if (!cluster) {
        return;
    }
    for (int i = 0; i < cluster->count; i++) {
        raw_close(cluster->nodes[i].admin);
        process_kill(cluster->nodes[i].pid);
    }
    temp_dir_remove(&cluster->dir);
    free(cluster);
}

const char *redis_cluster_endpoint(const redis_cluster *cluster, int node, char text[80]) {
    const redis_node *n = &cluster->nodes[node];
    bool v6 = strchr(cluster->host, ':') != NULL;
    snprintf(text, 80, v6 ? "[%s]:%u" : "%s:%u", cluster->host,
             cluster->options.tls ? n->tls_port : n->port);
    return text;
}

const char *redis_cluster_url(const redis_cluster *cluster, char url[REDIS_URL_SIZE]) {
    int len = snprintf(url, REDIS_URL_SIZE, "%s", cluster->options.tls ? "rediss://" : "redis://");
    for (int i = 0; i < cluster->options.primaries && len < REDIS_URL_SIZE; i++) {
        char endpoint[80];
        redis_cluster_endpoint(cluster, i, endpoint);
        len += snprintf(url + len, (size_t)(REDIS_URL_SIZE - len), "%s%s", i ? "," : "", endpoint);
    }
    return url;
}

int redis_cluster_first_owner(const redis_cluster *cluster, int slot) {
    for (int i = 0; i < cluster->options.primaries; i++) {
        if (slot >= cluster->nodes[i].first_slot && slot <= cluster->nodes[i].last_slot) {
            return i;
        }
    }
    return -1;
}

int redis_cluster_by_id(const redis_cluster *cluster, const char *id) {
    for (int i = 0; id && i < cluster->count; i++) {
        if (strcmp(cluster->nodes[i].id, id) == 0) {
            return i;
        }
    }
    return -1;
}

void redis_cluster_kill(redis_cluster *cluster, int node) {
    process_kill(cluster->nodes[node].pid);
    cluster->nodes[node].pid = 0;
    raw_close(cluster->nodes[node].admin);
    cluster->nodes[node].admin = NULL;
}

void redis_cluster_signal(redis_cluster *cluster, int node, int signal) {
    if (kill(cluster->nodes[node].pid, signal) != 0) {
        fail_msg("node %d cannot be signalled", node);
    }
}

void redis_cluster_restart(redis_cluster *cluster, int node, bool other_ports) {
    if (other_ports) {
        choose_ports(cluster, node);
    }
    spawn(cluster, node);
    wait_started(cluster, node, other_ports);
}

/* One step of a move; keeps what the node answered if it is an error. */
static bool step(slot_move *move, raw *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool step(slot_move *move, raw *node, const char *format, ...) {
    char words[256];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    raw_reply *reply = raw_call(node, "%s", words);
    bool done = reply && reply->type != '-';
    if (!done) {
        snprintf(move->problem, sizeof move->problem, "%.100s: %.100s", words,
                 reply ? reply->text : "no answer");
    }
    raw_reply_free(reply);
    return done;
}

static bool move_keys(slot_move *move, int slot) {
    for (;;) {
        raw_reply *keys = raw_call(move->from, "CLUSTER GETKEYSINSLOT %d %d", slot,
                                   move->keys_at_once > 0 ? move->keys_at_once : 10);
        bool ok = keys && keys->type == '*';
        bool done = ok && keys->count == 0;
        for (size_t i = 0; ok && i < keys->count; i++) {
            ok = step(move, move->from, "MIGRATE %s %u %s 0 5000", move->to_host, move->to_port,
                      keys->items[i].text);
        }
        raw_reply_free(keys);
        if (!ok || done) {
            return ok;
        }
        if (move->pause_ms) {
            sleep_ms(move->pause_ms);
        }
    }
}

/* The config epoch that a node claims for itself, or that it knows of another; 0: none. */
static unsigned long long epoch_seen(raw *by, const char *id) {
    unsigned long long epoch = 0;
    raw_reply *nodes = raw_call(by, "CLUSTER NODES");
    char *rest = NULL;
    for (char *line = nodes && nodes->text ? strtok_r(nodes->text, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        /* id address flags primary ping pong epoch ... */
        if (strncmp(line, id, strlen(id)) == 0 &&
            sscanf(line, "%*s %*s %*s %*s %*s %*s %llu", &epoch) != 1) {
            epoch = 0;
        }
    }
    raw_reply_free(nodes);
    return epoch;
}

/* Until the old owner has heard of the new one's claim from itself. A move back before that could
 * draw the same epoch, and the claims would collide. */
static bool wait_for_claim(slot_move *move) {
    unsigned long long claimed = 0;
    unsigned long long heard = 0;
    for (uint64_t end_us = now_us() + patience_us; now_us() < end_us; sleep_ms(1)) {
        claimed = epoch_seen(move->to, move->to_id);
        heard = epoch_seen(move->from, move->to_id);
        if (claimed != 0 && claimed == heard) {
            return true;
        }
    }
    snprintf(move->problem, sizeof move->problem, "epoch %llu claimed, %llu heard", claimed, heard);
    return false;
}

/* A node that gave its last slot away may have become a replica by itself meanwhile. */
static bool tell_old_owner(slot_move *move, int slot) {
    if (step(move, move->from, "CLUSTER SETSLOT %d NODE %s", slot, move->to_id)) {
        return true;
    }
    bool demoted = strstr(move->problem, "only with masters") != NULL;
    move->problem[0] = demoted ? '\0' : move->problem[0];
    return demoted;
}

bool slot_move_run(slot_move *move, int slot) {
    return step(move, move->to, "CLUSTER SETSLOT %d IMPORTING %s", slot, move->from_id) &&
           step(move, move->from, "CLUSTER SETSLOT %d MIGRATING %s", slot, move->to_id) &&
           move_keys(move, slot) &&
           step(move, move->to, "CLUSTER SETSLOT %d NODE %s", slot, move->to_id) &&
           tell_old_owner(move, slot) && wait_for_claim(move);
}
