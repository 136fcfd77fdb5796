/* A real cluster of 3 + 3 nodes under load while nodes are killed, stopped, cut off, resharded and
 * made to change places, for KEYWAY_CHAOS_SECONDS. Keys are lists of tokens, one an APPEND, so that
 * in the end each key tells which writes were executed, how often and in what order. Acknowledged
 * writes may be lost only around a death or a stop, by the servers' asynchronous replication; those
 * of which their primary knew that the replica had them (what WAIT tells), never. `make chaos` runs
 * it for ten minutes. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "integration/support/client.h"

enum {
    KEYS = 300,
    WINDOW = 100,
    BURST = 8,
    COMMANDS_A_MS = 5,
    NODES = 6,
    SHARDS = 3,
    TROUBLES_MAX = 4096
};
enum { NODE_TIMEOUT_MS = 1000 };

typedef enum trouble_kind {
    TROUBLE_KILL,
    TROUBLE_STOP,
    TROUBLE_CUT,
    TROUBLE_RESHARD,
    TROUBLE_FAILOVER,
    TROUBLE_KINDS
} trouble_kind;

static const char *const trouble_names[TROUBLE_KINDS] = {
    "kill -9", "SIGSTOP, SIGCONT", "CLIENT KILL", "reshard", "manual failover"};

typedef struct trouble {
    trouble_kind kind;
    uint64_t start_us;
    uint64_t end_us;
} trouble;

typedef struct command {
    struct chaos *chaos;
    int key;
    int node; /* that executed it, -1: it is not known */
    uint64_t ended_us;
    kw_status status;
    kw_outcome outcome;
    bool read;
    bool done;
    bool replicated; /* its primary knew that the replica has it */
    kw_trace *trace; /* while it is open */
    int64_t length;
    size_t end; /* of its token in the final value; 0: it is not there */
} command;

/* A primary's offset at some time, and the writes that it had acknowledged by then. */
typedef struct checkpoint {
    raw *connection;
    long long offset; /* 0: none is waited for */
    uint64_t at_us;
    size_t from; /* commands before are seen to */
} checkpoint;

typedef struct chaos {
    redis_cluster *cluster;
    kw_client *client;
    kw_call_options *options;
    kw_trace *traces[WINDOW + BURST];
    size_t trace_count; /* free ones */
    checkpoint checkpoints[NODES];
    uint64_t checked_us;
    uint64_t started_us;
    int troubled; /* a node that may not answer, or -1 */
    uint32_t random;
    command **commands;
    size_t count;
    size_t capacity;
    size_t open;
    trouble troubles[TROUBLES_MAX];
    size_t trouble_count;
    size_t lost;
    size_t ambiguous;
    size_t refused;
} chaos;

static uint32_t draw(chaos *c, uint32_t below) {
    c->random = c->random * 1664525 + 1013904223;
    return (c->random >> 8) % below;
}

static int seconds(void) {
    const char *text = getenv("KEYWAY_CHAOS_SECONDS");
    return text && *text ? atoi(text) : 12;
}

static const char *key_name(int key, char text[32]) {
    snprintf(text, 32, "chaos:%d", key);
    return text;
}

/* ------------------------------------------------------------------------------- load */

static int node_of(const chaos *c, const kw_trace *trace) {
    kw_hop hop;
    size_t count = kw_trace_hop_count(trace);
    const char *name = count > 0 && kw_trace_hop_at(trace, count - 1, &hop) ? hop.node : "";
    for (int node = 0; node < NODES; node++) {
        char text[80];
        if (strcmp(redis_cluster_endpoint(c->cluster, node, text), name) == 0) {
            return node;
        }
    }
    return -1;
}

static void on_reply(kw_client *client, kw_reply *reply, const kw_error *err, void *arg) {
    (void)client;
    command *k = arg;
    chaos *c = k->chaos;
    c->open--;
    k->done = true;
    k->node = node_of(c, k->trace);
    c->traces[c->trace_count++] = k->trace;
    k->trace = NULL;
    k->ended_us = now_us();
    k->status = reply ? KW_OK : err->status;
    k->outcome = reply ? KW_NO_EFFECT : err->outcome;
    if (reply && kw_reply_is_error(reply)) {
        fail_msg("an error: %s", kw_reply_string(reply, NULL));
    }
    if (reply) {
        k->length = kw_reply_integer(reply);
    }
}

static command *new_command(chaos *c) {
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 4096;
        c->commands = realloc(c->commands, c->capacity * sizeof *c->commands);
        assert_non_null(c->commands);
    }
    command *k = calloc(1, sizeof *k);
    assert_non_null(k);
    *k = (command){.chaos = c, .node = -1, .trace = c->traces[--c->trace_count]};
    c->commands[c->count] = k;
    return k;
}

static void submit(chaos *c) {
    char key[32];
    char token[24];
    kw_error err;
    command *k = new_command(c);
    k->key = (int)draw(c, KEYS);
    k->read = draw(c, 4) == 0;
    (void)key_name(k->key, key);
    int len = snprintf(token, sizeof token, "%zu,", c->count);
    const kw_slice argv[] = {k->read ? (kw_slice){"STRLEN", 6} : (kw_slice){"APPEND", 6},
                             {key, strlen(key)},
                             {token, (size_t)len}};
    kw_call_options_set_trace(c->options, k->trace);
    if (kw_submit(c->client, argv, k->read ? 2 : 3, c->options, on_reply, k, &err) != KW_OK) {
        fail_msg("%s", err.message);
    }
    c->count++;
    c->open++;
}

/* ------------------------------------------------------------------- what is replicated */

static bool read_offsets(raw *r, long long *ret_own, long long *ret_replica) {
    raw_reply *info = raw_call(r, "INFO replication");
    const char *own = info && info->text ? strstr(info->text, "master_repl_offset:") : NULL;
    const char *replica = own ? strstr(info->text, ",offset=") : NULL;
    bool primary = replica && strstr(info->text, "role:master");
    *ret_own = primary ? atoll(own + strlen("master_repl_offset:")) : 0;
    *ret_replica = primary ? atoll(replica + strlen(",offset=")) : 0;
    raw_reply_free(info);
    return primary;
}

static void forget(checkpoint *p) {
    raw_close(p->connection);
    p->connection = NULL;
    p->offset = 0;
}

static void mark_replicated(chaos *c, int node) {
    checkpoint *p = &c->checkpoints[node];
    size_t next = p->from;
    for (size_t i = p->from; i < c->count; i++) {
        command *k = c->commands[i];
        bool acknowledged = k->done && k->ended_us < p->at_us;
        k->replicated |= acknowledged && !k->read && k->status == KW_OK && k->node == node;
        next += acknowledged && next == i;
    }
    p->from = next;
    p->offset = 0;
}

/* As WAIT does it: the primary's offset was read after it had acknowledged the writes, and later
 * the replica has told it that it has got so far; all by one connection, so by one life. */
static void watch_replication(chaos *c) {
    if (now_us() < c->checked_us + 100000) {
        return;
    }
    for (int node = 0; node < NODES; node++) {
        checkpoint *p = &c->checkpoints[node];
        long long own;
        long long replica;
        if (node == c->troubled) {
            forget(p);
            continue;
        }
        if (!p->connection) {
            p->connection = redis_cluster_connect(c->cluster, node, 500);
        }
        uint64_t at_us = now_us();
        if (!p->connection || !read_offsets(p->connection, &own, &replica)) {
            forget(p);
            continue;
        }
        if (p->offset != 0 && replica >= p->offset) {
            mark_replicated(c, node);
        }
        if (p->offset == 0) {
            p->offset = own;
            p->at_us = at_us;
        }
    }
    c->checked_us = now_us();
}

static void pump(chaos *c) {
    uint64_t due = (now_us() - c->started_us) / 1000 * COMMANDS_A_MS;
    for (int i = 0; i < BURST && c->open < WINDOW && c->count < due; i++) {
        submit(c);
    }
    assert_int_equal(kw_wait(c->client, 1), KW_OK);
    watch_replication(c);
}

static void pump_ms(chaos *c, uint64_t ms) {
    for (uint64_t end_us = now_us() + ms * 1000; now_us() < end_us;) {
        pump(c);
    }
}

/* ---------------------------------------------------------------------------- trouble */

/* True if the node's INFO holds the text; false too if it does not answer. */
static bool shows(chaos *c, int node, const char *command_text, const char *text) {
    raw *r = redis_cluster_connect(c->cluster, node, 500);
    raw_reply *reply = r ? raw_call(r, "%s", command_text) : NULL;
    bool found = reply && reply->text && strstr(reply->text, text);
    raw_reply_free(reply);
    raw_close(r);
    return found;
}

static void wait_until_whole(chaos *c) {
    uint64_t end_us = now_us() + 90 * 1000000ull;
    for (int node = 0; node < NODES;) {
        bool ok = shows(c, node, "CLUSTER INFO", "cluster_state:ok") &&
                  !shows(c, node, "CLUSTER NODES", "fail") &&
                  (shows(c, node, "INFO replication", "connected_slaves:1") ||
                   shows(c, node, "INFO replication", "master_link_status:up"));
        node += ok;
        if (!ok && now_us() > end_us) {
            fail_msg("node %d does not come right again", node);
        }
        pump_ms(c, ok ? 1 : 20);
    }
}

static int any_node(chaos *c, const char *role) {
    for (int tries = 0; tries < 200; tries++) {
        int node = (int)draw(c, NODES);
        if (shows(c, node, "INFO replication", role)) {
            return node;
        }
    }
    fail_msg("no node has %s", role);
    return 0;
}

static void kill_one(chaos *c) {
    int node = (int)draw(c, NODES);
    c->troubled = node;
    redis_cluster_kill(c->cluster, node);
    pump_ms(c, 3 * NODE_TIMEOUT_MS + draw(c, 2000)); /* back with nothing, it must not lead */
    redis_cluster_restart(c->cluster, node, false);
    c->troubled = -1;
}

static void stop_one(chaos *c) {
    int node = (int)draw(c, NODES);
    c->troubled = node;
    redis_cluster_signal(c->cluster, node, SIGSTOP);
    pump_ms(c, 100 + draw(c, 4000));
    redis_cluster_signal(c->cluster, node, SIGCONT);
    c->troubled = -1;
}

static void cut_some(chaos *c) {
    for (int i = 0; i < 5; i++) {
        int node = (int)draw(c, NODES);
        raw *r = redis_cluster_connect(c->cluster, node, 500);
        if (r) {
            (void)raw_do(r, "CLIENT KILL TYPE normal");
        }
        raw_close(r);
        pump_ms(c, draw(c, 200));
    }
}

typedef struct mover {
    slot_move move;
    int first_slot;
    atomic_bool over;
} mover;

static void *move_slots(void *arg) {
    mover *m = arg;
    for (int i = 0; i < 10 && slot_move_run(&m->move, (m->first_slot + 37 * i) % 16384); i++) {
    }
    atomic_store(&m->over, true);
    return NULL;
}

/* The slots of ten that the one has go to the other. */
static void reshard(chaos *c) {
    int from = any_node(c, "role:master");
    int to = any_node(c, "role:master");
    if (from == to) {
        return;
    }
    pthread_t thread;
    mover m = {.first_slot = (int)draw(c, 16384)};
    m.move = (slot_move){
        .from = redis_cluster_connect(c->cluster, from, 5000),
        .to = redis_cluster_connect(c->cluster, to, 5000),
        .from_id = c->cluster->nodes[from].id,
        .to_id = c->cluster->nodes[to].id,
        .to_host = c->cluster->host,
        .to_port = c->cluster->nodes[to].port,
        .keys_at_once = 1,
        .pause_ms = 5,
    };
    assert_non_null(m.move.from);
    assert_non_null(m.move.to);
    assert_int_equal(pthread_create(&thread, NULL, move_slots, &m), 0);
    while (!atomic_load(&m.over)) {
        pump(c);
    }
    pthread_join(thread, NULL);
    raw_close(m.move.from);
    raw_close(m.move.to);
}

static void change_places(chaos *c) {
    int node = any_node(c, "master_link_status:up");
    raw *r = redis_cluster_connect(c->cluster, node, 500);
    if (r) {
        (void)raw_do(r, "CLUSTER FAILOVER");
    }
    raw_close(r);
    pump_ms(c, 500);
}

static void cause_trouble(chaos *c) {
    static void (*const causes[TROUBLE_KINDS])(chaos *) = {kill_one, stop_one, cut_some, reshard,
                                                           change_places};
    trouble_kind kind = (trouble_kind)(c->trouble_count < TROUBLE_KINDS ? c->trouble_count
                                                                        : draw(c, TROUBLE_KINDS));
    trouble *t = &c->troubles[c->trouble_count++];
    *t = (trouble){.kind = kind, .start_us = now_us()};
    causes[kind](c);
    t->end_us = now_us();
    wait_until_whole(c);
    pump_ms(c, draw(c, 500));
}

/* ---------------------------------------------------------------------------- the end */

static bool may_be_lost(const chaos *c, const command *k) {
    for (size_t i = 0; i < c->trouble_count; i++) {
        const trouble *t = &c->troubles[i];
        bool deadly = t->kind == TROUBLE_KILL || t->kind == TROUBLE_STOP;
        if (deadly && k->ended_us + 1000000 > t->start_us &&
            k->ended_us < t->end_us + 5 * NODE_TIMEOUT_MS * 1000ull) {
            return true;
        }
    }
    return false;
}

static void find_tokens(chaos *c, int key) {
    char name[32];
    size_t len = 0;
    kw_reply *reply = client_call(c->client, "GET %s", key_name(key, name));
    const char *value = kw_reply_string(reply, &len);
    for (size_t at = 0; at < len;) {
        char *after = NULL;
        size_t index = strtoull(value + at, &after, 10);
        if (*after != ',' || index >= c->count || c->commands[index]->key != key ||
            c->commands[index]->read) {
            fail_msg("%s holds what nobody wrote there: %.20s", name, value + at);
        }
        command *k = c->commands[index];
        at = (size_t)(after + 1 - value);
        if (k->end != 0) {
            fail_msg("command %zu (%s) was executed twice; status %s", index, name,
                     kw_status_name(k->status));
        }
        k->end = at;
    }
    kw_reply_free(reply);
}

static void check(chaos *c, size_t index) {
    const command *k = c->commands[index];
    assert_true(k->done);
    if (k->read) {
        return;
    }
    if (k->status != KW_OK) {
        c->ambiguous += k->outcome == KW_MAYBE_EXECUTED;
        c->refused += k->outcome != KW_MAYBE_EXECUTED;
        if (k->end != 0 && k->outcome != KW_MAYBE_EXECUTED) {
            fail_msg("command %zu was executed, and ended as %s", index,
                     kw_outcome_name(k->outcome));
        }
    } else if (k->end == 0) {
        c->lost++;
        if (k->replicated || !may_be_lost(c, k)) {
            fail_msg("command %zu was acknowledged%s, and is lost", index,
                     k->replicated ? ", at the replica too" : " far from any death");
        }
    } else if ((size_t)k->length != k->end) {
        fail_msg("command %zu was told length %lld, and ends at %zu", index, (long long)k->length,
                 k->end);
    }
}

static void report(const chaos *c) {
    size_t counts[TROUBLE_KINDS] = {0};
    size_t replicated = 0;
    for (size_t i = 0; i < c->trouble_count; i++) {
        counts[c->troubles[i].kind]++;
    }
    for (size_t i = 0; i < c->count; i++) {
        replicated += c->commands[i]->replicated;
    }
    for (int i = 0; i < TROUBLE_KINDS; i++) {
        print_message("%s: %zu times\n", trouble_names[i], counts[i]);
    }
    print_message(
        "%zu commands, %zu writes known to be replicated, %zu failed as not executed, %zu as "
        "perhaps executed, %zu acknowledged and lost by the servers\n",
        c->count, replicated, c->refused, c->ambiguous, c->lost);
}

static void make_traces(chaos *c) {
    assert_int_equal(kw_call_options_new(&c->options), KW_OK);
    for (c->trace_count = 0; c->trace_count < WINDOW + BURST; c->trace_count++) {
        assert_int_equal(kw_trace_new(&c->traces[c->trace_count]), KW_OK);
    }
}

static void clean_up(chaos *c) {
    kw_close(c->client);
    for (int node = 0; node < NODES; node++) {
        forget(&c->checkpoints[node]);
    }
    redis_cluster_stop(c->cluster);
    kw_call_options_free(c->options);
    while (c->trace_count > 0) {
        kw_trace_free(c->traces[--c->trace_count]);
    }
    for (size_t i = 0; i < c->count; i++) {
        free(c->commands[i]);
    }
    free(c->commands);
}

static void only_replication_loses_what_was_acknowledged(void **state) {
    (void)state;
    static chaos c;
    const char *seed = getenv("KEYWAY_CHAOS_SEED");
    c = (chaos){.troubled = -1, .random = seed ? (uint32_t)atoi(seed) : (uint32_t)now_us()};
    print_message("KEYWAY_CHAOS_SEED=%u\n", c.random);
    const redis_cluster_options options = {.replicas = 3, .node_timeout_ms = NODE_TIMEOUT_MS};
    c.cluster = redis_cluster_start(&options);
    c.client = client_open(c.cluster, "timeout_ms=3000");
    make_traces(&c);
    c.started_us = now_us();
    pump_ms(&c, 500);
    uint64_t end_us = now_us() + (uint64_t)seconds() * 1000000;
    while ((now_us() < end_us || c.trouble_count < TROUBLE_KINDS) &&
           c.trouble_count < TROUBLES_MAX) {
        cause_trouble(&c);
    }
    while (c.open > 0) {
        assert_int_equal(kw_wait(c.client, 10), KW_OK);
    }
    for (int key = 0; key < KEYS; key++) {
        find_tokens(&c, key);
    }
    for (size_t i = 0; i < c.count; i++) {
        check(&c, i);
    }
    report(&c);
    clean_up(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_replication_loses_what_was_acknowledged),
    };
    return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
