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
    uint64_t started_us;
    uint64_t ended_us;
    kw_status status;
    kw_outcome outcome;
    bool read;
    bool done;
    bool replicated; /* its primary knew that the replica has it */
    bool lost;       /* acknowledged, and not there in the end */
    kw_trace *trace; /* while it is open */
    int64_t length;
    size_t end; /* of its token in the final value; 0: it is not there */
} command;

/* A primary's offset at some time, and the writes that it had acknowledged by then, in this life: a
 * node that was deposed and leads again has lost what only it had. */
typedef struct checkpoint {
    raw *connection;
    uint64_t since_us; /* the connection was to a primary then, and has been since */
    long long offset;  /* 0: none is waited for */
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
    *k = (command){
        .chaos = c, .node = -1, .started_us = now_us(), .trace = c->traces[--c->trace_count]};
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
    p->since_us = 0;
    p->offset = 0;
}

static void mark_replicated(chaos *c, int node) {
    checkpoint *p = &c->checkpoints[node];
    size_t next = p->from;
    for (size_t i = p->from; i < c->count; i++) {
        command *k = c->commands[i];
        bool acknowledged = k->done && k->ended_us < p->at_us;
        bool in_this_life = acknowledged && k->started_us > p->since_us;
        k->replicated |= in_this_life && !k->read && k->status == KW_OK && k->node == node;
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
        if (p->since_us == 0) {
            p->since_us = now_us();
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

static int count_primaries(chaos *c) {
    int count = 0;
    for (int node = 0; node < NODES; node++) {
        count += node != c->troubled && shows(c, node, "INFO replication", "role:master");
    }
    return count;
}

/* Comes back with nothing, so not before another one leads. */
static void kill_one(chaos *c) {
    int node = (int)draw(c, NODES);
    c->troubled = node;
    redis_cluster_kill(c->cluster, node);
    pump_ms(c, draw(c, 2000));
    for (uint64_t end_us = now_us() + 90 * 1000000ull; count_primaries(c) < SHARDS;) {
        if (now_us() > end_us) {
            fail_msg("nobody takes over from node %d", node);
        }
        pump_ms(c, 50);
    }
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

/* Within a death's reach: what was acknowledged here the servers may lose. */
static bool may_be_lost(const chaos *c, uint64_t at_us) {
    for (size_t i = 0; i < c->trouble_count; i++) {
        const trouble *t = &c->troubles[i];
        bool deadly = t->kind == TROUBLE_KILL || t->kind == TROUBLE_STOP;
        if (deadly && at_us + 1000000 > t->start_us &&
            at_us < t->end_us + 5 * NODE_TIMEOUT_MS * 1000ull) {
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

static void check_write(const chaos *c, command *k, size_t index) {
    if (k->status != KW_OK) {
        if (k->end != 0 && k->outcome != KW_MAYBE_EXECUTED) {
            fail_msg("command %zu was executed, and ended as %s", index,
                     kw_outcome_name(k->outcome));
        }
    } else if (k->end == 0) {
        k->lost = true;
        if (k->replicated || !may_be_lost(c, k->ended_us)) {
            fail_msg("command %zu was acknowledged%s, and is lost", index,
                     k->replicated ? ", at the replica too" : " far from any death");
        }
    } else if ((size_t)k->length != k->end) {
        fail_msg("command %zu was told length %lld, and ends at %zu", index, (long long)k->length,
                 k->end);
    }
}

/* What a read far from any death saw: all that was acknowledged before it began, and nothing that
 * began after it had ended. A key's commands come in the order of their beginning. */
static void check_reads(const chaos *c, command *const *of_key, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const command *read = of_key[i];
        if (!read->read || read->status != KW_OK || may_be_lost(c, read->started_us) ||
            may_be_lost(c, read->ended_us)) {
            continue;
        }
        size_t least = 0;
        size_t most = 0;
        for (size_t j = 0; j < count && of_key[j]->started_us <= read->ended_us; j++) {
            const command *write = of_key[j];
            bool before = write->status == KW_OK && write->ended_us < read->started_us;
            least = !write->read && before && write->end > least ? write->end : least;
            most = !write->read && write->end > most ? write->end : most;
        }
        if ((size_t)read->length < least || (size_t)read->length > most) {
            fail_msg("a read of key %d saw length %lld, and between %zu and %zu was there",
                     read->key, (long long)read->length, least, most);
        }
    }
}

static void check(chaos *c) {
    command **of_key = malloc(c->count * sizeof(command *));
    assert_non_null(of_key);
    for (int key = 0; key < KEYS; key++) {
        size_t count = 0;
        find_tokens(c, key);
        for (size_t i = 0; i < c->count; i++) {
            command *k = c->commands[i];
            if (k->key == key) {
                assert_true(k->done);
                of_key[count++] = k;
                if (!k->read) {
                    check_write(c, k, i);
                }
            }
        }
        check_reads(c, of_key, count);
    }
    free(of_key);
}

/* ---------------------------------------------------------------------------- report */

typedef struct tally {
    size_t times;
    size_t commands;
    size_t replicated;
    size_t lost;
    size_t ambiguous;
    size_t refused;
    uint64_t slowest_us;
} tally;

static void count_command(tally *t, const command *k) {
    uint64_t took_us = k->ended_us - k->started_us;
    t->commands++;
    t->replicated += k->replicated;
    t->lost += k->lost;
    t->ambiguous += k->status != KW_OK && k->outcome == KW_MAYBE_EXECUTED;
    t->refused += k->status != KW_OK && k->outcome != KW_MAYBE_EXECUTED;
    t->slowest_us = took_us > t->slowest_us ? took_us : t->slowest_us;
}

static void print_row(const char *name, const tally *t) {
    print_message("| %s | %zu | %zu | %zu | %zu | %zu | %zu | %.2f s |\n", name, t->times,
                  t->commands, t->replicated, t->lost, t->ambiguous, t->refused,
                  (double)t->slowest_us / 1e6);
}

/* Each command counts for the last trouble that had begun when it ended. */
static void report(const chaos *c) {
    tally of[TROUBLE_KINDS] = {0};
    tally calm = {.times = 1};
    tally all = {.times = c->trouble_count};
    for (size_t i = 0; i < c->trouble_count; i++) {
        of[c->troubles[i].kind].times++;
    }
    for (size_t i = 0; i < c->count; i++) {
        const command *k = c->commands[i];
        const trouble *last = NULL;
        for (size_t t = 0; t < c->trouble_count && c->troubles[t].start_us <= k->ended_us; t++) {
            last = &c->troubles[t];
        }
        count_command(last ? &of[last->kind] : &calm, k);
        count_command(&all, k);
    }
    print_message("| trouble | times | commands | known to be replicated | acknowledged, and lost "
                  "by the servers | perhaps executed | not executed | slowest |\n"
                  "|---|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < TROUBLE_KINDS; i++) {
        print_row(trouble_names[i], &of[i]);
    }
    print_row("none yet", &calm);
    print_row("in all", &all);
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
    check(&c);
    report(&c);
    clean_up(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_replication_loses_what_was_acknowledged),
    };
    return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
