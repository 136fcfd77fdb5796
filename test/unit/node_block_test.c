#include "node/node_block.h"

#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* Clients of one node, named by letters, and what each of them has been told. */
typedef struct room {
    node_driver d;
    node_session *clients[26];
} room;

static void enter(room *r, uint16_t primaries, uint16_t replicas) {
    memset(r, 0, sizeof *r);
    driver_start(&r->d, primaries, replicas);
}

static void leave_one(room *r, char client) {
    node_session_free(fleet_node(r->d.fleet, 0), r->clients[client - 'a']);
    r->clients[client - 'a'] = NULL;
}

static void leave(room *r) {
    for (int i = 0; i < 26; i++) {
        if (r->clients[i]) {
            leave_one(r, (char)('a' + i));
        }
    }
    driver_stop(&r->d);
}

static node_session *client_of(room *r, char client) {
    node_session **s = &r->clients[client - 'a'];
    if (!*s) {
        *s = node_session_new(fleet_node(r->d.fleet, 0), "10.0.0.9:1", r->d.now_us);
        assert_non_null(*s);
    }
    return *s;
}

static void says(room *r, char client, const char *line, const char *reply) {
    const char *got = driver_ask_on(&r->d, 0, client_of(r, client), line);
    if (strcmp(got, reply) != 0) {
        fail_msg("%c: %s\n  answered: %s\n  expected: %s", client, line, got, reply);
    }
}

static void waits(room *r, char client, const char *line) {
    says(r, client, line, "");
    assert_true(client_of(r, client)->holds & HOLD_BLOCKED);
}

/* What came for a client while it waited; empty: it waits on. */
static void hears(room *r, char client, const char *reply) {
    node_session *s = client_of(r, client);
    char text[1024];
    slice_copy(text, sizeof text, buffer_slice(&s->out));
    buffer_clear(&s->out, SIZE_MAX);
    if (strcmp(text, reply) != 0) {
        fail_msg("%c heard: %s\n  expected: %s", client, text, reply);
    }
    assert_int_equal((s->holds & HOLD_BLOCKED) != 0, *reply == '\0');
}

static size_t waiting_count(room *r) {
    return fleet_node(r->d.fleet, 0)->blocked.count;
}

/* --------------------------------------------------------------------- who is served, and when */

static void a_push_serves_who_waits(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}k 0");
    says(&r, 'z', "SET {t}other v", "+OK\r\n");
    hears(&r, 'a', "");
    says(&r, 'z', "RPUSH {t}k v", ":1\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n");
    assert_ptr_equal(fleet_next_ready(r.d.fleet), client_of(&r, 'a'));
    says(&r, 'a', "EXISTS {t}k", ":0\r\n");
    leave(&r);
}

static void who_came_first_is_served_first(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'c', "BLPOP {t}x {t}k 0");
    waits(&r, 'a', "BRPOP {t}k 0");
    waits(&r, 'b', "BLMPOP 0 2 {t}k {t}x LEFT COUNT 10");
    says(&r, 'z', "RPUSH {t}k 1 2 3 4 5", ":5\r\n");
    hears(&r, 'c', "*2\r\n$4\r\n{t}k\r\n$1\r\n1\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\n5\r\n");
    hears(&r, 'b', "*2\r\n$4\r\n{t}k\r\n*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n");
    says(&r, 'z', "EXISTS {t}k", ":0\r\n");
    assert_int_equal(waiting_count(&r), 0);
    leave(&r);
}

static void who_gets_nothing_waits_on(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}k 0");
    waits(&r, 'b', "BLPOP {t}k 0");
    waits(&r, 'c', "BLPOP {t}k 0");
    says(&r, 'z', "RPUSH {t}k 1 2", ":2\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\n1\r\n");
    hears(&r, 'b', "*2\r\n$4\r\n{t}k\r\n$1\r\n2\r\n");
    hears(&r, 'c', "");
    waits(&r, 'a', "BLPOP {t}k 0");
    says(&r, 'z', "RPUSH {t}k 3", ":1\r\n");
    hears(&r, 'c', "*2\r\n$4\r\n{t}k\r\n$1\r\n3\r\n");
    hears(&r, 'a', "");
    leave(&r);
}

static void the_key_pushed_to_first_wins(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}x {t}y {t}x 0");
    says(&r, 'z', "MULTI", "+OK\r\n");
    says(&r, 'z', "RPUSH {t}y 1", "+QUEUED\r\n");
    says(&r, 'z', "RPUSH {t}x 2", "+QUEUED\r\n");
    says(&r, 'z', "EXEC", "*2\r\n:1\r\n:1\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}y\r\n$1\r\n1\r\n");
    leave(&r);
}

static void a_transaction_serves_at_its_end(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}k 0");
    says(&r, 'z', "MULTI", "+OK\r\n");
    says(&r, 'z', "RPUSH {t}k 1 2", "+QUEUED\r\n");
    says(&r, 'z', "DEL {t}k", "+QUEUED\r\n");
    says(&r, 'z', "EXEC", "*2\r\n:2\r\n:1\r\n");
    hears(&r, 'a', "");
    says(&r, 'z', "MULTI", "+OK\r\n");
    says(&r, 'z', "RPUSH {t}k 1 2", "+QUEUED\r\n");
    says(&r, 'z', "LPOP {t}k", "+QUEUED\r\n");
    says(&r, 'z', "EXEC", "*2\r\n:2\r\n$1\r\n1\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\n2\r\n");
    leave(&r);
}

static void a_moved_element_wakes_the_next_in_the_chain(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'c', "BLPOP {t}3 0");
    waits(&r, 'b', "BLMOVE {t}2 {t}3 LEFT RIGHT 0");
    waits(&r, 'a', "BRPOPLPUSH {t}1 {t}2 0");
    says(&r, 'z', "RPUSH {t}1 v", ":1\r\n");
    hears(&r, 'a', "$1\r\nv\r\n");
    hears(&r, 'b', "$1\r\nv\r\n");
    hears(&r, 'c', "*2\r\n$4\r\n{t}3\r\n$1\r\nv\r\n");
    says(&r, 'z', "EXISTS {t}1 {t}2 {t}3", ":0\r\n");
    leave(&r);
}

static void a_list_that_moves_to_itself_serves_all(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLMOVE {t}k {t}k LEFT RIGHT 0");
    waits(&r, 'b', "BRPOPLPUSH {t}k {t}k 0");
    says(&r, 'z', "RPUSH {t}k 1 2", ":2\r\n");
    hears(&r, 'a', "$1\r\n1\r\n");
    hears(&r, 'b', "$1\r\n1\r\n");
    says(&r, 'z', "LRANGE {t}k 0 -1", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    leave(&r);
}

static void other_ways_to_make_a_list_serve_too(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}k 0");
    says(&r, 'z', "RPUSH {t}src v", ":1\r\n");
    says(&r, 'z', "RENAME {t}src {t}k", "+OK\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n");
    waits(&r, 'a', "BLPOP {t}k 0");
    says(&r, 'z', "RPUSH {t}src v", ":1\r\n");
    says(&r, 'z', "COPY {t}src {t}k", ":1\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n");
    waits(&r, 'a', "BLPOP {t}k 0");
    says(&r, 'z', "RPOPLPUSH {t}src {t}k", "$1\r\nv\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n");
    leave(&r);
}

static void a_value_of_another_type_serves_nobody(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}k 0");
    waits(&r, 'b', "BLMOVE {t}k {t}m LEFT LEFT 0");
    says(&r, 'z', "SET {t}k v", "+OK\r\n");
    hears(&r, 'a', "");
    hears(&r, 'b', "");
    says(&r, 'z', "DEL {t}k", ":1\r\n");
    says(&r, 'z', "RPUSH {t}k 1 2", ":2\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\n1\r\n");
    hears(&r, 'b', "$1\r\n2\r\n");
    leave(&r);
}

static void a_destination_of_another_type_is_an_error_when_served(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLMOVE {t}k {t}m LEFT LEFT 0");
    says(&r, 'z', "SET {t}m v", "+OK\r\n");
    says(&r, 'z', "RPUSH {t}k 1", ":1\r\n");
    hears(&r, 'a', "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    says(&r, 'z', "LRANGE {t}k 0 -1", "*1\r\n$1\r\n1\r\n");
    leave(&r);
}

static void sorted_sets_serve_who_waits_for_them(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BZPOPMIN {t}x {t}z 0");
    waits(&r, 'b', "BZPOPMAX {t}z 0");
    waits(&r, 'c', "BLPOP {t}z 0");
    waits(&r, 'd', "BZMPOP 0 2 {t}x {t}z MIN COUNT 2");
    says(&r, 'z', "ZADD {t}z 1 one 2 two 3 three 4 four 5 five", ":5\r\n");
    hears(&r, 'a', "*3\r\n$4\r\n{t}z\r\n$3\r\none\r\n$1\r\n1\r\n");
    hears(&r, 'b', "*3\r\n$4\r\n{t}z\r\n$4\r\nfive\r\n$1\r\n5\r\n");
    hears(&r, 'c', "");
    hears(&r, 'd',
          "*2\r\n$4\r\n{t}z\r\n*2\r\n*2\r\n$3\r\ntwo\r\n$1\r\n2\r\n"
          "*2\r\n$5\r\nthree\r\n$1\r\n3\r\n");
    says(&r, 'z', "ZRANGE {t}z 0 -1", "*1\r\n$4\r\nfour\r\n");
    says(&r, 'z', "DEL {t}z", ":1\r\n");
    waits(&r, 'a', "BZPOPMIN {t}z 0.01");
    driver_wait_ms(&r.d, 10);
    hears(&r, 'a', "*-1\r\n");
    leave(&r);
}

static void replicas_run_what_was_done(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 1);
    waits(&r, 'a', "BLPOP {t}k 0");
    waits(&r, 'b', "BLMOVE {t}k {t}m LEFT LEFT 0");
    waits(&r, 'c', "BLMPOP 0 1 {t}k LEFT COUNT 2");
    waits(&r, 'd', "BZPOPMAX {t}z 0");
    says(&r, 'z', "RPUSH {t}k 1 2 3 4 5", ":5\r\n");
    says(&r, 'z', "ZADD {t}z 1 one 2 two", ":2\r\n");
    driver_expect(&r.d, 1, "READONLY", "+OK\r\n");
    driver_expect(&r.d, 1, "LRANGE {t}k 0 -1", "*1\r\n$1\r\n5\r\n");
    driver_expect(&r.d, 1, "LRANGE {t}m 0 -1", "*1\r\n$1\r\n2\r\n");
    driver_expect(&r.d, 1, "ZRANGE {t}z 0 -1", "*1\r\n$3\r\none\r\n");
    says(&r, 'z', "BRPOP {t}k 0", "*2\r\n$4\r\n{t}k\r\n$1\r\n5\r\n");
    driver_expect(&r.d, 1, "EXISTS {t}k", ":0\r\n");
    leave(&r);
}

/* --------------------------------------------------------------------- ends without a value */

static void time_ends_a_wait(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}k 0.05");
    waits(&r, 'b', "BLMOVE {t}k {t}m LEFT LEFT 0.02");
    waits(&r, 'c', "BLMPOP 0.0301 1 {t}k LEFT");
    waits(&r, 'd', "BRPOP {t}k 0");
    client_of(&r, 'e')->resp = 3;
    waits(&r, 'e', "BLPOP {t}k 0.02");
    driver_wait_ms(&r.d, 19);
    hears(&r, 'b', "");
    driver_wait_ms(&r.d, 1);
    hears(&r, 'b', "*-1\r\n");
    hears(&r, 'e', "_\r\n");
    driver_wait_ms(&r.d, 10);
    hears(&r, 'c', "");
    driver_wait_ms(&r.d, 1);
    hears(&r, 'c', "*-1\r\n");
    driver_wait_ms(&r.d, 100000);
    hears(&r, 'a', "*-1\r\n");
    hears(&r, 'd', "");
    says(&r, 'z', "RPUSH {t}k v", ":1\r\n");
    hears(&r, 'd', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n");
    leave(&r);
}

static void a_timeout_too_far_away_is_none(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}k 9223372036854775");
    assert_true(node_block_deadline_us(fleet_node(r.d.fleet, 0)) == BLOCK_NEVER);
    waits(&r, 'b', "BLPOP {t}k -0.0001");
    assert_true(node_block_deadline_us(fleet_node(r.d.fleet, 0)) == BLOCK_NEVER);
    leave(&r);
}

static void who_leaves_is_forgotten(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    waits(&r, 'a', "BLPOP {t}k {t}j {t}k 10");
    waits(&r, 'b', "BLPOP {t}j {t}k 20");
    leave_one(&r, 'a');
    assert_int_equal(waiting_count(&r), 1);
    says(&r, 'z', "RPUSH {t}k v", ":1\r\n");
    hears(&r, 'b', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n");
    assert_int_equal(map_count(&fleet_node(r.d.fleet, 0)->blocked.keys), 0);
    leave(&r);
}

static void unblocked_by_another_client(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    node *n = fleet_node(r.d.fleet, 0);
    waits(&r, 'a', "BLPOP {t}k 0");
    waits(&r, 'b', "BLPOP {t}k 0");
    says(&r, 'c', "PING", "+PONG\r\n");
    assert_true(node_end_waiting(n, client_of(&r, 'a'), NULL));
    assert_true(node_end_waiting(n, client_of(&r, 'b'), "UNBLOCKED by a test"));
    assert_false(node_end_waiting(n, client_of(&r, 'c'), NULL));
    hears(&r, 'a', "*-1\r\n");
    hears(&r, 'b', "-UNBLOCKED by a test\r\n");
    assert_int_equal(waiting_count(&r), 0);
    leave(&r);
}

static void who_waits_reads_no_commands(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    node *n = fleet_node(r.d.fleet, 0);
    node_session *s = client_of(&r, 'a');
    assert_true(buffer_append_text(&r.d.in, "BLPOP {t}k 0\r\nPING\r\n"));
    node_receive(n, s, &r.d.in, r.d.now_us, SIZE_MAX);
    buffer kept;
    buffer_init(&kept, &mem_default, 0);
    assert_true(buffer_append_slice(&kept, buffer_slice(&r.d.in)));
    assert_int_equal(buffer_len(&kept), 6);
    buffer_clear(&r.d.in, SIZE_MAX);
    says(&r, 'z', "RPUSH {t}k v", ":1\r\n");
    node_receive(n, s, &kept, r.d.now_us, SIZE_MAX);
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n+PONG\r\n");
    buffer_done(&kept);
    leave(&r);
}

/* ------------------------------------------------------------------------- for replicas */

static void wait_ends_when_the_replicas_have_the_write(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 1);
    says(&r, 'a', "SET {t}k v", "+OK\r\n");
    says(&r, 'a', "WAIT 1 0", ":1\r\n");
    waits(&r, 'a', "WAIT 2 20");
    driver_wait_ms(&r.d, 20);
    hears(&r, 'a', ":1\r\n");
    fleet_set_replication_delay(r.d.fleet, 10000);
    says(&r, 'a', "SET {t}k w", "+OK\r\n");
    waits(&r, 'a', "WAIT 1 0");
    says(&r, 'b', "WAIT 1 0", ":1\r\n"); /* it has written nothing */
    says(&r, 'b', "SET {t}k x", "+OK\r\n");
    waits(&r, 'b', "WAIT 1 5");
    driver_wait_ms(&r.d, 5);
    hears(&r, 'b', ":0\r\n");
    hears(&r, 'a', "");
    driver_wait_ms(&r.d, 5);
    hears(&r, 'a', ":1\r\n");
    leave(&r);
}

static void wait_in_a_transaction_does_not_wait(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 0);
    says(&r, 'a', "MULTI", "+OK\r\n");
    says(&r, 'a', "WAIT 1 0", "+QUEUED\r\n");
    says(&r, 'a', "EXEC", "*1\r\n:0\r\n");
    leave(&r);
}

/* ------------------------------------------------------------------- the cluster changes */

static void a_slot_that_leaves_redirects_its_waiters(void **state) {
    (void)state;
    room r;
    enter(&r, 2, 0);
    int slot = slot_of_key(SLICE_LITERAL("{b}")); /* of the first node */
    assert_int_equal(slot, 3300);
    waits(&r, 'a', "BLPOP {b}k 0");
    assert_int_equal(fleet_migrate_begin(r.d.fleet, slot, 1), KW_OK);
    hears(&r, 'a', "");
    says(&r, 'z', "SET {b}other v", "-ASK 3300 10.0.0.1:7001\r\n");
    assert_int_equal(fleet_migrate_end(r.d.fleet, slot), KW_OK);
    hears(&r, 'a', "-MOVED 3300 10.0.0.1:7001\r\n");
    leave(&r);
}

/* The keys of {t} live at node 1 and come to node 0, where 'a' waits. */
static void begin_import(room *r, int *ret_slot) {
    enter(r, 2, 0);
    *ret_slot = slot_of_key(SLICE_LITERAL("{t}"));
    driver_expect(&r->d, 1, "RPUSH {t}k v", ":1\r\n");
    assert_int_equal(fleet_migrate_begin(r->d.fleet, *ret_slot, 0), KW_OK);
    says(r, 'a', "ASKING", "+OK\r\n");
    waits(r, 'a', "BLPOP {t}k 0");
}

static void a_key_that_migrates_here_serves_who_waits(void **state) {
    (void)state;
    room r;
    int slot;
    begin_import(&r, &slot);
    driver_expect(&r.d, 1, "MIGRATE 10.0.0.1 7000 {t}k 0 100", "+OK\r\n");
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n");
    leave(&r);
    begin_import(&r, &slot);
    assert_int_equal(fleet_migrate_keys(r.d.fleet, slot, 1, NULL), KW_OK);
    hears(&r, 'a', "*2\r\n$4\r\n{t}k\r\n$1\r\nv\r\n");
    leave(&r);
}

static void an_import_given_up_redirects_who_waits_for_it(void **state) {
    (void)state;
    room r;
    int slot;
    begin_import(&r, &slot);
    char line[64];
    (void)snprintf(line, sizeof line, "CLUSTER SETSLOT %d STABLE", slot);
    says(&r, 'z', line, "+OK\r\n");
    driver_wait_ms(&r.d, 100);
    char moved[64];
    (void)snprintf(moved, sizeof moved, "-MOVED %d 10.0.0.1:7001\r\n", slot);
    hears(&r, 'a', moved);
    leave(&r);
}

static void a_cluster_that_goes_down_ends_all_waits(void **state) {
    (void)state;
    room r;
    enter(&r, 2, 0);
    waits(&r, 'a', "BLPOP {b}k 0");
    assert_int_equal(fleet_assign(r.d.fleet, 16000, 16000, NODE_NOBODY), KW_OK);
    hears(&r, 'a', "-CLUSTERDOWN The cluster is down\r\n");
    leave(&r);
}

static void a_slot_that_is_nobodys_ends_its_waits(void **state) {
    (void)state;
    room r;
    enter(&r, 2, 0);
    fleet_node(r.d.fleet, 0)->view->full_coverage_required = false;
    waits(&r, 'a', "BLPOP {b}k 0");
    assert_int_equal(fleet_assign(r.d.fleet, 3300, 3300, NODE_NOBODY), KW_OK);
    hears(&r, 'a', "-CLUSTERDOWN Hash slot not served\r\n");
    leave(&r);
}

static void a_primary_that_becomes_a_replica_ends_all_waits(void **state) {
    (void)state;
    room r;
    enter(&r, 1, 1);
    waits(&r, 'a', "BLPOP {t}k 0");
    assert_int_equal(fleet_promote(r.d.fleet, 1), KW_OK);
    hears(&r, 'a',
          "-UNBLOCKED force unblock from blocking operation, instance state changed "
          "(master -> replica?)\r\n");
    assert_true(client_of(&r, 'a')->flags & SESSION_CLOSING);
    leave(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_serves_who_waits),
        cmocka_unit_test(who_came_first_is_served_first),
        cmocka_unit_test(who_gets_nothing_waits_on),
        cmocka_unit_test(the_key_pushed_to_first_wins),
        cmocka_unit_test(a_transaction_serves_at_its_end),
        cmocka_unit_test(a_moved_element_wakes_the_next_in_the_chain),
        cmocka_unit_test(a_list_that_moves_to_itself_serves_all),
        cmocka_unit_test(other_ways_to_make_a_list_serve_too),
        cmocka_unit_test(a_value_of_another_type_serves_nobody),
        cmocka_unit_test(a_destination_of_another_type_is_an_error_when_served),
        cmocka_unit_test(sorted_sets_serve_who_waits_for_them),
        cmocka_unit_test(replicas_run_what_was_done),
        cmocka_unit_test(time_ends_a_wait),
        cmocka_unit_test(a_timeout_too_far_away_is_none),
        cmocka_unit_test(who_leaves_is_forgotten),
        cmocka_unit_test(unblocked_by_another_client),
        cmocka_unit_test(who_waits_reads_no_commands),
        cmocka_unit_test(wait_ends_when_the_replicas_have_the_write),
        cmocka_unit_test(wait_in_a_transaction_does_not_wait),
        cmocka_unit_test(a_slot_that_leaves_redirects_its_waiters),
        cmocka_unit_test(a_key_that_migrates_here_serves_who_waits),
        cmocka_unit_test(an_import_given_up_redirects_who_waits_for_it),
        cmocka_unit_test(a_cluster_that_goes_down_ends_all_waits),
        cmocka_unit_test(a_slot_that_is_nobodys_ends_its_waits),
        cmocka_unit_test(a_primary_that_becomes_a_replica_ends_all_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
