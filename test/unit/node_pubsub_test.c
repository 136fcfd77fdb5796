#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

/* With three primaries "foo" is the last one's, "bar" the first one's. */
enum { FIRST = 0, LAST = 2 };

static void subscriptions_are_counted_as_the_servers_do(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"SUBSCRIBE a b a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
                            "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
                            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n"},
        {"PSUBSCRIBE p*", "*3\r\n$10\r\npsubscribe\r\n$2\r\np*\r\n:3\r\n"},
        {"SSUBSCRIBE foo", "*3\r\n$10\r\nssubscribe\r\n$3\r\nfoo\r\n:1\r\n"},
        {"UNSUBSCRIBE zz", "*3\r\n$11\r\nunsubscribe\r\n$2\r\nzz\r\n:3\r\n"},
        {"SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$3\r\nfoo\r\n:0\r\n"},
        {"SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$-1\r\n:0\r\n"},
        {"UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n"
                        "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n"},
        {"PUNSUBSCRIBE", "*3\r\n$12\r\npunsubscribe\r\n$2\r\np*\r\n:0\r\n"},
        {"PUNSUBSCRIBE", "*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n"},
        {"PING", "+PONG\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect_rows(&d, LAST, rows, COUNT_OF(rows));
    driver_stop(&d);
}

#define ONLY                                                                                       \
    ": only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "          \
    "context\r\n"

static void a_subscribed_resp2_session_may_do_little_else(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
        {"PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n"},
        {"PING hi", "*2\r\n$4\r\npong\r\n$2\r\nhi\r\n"},
        {"GET foo", "-ERR Can't execute 'get'" ONLY},
        {"CLIENT LIST", "-ERR Can't execute 'client|list'" ONLY},
        {"EXEC", "-EXECABORT Transaction discarded because of: Can't execute 'exec'" ONLY},
        {"GET bar", "-MOVED 5061 10.0.0.1:7000\r\n"},
        {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"SSUBSCRIBE bar", "-MOVED 5061 10.0.0.1:7000\r\n"},
        {"SSUBSCRIBE foo bar", "-CROSSSLOT Keys in request don't hash to the same slot\r\n"},
        {"RESET", "+RESET\r\n"},
        {"GET foo", "$-1\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect_rows(&d, LAST, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void messages_reach_every_node_in_either_protocol(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    node_session *at_replica = driver_open(&d, 3);
    node_session *at_last = driver_open(&d, LAST);
    (void)driver_ask_on(&d, LAST, at_last, "HELLO 3");
    (void)driver_ask_on(&d, LAST, at_last, "PSUBSCRIBE n*");
    (void)driver_ask_on(&d, 3, at_replica, "SUBSCRIBE news");
    driver_expect(&d, FIRST, "PUBLISH news hello", ":0\r\n");
    driver_expect_pushed(&d, 3, at_replica, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
    driver_expect_pushed(&d, LAST, at_last,
                         ">4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
    driver_close(&d, 3, at_replica);
    driver_close(&d, LAST, at_last);
    driver_stop(&d);
}

static void a_publisher_hears_itself_before_its_reply(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    (void)driver_ask(&d, LAST, "HELLO 3");
    (void)driver_ask(&d, LAST, "SUBSCRIBE a");
    driver_expect(&d, LAST, "PUBLISH a x", ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n:1\r\n");
    driver_expect(&d, LAST, "GET foo", "_\r\n");
    driver_stop(&d);
}

static void shard_messages_stay_in_their_shard(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 1);
    node_session *replica = driver_open(&d, 5);
    node_session *other = driver_open(&d, FIRST);
    driver_expect_on(&d, 5, replica, "SSUBSCRIBE foo",
                     "*3\r\n$10\r\nssubscribe\r\n$3\r\nfoo\r\n:1\r\n");
    driver_expect_on(&d, FIRST, other, "SSUBSCRIBE foo", "-MOVED 12182 10.0.0.1:7002\r\n");
    (void)driver_ask_on(&d, FIRST, other, "SUBSCRIBE foo");
    driver_expect(&d, LAST, "SPUBLISH foo x", ":0\r\n");
    driver_expect_pushed(&d, 5, replica, "*3\r\n$8\r\nsmessage\r\n$3\r\nfoo\r\n$1\r\nx\r\n");
    driver_expect_pushed(&d, FIRST, other, "");
    driver_expect(&d, LAST, "SPUBLISH bar x", "-MOVED 5061 10.0.0.1:7000\r\n");
    driver_close(&d, 5, replica);
    driver_close(&d, FIRST, other);
    driver_stop(&d);
}

static void shard_subscribers_are_told_when_the_slot_has_moved(void **state) {
    (void)state;
    enum { FOO_SLOT = 12182 };
    node_driver d;
    driver_start(&d, 3, 1);
    node_session *primary = driver_open(&d, LAST);
    node_session *replica = driver_open(&d, 5);
    (void)driver_ask_on(&d, LAST, primary, "SSUBSCRIBE foo {foo}2");
    (void)driver_ask_on(&d, LAST, primary, "SUBSCRIBE stays");
    (void)driver_ask_on(&d, 5, replica, "SSUBSCRIBE foo");
    assert_int_equal(fleet_migrate_begin(d.fleet, FOO_SLOT, FIRST), KW_OK);
    driver_expect(&d, LAST, "SPUBLISH foo x", ":1\r\n");
    driver_expect_pushed(&d, LAST, primary, "*3\r\n$8\r\nsmessage\r\n$3\r\nfoo\r\n$1\r\nx\r\n");
    driver_expect_pushed(&d, 5, replica, "*3\r\n$8\r\nsmessage\r\n$3\r\nfoo\r\n$1\r\nx\r\n");
    assert_int_equal(fleet_migrate_end(d.fleet, FOO_SLOT), KW_OK);
    driver_expect_pushed(&d, LAST, primary,
                         "*3\r\n$12\r\nsunsubscribe\r\n$3\r\nfoo\r\n:1\r\n"
                         "*3\r\n$12\r\nsunsubscribe\r\n$6\r\n{foo}2\r\n:0\r\n");
    driver_expect_pushed(&d, 5, replica, "*3\r\n$12\r\nsunsubscribe\r\n$3\r\nfoo\r\n:0\r\n");
    driver_expect_on(&d, LAST, primary, "PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    driver_expect_on(&d, 5, replica, "PING", "+PONG\r\n");
    driver_close(&d, LAST, primary);
    driver_close(&d, 5, replica);
    driver_stop(&d);
}

static void a_deleted_slot_ends_its_shard_channels(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    node_session *s = driver_open(&d, LAST);
    (void)driver_ask_on(&d, LAST, s, "SSUBSCRIBE foo");
    driver_expect(&d, LAST, "CLUSTER DELSLOTS 12182", "+OK\r\n");
    driver_expect_pushed(&d, LAST, s, "*3\r\n$12\r\nsunsubscribe\r\n$3\r\nfoo\r\n:0\r\n");
    driver_close(&d, LAST, s);
    driver_stop(&d);
}

static void inside_exec_only_plain_subscriptions_are_taken(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"MULTI", "+OK\r\n"},
        {"SUBSCRIBE c", "+QUEUED\r\n"},
        {"GET foo", "+QUEUED\r\n"},
        {"PING", "+QUEUED\r\n"},
        {"SSUBSCRIBE foo", "+QUEUED\r\n"},
        {"UNSUBSCRIBE", "+QUEUED\r\n"},
        {"EXEC", "*5\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n$-1\r\n"
                 "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
                 "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n"
                 "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    driver_expect_rows(&d, LAST, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void pubsub_tells_who_listens(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"PUBSUB CHANNELS", "*2\r\n$1\r\na\r\n$2\r\nab\r\n"},
        {"PUBSUB CHANNELS a", "*1\r\n$1\r\na\r\n"},
        {"PUBSUB CHANNELS a b", "-ERR unknown subcommand or wrong number of arguments for "
                                "'CHANNELS'. Try PUBSUB HELP.\r\n"},
        {"PUBSUB NUMSUB", "*0\r\n"},
        {"PUBSUB NUMSUB a zz", "*4\r\n$1\r\na\r\n:1\r\n$2\r\nzz\r\n:0\r\n"},
        {"PUBSUB NUMPAT", ":1\r\n"},
        {"PUBSUB NUMPAT x", "-ERR wrong number of arguments for 'pubsub|numpat' command\r\n"},
        {"PUBSUB SHARDCHANNELS", "*1\r\n$3\r\nfoo\r\n"},
        {"PUBSUB SHARDNUMSUB foo a", "*4\r\n$3\r\nfoo\r\n:1\r\n$1\r\na\r\n:0\r\n"},
        {"PUBSUB NOTHING", "-ERR unknown subcommand 'NOTHING'. Try PUBSUB HELP.\r\n"},
    };
    node_driver d;
    driver_start(&d, 3, 0);
    node_session *s = driver_open(&d, LAST);
    (void)driver_ask_on(&d, LAST, s, "SUBSCRIBE a ab");
    (void)driver_ask_on(&d, LAST, s, "PSUBSCRIBE a*");
    (void)driver_ask_on(&d, LAST, s, "SSUBSCRIBE foo");
    driver_expect_rows(&d, LAST, rows, COUNT_OF(rows));
    driver_close(&d, LAST, s);
    driver_expect(&d, LAST, "PUBSUB CHANNELS", "*0\r\n");
    driver_stop(&d);
}

static void who_does_not_read_its_messages_is_cut_off(void **state) {
    (void)state;
    enum { MESSAGE_BYTES = 8000 };
    node_driver d;
    char line[MESSAGE_BYTES + 16] = "PUBLISH a ";
    size_t len = strlen(line);
    memset(line + len, 'x', MESSAGE_BYTES);
    line[len + MESSAGE_BYTES] = '\0';
    driver_start(&d, 1, 0);
    node_session *s = driver_open(&d, 0);
    (void)driver_ask_on(&d, 0, s, "SUBSCRIBE a");
    for (size_t i = 0; i < PUSH_UNREAD_BYTES_MAX / MESSAGE_BYTES + 10; i++) {
        (void)driver_ask(&d, 0, line);
    }
    assert_true(s->flags & SESSION_FAILED);
    assert_true(buffer_len(&s->out) < PUSH_UNREAD_BYTES_MAX + 2 * MESSAGE_BYTES);
    driver_close(&d, 0, s);
    driver_stop(&d);
}

static void monitors_see_what_others_run(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    node_session *m = driver_open(&d, LAST);
    driver_expect_on(&d, LAST, m, "MONITOR", "+OK\r\n");
    driver_expect_on(&d, LAST, m, "MONITOR", "");
    driver_expect_on(&d, LAST, m, "GET foo", "-ERR Replica can't interact with the keyspace\r\n");
    static const driver_row rows[] = {
        {"SET foo \"a\\\"\\n\\x01\\xff\"", "\"SET\" \"foo\" \"a\\\"\\n\\x01\\xff\""},
        {"AUTH x y", "\"AUTH\" \"(redacted)\" \"(redacted)\""},
        {"HELLO 2 AUTH default p", "\"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\""},
        {"GET bar", NULL},
        {"NOSUCH", NULL},
        {"CLIENT LIST", NULL},
        {"CLUSTER MYID", "\"CLUSTER\" \"MYID\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char seen[256] = "";
        if (rows[i].reply) {
            (void)snprintf(seen, sizeof seen, "+1700000000.000000 [0 10.0.0.9:1234] %s\r\n",
                           rows[i].reply);
        }
        (void)driver_ask(&d, LAST, rows[i].line);
        driver_expect_pushed(&d, LAST, m, seen);
    }
    driver_expect_on(&d, LAST, m, "RESET", "+RESET\r\n");
    (void)driver_ask(&d, LAST, "PING");
    driver_expect_pushed(&d, LAST, m, "");
    driver_close(&d, LAST, m);
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriptions_are_counted_as_the_servers_do),
        cmocka_unit_test(a_subscribed_resp2_session_may_do_little_else),
        cmocka_unit_test(messages_reach_every_node_in_either_protocol),
        cmocka_unit_test(a_publisher_hears_itself_before_its_reply),
        cmocka_unit_test(shard_messages_stay_in_their_shard),
        cmocka_unit_test(shard_subscribers_are_told_when_the_slot_has_moved),
        cmocka_unit_test(a_deleted_slot_ends_its_shard_channels),
        cmocka_unit_test(inside_exec_only_plain_subscriptions_are_taken),
        cmocka_unit_test(pubsub_tells_who_listens),
        cmocka_unit_test(who_does_not_read_its_messages_is_cut_off),
        cmocka_unit_test(monitors_see_what_others_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
