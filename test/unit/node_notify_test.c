#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* What is told of by a command, as "event key" after "event key". */
typedef struct notice_row {
    const char *line;
    const char *told;
} notice_row;

/* The events among what was pushed, "expire k; set k; ". */
static const char *events_of(const char *pushed) {
    static const char mark[] = "__keyevent@0__:";
    static char told[1024];
    size_t at = 0;
    told[0] = '\0';
    for (const char *found = strstr(pushed, mark); found; found = strstr(found, mark)) {
        found += sizeof mark - 1;
        const char *event_end = strstr(found, "\r\n");
        const char *key = strstr(event_end + 2, "\r\n") + 2;
        const char *key_end = strstr(key, "\r\n");
        at += (size_t)snprintf(told + at, sizeof told - at, "%.*s %.*s; ", (int)(event_end - found),
                               found, (int)(key_end - key), key);
    }
    return told;
}

static void expect_told(node_driver *d, node_session *ear, const char *line, const char *told) {
    (void)driver_ask(d, 0, line);
    slice_copy(d->text, sizeof d->text, buffer_slice(&ear->out));
    const char *events = events_of(d->text);
    if (strcmp(events, told) != 0) {
        fail_msg("%s\n  told of: %s\n  expected: %s", line, events, told);
    }
    buffer_clear(&ear->out, SIZE_MAX);
}

static node_session *listen(node_driver *d, const char *classes) {
    char line[64];
    node_session *ear = driver_open(d, 0);
    (void)snprintf(line, sizeof line, "CONFIG SET notify-keyspace-events \"%s\"", classes);
    driver_expect(d, 0, line, "+OK\r\n");
    (void)driver_ask_on(d, 0, ear, "PSUBSCRIBE __key*");
    return ear;
}

/* As a server told of them. */
static void each_change_has_the_servers_name(void **state) {
    (void)state;
    static const notice_row rows[] = {
        {"SET k 1", "new k; set k; "},
        {"SET k 2", "set k; "},
        {"SET k 2 EX 100", "set k; expire k; "},
        {"SET k 2 KEEPTTL", "set k; "},
        {"SETEX k 100 v", "set k; expire k; "},
        {"SETNX k v", ""},
        {"GETEX k EX 100", "expire k; "},
        {"GETEX k PERSIST", "persist k; "},
        {"GETEX k", ""},
        {"GETDEL k", "del k; "},
        {"APPEND k 1", "new k; append k; "},
        {"INCR k", "incrby k; "},
        {"DECRBY k 2", "incrby k; "},
        {"MSET {k}a 1 {k}b 2", "new {k}a; set {k}a; new {k}b; set {k}b; "},
        {"EXPIRE {k}a 100", "expire {k}a; "},
        {"PERSIST {k}a", "persist {k}a; "},
        {"EXPIRE {k}a -1", "del {k}a; "},
        {"RENAME {k}b {k}c", "new {k}c; rename_from {k}b; rename_to {k}c; "},
        {"COPY {k}c {k}d", "new {k}d; copy_to {k}d; "},
        {"DEL {k}c {k}d {k}e", "del {k}c; del {k}d; "},
        {"HSET h a 1 b 2", "new h; hset h; "},
        {"HDEL h a", "hdel h; "},
        {"HDEL h b", "hdel h; del h; "},
        {"RPUSH {l} a b c", "new {l}; rpush {l}; "},
        {"LMOVE {l} {l}m LEFT RIGHT", "new {l}m; rpush {l}m; lpop {l}; "},
        {"LMOVE {l} {l} LEFT RIGHT", "rpush {l}; lpop {l}; "},
        {"RPOPLPUSH {l} {l}m", "lpush {l}m; rpop {l}; "},
        {"LMPOP 1 {l} RIGHT", "rpop {l}; del {l}; "},
        {"BLPOP {l}m 0", "lpop {l}m; "},
        {"SADD {s} a b", "new {s}; sadd {s}; "},
        {"SMOVE {s} {s}t a", "srem {s}; new {s}t; sadd {s}t; "},
        {"SUNIONSTORE {s}u {s} {s}t", "new {s}u; sunionstore {s}u; "},
        {"SINTERSTORE {s}u {s} {s}t", "del {s}u; "},
        {"SPOP {s} 10", "spop {s}; del {s}; "},
        {"ZADD z 1 a 2 b", "new z; zadd z; "},
        {"ZADD z INCR 1 a", "zincr z; "},
        {"ZINCRBY z 1 a", "zincr z; "},
        {"ZMPOP 1 z MIN", "zpopmin z; "},
        {"BZPOPMAX z 0", "zpopmax z; del z; "},
        {"GET nothing", ""},
        {"FLUSHALL", ""},
    };
    node_driver d;
    driver_start(&d, 1, 1);
    node_session *ear = listen(&d, "g$lshzxEn");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect_told(&d, ear, rows[i].line, rows[i].told);
    }
    driver_close(&d, 0, ear);
    driver_stop(&d);
}

static void each_message_names_key_and_event(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *ear = listen(&d, "KE$");
    driver_expect(&d, 0, "SET k 1 EX 10", "+OK\r\n");
    driver_expect_pushed(&d, 0, ear,
                         "*4\r\n$8\r\npmessage\r\n$6\r\n__key*\r\n$16\r\n__keyspace@0__:k\r\n"
                         "$3\r\nset\r\n"
                         "*4\r\n$8\r\npmessage\r\n$6\r\n__key*\r\n$18\r\n__keyevent@0__:set\r\n"
                         "$1\r\nk\r\n");
    driver_expect(&d, 0, "CONFIG SET notify-keyspace-events \"\"", "+OK\r\n");
    driver_expect(&d, 0, "SET k 1 EX 10", "+OK\r\n");
    driver_expect_pushed(&d, 0, ear, "");
    driver_close(&d, 0, ear);
    driver_stop(&d);
}

static void keys_whose_time_is_over_are_told_of(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 1);
    node_session *ear = listen(&d, "Ex");
    expect_told(&d, ear, "SET k 1 PX 50", "");
    driver_wait_ms(&d, 250);
    expect_told(&d, ear, "PING", "expired k; ");
    expect_told(&d, ear, "SET k 1 PX 50", "");
    d.now_us += 60000;
    expect_told(&d, ear, "GET k", "expired k; ");
    driver_close(&d, 0, ear);
    driver_stop(&d);
}

static void each_command_of_a_transaction_tells_its_own(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *ear = listen(&d, "E$g");
    expect_told(&d, ear, "MULTI", "");
    expect_told(&d, ear, "SET k 1", "");
    expect_told(&d, ear, "DEL k", "");
    expect_told(&d, ear, "EXEC", "set k; del k; ");
    driver_close(&d, 0, ear);
    driver_stop(&d);
}

static void a_replica_tells_its_own_subscribers(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 1);
    node_session *ear = driver_open(&d, 1);
    driver_expect(&d, 1, "CONFIG SET notify-keyspace-events KA", "+OK\r\n");
    (void)driver_ask_on(&d, 1, ear, "SUBSCRIBE __keyspace@0__:k");
    driver_expect(&d, 0, "SET k 1", "+OK\r\n");
    driver_expect_pushed(&d, 1, ear,
                         "*3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n");
    driver_close(&d, 1, ear);
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_has_the_servers_name),
        cmocka_unit_test(each_message_names_key_and_event),
        cmocka_unit_test(keys_whose_time_is_over_are_told_of),
        cmocka_unit_test(each_command_of_a_transaction_tells_its_own),
        cmocka_unit_test(a_replica_tells_its_own_subscribers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
