#include "unit/support/node_driver.h"
#include "unit/support/unit.h"

static void expect_listed(node_driver *d, node_session *s, const char *field) {
    const char *text = driver_ask_on(d, 0, s, "CLIENT INFO");
    if (!strstr(text, field)) {
        fail_msg("no %s in %s", field, text);
    }
}

static void a_session_is_described_by_what_it_does(void **state) {
    (void)state;
    static const struct {
        const char *line, *field;
    } rows[] = {
        {"PING", " flags=N "},
        {"CLIENT SETNAME ada", " name=ada "},
        {"READONLY", " flags=r "},
        {"CLIENT NO-EVICT on", " flags=re "},
        {"HELLO 3", " resp=3"},
        {"SUBSCRIBE a b", " sub=2 psub=0 ssub=0 "},
        {"PSUBSCRIBE a*", " psub=1 "},
        {"SSUBSCRIBE foo", " ssub=1 "},
        {"CLIENT TRACKING on BCAST", " flags=PtBre "},
        {"CLIENT TRACKING on BCAST", " redir=0 "},
        {"WATCH k", " flags=PtBre "},
        {"SET k v", " flags=PtBdre "},
        {"RESET", " flags=e "},
        {"PING", " sub=0 psub=0 ssub=0 multi=-1 "},
        {"PING", " cmd=client|info user=default redir=-1 resp=2"},
    };
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *s = driver_open(&d, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        (void)driver_ask_on(&d, 0, s, rows[i].line);
        expect_listed(&d, s, rows[i].field);
    }
    driver_close(&d, 0, s);
    driver_stop(&d);
}

static void wrong_arguments_get_the_servers_words(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"CLIENT FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"},
        {"CLIENT KILL x", "-ERR No such client\r\n"},
        {"CLIENT KILL ID", "-ERR No such client\r\n"},
        {"CLIENT KILL ID 0", "-ERR client-id should be greater than 0\r\n"},
        {"CLIENT KILL ID 999", ":0\r\n"},
        {"CLIENT KILL FOO 1", "-ERR syntax error\r\n"},
        {"CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'\r\n"},
        {"CLIENT KILL TYPE replica", ":0\r\n"},
        {"CLIENT KILL USER nobody", "-ERR No such user 'nobody'\r\n"},
        {"CLIENT KILL ID 9 SKIPME", "-ERR syntax error\r\n"},
        {"CLIENT KILL ID 9 SKIPME maybe", "-ERR syntax error\r\n"},
        {"CLIENT LIST x", "-ERR syntax error\r\n"},
        {"CLIENT LIST TYPE", "-ERR syntax error\r\n"},
        {"CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'\r\n"},
        {"CLIENT LIST TYPE master", "$0\r\n\r\n"},
        {"CLIENT LIST ID x", "-ERR Invalid client ID\r\n"},
        {"CLIENT LIST ID 0 999", "$0\r\n\r\n"},
        {"CLIENT REPLY foo", "-ERR syntax error\r\n"},
        {"CLIENT NO-EVICT x", "-ERR syntax error\r\n"},
        {"CLIENT UNBLOCK x", "-ERR value is not an integer or out of range\r\n"},
        {"CLIENT UNBLOCK 99", ":0\r\n"},
        {"CLIENT UNBLOCK 99 foo", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n"},
        {"CLIENT UNBLOCK 99 ERROR x", "-ERR unknown subcommand or wrong number of arguments for "
                                      "'UNBLOCK'. Try CLIENT HELP.\r\n"},
        {"CLIENT PAUSE x", "-ERR timeout is not an integer or out of range\r\n"},
        {"CLIENT PAUSE -1", "-ERR timeout is negative\r\n"},
        {"CLIENT PAUSE 10 foo", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n"},
        {"CLIENT PAUSE 9223372036854775807", "+OK\r\n"},
        {"CLIENT UNPAUSE x", "-ERR wrong number of arguments for 'client|unpause' command\r\n"},
        {"CLIENT SETNAME \"a b\"",
         "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"},
        {"CLIENT GETNAME", "$-1\r\n"},
    };
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void others_are_killed_at_once_oneself_after_the_reply(void **state) {
    (void)state;
    node_driver d;
    char line[64];
    driver_start(&d, 1, 0);
    (void)driver_ask(&d, 0, "PING");
    node_session *a = driver_open(&d, 0);
    node_session *b = driver_open(&d, 0);
    (void)driver_ask_on(&d, 0, b, "SUBSCRIBE x");
    (void)snprintf(line, sizeof line, "CLIENT KILL ID %llu", (unsigned long long)a->id);
    driver_expect(&d, 0, line, ":1\r\n");
    assert_true(a->flags & SESSION_FAILED);
    driver_expect(&d, 0, line, ":0\r\n");
    driver_expect(&d, 0, "CLIENT KILL TYPE pubsub", ":1\r\n");
    assert_true(b->flags & SESSION_FAILED);
    driver_expect(&d, 0, "PUBLISH x y", ":1\r\n");
    assert_int_equal(buffer_len(&b->out), 0);
    driver_close(&d, 0, a);
    driver_close(&d, 0, b);

    driver_expect(&d, 0, "CLIENT KILL 10.0.0.9:1234", "+OK\r\n");
    assert_true(d.sessions[0]->flags & SESSION_CLOSING);
    driver_stop(&d);
}

static void nothing_follows_in_exec_after_killing_oneself(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    static const driver_row rows[] = {
        {"MULTI", "+OK\r\n"},
        {"CLIENT KILL USER default SKIPME no", "+QUEUED\r\n"},
        {"PING", "+QUEUED\r\n"},
        {"EXEC", "*2\r\n:1\r\n"},
    };
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void replies_can_be_switched_off(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"CLIENT REPLY SKIP", ""},
        {"SET k v", ""},
        {"GET k", "$1\r\nv\r\n"},
        {"CLIENT REPLY OFF", ""},
        {"GET k", ""},
        {"GET", ""},
        {"NOSUCH", ""},
        {"CLIENT REPLY SKIP", ""},
        {"CLIENT REPLY ON", "+OK\r\n"},
        {"GET k", "$1\r\nv\r\n"},
        {"CLIENT REPLY OFF", ""},
        {"SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
        {"RESET", "+RESET\r\n"},
        {"MULTI", "+OK\r\n"},
        {"CLIENT REPLY SKIP", "+QUEUED\r\n"},
        {"PING", "+QUEUED\r\n"},
        {"EXEC", "*2\r\n+PONG\r\n"},
        {"PING", ""},
        {"PING", "+PONG\r\n"},
        {"CLIENT REPLY OFF", ""},
        {"MULTI", ""},
        {"PING", ""},
        {"CLIENT REPLY ON", ""},
        {"PING", ""},
        {"EXEC", "+OK\r\n+PONG\r\n"},
    };
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

static void a_pause_holds_writes_until_its_time_is_over(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 3, 0);
    node_session *s = driver_open(&d, 2);
    driver_expect(&d, 2, "CLIENT PAUSE 300 WRITE", "+OK\r\n");
    driver_expect_on(&d, 2, s, "GET foo", "$-1\r\n");
    driver_expect_on(&d, 2, s, "SET", "-ERR wrong number of arguments for 'set' command\r\n");
    driver_expect_on(&d, 2, s, "SET bar 1", "-MOVED 5061 10.0.0.1:7000\r\n");
    driver_expect_on(&d, 2, s, "SET foo 1", "");
    driver_expect(&d, 2, "PUBLISH a b", "");
    driver_wait_ms(&d, 200);
    driver_expect_pushed(&d, 2, s, "");
    driver_wait_ms(&d, 150);
    driver_expect_pushed(&d, 2, s, "+OK\r\n");
    driver_expect_pushed(&d, 2, d.sessions[2], ":0\r\n");
    driver_expect_on(&d, 2, s, "GET foo", "$1\r\n1\r\n");
    driver_close(&d, 2, s);
    driver_stop(&d);
}

static void unpause_lets_go_what_waits(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *s = driver_open(&d, 0);
    driver_expect(&d, 0, "CLIENT PAUSE 100000 WRITE", "+OK\r\n");
    driver_expect(&d, 0, "CLIENT PAUSE 1 WRITE", "+OK\r\n");
    driver_wait_ms(&d, 50);
    driver_expect_on(&d, 0, s, "MULTI", "+OK\r\n");
    driver_expect_on(&d, 0, s, "SET k 1", "");
    driver_expect(&d, 0, "CLIENT UNPAUSE", "+OK\r\n");
    driver_expect_pushed(&d, 0, s, "+QUEUED\r\n");
    driver_expect_on(&d, 0, s, "EXEC", "*1\r\n+OK\r\n");
    driver_close(&d, 0, s);
    driver_stop(&d);
}

static void a_pause_of_all_holds_even_ping(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "CLIENT PAUSE 100", "+OK\r\n");
    driver_expect(&d, 0, "PING", "");
    driver_wait_ms(&d, 100);
    driver_expect_pushed(&d, 0, d.sessions[0], "+PONG\r\n");
    driver_stop(&d);
}

static void who_waits_can_be_unblocked(void **state) {
    (void)state;
    static const struct {
        const char *how, *reply;
    } rows[] = {
        {"", "*-1\r\n"},
        {" TIMEOUT", "*-1\r\n"},
        {" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"},
    };
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *s = driver_open(&d, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[64];
        driver_expect_on(&d, 0, s, "BLPOP k 0", "");
        (void)snprintf(line, sizeof line, "CLIENT UNBLOCK %llu%s", (unsigned long long)s->id,
                       rows[i].how);
        driver_expect(&d, 0, line, ":1\r\n");
        driver_expect(&d, 0, line, ":0\r\n");
        driver_expect_pushed(&d, 0, s, rows[i].reply);
    }
    driver_close(&d, 0, s);
    driver_stop(&d);
}

/* ----------------------------------------------------------------------- client-side caching */

static void a_tracked_key_is_invalidated_once(void **state) {
    (void)state;
    static const char told[] = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
    node_driver d;
    driver_start(&d, 1, 1);
    node_session *s = driver_open(&d, 0);
    (void)driver_ask_on(&d, 0, s, "HELLO 3");
    driver_expect_on(&d, 0, s, "CLIENT TRACKING on", "+OK\r\n");
    driver_expect_on(&d, 0, s, "GET k", "_\r\n");
    driver_expect(&d, 0, "SET k 1 PX 50", "+OK\r\n");
    driver_expect_pushed(&d, 0, s, told);
    driver_expect(&d, 0, "SET k 2 PX 50", "+OK\r\n");
    driver_expect_pushed(&d, 0, s, "");
    driver_expect_on(&d, 0, s, "GET k", "$1\r\n2\r\n");
    driver_expect_on(&d, 0, s, "SET k 3", "+OK\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
    driver_expect_on(&d, 0, s, "GET k", "$1\r\n3\r\n");
    driver_expect(&d, 0, "FLUSHALL", "+OK\r\n");
    driver_expect_pushed(&d, 0, s, ">2\r\n$10\r\ninvalidate\r\n_\r\n");
    driver_close(&d, 0, s);
    driver_stop(&d);
}

static void a_replica_invalidates_what_its_primary_changes(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 1);
    node_session *s = driver_open(&d, 1);
    (void)driver_ask_on(&d, 1, s, "HELLO 3");
    (void)driver_ask_on(&d, 1, s, "READONLY");
    (void)driver_ask_on(&d, 1, s, "CLIENT TRACKING on");
    driver_expect_on(&d, 1, s, "GET k", "_\r\n");
    driver_expect(&d, 0, "SET k 1", "+OK\r\n");
    driver_expect_pushed(&d, 1, s, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
    driver_close(&d, 1, s);
    driver_stop(&d);
}

static void no_more_keys_are_tracked_than_configured(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect(&d, 0, "CONFIG SET tracking-table-max-keys 2", "+OK\r\n");
    (void)driver_ask(&d, 0, "HELLO 3");
    (void)driver_ask(&d, 0, "CLIENT TRACKING on");
    driver_expect(&d, 0, "MGET {k}1 {k}2 {k}3", "*3\r\n_\r\n_\r\n_\r\n");
    node_session *s = driver_open(&d, 0);
    driver_expect_on(&d, 0, s, "PING", "+PONG\r\n");
    driver_expect_pushed(&d, 0, d.sessions[0], ">2\r\n$10\r\ninvalidate\r\n*1\r\n$4\r\n{k}1\r\n");
    driver_close(&d, 0, s);
    driver_stop(&d);
}

static void resp2_hears_by_way_of_a_redirect(void **state) {
    (void)state;
    char line[64];
    node_driver d;
    driver_start(&d, 1, 0);
    node_session *ear = driver_open(&d, 0);
    (void)driver_ask_on(&d, 0, ear, "SUBSCRIBE __redis__:invalidate");
    (void)snprintf(line, sizeof line, "CLIENT TRACKING on REDIRECT %llu",
                   (unsigned long long)ear->id);
    driver_expect(&d, 0, line, "+OK\r\n");
    driver_expect(&d, 0, "GET k", "$-1\r\n");
    driver_expect(&d, 0, "SET k 1", "+OK\r\n");
    driver_expect_pushed(&d, 0, ear,
                         "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n");
    driver_expect(&d, 0, "FLUSHALL", "+OK\r\n");
    driver_expect_pushed(&d, 0, ear,
                         "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
    driver_close(&d, 0, ear);
    (void)driver_ask(&d, 0, "HELLO 3");
    driver_expect(&d, 0, "GET k", "_\r\n");
    driver_expect(&d, 0, "SET k 2", "+OK\r\n>2\r\n$21\r\ntracking-redir-broken\r\n:3\r\n");
    driver_expect(&d, 0, "CLIENT TRACKINGINFO",
                  "%3\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$15\r\nbroken_redirect\r\n"
                  "$8\r\nredirect\r\n:3\r\n$8\r\nprefixes\r\n*0\r\n");
    driver_stop(&d);
}

static void broadcast_comes_after_the_turn(void **state) {
    (void)state;
    node_driver d;
    driver_start(&d, 1, 0);
    (void)driver_ask(&d, 0, "HELLO 3");
    driver_expect(&d, 0, "CLIENT TRACKING on BCAST PREFIX k PREFIX a", "+OK\r\n");
    driver_expect(&d, 0, "SET other 1", "+OK\r\n");
    driver_expect(&d, 0, "MSET k2{x} 1 k1{x} 2 z{x} 3",
                  "+OK\r\n>2\r\n$10\r\ninvalidate\r\n*2\r\n$5\r\nk1{x}\r\n$5\r\nk2{x}\r\n");
    driver_stop(&d);
}

static void tracking_options_must_go_together(void **state) {
    (void)state;
    static const driver_row rows[] = {
        {"CLIENT TRACKING x", "-ERR syntax error\r\n"},
        {"CLIENT TRACKING on REDIRECT", "-ERR syntax error\r\n"},
        {"CLIENT TRACKING on REDIRECT x", "-ERR value is not an integer or out of range\r\n"},
        {"CLIENT TRACKING on REDIRECT 99",
         "-ERR The client ID you want redirect to does not exist\r\n"},
        {"CLIENT TRACKING on REDIRECT 3 REDIRECT 3",
         "-ERR A client can only redirect to a single other client\r\n"},
        {"CLIENT TRACKING on PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled\r\n"},
        {"CLIENT TRACKING on BCAST OPTIN",
         "-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n"},
        {"CLIENT TRACKING on OPTIN OPTOUT",
         "-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n"},
        {"CLIENT TRACKING on BCAST PREFIX b PREFIX a PREFIX ab",
         "-ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single "
         "client must not overlap.\r\n"},
        {"CLIENT CACHING yes", "-ERR CLIENT CACHING can be called only when the client is in "
                               "tracking mode with OPTIN or OPTOUT mode enabled\r\n"},
        {"CLIENT TRACKINGINFO", "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n"
                                "$8\r\nprefixes\r\n*0\r\n"},
        {"CLIENT GETREDIR", ":-1\r\n"},
        {"CLIENT TRACKING on OPTIN NOLOOP", "+OK\r\n"},
        {"CLIENT CACHING no",
         "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n"},
        {"CLIENT CACHING yes", "+OK\r\n"},
        {"CLIENT TRACKINGINFO",
         "*6\r\n$5\r\nflags\r\n*4\r\n$2\r\non\r\n$5\r\noptin\r\n$11\r\ncaching-yes\r\n"
         "$6\r\nnoloop\r\n$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*0\r\n"},
        {"PING", "+PONG\r\n"},
        {"CLIENT TRACKINGINFO", "*6\r\n$5\r\nflags\r\n*3\r\n$2\r\non\r\n$5\r\noptin\r\n"
                                "$6\r\nnoloop\r\n$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*0\r\n"},
        {"CLIENT TRACKING on OPTOUT",
         "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
         "then re-enabling it with a different mode.\r\n"},
        {"CLIENT TRACKING on BCAST",
         "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and "
         "then re-enabling it with a different mode.\r\n"},
        {"CLIENT TRACKING off", "+OK\r\n"},
        {"CLIENT TRACKING on BCAST PREFIX b PREFIX a", "+OK\r\n"},
        {"CLIENT TRACKING on BCAST PREFIX ac",
         "-ERR Prefix 'ac' overlaps with an existing prefix 'a'. Prefixes for a single client "
         "must not overlap.\r\n"},
        {"CLIENT TRACKINGINFO",
         "*6\r\n$5\r\nflags\r\n*2\r\n$2\r\non\r\n$5\r\nbcast\r\n"
         "$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
    };
    node_driver d;
    driver_start(&d, 1, 0);
    driver_expect_rows(&d, 0, rows, COUNT_OF(rows));
    driver_stop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_described_by_what_it_does),
        cmocka_unit_test(wrong_arguments_get_the_servers_words),
        cmocka_unit_test(others_are_killed_at_once_oneself_after_the_reply),
        cmocka_unit_test(nothing_follows_in_exec_after_killing_oneself),
        cmocka_unit_test(replies_can_be_switched_off),
        cmocka_unit_test(a_pause_holds_writes_until_its_time_is_over),
        cmocka_unit_test(unpause_lets_go_what_waits),
        cmocka_unit_test(a_pause_of_all_holds_even_ping),
        cmocka_unit_test(who_waits_can_be_unblocked),
        cmocka_unit_test(a_tracked_key_is_invalidated_once),
        cmocka_unit_test(a_replica_invalidates_what_its_primary_changes),
        cmocka_unit_test(no_more_keys_are_tracked_than_configured),
        cmocka_unit_test(resp2_hears_by_way_of_a_redirect),
        cmocka_unit_test(broadcast_comes_after_the_turn),
        cmocka_unit_test(tracking_options_must_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
