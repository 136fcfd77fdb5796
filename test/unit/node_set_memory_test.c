/* Commands on hashes, sets and strings while memory is short. */
#include "node/node_fleet.h"
#include "unit/support/failing_mem.h"
#include "unit/support/unit.h"

static const char *const lines[] = {
    "HSET {k}h a 1 b 2\r\n",
    "HSETNX {k}h c 3\r\n",
    "HINCRBY {k}h a 7\r\n",
    "HINCRBYFLOAT {k}new a 0.5\r\n",
    "HGETALL {k}h\r\n",
    "HRANDFIELD {k}h 1 WITHVALUES\r\n",
    "HSCAN {k}h 0\r\n",
    "DUMP {k}h\r\n",
    "COPY {k}h {k}copy\r\n",
    "RENAME {k}copy {k}moved\r\n",
    "HDEL {k}moved a b c\r\n",
    "SADD {k}s 1 2 3 4 5 6\r\n",
    "SADD {k}t 2 x y\r\n",
    "SMOVE {k}s {k}t 1\r\n",
    "SMOVE {k}t {k}new2 x\r\n",
    "SPOP {k}s 2\r\n",
    "SRANDMEMBER {k}t 1\r\n",
    "SINTER {k}s {k}t\r\n",
    "SUNIONSTORE {k}u {k}s {k}t\r\n",
    "SDIFFSTORE {k}s {k}u {k}t\r\n",
    "SINTERCARD 2 {k}s {k}t\r\n",
    "SORT {k}t ALPHA STORE {k}list\r\n",
    "RPUSH {k}list a b c\r\n",
    "ZADD {k}z 1 a 2 b\r\n",
    "SORT {k}z ALPHA DESC\r\n",
    "DUMP {k}list\r\n",
    "DUMP {k}z\r\n",
    "COPY {k}z {k}z2\r\n",
    "COPY {k}u {k}list REPLACE\r\n",
    "SETBIT {k}b 77 1\r\n",
    "BITOP NOT {k}c {k}b\r\n",
    "BITFIELD {k}b SET u8 90 17 GET u4 0\r\n",
    "BITFIELD {k}fresh INCRBY i5 0 1\r\n",
    "SETRANGE {k}r 5 abc\r\n",
    "APPEND {k}r defghijklmnopqrstuvwxyz\r\n",
    "LCS {k}r {k}b IDX\r\n",
    "LCS {k}r {k}r\r\n",
    "OBJECT ENCODING {k}r\r\n",
    "SPOP {k}t 100\r\n",
};

/* No value is left empty behind, whatever went wrong. */
static void expect_no_empty_value(const keyspace *ks) {
    int slot = slot_of_key(SLICE_LITERAL("k"));
    size_t count = 0;
    for (const keyspace_entry *e = keyspace_first(ks, slot); e; e = keyspace_next(ks, slot, e)) {
        assert_true(!e->kind || e->kind->count(e->object) > 0);
        count++;
    }
    assert_int_equal(keyspace_count(ks), count);
}

/* Runs the lines on a fleet of its own, from the start of which memory fails at one point, or from
 * there on; returns whether it came to that. */
static bool run_lines(size_t fail_at, bool for_good) {
    static const uint16_t ports[] = {7000, 7001};
    failing_mem memory;
    failing_mem_init(&memory);
    const fleet_config config = {
        .mem = &memory.mem,
        .primary_count = 1,
        .replica_count = 1,
        .host = "10.0.0.1",
        .ports = ports,
    };
    node_fleet *f = NULL;
    assert_int_equal(fleet_new(&config, 0, &f), KW_OK);
    node *n = fleet_node(f, 0);
    buffer in;
    buffer_init(&in, &mem_default, 0);
    if (for_good) {
        failing_mem_fail_after(&memory, fail_at);
    } else {
        failing_mem_fail_at(&memory, fail_at);
    }
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        node_session *s = node_session_new(n, "10.0.0.9:1", 0);
        if (!s) {
            continue;
        }
        assert_true(buffer_append_text(&in, lines[i]));
        node_receive(n, s, &in, 1000 * i, SIZE_MAX);
        buffer_clear(&in, SIZE_MAX);
        node_session_free(n, s);
        expect_no_empty_value(n->keys);
    }
    bool reached = memory.call_count >= fail_at;
    buffer_done(&in);
    fleet_free(f);
    assert_int_equal(memory.live_count, 0);
    return reached;
}

static void each_failed_allocation_is_survived(void **state) {
    (void)state;
    size_t fail_at = 1;
    while (run_lines(fail_at, false)) {
        fail_at++;
        assert_true(fail_at < 2000);
    }
    assert_true(fail_at > 2 * COUNT_OF(lines)); /* or hardly a line was run */
}

static void memory_that_never_comes_back_is_survived(void **state) {
    (void)state;
    for (size_t fail_at = 1; run_lines(fail_at, true); fail_at += 3) {
        assert_true(fail_at < 2000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failed_allocation_is_survived),
        cmocka_unit_test(memory_that_never_comes_back_is_survived),
    };
    return cmocka_run_group_tests_name("node_set_memory", tests, NULL, NULL);
}
