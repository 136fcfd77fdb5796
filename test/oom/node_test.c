/* A small fleet while memory runs out: whatever its clients do, nothing crashes and nothing is
 * leaked, no value is left empty, replies are replies, and afterwards the nodes serve others. */
#include "core/resp.h"
#include "node/fleet_act.h"
#include "node/node_fleet.h"
#include "unit/support/torture.h"

#include <stdlib.h>

#define NODES 4 /* two primaries and a replica of each */
#define CLIENTS 8
#define START_US 1000000
#define LINES_MAX 80

/* Each line is said by the client whose number begins it: 0 to 3 at node 0, 4 and 5 at node 1, 6 at
 * node 2, the first one's replica, and 7 at node 3. One that begins with + lets milliseconds pass.
 * Keys with {b} are node 0's, those with {a} node 1's. */
typedef const char *const script[LINES_MAX];

static script collections = {
    "3 RPUSH {b}k an-element-longer-than-fifteen-bytes 2 3",
    "3 RPUSH {b}k 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
    "3 LINSERT {b}k BEFORE 7 another-element-longer-than-fifteen-bytes",
    "3 LSET {b}k 0 yet-another-element-longer-than-fifteen-bytes",
    "3 LMOVE {b}k {b}new LEFT RIGHT",
    "3 RPOPLPUSH {b}k {b}k",
    "3 LREM {b}k 1 9",
    "3 LPOS {b}k 8 COUNT 0",
    "3 LMPOP 2 {b}none {b}k LEFT COUNT 3",
    "3 LTRIM {b}k 1 -2",
    "3 LRANGE {b}k 0 -1",
    "3 ZADD {b}z 1 one 2 two 3 three",
    "3 ZADD {b}z INCR 1.5 two",
    "3 ZADD {b}y 1 one 2 two 3 three 4 four 5 five 6 six 7 seven 8 eight 9 nine",
    "3 SADD {b}s one two three",
    "3 ZUNION 3 {b}y {b}z {b}s WITHSCORES",
    "3 ZUNIONSTORE {b}u 3 {b}y {b}z {b}s WEIGHTS 1 2 3",
    "3 ZINTERSTORE {b}i 2 {b}y {b}s AGGREGATE MAX",
    "3 ZDIFFSTORE {b}d 2 {b}y {b}s",
    "3 ZRANGESTORE {b}r {b}y 2 5",
    "3 ZRANDMEMBER {b}y 3 WITHSCORES",
    "3 ZRANDMEMBER {b}y -3",
    "3 ZINTERCARD 2 {b}y {b}s",
    "3 ZPOPMIN {b}y 2",
    "3 ZSCAN {b}y 0",
    "3 ZREMRANGEBYRANK {b}y 0 1",
    "3 COPY {b}y {b}y2",
    "3 COPY {b}k {b}k2",
    "3 HSET {b}h a 1 b 2",
    "3 HSETNX {b}h c 3",
    "3 HINCRBY {b}h a 7",
    "3 HINCRBYFLOAT {b}hnew a 0.5",
    "3 HGETALL {b}h",
    "3 HRANDFIELD {b}h 1 WITHVALUES",
    "3 HSCAN {b}h 0",
    "3 COPY {b}h {b}copy",
    "3 RENAME {b}copy {b}moved",
    "3 HDEL {b}moved a b c",
    "3 SADD {b}t 2 x y",
    "3 SMOVE {b}s {b}t one",
    "3 SMOVE {b}t {b}new2 x",
    "3 SPOP {b}s 2",
    "3 SRANDMEMBER {b}t 1",
    "3 SUNIONSTORE {b}su {b}s {b}t",
    "3 SDIFFSTORE {b}s {b}su {b}t",
    "3 SORT {b}t ALPHA STORE {b}list",
    "3 SORT {b}z ALPHA DESC",
    "3 COPY {b}su {b}list REPLACE",
    "3 SPOP {b}t 100",
    "3 KEYS *",
    "3 SCAN 0",
};

static script strings = {
    "3 SET {b}k value",
    "3 APPEND {b}k more-than-there-was-before-by-a-good-deal",
    "3 MSET {b}1 a {b}2 b",
    "3 SETRANGE {b}5 9 x",
    "3 SETBIT {b}b 77 1",
    "3 BITOP NOT {b}c {b}b",
    "3 BITFIELD {b}b SET u8 90 17 GET u4 0",
    "3 BITFIELD {b}fresh INCRBY i5 0 1",
    "3 INCRBYFLOAT {b}f 1.5",
    "3 LCS {b}k {b}b IDX",
    "3 LCS {b}k {b}k",
    "3 OBJECT ENCODING {b}k",
    "3 GETSET {b}k other",
    "3 SET {b}k v EX 100 GET",
    "3 GETEX {b}k PERSIST",
    "3 SET {b}gone v PX 5",
    "+ 200",
    "3 DEL {b}1 {b}2 {b}gone",
    "3 FLUSHALL",
};

static script blocking = {
    "0 BLPOP {b}k {b}other {b}k 5",
    "1 BLMOVE {b}k {b}m LEFT RIGHT 0",
    "2 BZMPOP 2 2 {b}k {b}z MIN COUNT 2",
    "3 RPUSH {b}k 1 2 3 4 5",
    "3 BLMOVE {b}k {b}new LEFT RIGHT 0",
    "3 BRPOPLPUSH {b}k {b}new2 0",
    "3 ZADD {b}z 1 one 2 two 3 three",
    "0 BLPOP {b}none 5",
    "1 BLMOVE {b}none {b}m LEFT RIGHT 0",
    "2 WAIT 5 10",
    "+ 1000",
    "3 CLIENT LIST",
    "3 LPUSH {b}none x",
    "0 BLPOP {b}never 1",
    "+ 6000",
};

static script transactions = {
    "0 WATCH {b}k {b}other",
    "0 MULTI",
    "0 SET {b}k 1",
    "0 RPUSH {b}list a b c",
    "0 EXEC",
    "1 WATCH {b}k",
    "2 SET {b}k 2",
    "1 MULTI",
    "1 GET {b}k",
    "1 EXEC",
    "3 MULTI",
    "3 SET {b}k 3",
    "3 NOSUCH",
    "3 EXEC",
    "2 MULTI",
    "2 SET {b}k 4",
    "2 DISCARD",
    "2 MULTI",
    "2 GET {a}k",
    "2 EXEC",
};

static script listening = {
    "0 HELLO 3",
    "0 SUBSCRIBE a b",
    "0 PSUBSCRIBE a*",
    "0 SSUBSCRIBE b",
    "0 WATCH {b}1 {b}2",
    "0 CLIENT TRACKING on BCAST PREFIX {b} PREFIX x",
    "1 HELLO 3",
    "1 CLIENT TRACKING on",
    "1 MGET {b}1 {b}2",
    "1 MSET {b}1 a {b}2 b",
    "1 PUBLISH a hello",
    "4 PUBLISH a hello",
    "1 SPUBLISH b hello",
    "0 CLIENT TRACKINGINFO",
    "0 PUBSUB CHANNELS",
    "0 CLIENT LIST",
    "0 CONFIG SET notify-keyspace-events KEA",
    "0 PSUBSCRIBE __key*",
    "1 MSET {b}1 a {b}2 b",
    "2 CLIENT REPLY SKIP",
    "2 MONITOR",
    "1 CLIENT PAUSE 5 WRITE",
    "3 SET {b}1 c",
    "+ 1000",
    "1 FLUSHALL",
    "1 CLUSTER FLUSHSLOTS",
};

static script migrating = {
    "0 SET {b}k value-of-the-key",
    "0 RPUSH {b}list 1 2 3 4 5 6",
    "0 ZADD {b}z 1 a 2 b 3 c",
    "0 SADD {b}s x y z",
    "0 HSET {b}h a 1 b 2",
    "0 DUMP {b}k",
    "0 DUMP {b}list",
    "0 DUMP {b}z",
    "0 DUMP {b}s",
    "0 DUMP {b}h",
    "0 LAB SLOT BEGIN 3300 1",
    "0 MIGRATE 10.0.0.1 7001 {b}k 0 9",
    "0 MIGRATE 10.0.0.1 7001 {b}k 0 9 REPLACE",
    "0 LAB SLOT KEYS 3300 2",
    "0 GET {b}k",
    "0 MGET {b}k {b}z",
    "4 ASKING",
    "4 GET {b}k",
    "4 ASKING",
    "4 SET {b}new 1",
    "0 LAB SLOT KEYS 3300 10",
    "0 LAB SLOT END 3300",
    "0 GET {b}k",
    "4 GET {b}k",
    "4 CLUSTER GETKEYSINSLOT 3300 10",
    "0 LAB SLOT MOVE 3300 0",
    "0 LAB SLOT MOVE 0-99 1",
    "+ 1000",
};

static script failing_over = {
    "0 LAB REPLICATION DELAY 50",
    "0 SET {b}k 1",
    "0 RPUSH {b}list 1 2 3",
    "6 READONLY",
    "6 GET {b}k",
    "0 WAIT 1 20",
    "+ 100",
    "0 SET {b}k 2",
    "4 LAB KILL 0",
    "+ 1500",
    "6 GET {b}k",
    "6 SET {b}k 3",
    "4 LAB START 0",
    "+ 1500",
    "0 GET {b}k",
    "4 LAB FAILOVER 0",
    "0 SET {b}k 4",
    "4 LAB ADD REPLICA-OF 1",
    "4 LAB PARTITION 0 2",
    "0 SET {b}k 5",
    "4 LAB HEAL",
    "+ 2000",
    "7 CLUSTER FAILOVER",
    "+ 2000",
};

static script administration = {
    "0 INFO",
    "0 CLUSTER NODES",
    "0 CLUSTER SLOTS",
    "0 CLUSTER SHARDS",
    "0 CLUSTER INFO",
    "0 CLUSTER LINKS",
    "0 COMMAND INFO get set",
    "0 COMMAND DOCS get",
    "0 COMMAND GETKEYS MSET {b}1 a {b}2 b",
    "0 CONFIG GET *",
    "0 CONFIG SET maxmemory 100mb",
    "0 CLIENT SETNAME me",
    "0 CLIENT LIST",
    "0 ACL SETUSER other on >secret ~b* &c* +@read -get (~x +set)",
    "0 ACL LIST",
    "0 ACL GETUSER other",
    "1 AUTH other secret",
    "1 SET {b}k 1",
    "0 ACL LOG",
    "0 ACL DELUSER other",
    "0 CLUSTER MEET 10.0.0.1 7001",
    "0 CLUSTER COUNTKEYSINSLOT 3300",
    "0 LAB FAULT ADD COMMAND get DELAY 5 COUNT 2",
    "0 GET {b}k",
    "0 LAB FAULT ADD COMMAND get ERROR ERR no",
    "0 GET {b}k",
    "0 LAB FAULT LIST",
    "0 LAB NODES",
    "0 LAB LOG",
    "0 LAB EVENTS",
    "0 LAB VIEW FORCE 0 0-99 1",
    "0 LAB RESET",
    "+ 100",
};

/* ------------------------------------------------------------------------- the fleet */

typedef struct stage {
    node_fleet *fleet;
    uint64_t now_us;
    node_session *clients[CLIENTS];
    buffer in;
    bool cut; /* some client was: what it got may end in the middle */
} stage;

static uint16_t node_of(size_t client) {
    return client < 4 ? 0 : client < 6 ? 1 : client == 6 ? 2 : 3;
}

static void check_replies(kw_slice bytes) {
    while (bytes.len > 0) {
        resp_scanner scanner;
        resp_scanner_init(&scanner, &resp_limits_default);
        assert_int_equal(resp_scan(&scanner, bytes.data, bytes.len), RESP_DONE);
        bytes.data += scanner.offset;
        bytes.len -= (size_t)scanner.offset;
    }
}

static void hang_up(stage *s, size_t client) {
    if (s->clients[client]) {
        node_session_free(fleet_node(s->fleet, node_of(client)), s->clients[client]);
        s->clients[client] = NULL;
    }
}

static kw_status act(void *arg, const fleet_act *a, uint64_t now_us) {
    stage *s = arg;
    bool ends = a->kind == ACT_KILL || a->kind == ACT_STOP || a->kind == ACT_RESTART ||
                a->kind == ACT_REMOVE;
    for (size_t i = 0; ends && i < CLIENTS; i++) {
        if (node_of(i) == a->node && fleet_node(s->fleet, a->node)) {
            hang_up(s, i);
        }
    }
    return fleet_act_alone(s->fleet, a, now_us);
}

static void deliver_to_clients(stage *s) {
    while (fleet_next_ready(s->fleet)) {
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        node_session *c = s->clients[i];
        if (!c) {
            continue;
        }
        if (!(c->flags & SESSION_FAILED)) {
            check_replies(buffer_slice(&c->out));
        }
        buffer_clear(&c->out, SIZE_MAX);
        if (c->flags & (SESSION_FAILED | SESSION_CLOSING)) {
            hang_up(s, i);
        }
    }
}

static void pass_time(stage *s, uint64_t ms) {
    for (uint64_t i = 0; i < 10; i++) {
        s->now_us += ms * 100;
        fleet_run_deferred(s->fleet, s->now_us);
        fleet_tick(s->fleet, s->now_us);
        deliver_to_clients(s);
    }
}

static void say(stage *s, size_t client, const char *line) {
    node *n = fleet_node(s->fleet, node_of(client));
    if (!n) {
        return;
    }
    if (!s->clients[client]) {
        s->clients[client] = node_session_new(n, "10.0.0.9:1", s->now_us);
    }
    node_session *c = s->clients[client];
    if (c && !c->holds) {
        buffer_clear(&s->in, SIZE_MAX);
        assert_true(buffer_append_text(&s->in, line) && buffer_append_text(&s->in, "\r\n"));
        node_receive(n, c, &s->in, ++s->now_us, SIZE_MAX);
    }
    fleet_run_deferred(s->fleet, s->now_us);
    deliver_to_clients(s);
}

static void play(stage *s, script lines) {
    for (size_t i = 0; i < LINES_MAX && lines[i]; i++) {
        if (lines[i][0] == '+') {
            pass_time(s, strtoull(lines[i] + 1, NULL, 10));
        } else {
            say(s, (size_t)(lines[i][0] - '0'), lines[i] + 2);
        }
    }
}

/* ------------------------------------------------------------------------- the checks */

static void check_keyspace(const keyspace *ks) {
    size_t count = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        for (keyspace_entry *e = keyspace_first(ks, slot); e; e = keyspace_next(ks, slot, e)) {
            assert_true(!e->kind || e->kind->count(e->object) > 0);
            count++;
        }
    }
    assert_int_equal(keyspace_count(ks), count);
}

/* `reply` NULL: anything but an error. */
static void expect(node *n, uint64_t now_us, const char *line, const char *reply) {
    buffer in;
    buffer_init(&in, &mem_default, 0);
    node_session *c = node_session_new(n, "10.0.0.9:1", now_us);
    assert_non_null(c);
    assert_true(buffer_append_text(&in, line));
    node_receive(n, c, &in, now_us, SIZE_MAX);
    check_replies(buffer_slice(&c->out));
    if (reply) {
        assert_slice_is(buffer_slice(&c->out), reply);
    } else {
        assert_true(buffer_len(&c->out) > 0 && buffer_slice(&c->out).data[0] != '-');
    }
    node_session_free(n, c);
    buffer_done(&in);
}

static void check_serves(stage *s) {
    for (size_t i = 0; i < CLIENTS; i++) {
        hang_up(s, i);
    }
    pass_time(s, 10000);
    for (uint16_t i = 0; i < fleet_count(s->fleet); i++) {
        node *n = fleet_node(s->fleet, i);
        if (n) {
            check_keyspace(n->keys);
            assert_int_equal(n->blocked.count, 0);
            expect(n, s->now_us, "PING\r\n", "+PONG\r\n");
            expect(n, s->now_us, "READONLY\r\nECHO x\r\n", "+OK\r\n$1\r\nx\r\n");
        }
    }
    /* Where its slot was taken from everybody, or its owner is dead, no key can be served. */
    uint16_t owner = fleet_view(s->fleet)->owner[3300];
    node *n = owner == NODE_NOBODY ? NULL : fleet_node(s->fleet, owner);
    if (n && n->view->owner[3300] == owner && n->view->migrating_to[3300] == NODE_NOBODY) {
        expect(n, s->now_us, "DEL {b}k {b}m\r\nPING\r\n", NULL);
    }
}

static void perform(torture *t) {
    static const uint16_t ports[] = {7000, 7001, 7002, 7003};
    failing_mem memory;
    stage s = {.now_us = START_US};
    const fleet_owner owner = {&s, act};
    failing_mem_init(&memory);
    const fleet_config config = {
        .mem = &memory.mem,
        .primary_count = 2,
        .replica_count = 1,
        .host = "10.0.0.1",
        .ports = ports,
        .failover_ms = 500,
        .log_capacity = 16,
        .control = true,
    };
    assert_int_equal(fleet_new(&config, s.now_us, &s.fleet), KW_OK);
    fleet_set_owner(s.fleet, &owner);
    buffer_init(&s.in, &mem_default, 0);
    torture_arm(t, &memory);
    play(&s, *(script *)t->arg);
    torture_disarm(t, &memory);
    check_serves(&s);
    buffer_done(&s.in);
    fleet_free(s.fleet);
    assert_int_equal(memory.live_count, 0);
}

static void start(torture *t) {
    static const uint16_t ports[] = {7000, 7001, 7002, 7003};
    failing_mem memory;
    node_fleet *f = NULL;
    failing_mem_init(&memory);
    const fleet_config config = {
        .mem = &memory.mem,
        .primary_count = 2,
        .replica_count = 1,
        .host = "10.0.0.1",
        .ports = ports,
        .user = "me",
        .password = "secret",
        .control = true,
    };
    torture_arm(t, &memory);
    kw_status status = fleet_new(&config, START_US, &f);
    torture_disarm(t, &memory);
    assert_int_equal(status, f ? KW_OK : KW_ERR_NOMEM);
    assert_true(f || memory.failed > 0);
    fleet_free(f);
    assert_int_equal(memory.live_count, 0);
}

#define SCENARIO(test, lines, least)                                                               \
    static void test(void **state) {                                                               \
        (void)state;                                                                               \
        torture_run(#test, perform, &lines, least);                                                \
    }
SCENARIO(values_of_each_kind, collections, 150)
SCENARIO(strings_and_expiry, strings, 40)
SCENARIO(clients_that_block, blocking, 40)
SCENARIO(transactions_and_watches, transactions, 40)
SCENARIO(messages_and_tracking, listening, 60)
SCENARIO(keys_on_their_way, migrating, 60)
SCENARIO(failover_and_replication, failing_over, 40)
SCENARIO(administration_and_faults, administration, 60)

static void starting_a_fleet(void **state) {
    (void)state;
    torture_run("starting_a_fleet", start, NULL, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_a_fleet),          cmocka_unit_test(values_of_each_kind),
        cmocka_unit_test(strings_and_expiry),        cmocka_unit_test(clients_that_block),
        cmocka_unit_test(transactions_and_watches),  cmocka_unit_test(messages_and_tracking),
        cmocka_unit_test(keys_on_their_way),         cmocka_unit_test(failover_and_replication),
        cmocka_unit_test(administration_and_faults),
    };
    return cmocka_run_group_tests_name("oom_node", tests, NULL, NULL);
}
