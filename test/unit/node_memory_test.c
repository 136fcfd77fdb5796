#include "unit/support/failing_mem.h"
#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

#include "core/resp.h"

#define CLIENTS 4

/* What is done at a primary with a replica, each line by the client whose number begins it. */
static const char *const script[] = {
    "0 BLPOP {t}k {t}other {t}k 5",
    "1 BLMOVE {t}k {t}m LEFT RIGHT 0",
    "2 BZMPOP 2 2 {t}k {t}z MIN COUNT 2",
    "3 RPUSH {t}k an-element-longer-than-fifteen-bytes 2 3",
    "3 RPUSH {t}k 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
    "3 LINSERT {t}k BEFORE 7 another-element-longer-than-fifteen-bytes",
    "3 LSET {t}k 0 yet-another-element-longer-than-fifteen-bytes",
    "3 LMOVE {t}k {t}new LEFT RIGHT",
    "3 BLMOVE {t}k {t}new LEFT RIGHT 0",
    "3 BRPOPLPUSH {t}k {t}new2 0",
    "3 RPOPLPUSH {t}k {t}k",
    "3 LREM {t}k 1 9",
    "3 LPOS {t}k 8 COUNT 0",
    "3 LMPOP 2 {t}none {t}k LEFT COUNT 3",
    "3 LTRIM {t}k 1 -2",
    "3 LRANGE {t}k 0 -1",
    "3 ZADD {t}z 1 one 2 two 3 three",
    "3 ZADD {t}z INCR 1.5 two",
    "3 ZADD {t}y 1 one 2 two 3 three 4 four 5 five 6 six 7 seven 8 eight 9 nine",
    "3 SADD {t}s one two three",
    "3 ZUNION 3 {t}y {t}z {t}s WITHSCORES",
    "3 ZUNIONSTORE {t}u 3 {t}y {t}z {t}s WEIGHTS 1 2 3",
    "3 ZINTERSTORE {t}i 2 {t}y {t}s AGGREGATE MAX",
    "3 ZDIFFSTORE {t}d 2 {t}y {t}s",
    "3 ZRANGESTORE {t}r {t}y 2 5",
    "3 ZRANDMEMBER {t}y 3 WITHSCORES",
    "3 ZRANDMEMBER {t}y -3",
    "3 ZINTERCARD 2 {t}y {t}s",
    "3 ZPOPMIN {t}y 2",
    "3 ZSCAN {t}y 0",
    "3 ZRANGE {t}y 0 -1 WITHSCORES",
    "3 ZREMRANGEBYRANK {t}y 0 1",
    "3 COPY {t}y {t}y2",
    "3 COPY {t}k {t}k2",
    "0 BLPOP {t}none 5",
    "1 BLMOVE {t}none {t}m LEFT RIGHT 0",
    "2 WAIT 5 10",
};

static kw_slice next_word(const char **at) {
    const char *begin = *at;
    size_t len = strcspn(begin, " ");
    *at = begin + len + (begin[len] == ' ');
    return slice_of(begin, len);
}

static void run_line(node *n, node_session *s, const char *line, uint64_t now_us) {
    kw_slice argv[32];
    size_t argc = 0;
    while (*line) {
        assert_true(argc < COUNT_OF(argv));
        argv[argc++] = next_word(&line);
    }
    if (!s->holds && !(s->flags & SESSION_FAILED)) {
        node_execute(n, s, argv, argc, now_us);
    }
}

static void run_script(node_fleet *f) {
    node *n = fleet_node(f, 0);
    uint64_t now_us = DRIVER_START_US;
    node_session *clients[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = node_session_new(n, "10.0.0.9:1", now_us);
    }
    for (size_t i = 0; i < COUNT_OF(script); i++) {
        node_session *s = clients[script[i][0] - '0'];
        if (s) {
            run_line(n, s, script[i] + 2, ++now_us);
        }
    }
    fleet_tick(f, now_us + 6000000);
    for (size_t i = 0; i < CLIENTS; i++) {
        node_session_free(n, clients[i]);
    }
    assert_int_equal(n->blocked.count, 0);
    assert_int_equal(map_count(&n->blocked.keys), 0);
}

/* Returns how many allocations the script asked for. */
static size_t run_with_failure(size_t fail_at, bool fail_after) {
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
    assert_int_equal(fleet_new(&config, DRIVER_START_US, &f), KW_OK);
    if (fail_after) {
        failing_mem_fail_after(&memory, fail_at);
    } else {
        failing_mem_fail_at(&memory, fail_at);
    }
    run_script(f);
    size_t calls = memory.call_count;
    failing_mem_fail_at(&memory, 0);
    fleet_free(f);
    assert_int_equal(memory.live_count, 0);
    return calls;
}

static void each_failed_allocation_is_survived(void **state) {
    (void)state;
    size_t calls = run_with_failure(0, false);
    assert_true(calls > 100);
    for (size_t fail_at = 1; fail_at <= calls; fail_at++) {
        (void)run_with_failure(fail_at, false);
    }
}

static void memory_that_is_gone_for_good_is_survived(void **state) {
    (void)state;
    size_t calls = run_with_failure(0, false);
    for (size_t count = 0; count <= calls; count += 3) {
        (void)run_with_failure(count, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failed_allocation_is_survived),
        cmocka_unit_test(memory_that_is_gone_for_good_is_survived),
    };
    return cmocka_run_group_tests_name("node_memory", tests, NULL, NULL);
}
